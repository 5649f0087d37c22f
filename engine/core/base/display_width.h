#pragma once
// How wide a terminal shows a character (Unicode's East Asian Width and combining marks, in
// blocks).

namespace onward {
/// Columns that a character takes: two for a wide one of East Asia or an emoji, none for a mark
/// that joins the character before it. Not for those that `acts_on_terminal` (printable.h) names.
constexpr int display_width(char32_t point) {
  if ((point >= 0x0300 && point <= 0x036f) || (point >= 0xfe00 && point <= 0xfe0f)) return 0;
  const bool wide = (point >= 0x1100 && point <= 0x115f) || (point >= 0x2e80 && point <= 0xa4cf) ||
                    (point >= 0xac00 && point <= 0xd7a3) || (point >= 0xf900 && point <= 0xfaff) ||
                    (point >= 0xfe30 && point <= 0xfe6f) || (point >= 0xff00 && point <= 0xff60) ||
                    (point >= 0xffe0 && point <= 0xffe6) ||
                    (point >= 0x1f300 && point <= 0x1faff) ||
                    (point >= 0x20000 && point <= 0x3fffd);
  return wide ? 2 : 1;
}
}  // namespace onward
