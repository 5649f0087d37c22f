#include "nodes/nodes.h"

namespace onward {
namespace {
constexpr Duration kLongest = std::chrono::days{3653};  // ten years

/// Holds a contact for a fixed time, then lets it leave by "next".
class Wait final : public Node {
 public:
  explicit Wait(Settings& settings) : length_{settings.required<Duration>("for")} {
    if (const Tree* tree = settings.find("for");
        tree && (length_ < Duration::zero() || length_ > kLongest)) {
      settings.error(tree->at, "bad_duration",
                     "\"for\" wants a time from 0s to ten years, found " + describe(*tree));
    }
  }

  Outcome enter(const Visit& visit) const override { return hold_until(visit.arrived + length_); }
  Outcome wake(const Visit&, const WakeCause&) const override { return leave_by("next"); }

 private:
  Duration length_;
};
}  // namespace

NodeKind wait_kind() {
  return {.name = "wait",
          .family = NodeFamily::Wait,
          .summary = "Holds a contact for a fixed time.",
          .settings = {{"for", SettingType::Duration, "How long to hold: 90s, 2h, 3d",
                        /*required=*/true}},
          .make = make_node<Wait>};
}
}  // namespace onward
