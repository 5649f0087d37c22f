#include "engine/authoring/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/core/base/display_width.h"
#include "engine/core/base/printable.h"
#include "engine/core/base/url_login.h"
#include "engine/core/base/utf8.h"
#include "engine/core/base/value.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
/// Columns of a terminal that a shown line may take.
constexpr int kShownWidth = 100;

/// One character as it is shown, and the columns that it takes.
struct Cell {
  std::string text;
  int width = 1;
};

/// A line by characters; what is no character, or harmful to show, is a "?".
std::vector<Cell> cells_of(std::string_view line) {
  std::vector<Cell> cells;
  while (!line.empty()) {
    const auto [code, length] = first_character(line);
    if (line[0] == '\t')
      cells.push_back({" ", 1});
    else if (length == 0 || line[0] == '\n' || acts_on_terminal(code))
      cells.push_back({"?", 1});
    else
      cells.push_back({std::string{line.substr(0, length)}, display_width(code)});
    line.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return cells;
}

int width_of(const std::vector<Cell>& cells, std::size_t from, std::size_t to) {
  int width = 0;
  for (std::size_t i = from; i < to && i < cells.size(); ++i) width += cells[i].width;
  return width;
}

/// Finds the bytes of places that come in the order of the file, in one pass over each line: a
/// file may be one line of four megabytes with a thousand findings in it.
class Cursor {
 public:
  /// The byte of `at` in its line.
  std::size_t byte_of(std::string_view line, Position at) {
    if (at.line != last_.line || at.column < last_.column) {
      last_ = {at.line, 1};
      byte_ = 0;
    }
    for (; last_.column < at.column && byte_ < line.size(); ++last_.column)
      byte_ = next_character(line, byte_);
    return byte_;
  }

 private:
  Position last_;
  std::size_t byte_ = 0;
};

/// The part of `line` around `caret` that can matter for what is shown: no more than `most` bytes
/// before and after it. `caret` is moved along.
std::string_view neighbourhood(std::string_view line, std::size_t& caret, bool& cut_front,
                               bool& cut_back) {
  constexpr std::size_t kMost = 4 * kShownWidth;
  std::size_t from = caret > kMost ? caret - kMost : 0;
  while (from > 0 && continues_character(line[from])) --from;
  std::size_t to = std::min(line.size(), caret + kMost);
  while (to < line.size() && continues_character(line[to])) ++to;
  cut_front = from > 0;
  cut_back = to < line.size();
  caret -= from;
  return line.substr(from, to - from);
}

/// A part of a line without users and passwords; `part_at` is its place in the line in which the
/// `logins` were found, `caret` a place in the part, which is moved along.
std::string without_logins(std::string_view part, std::size_t part_at,
                           const std::vector<TextSpan>& logins, std::size_t& caret) {
  std::string shown;
  std::size_t at = 0;
  const std::size_t caret_before = caret;
  const auto in_part = [&](std::size_t byte) {
    return std::min(byte > part_at ? byte - part_at : 0, part.size());
  };
  for (const TextSpan& login : logins) {
    const std::size_t from = in_part(login.from);
    const std::size_t to = in_part(login.to);
    if (from == to) continue;
    shown += part.substr(at, from - at);
    if (caret_before >= to)
      caret = caret + kHiddenLogin.size() - (to - from);
    else if (caret_before > from)
      caret = shown.size();
    shown += kHiddenLogin;
    at = to;
  }
  shown += part.substr(at);
  return shown;
}

/// The line and below it a caret under the character at byte `caret`; a long line is cut around it.
StyledText excerpt(std::string_view line, const std::vector<TextSpan>& logins,
                   std::size_t caret_byte) {
  bool cut_front = false;
  bool cut_back = false;
  const std::string_view part = neighbourhood(line, caret_byte, cut_front, cut_back);
  const auto part_at = static_cast<std::size_t>(part.data() - line.data());
  const std::string kept = without_logins(part, part_at, logins, caret_byte);
  line = kept;
  std::vector<Cell> cells = cells_of(line.substr(0, caret_byte));
  const std::size_t caret = cells.size();
  for (Cell& cell : cells_of(line.substr(caret_byte))) cells.push_back(std::move(cell));
  std::size_t from = 0;
  std::size_t to = cells.size();
  if (cut_front || cut_back || width_of(cells, 0, to) > kShownWidth) {
    if (cut_front || width_of(cells, 0, caret) > kShownWidth * 2 / 3) {
      from = caret;
      while (from > 0 && width_of(cells, from - 1, caret) <= kShownWidth / 2) --from;
    }
    to = caret;
    while (to < cells.size() && width_of(cells, from, to + 1) <= kShownWidth) ++to;
  }
  const bool dots_front = from > 0 || cut_front;
  std::string shown = dots_front ? "…" : "";
  for (std::size_t i = from; i < to; ++i) shown += cells[i].text;
  if (to < cells.size() || cut_back) shown += "…";
  const int indent = width_of(cells, from, caret) + (dots_front ? 1 : 0);
  return StyledText{fmt::format("{}\n{:{}}", shown, "", indent)} +
         StyledText{Style::BoldGreen, "^"} + "\n";
}

std::vector<std::string_view> lines_of(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string_view> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string_view word(Severity severity) {
  return severity == Severity::Error ? "error" : "warning";
}

std::string place(std::string_view file, Position at) {
  return at.line > 0 ? fmt::format("{}:{}:{}", file, at.line, at.column) : std::string{file};
}

/// The message with its suggestion.
std::string sentence(const Diagnostic& found) {
  return found.message + did_you_mean(found.nearest);
}

/// Names of files and keys may hold anything; a terminal gets only what is harmless.
std::string harmless(std::string_view text) {
  std::string result;
  for (const Cell& cell : cells_of(text)) result += cell.text;
  return result;
}
}  // namespace

StyledText report_text(std::string_view file, std::string_view text,
                       std::span<const Diagnostic> diagnostics) {
  const auto lines = lines_of(text);
  Cursor cursor;
  std::vector<TextSpan> logins;
  std::size_t logins_of = 0;
  StyledText report;
  for (const Diagnostic& found : diagnostics) {
    report += {Style::Bold, harmless(place(file, found.at)) + ":"};
    report += " ";
    if (found.severity == Severity::Warning) report += {Style::BoldYellow, "warning: "};
    report += harmless(sentence(found)) + "\n";
    const auto line = static_cast<std::size_t>(std::max(found.at.line, 0));
    if (line == 0 || line > lines.size()) continue;
    const std::string_view shown = lines[line - 1];
    if (line != logins_of) logins = url_logins(shown);
    logins_of = line;
    report += excerpt(shown, logins, cursor.byte_of(shown, found.at));
  }
  return report;
}

std::string report_short(std::string_view file, std::span<const Diagnostic> diagnostics) {
  std::string report;
  for (const Diagnostic& found : diagnostics)
    report += fmt::format("{}: {}[{}]: {}\n", harmless(place(file, found.at)), word(found.severity),
                          found.code, harmless(sentence(found)));
  return report;
}

std::string report_json(std::string_view file, std::span<const Diagnostic> diagnostics) {
  ValueList list;
  for (const Diagnostic& found : diagnostics) {
    ValueMap row{{"file", harmless(file)},    {"line", found.at.line},
                 {"column", found.at.column}, {"severity", word(found.severity)},
                 {"code", found.code},        {"message", found.message}};
    if (!found.nearest.empty()) row.emplace_back("nearest", found.nearest);
    list.emplace_back(std::move(row));
  }
  return to_pretty_json(Value{std::move(list)}) + "\n";
}
}  // namespace onward
