#include "engine/core/scenario/node.h"

#include <algorithm>

namespace onward {
SegmentSubject Visit::segment_subject() const {
  return {.contact = contact,
          .engagement = engagement,
          .event = event,
          .now = now.at,
          .timezone = timezone,
          .work = work};
}

TemplateSubject Visit::template_subject(std::string_view run_text, WorkBudget& room_left) const {
  return {.contact = contact,
          .engagement = engagement,
          .event = event,
          .run = run_text,
          .scenario = scenario,
          .scenario_title = scenario_title,
          .room = &room_left};
}

const Listen& Node::listens() const {
  static const Listen kNothing;
  return kNothing;
}

// Only triggers are never entered, and only nodes that hold are woken; a run that gets here has met
// a state written by another version of Onward.
Outcome Node::enter(const Visit&) const { return park("not_entered"); }

Outcome Node::wake(const Visit&, const WakeCause&) const { return park("not_woken"); }

const NodeKind* find_kind(std::span<const NodeKind> kinds, std::string_view name) {
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const NodeKind& kind) { return kind.name == name; });
  return found == kinds.end() ? nullptr : &*found;
}
}  // namespace onward
