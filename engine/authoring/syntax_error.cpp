#include "engine/authoring/syntax_error.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/text.h"
#include "engine/core/base/utf8.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
constexpr std::size_t kShownMax = 40;

std::atomic<std::uint64_t> colons_explained{0};

Diagnostic error(Position at, std::string code, std::string message) {
  return {Severity::Error, at, std::move(code), std::move(message), {}};
}

/// A line's text, or a part of it, without blanks at its ends.
std::string_view trim(std::string_view text) { return trimmed(text, " \t"); }

std::string shown(std::string_view text) {
  return count_characters(text) <= static_cast<int>(kShownMax) ? std::string{text}
                                                               : clipped(text, kShownMax);
}

int indentation(std::string_view line) {
  const std::size_t first = line.find_first_not_of(' ');
  return first == std::string_view::npos ? -1 : static_cast<int>(first);
}

/// Whether `c` may stand in a key as people write them.
bool is_key_letter(char c) { return is_name_character(c) || c == '.' || c == '$'; }

std::size_t key_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && is_key_letter(text[length])) ++length;
  return length;
}

/// The line's text without indentation, a list's dashes, and a comment.
std::string_view content(std::string_view line) {
  std::string_view text = trim(line);
  while (text.starts_with("- ")) text = trim(text.substr(2));
  if (text.starts_with('#')) return {};
  if (const std::size_t comment = text.find(" #"); comment != std::string_view::npos)
    text = trim(text.substr(0, comment));
  return text;
}

/// Whether the text has a key's colon: one before a space or the end.
bool has_colon(std::string_view text) {
  return text.ends_with(':') || text.find(": ") != std::string_view::npos;
}

/// The nearest line above `line` that is neither empty nor a comment; 0 where there is none.
int line_above(const SourceText& source, int line) {
  for (int above = line - 1; above > 0; --above)
    if (!content(source.line(above)).empty()) return above;
  return 0;
}

Position at_content(const SourceText& source, int line) {
  const std::string_view text = source.line(line);
  std::size_t first = static_cast<std::size_t>(std::max(indentation(text), 0));
  while (text.substr(first).starts_with("- ")) {
    const std::size_t next = text.find_first_not_of(' ', first + 1);
    if (next == std::string_view::npos) break;  // nothing but blanks behind the dash
    first = next;
  }
  return {line, count_characters(text.substr(0, first)) + 1};
}

std::optional<Diagnostic> tab(const SourceText& source, int line) {
  const auto indented_by_tab = [&](int number) {
    const std::string_view text = source.line(number);
    const std::size_t first = text.find_first_not_of(" \t");
    return first != std::string_view::npos && text.substr(0, first).find('\t') < first;
  };
  if (!indented_by_tab(line)) return std::nullopt;
  int others = -1;
  for (int i = 1; i <= static_cast<int>(source.lines()); ++i) others += indented_by_tab(i) ? 1 : 0;
  std::string message = "this line is indented with a tab; use spaces, two for each level";
  if (others > 0)
    message += fmt::format(" (so {} {} other line{})", others == 1 ? "is" : "are", others,
                           others == 1 ? "" : "s");
  const int column = static_cast<int>(source.line(line).find('\t')) + 1;
  return error({line, column}, "tab", message);
}

/// A quoted text that runs over several lines and after which nothing fits: most likely its closing
/// quote was forgotten, and the next quote in the file closed it.
std::optional<Diagnostic> runaway_quote(const SourceText& source, const ParseState& state,
                                        Position at) {
  if (!state.last_quoted || state.last_scalar.line >= at.line) return std::nullopt;
  const std::string_view line = source.line(state.last_scalar.line);
  // Closed on its own line: not this quote's fault.
  const std::size_t open = line.find_first_of("\"'");
  if (open == std::string_view::npos) return std::nullopt;
  const char quote = line[open];
  if (std::count(line.begin(), line.end(), quote) % 2 == 0) return std::nullopt;
  return error(state.last_scalar, "unclosed_quote",
               "the quote that opens here is not closed on this line");
}

/// Where the text between two columns of a line ends with a quote or bracket, "text follows" it.
std::optional<Diagnostic> text_after(const SourceText& source, Position at) {
  const std::string_view line = source.line(at.line);
  const std::size_t byte = character_place(line, at.column - 1);
  const std::string_view before = trim(line.substr(0, byte));
  if (before.empty()) return std::nullopt;
  if (const std::size_t open = find_placeholder(line.substr(0, byte));
      open != std::string_view::npos && before.ends_with('}'))
    return explain_unquoted_placeholder({at.line, count_characters(line.substr(0, open)) + 1});
  if (before.ends_with('"') || before.ends_with('\'') || before.ends_with('}') ||
      before.ends_with(']')) {
    const bool quote = before.ends_with('"') || before.ends_with('\'');
    return error(at, quote ? "text_after_quote" : "text_after_bracket",
                 fmt::format("\"{}\" follows a value that is already complete; {}",
                             shown(trim(line.substr(byte))),
                             quote ? "put the whole value in one pair of quotes"
                                   : "remove it, or put the whole value in quotes"));
  }
  return std::nullopt;
}

