#pragma once
// What messages repeat of a caller's own words.
#include <cstddef>
#include <string>
#include <string_view>

namespace onward {
/// A caller's own word as a message repeats it: at most `bytes_max` bytes and whole characters,
/// then "…" where there is more.
std::string clipped(std::string_view text, std::size_t bytes_max = 80);
/// The beginning of a text: at most `bytes_max` bytes, cut between two characters.
std::string_view leading_characters(std::string_view text, std::size_t bytes_max);
}  // namespace onward
