#include "nodes/nodes.h"

namespace onward {
namespace {
/// Starts a run when an event arrives.
class Trigger final : public Node {
 public:
  explicit Trigger(Settings& settings)
      : listens_{EventListen{.events = settings.event_names("event"),
                             .where = settings.segment("where")}} {}

  const Listen& listens() const override { return listens_; }
  // The run that it started goes straight on.
  Outcome enter(const Visit&) const override { return leave_by("next"); }

 private:
  Listen listens_;
};
}  // namespace

NodeKind trigger_kind() {
  return {.name = "trigger",
          .family = NodeFamily::Trigger,
          .summary = "Starts a run when an event arrives.",
          .settings = {{"event", SettingType::EventNames,
                        "The event, a list of events, or any: subscription", /*required=*/true},
                       {"where", SettingType::Segment,
                        "Only contacts and events that match: { event.form: newsletter }"}},
          .make = make_node<Trigger>};
}
}  // namespace onward