/// A line whose indentation fits nothing around it.
Diagnostic bad_indentation(const SourceText& source, const ParseState& state, Position at) {
  const int found = std::max(indentation(source.line(at.line)), 0);
  // The innermost mapping is closed by now; the line above still shows its level.
  const int above = line_above(source, at.line);
  std::vector<int> levels;
  if (above > 0) levels.push_back(std::max(indentation(source.line(above)), 0));
  for (auto open = state.open.rbegin(); open != state.open.rend(); ++open)
    if (!open->flow) levels.push_back(open->at.column - 1);
  if (levels.empty()) levels.push_back(0);
  std::string expected;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] == found)
      return error(at, "indentation",
                   "this does not fit here; each line of a mapping is \"key: value\"");
    if (i > 0 && levels[i] == levels[i - 1]) continue;
    if (!expected.empty()) expected += " or ";
    expected += std::to_string(levels[i]);
  }
  return error(at, "indentation",
               fmt::format("this line is indented by {} space{}, which fits nothing above it; "
                           "expected {}",
                           found, found == 1 ? "" : "s", expected));
}

/// "illegal map value": a colon where none can stand.
Diagnostic misplaced_colon(const SourceText& source, const ParseState& state, Position at) {
  const std::string_view text = content(source.line(at.line));
  const std::size_t first_colon = text.find(": ");
  const Position begin = at_content(source, at.line);
  if (first_colon != std::string_view::npos &&
      at.column > begin.column + count_characters(text.substr(0, first_colon))) {
    return error(at, "second_colon",
                 "a second colon in one line; put the value in quotes, or begin a new line");
  }
  const int above = line_above(source, at.line);
  if (above > 0) {
    const std::string_view text_above = content(source.line(above));
    if (!has_colon(text_above) && text_above.find_first_of("{}[]") == std::string_view::npos)
      return explain_missing_colon(text_above, at_content(source, above));
    const Position above_at = at_content(source, above);
    if (begin.column > above_at.column && !text_above.ends_with(':')) {
      return error(begin, "indentation",
                   fmt::format("this line is indented deeper than the one above it, which already "
                               "has a value; begin it in column {} as well",
                               above_at.column));
    }
  }
  return bad_indentation(source, state, begin);
}

/// A bracket that was not closed, or members without a comma.
Diagnostic unclosed_flow(const SourceText& source, const ParseState& state, Position at) {
  const auto open = std::find_if(state.open.rbegin(), state.open.rend(),
                                 [](const ParseState::Open& o) { return o.flow; });
  if (open == state.open.rend()) return error(at, "unclosed_bracket", "a bracket is not closed");
  const char bracket = open->map ? '{' : '[';
  if (open->at.line == at.line) {
    const std::string_view line = source.line(at.line);
    const char next = at.column <= static_cast<int>(line.size())
                          ? line[static_cast<std::size_t>(at.column - 1)]
                          : '\0';
    if (next == ':' || next == '"' || next == '\'' || next == '{' || next == '[')
      return error(at, "missing_comma",
                   fmt::format("a comma is missing before this, inside the \"{}\" of column {}",
                               bracket, open->at.column));
  }
  return explain_unclosed_bracket(bracket, open->at);
}

Diagnostic stray_bracket(const ParseState& state, const SourceText& source, Position at) {
  const std::string_view line = source.line(at.line);
  const std::size_t byte = character_place(line, at.column - 1);
  const char bracket = byte < line.size() ? line[byte] : '}';
  if (!state.open.empty() && state.open.back().flow) {
    const auto& open = state.open.back();
    return error(at, "stray_bracket",
                 fmt::format("\"{}\" cannot close the \"{}\" of line {}, column {}", bracket,
                             open.map ? '{' : '[', open.at.line, open.at.column));
  }
  return error(
      at, "stray_bracket",
      fmt::format("this \"{}\" closes nothing; remove it, or put the value in quotes", bracket));
}

/// "end of map not found" and its like: something that cannot follow what stands before it.
Diagnostic does_not_fit(const SourceText& source, const ParseState& state, Position at,
                        bool in_map) {
  if (auto found = text_after(source, at)) return *std::move(found);
  const std::string_view text = trim(source.line(at.line));
  const bool item = text.starts_with("- ") || text == "-";
  if (in_map && item && !state.open.empty() && state.open.back().at.column == at.column)
    return error(at, "list_in_mapping",
                 "a list item (\"- \") stands among the keys of a mapping; indent it below the key "
                 "that it belongs to");
  if (!in_map && !item && !state.open.empty() && state.open.back().at.column == at.column)
    return error(at, "key_in_list",
                 "this line stands among the items of a list but does not begin with \"- \"");
  return bad_indentation(source, state, at);
}

