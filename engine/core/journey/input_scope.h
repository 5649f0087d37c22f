#pragma once
// What the parts of one `advance` share. For the files of this folder only.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/now.h"
#include "engine/core/base/work_budget.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/derived_events.h"
#include "engine/core/scenario/catalog.h"
#include "engine/core/segment/segment.h"

namespace onward {
inline std::optional<Instant> earlier(const std::optional<Instant>& a,
                                      const std::optional<Instant>& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

inline bool matches_event(const std::vector<std::string>& events, std::string_view type) {
  return std::ranges::any_of(
      events, [&](const std::string& event) { return event == type || event == kAnyEvent; });
}

/// What all parts read, and how much the input may still cause.
struct InputScope {
  const Catalog& catalog;
  const ContactState& state;
  const Now& now;
  DerivedEvents derived = {};
  ConditionWork conditions = {};          ///< What conditions may still take,
  WorkBudget rendering{kInputRenderMax};  ///< and what may still be rendered.
  int visits = 0;
  std::uint64_t looks = 0;  ///< At live runs.

  /// Past the bounds of one input nothing arrives: see `kCascadeVisits`.
  bool at_limit() const { return visits >= kCascadeVisits || derived.depth() > kCascadeDepth; }

  /// Of conditions of the scenario `home`, in a version with this time zone.
  SegmentSubject subject(const CatalogScenario& home, std::string_view timezone,
                         const Event* event = nullptr) {
    return {.contact = state.contact,
            .engagement = state.engagement,
            .event = event,
            .now = now.at,
            .timezone = timezone,
            .work = &conditions.of(home.key)};
  }
};
}  // namespace onward
