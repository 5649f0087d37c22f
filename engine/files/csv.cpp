#include "engine/files/csv.h"

#include <algorithm>
#include <array>
#include <utility>

#include <csv.h>
#include <fmt/format.h>

#include "engine/core/base/value.h"

namespace onward {
namespace {
constexpr std::size_t kPieceMax = 64 * 1024;
constexpr std::string_view kMark = "\xef\xbb\xbf";

/// Blanks are part of a cell (RFC 4180, 2.4).
int no_space(unsigned char) { return 0; }

std::string_view without_line_end(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool ends_line(std::string_view piece) { return piece.ends_with('\n') || piece.ends_with('\r'); }

bool is_formula_sign(char c) {
  return c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r';
}

/// Whether any number of ' is followed by what makes a formula.
bool looks_guarded_or_formula(std::string_view cell) {
  const std::size_t sign = cell.find_first_not_of('\'');
  return sign != std::string_view::npos && is_formula_sign(cell[sign]);
}
}  // namespace

NextPiece pieces_of(std::string_view text) {
  return [text](std::string& piece) mutable {
    if (text.empty()) return false;
    std::size_t length = text.find_first_of("\r\n");
    length = length == std::string_view::npos ? text.size() : length + 1;
    if (length < text.size() && text[length - 1] == '\r' && text[length] == '\n') ++length;
    length = std::min(length, kPieceMax);
    piece = text.substr(0, length);
    text.remove_prefix(length);
    return true;
  };
}

NextPiece pieces_of(std::istream& in) {
  return [&in](std::string& piece) {
    using Traits = std::istream::traits_type;
    piece.clear();
    std::streambuf& from = *in.rdbuf();
    while (piece.size() < kPieceMax) {
      const auto c = from.sbumpc();
      if (c == Traits::eof()) break;
      piece += Traits::to_char_type(c);
      if (piece.back() == '\n') break;
      if (piece.back() == '\r' && from.sgetc() != Traits::to_int_type('\n')) break;
    }
    return !piece.empty();
  };
}

/// libcsv, and what it has found of the row that is open.
struct CsvReader::Parser {
  Parser() { csv_init(&state, CSV_STRICT | CSV_STRICT_FINI); }
  ~Parser() { csv_free(&state); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  void restart(char delimiter) {
    csv_free(&state);
    csv_init(&state, CSV_STRICT | CSV_STRICT_FINI);
    csv_set_delim(&state, static_cast<unsigned char>(delimiter));
    csv_set_space_func(&state, no_space);
    cells.clear();
    complete = false;
  }
  static void take_cell(void* bytes, std::size_t size, void* self) {
    static_cast<Parser*>(self)->cells.emplace_back(static_cast<const char*>(bytes), size);
  }
  static void take_row(int, void* self) { static_cast<Parser*>(self)->complete = true; }

  bool feed(std::string_view bytes) {
    return csv_parse(&state, bytes.data(), bytes.size(), take_cell, take_row, this) == bytes.size();
  }
  bool finish() { return csv_fini(&state, take_cell, take_row, this) == 0; }

  csv_parser state{};
  std::vector<std::string> cells;
  bool complete = false;
};

CsvReader::CsvReader(NextPiece next, char delimiter)
    : next_{std::move(next)}, delimiter_{delimiter}, parser_{std::make_unique<Parser>()} {}

CsvReader::~CsvReader() = default;

/// The first piece: what stands before the rows, and which delimiter they have.
void CsvReader::begin(std::string& piece) {
  begun_ = true;
  if (piece.starts_with(kMark)) piece.erase(0, kMark.size());
  const std::string_view line = without_line_end(piece);
  if (line.size() == 5 && line.starts_with("sep=") && is_csv_delimiter(line[4])) {
    if (delimiter_ == 0) delimiter_ = line[4];
    piece.clear();
    if (!next_(piece)) piece.clear();
    ++line_;
  }
  if (delimiter_ == 0) delimiter_ = detect_delimiter(without_line_end(piece));
  parser_->restart(delimiter_);
}

bool CsvReader::read(std::string& piece) {
  if (!next_(piece)) return false;
  if (!begun_) begin(piece);
  return !piece.empty();
}

void CsvReader::refuse(CsvRow& row, std::string code, std::string message) {
  row.cells.clear();
  row.fault = Error{ErrorKind::Invalid, std::move(code), std::move(message)};
  parser_->restart(delimiter_);
}

bool CsvReader::next(CsvRow& row) {
  row = {.line = line_};
  bool sound = true;
  bool at_end = false;
  std::string piece;
  while (true) {
    if (!read(piece)) {
      if (row.text.empty()) return false;
      at_end = true;
      if (sound && !parser_->finish()) sound = false;
      break;
    }
    if (row.text.empty()) row.line = line_;
    const bool whole_line = ends_line(piece);
    if (whole_line) ++line_;
    const bool fits = row.text.size() + piece.size() <= kCsvRowBytesMax;
    if (fits) row.text += piece;
    if (sound && (!fits || !parser_->feed(piece))) sound = false;
    if (!fits) {
      if (!whole_line) {
        while (!ends_line(piece) && read(piece)) continue;
        ++line_;
      }
      row.text = without_line_end(row.text);
      refuse(row, "row_too_long",
             fmt::format("the row that begins here is longer than {} bytes; perhaps a quote is "
                         "not closed",
                         kCsvRowBytesMax));
      return true;
    }
    if (!sound && whole_line) break;
    if (parser_->complete) break;
    if (whole_line && parser_->cells.empty() && without_line_end(row.text).empty())
      row.text.clear();  // an empty line
  }
  row.text = without_line_end(row.text);
  if (!sound) {
    refuse(row, "bad_quotes",
           at_end ? "a quote that is opened here is not closed before the end of the file"
                  : "a quote stands where none may: a cell with quotes in it is quoted as a whole, "
                    "and its own quotes are doubled");
    return true;
  }
  if (!valid_utf8(row.text)) {
    const bool wide =
        row.line == 1 && (row.text.starts_with("\xff\xfe") || row.text.starts_with("\xfe\xff"));
    refuse(row, "bad_utf8",
           wide ? "this is UTF-16; save the file as UTF-8"
                : "this is no UTF-8; save the file as UTF-8 (\"CSV UTF-8\" in a spreadsheet)");
    return true;
  }
  if (row.text.find('\0') != std::string::npos) {
    refuse(row, "bad_character", "a zero byte stands in the row, which no text may have");
    return true;
  }
  row.cells = std::move(parser_->cells);
  parser_->cells.clear();
  parser_->complete = false;
  return !at_end || !row.cells.empty();
}

bool is_csv_delimiter(char c) { return c == '\t' || (c >= ' ' && c <= '~' && c != '"'); }

std::optional<char> parse_csv_delimiter(std::string_view text) {
  if (text == "tab" || text == "\\t") return '\t';
  if (text.size() == 1 && is_csv_delimiter(text.front())) return text.front();
  return std::nullopt;
}

char detect_delimiter(std::string_view line) {
  constexpr std::array kDelimiters{',', ';', '\t', '|'};
  std::array<std::size_t, kDelimiters.size()> counts{};
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    const auto found = std::find(kDelimiters.begin(), kDelimiters.end(), c);
    if (!quoted && found != kDelimiters.end())
      ++counts[static_cast<std::size_t>(found - kDelimiters.begin())];
  }
  return kDelimiters[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) -
                                              counts.begin())];
}

void append_csv_cell(std::string& out, std::string_view cell, char delimiter) {
  const bool bare = cell.find_first_of("\"\r\n") == std::string_view::npos &&
                    cell.find(delimiter) == std::string_view::npos &&
                    (cell.empty() || (cell.front() != ' ' && cell.back() != ' '));
  if (bare) {
    out += cell;
    return;
  }
  out += '"';
  for (const char c : cell) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string csv_row(const std::vector<std::string>& cells, char delimiter) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += delimiter;
    append_csv_cell(out, cells[i], delimiter);
  }
  // A lone empty cell would be an empty line, which readers pass over.
  if (cells.size() == 1 && cells.front().empty()) out += "\"\"";
  out += "\r\n";
  return out;
}

std::string guard_formula(std::string_view cell) {
  std::string out{cell};
  if (looks_guarded_or_formula(cell)) out.insert(out.begin(), '\'');
  return out;
}

std::string_view unguard_formula(std::string_view cell) {
  if (cell.starts_with('\'') && looks_guarded_or_formula(cell)) cell.remove_prefix(1);
  return cell;
}
}  // namespace onward