Diagnostic unknown_token(const SourceText& source, Position at) {
  const std::string_view line = source.line(at.line);
  const std::size_t first = line.find_first_of("@`%");
  const char found = first == std::string_view::npos ? '@' : line[first];
  return error(at, "unquoted_text",
               fmt::format("a value that begins with \"{}\" must stand in quotes", found));
}
}  // namespace

Diagnostic explain_unclosed_bracket(char bracket, Position at) {
  return error(at, "unclosed_bracket",
               fmt::format("the \"{}\" that opens here is not closed by a \"{}\"", bracket,
                           bracket == '{' ? '}' : ']'));
}

bool closes_bracket(std::string_view text, std::size_t pos) {
  std::size_t depth = 0;
  for (std::size_t i = pos; i < text.size(); ++i) {
    const char c = text[i];
    const bool begins = i == 0 || std::string_view{" \t\n[{,"}.find(text[i - 1]) != text.npos;
    if (begins && (c == '"' || c == '\'')) {
      for (++i; i < text.size() && text[i] != c; ++i)
        if (c == '"' && text[i] == '\\') ++i;
    } else if (begins && c == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if ((c == ']' || c == '}') && --depth == 0) {
      return true;
    }
  }
  return false;
}

std::uint64_t missing_colons_explained() { return colons_explained.load(); }

Diagnostic explain_unquoted_placeholder(Position at) {
  return error(at, "unquoted_placeholder",
               "a text with a placeholder must stand in quotes: \"{{ … }}\"");
}

Diagnostic explain_missing_colon(std::string_view text, Position at) {
  ++colons_explained;
  const std::size_t length = key_length(text);
  const std::string_view key = text.substr(0, length);
  const std::string_view rest = text.substr(length);
  if (!key.empty() && rest.starts_with(':') && rest.size() > 1) {
    const std::string fixed = fmt::format("{}: {}", key, trim(rest.substr(1)));
    return error(at, "missing_space",
                 fmt::format("a space is missing after the colon; write \"{}\"", shown(fixed)));
  }
  if (!key.empty() && rest.starts_with(' ')) {
    const std::string fixed = fmt::format("{}: {}", key, trim(rest));
    return error(at, "missing_colon", "a colon is missing" + did_you_mean(shown(fixed)));
  }
  return error(
      at, "missing_colon",
      fmt::format("\"{}\" has no colon; each line of a mapping is \"key: value\"", shown(text)));
}

Diagnostic explain_syntax_error(const SourceText& source, const ParseState& state,
                                std::string_view complaint, Position at) {
  if (auto found = tab(source, at.line)) return *std::move(found);
  if (auto found = runaway_quote(source, state, at)) return *std::move(found);
  const auto says = [&](std::string_view words) {
    return complaint.find(words) != std::string_view::npos;
  };
  if (says("illegal map value") || says("illegal map key"))
    return misplaced_colon(source, state, at);
  if (says("end of map flow") || says("end of sequence flow"))
    return unclosed_flow(source, state, at);
  if (says("end of map")) return does_not_fit(source, state, at, /*in_map=*/true);
  if (says("end of sequence")) return does_not_fit(source, state, at, /*in_map=*/false);
  if (says("illegal flow end")) return stray_bracket(state, source, at);
  if (says("unknown token")) return unknown_token(source, at);
  if (says("referenced anchor") || says("scanning alias") || says("after *"))
    return error(at, "alias",
                 "aliases (*name) are not supported; write the value out, or put it in quotes");
  if (says("illegal tab"))
    return error(at, "tab", "a tab stands where only spaces may; replace it");
  if (says("anchor"))
    return error(at, "anchor",
                 "anchors (&name) are not supported; remove it, or put the value in quotes");
  if (says("escape") || says("hex number") || says("invalid unicode"))
    return error(at, "bad_escape",
                 "unknown escape after \"\\\"; write \"\\\\\" for a backslash, or use single "
                 "quotes");
  if (says("illegal EOF in scalar") || says("document indicator"))
    return error(state.last_scalar.line > 0 ? state.last_scalar : at, "unclosed_quote",
                 "a quote that opens before this is not closed");
  if (says("block scalar"))
    return error(at, "unquoted_text",
                 "a value that begins with \"|\" or \">\" and goes on in the same line must stand "
                 "in quotes");
  if (says("illegal block entry"))
    return error(at, "list_in_mapping",
                 "a list cannot begin here; put \"- \" on a line of its own, below the key");
  if (says("tag")) return error(at, "tag", "tags (!name) are not supported; remove it");
  return error(at, "syntax", fmt::format("this is not YAML: {}", complaint));
}
}  // namespace onward
