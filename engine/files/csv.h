#pragma once
// CSV (RFC 4180), a row at a time: quotes, newlines inside of them, any delimiter of one byte.
#include <cstddef>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"

namespace onward {
/// What a row may have; beyond it is refused.
inline constexpr std::size_t kCsvRowBytesMax = std::size_t{1} << 20;

/// Gives the next piece of a text, which ends behind a line end ("\n", "\r\n", "\r") or, in a very
/// long line, before one; false at the end.
using NextPiece = std::function<bool(std::string& piece)>;
NextPiece pieces_of(std::string_view text);  ///< The text must outlive it.
NextPiece pieces_of(std::istream& in);       ///< The stream must outlive it.

struct CsvRow {
  std::size_t line = 0;  ///< Of the file, on which it begins, from 1.
  std::vector<std::string> cells;
  std::string text;            ///< As read, without its last line end.
  std::optional<Error> fault;  ///< Why it is no row; then there are no cells.
};

/// Reads rows; empty lines are passed over. A byte order mark is taken off, and a first line such
/// as "sep=;" names the delimiter. A row that is none (a stray quote, bytes that are no UTF-8)
/// has a fault, and reading goes on behind it.
class CsvReader {
 public:
  /// `delimiter` 0: found in the first line, which is then the one of `,` `;` tab and `|` that
  /// occurs most.
  explicit CsvReader(NextPiece next, char delimiter = 0);
  ~CsvReader();
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  /// False at the end.
  bool next(CsvRow& row);
  /// Known once the first row was read.
  char delimiter() const { return delimiter_; }

 private:
  struct Parser;
  bool read(std::string& piece);
  void begin(std::string& piece);
  void refuse(CsvRow& row, std::string code, std::string message);

  NextPiece next_;
  char delimiter_;
  std::unique_ptr<Parser> parser_;
  std::size_t line_ = 1;  // of the next piece
  bool begun_ = false;
};

/// Whether cells may be separated by it: a tab or a printable ASCII character other than a quote. A
/// byte of a longer character would cut that character in two.
bool is_csv_delimiter(char c);
/// The delimiter that a user named: "tab", "\t" in two characters, or the character itself.
std::optional<char> parse_csv_delimiter(std::string_view text);

/// Which of the delimiters the line uses; a comma where it uses none.
char detect_delimiter(std::string_view line);

/// Appends a cell, quoted where it must be.
void append_csv_cell(std::string& out, std::string_view cell, char delimiter);
/// A whole row with "\r\n" behind it.
std::string csv_row(const std::vector<std::string>& cells, char delimiter = ',');

/// A spreadsheet takes a cell that begins with = + - @ tab or CR for a formula. Guarded, it has a
/// ' before it, which `unguard_formula` takes off again; so has a text that looks guarded already.
std::string guard_formula(std::string_view cell);
std::string_view unguard_formula(std::string_view cell);
}  // namespace onward
