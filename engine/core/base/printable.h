#pragma once
// Text from elsewhere, made safe for terminals.
#include <string>
#include <string_view>

namespace onward {
/// Whether a terminal would act on the character, or hide it or its neighbours: see `printable`.
/// Not for newline and tab.
bool acts_on_terminal(char32_t point);
/// `text` without characters that act on a terminal or hide what is there: the controls of ASCII
/// (but newline and tab) and of ECMA-48, DEL, those that change the direction of text, and those
/// without width (but those that choose the form of an emoji). They become `\x1b` (below U+0020) or
/// `\u202e`; bytes that are not UTF-8 become
/// `\xff`. What is escaped in a JSON text stays JSON with the same meaning.
std::string printable(std::string_view text);
/// The same in one line: newlines and tabs become `\x0a` and `\x09`, so that a text cannot pass for
/// more than one.
std::string printable_line(std::string_view text);
}  // namespace onward
