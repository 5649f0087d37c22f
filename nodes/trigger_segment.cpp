#include "nodes/nodes.h"

namespace onward {
namespace {
/// Starts a run when a contact comes to match a segment, or asks everybody once at an instant.
class TriggerSegment final : public Node {
 public:
  explicit TriggerSegment(Settings& settings)
      : listens_{SegmentListen{.segment = settings.segment("if"),
                               .backfill = settings.optional<bool>("backfill").value_or(false),
                               .at = settings.optional<Instant>("at")}} {
    const auto& listen = std::get<SegmentListen>(listens_);
    const Tree* backfill = settings.find("backfill");
    if (listen.segment.reads().event_data)
      settings.error(settings.find("if")->at, "no_event",
                     "\"if\" reads event.…, but no event starts this run; ask the contact's fields "
                     "and opened, clicked or received");
    if (backfill && settings.has("at"))
      settings.error(backfill->at, "conflict",
                     "\"backfill\" and \"at\" exclude each other: \"at\" asks everybody at that "
                     "time, so there is nobody left to enter late");
  }

  const Listen& listens() const override { return listens_; }
  // The run that it started goes straight on.
  Outcome enter(const Visit&) const override { return leave_by("next"); }

 private:
  Listen listens_;
};
}  // namespace

NodeKind trigger_segment_kind() {
  return {.name = "trigger_segment",
          .family = NodeFamily::Trigger,
          .summary = "Starts a run when a contact comes to match a segment.",
          .settings = {{"if", SettingType::Segment,
                        "The segment: { not: { opened: { within: 90d } } }", /*required=*/true},
                       {"backfill", SettingType::Flag,
                        "true: those who match when the scenario is activated enter as well"},
                       {"at", SettingType::Instant,
                        "Ask everybody once, at this time, instead: 2026-05-01T09:00"}},
          .make = make_node<TriggerSegment>};
}
}  // namespace onward
