#pragma once
// Tables of plain text: numbers to the right, names to the left, never wider than the terminal.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/styled_text.h"

namespace onward {
/// A table of this width is never cut: what a program reads has no edge.
inline constexpr std::size_t kEndless = static_cast<std::size_t>(-1);

enum class Align { Left, Right };
struct Column {
  std::string title;
  Align align = Align::Left;
  bool shrinks = false;  ///< Is cut, with an ellipsis, where the table is too wide.
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_{std::move(columns)} {}
  /// As many cells as there are columns.
  void add(std::vector<std::string> cells);
  /// A line below the latest row, indented and never cut.
  void note(std::string text);
  /// The style of a cell of the latest row.
  void paint(std::size_t column, Style style);
  bool empty() const { return rows_.empty(); }
  /// Two blanks between columns, no trailing blanks; the titles are bold.
  StyledText text(std::size_t width) const;

 private:
  std::vector<std::size_t> widths(std::size_t most) const;
  std::vector<Column> columns_;
  struct Row {
    std::vector<std::string> cells;
    std::vector<std::string> notes;
    std::map<std::size_t, Style> styles;
  };
  std::vector<Row> rows_;
};

/// Columns that a text takes: its code points, wide East Asian ones twice, combining marks none.
std::size_t display_width(std::string_view text);
/// The text in at most `width` columns, "…" last where it was cut.
std::string fitted(std::string_view text, std::size_t width);
/// 1234567 as "1,234,567".
std::string grouped(std::int64_t number);
}  // namespace onward
