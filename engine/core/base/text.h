#pragma once
// Small operations on text: ASCII characters, blanks, lists of words, words in quotes.
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

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// A letter or digit of ASCII, in each locale.
constexpr bool is_letter_or_digit(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}
/// What most names consist of: letters and digits of ASCII, "-" and "_".
constexpr bool is_name_character(char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; }
/// Whether `text` is one digit or more, and nothing else.
inline bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}
/// The value of a hexadecimal digit, 0 to 15; -1 for another character.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/// What is left out at the ends of a text, and makes a line of blanks empty.
inline constexpr std::string_view kBlanks = " \t\r\n";
/// Whether `text` is empty or consists of blanks.
constexpr bool is_blank(std::string_view text, std::string_view blanks = kBlanks) {
  return text.find_first_not_of(blanks) == std::string_view::npos;
}
/// `text` without the blanks at its ends.
constexpr std::string_view trimmed(std::string_view text, std::string_view blanks = kBlanks) {
  if (is_blank(text, blanks)) return {};
  const std::size_t first = text.find_first_not_of(blanks);
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
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
