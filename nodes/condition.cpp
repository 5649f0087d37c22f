#include "nodes/nodes.h"

namespace onward {
namespace {
/// Asks a segment once, on arrival, and lets the contact leave by Yes or No.
class Condition final : public Node {
 public:
  explicit Condition(Settings& settings) : segment_{settings.segment("if")} {}

  Outcome enter(const Visit& visit) const override {
    Segment::Judgement judged = segment_.judge(visit.segment_subject());
    Outcome outcome = leave_by(judged.truth == Truth::Yes ? "yes" : "no");
    outcome.unknown = judged.truth == Truth::Unknown;
    outcome.too_much_work = judged.too_much_work;
    outcome.note = std::move(judged.why);
    return outcome;
  }

 private:
  Segment segment_;
};
}  // namespace

NodeKind condition_kind() {
  return {.name = "condition",
          .family = NodeFamily::Condition,
          .summary = "Asks a segment once, when the contact arrives: Yes or No.",
          .settings = {{"if", SettingType::Segment,
                        "The segment: { email: { is: jane@example.org } }", /*required=*/true}},
          .ports = {"yes", "no"},
          .make = make_node<Condition>};
}
}  // namespace onward
