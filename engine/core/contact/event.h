#pragma once
// Something a contact did, or that happened to one.
#include <string>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"

namespace onward {
/// Events that the engine itself causes, when an input or a node changes a contact.
inline constexpr std::string_view kGroupJoinedEvent = "group_joined";        ///< data.group
inline constexpr std::string_view kGroupLeftEvent = "group_left";            ///< data.group
inline constexpr std::string_view kContactUpdatedEvent = "contact_updated";  ///< data.fields

/// How far ahead of our clock an event's `at` may be.
inline constexpr Duration kAheadMax = std::chrono::minutes{5};

/// In a scenario: whatever the event. No event is called so.
inline constexpr std::string_view kAnyEvent = "any";

/// `type` is canonical (see vocabulary.h); `data` is a map or null; `at` is data and orders
/// nothing.
struct Event {
  std::string type;
  Instant at{};
  Value data;
  bool operator==(const Event&) const = default;
};
}  // namespace onward
