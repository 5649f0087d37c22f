#pragma once
// What several kinds of node read alike.
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/scenario/settings.h"

namespace onward {
/// How messages of a text's reader begin: `node "call": "url"`.
inline std::string name_of_setting(const Settings& settings, std::string_view key) {
  return std::string{"node \""}.append(settings.node()).append("\": \"").append(key).append("\"");
}

/// The duration that a scalar states, if it is from `min` to `max`; nothing for everything else.
inline std::optional<Duration> duration_within(const Tree& tree, Duration min, Duration max) {
  const auto found = tree.is_scalar() ? parse_duration(tree.text) : std::nullopt;
  return found && *found >= min && *found <= max ? found : std::nullopt;
}
}  // namespace onward
