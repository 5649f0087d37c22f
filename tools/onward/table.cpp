#include "tools/onward/table.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/core/base/display_width.h"
#include "engine/core/base/printable.h"
#include "engine/core/base/utf8.h"

namespace onward {
namespace {
constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;

/// Takes the character at the front of `text`, and returns its width; of malformed UTF-8 one byte,
/// of width 1.
std::size_t take_width(std::string_view& text) {
  const auto [point, length] = first_character(text);
  text.remove_prefix(std::max<std::size_t>(length, 1));
  return length == 0 ? 1 : static_cast<std::size_t>(display_width(point));
}
}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) width += take_width(text);
  return width;
}

std::string fitted(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string{text};
  std::string_view rest = text;
  std::size_t used = 0;
  while (!rest.empty()) {
    std::string_view after = rest;
    const std::size_t next = take_width(after);
    if (used + next + 1 > width) break;
    used += next;
    rest = after;
  }
  return std::string{text.substr(0, text.size() - rest.size())} + "…";
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

void Table::add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  // A cell stays in its line.
  for (std::string& cell : cells) {
    cell = printable(cell);
    std::ranges::replace_if(
        cell, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  }
  rows_.push_back({std::move(cells), {}, {}});
}

void Table::paint(std::size_t column, Style style) {
  assert(!rows_.empty());
  rows_.back().styles[column] = style;
}

void Table::note(std::string text) {
  assert(!rows_.empty());
  rows_.back().notes.push_back(printable(text));
}

/// As wide as the widest cell; where that is too much, the widest shrinking column gives way.
std::vector<std::size_t> Table::widths(std::size_t most) const {
  std::vector<std::size_t> widths;
  std::size_t total = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row.cells[i]));
    widths.push_back(width);
    total += width + (i > 0 ? kGap : 0);
  }
  while (total > most) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i].shrinks && widths[i] > kNarrowest &&
          (widest == columns_.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

StyledText Table::text(std::size_t width) const {
  const std::vector<std::size_t> wide = widths(width);
  const auto line = [&](const auto& cell_of, const std::map<std::size_t, Style>& styles) {
    StyledText cells;
    std::size_t blanks = 0;  // Due before the next cell that is not empty.
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string cell = fitted(cell_of(i), wide[i]);
      const std::size_t padding = wide[i] - std::min(wide[i], display_width(cell));
      const bool right = columns_[i].align == Align::Right;
      blanks += (i > 0 ? kGap : 0) + (right ? padding : 0);
      if (cell.find_first_not_of(' ') != cell.npos) {
        const auto style = styles.find(i);
        cells += std::string(std::exchange(blanks, 0), ' ');
        cells += {style == styles.end() ? Style::Plain : style->second, cell};
      } else {
        blanks += cell.size();
      }
      blanks += right ? 0 : padding;
    }
    return cells;
  };
  StyledText out{Style::Bold, line([&](std::size_t i) { return columns_[i].title; }, {}).plain()};
  out += "\n";
  for (const Row& row : rows_) {
    out += line([&](std::size_t i) { return row.cells[i]; }, row.styles) + "\n";
    for (const std::string& note : row.notes) out += "    " + note + "\n";
  }
  return out;
}
}  // namespace onward
