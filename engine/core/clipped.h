#pragma once
// What messages repeat of a caller's own words.
#include <string>
#include <string_view>

namespace onward {
/// A caller's own word as a message repeats it: at most 80 bytes and whole characters, then "…".
std::string clipped(std::string_view text);
}  // namespace onward
