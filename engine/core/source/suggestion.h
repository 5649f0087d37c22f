#pragma once
// How messages suggest the name that was perhaps meant (nearest_name).
#include <string>
#include <string_view>

namespace onward {
/// `; did you mean "welcome"?`, to follow what was found; empty where no name is near.
inline std::string did_you_mean(std::string_view nearest) {
  if (nearest.empty()) return {};
  return std::string{"; did you mean \""}.append(nearest).append("\"?");
}

/// `; perhaps "welcome"` and `end`, which some messages have in place of that.
inline std::string perhaps(std::string_view nearest, std::string_view end = "") {
  if (nearest.empty()) return {};
  return std::string{"; perhaps \""}.append(nearest).append("\"").append(end);
}
}  // namespace onward
