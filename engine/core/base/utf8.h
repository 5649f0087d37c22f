#pragma once
// Characters (code points) of UTF-8 text (RFC 3629).
#include <algorithm>
#include <cstddef>
#include <string_view>

namespace onward {
/// Whether a byte continues a character: it begins with the bits 10.
constexpr bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// The place behind the character that begins at `at`.
constexpr std::size_t next_character(std::string_view text, std::size_t at) {
  do ++at;
  while (at < text.size() && continues_character(text[at]));
  return at;
}

/// The place at which character `index`, counted from 0, begins; the end of a text that has fewer.
constexpr std::size_t character_place(std::string_view text, int index) {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at = next_character(text, at);
  return at;
}

/// The number of characters in valid UTF-8.
constexpr int count_characters(std::string_view text) {
  return static_cast<int>(
      std::ranges::count_if(text, [](char c) { return !continues_character(c); }));
}

/// The bytes of the well-formed character at the front of `text`, which is not empty; 0 where it is
/// malformed: cut off, in an overlong form, a surrogate, or beyond U+10FFFF.
constexpr std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80, high = 0xbf;  // bounds of the second byte
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  }
  if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (!continues_character(text[i])) return 0;
  return length;
}

/// A character and the bytes that it takes.
struct Character {
  char32_t point = 0;
  std::size_t length = 0;  ///< 0: malformed.
};
/// The character at the front of `text`, which is not empty.
constexpr Character first_character(std::string_view text) {
  const std::size_t length = character_length(text);
  if (length == 0) return {};
  const auto first = static_cast<unsigned char>(text[0]);
  char32_t point = length == 1 ? first : first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i)
    point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3f);
  return {point, length};
}
}  // namespace onward
