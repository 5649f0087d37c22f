#pragma once
// Small operations on text: ASCII letters, lists of words, words in quotes.
#include <algorithm>
#include <string>
#include <string_view>

#include "engine/core/base/clipped.h"

namespace onward {
/// A capital letter of ASCII as a small one; every other byte unchanged, in each locale.
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
inline std::string lower(std::string_view text) {
  std::string made{text};
  std::ranges::transform(made, made.begin(), [](char c) { return lower(c); });
  return made;
}
/// Whether two texts are equal but for capital letters of ASCII.
inline bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

/// A control character of ASCII, DEL included.
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// The words, one after the other.
template <class Words>
std::string join(const Words& words, std::string_view between = ", ") {
  std::string text;
  bool first = true;
  for (const std::string_view word : words) {
    if (!first) text += between;
    text += word;
    first = false;
  }
  return text;
}

/// A caller's own word in quotes, clipped.
inline std::string quoted(std::string_view text) { return "\"" + clipped(text) + "\""; }
}  // namespace onward
