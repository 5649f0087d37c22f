#include "engine/core/base/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "engine/core/base/utf8.h"
#include "engine/core/base/value.h"

namespace onward {
namespace {
struct Range {
  char32_t first, last;
};
constexpr std::array kActing{
    Range{0x00, 0x08},      Range{0x0b, 0x1f},
    Range{0x7f, 0x9f},      Range{0xad, 0xad},      // soft hyphen
    Range{0x034f, 0x034f},  Range{0x061c, 0x061c},  // grapheme joiner, Arabic letter mark
    Range{0x115f, 0x1160},  Range{0x17b4, 0x17b5},  // Hangul fillers, Khmer vowels
    Range{0x180b, 0x180f},                          // Mongolian variation selectors, separator
    Range{0x200b, 0x200f},                          // zero width, left-to-right and right-to-left
    Range{0x2028, 0x202e},                          // line and paragraph separator, embeddings
    Range{0x2060, 0x206f},                          // word joiner, isolates
    Range{0x3164, 0x3164},                          // Hangul filler
    Range{0xfeff, 0xfeff},  Range{0xffa0, 0xffa0},  // byte order mark, halfwidth Hangul filler
    Range{0xfff9, 0xfffb},                          // annotations
    Range{0xe0000, 0xe0fff}};                       // tags, further variation selectors

/// Most text is plain; it is copied at once.
bool is_plain_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte < 0x7f) || c == '\n' || c == '\t';
}

void append_code_point_escape(std::string& out, char32_t point) {
  const auto to = std::back_inserter(out);
  if (point < 0x20) {
    fmt::format_to(to, "\\x{:02x}", static_cast<std::uint32_t>(point));
  } else if (point <= 0xffff) {
    fmt::format_to(to, "\\u{:04x}", static_cast<std::uint32_t>(point));
  } else {
    const std::uint32_t rest = static_cast<std::uint32_t>(point) - 0x10000;
    fmt::format_to(to, "\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
  }
}
}  // namespace

bool acts_on_terminal(char32_t point) {
  return std::ranges::any_of(
      kActing, [&](const Range& range) { return range.first <= point && point <= range.last; });
}

std::string printable_line(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '\n' || c == '\t')
      append_code_point_escape(out, static_cast<char32_t>(c));
    else
      out += c;
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto end = std::ranges::find_if_not(text, is_plain_byte);
    const auto plain = static_cast<std::size_t>(end - text.begin());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto [point, length] = first_character(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0)
      fmt::format_to(std::back_inserter(out), "\\x{:02x}",
                     static_cast<unsigned char>(character.front()));
    else if (acts_on_terminal(point))
      append_code_point_escape(out, point);
    else
      out += character;
    text.remove_prefix(character.size());
  }
  return out;
}
}  // namespace onward
