#include "engine/files/csv.h"

#include <sstream>

#include <rapidcheck.h>
#include <catch2/catch.hpp>

namespace onward {
namespace {
using Cells = std::vector<std::string>;

struct Read {
  std::vector<Cells> rows;
  std::vector<std::size_t> lines;
  std::vector<std::string> faults;  ///< "3 bad_quotes"
  std::vector<std::string> texts;
};

Read read(NextPiece next, char delimiter = 0) {
  CsvReader reader{std::move(next), delimiter};
  Read all;
  CsvRow row;
  while (reader.next(row)) {
    all.texts.push_back(row.text);
    if (row.fault) {
      all.faults.push_back(std::to_string(row.line) + " " + row.fault->code);
    } else {
      all.rows.push_back(row.cells);
      all.lines.push_back(row.line);
    }
  }
  return all;
}
Read read(std::string_view text, char delimiter = 0) { return read(pieces_of(text), delimiter); }
}  // namespace

TEST_CASE("a CSV row may hold quotes, delimiters and newlines inside quotes", "[files]") {
  const Read all = read(
      "id,note\r\n"
      "1,\"a, \"\"b\"\"\r\nand more\"\r\n"
      "2, blank \n"
      "3,\"\"\n"
      "4,last");
  CHECK(all.rows == std::vector<Cells>{{"id", "note"},
                                       {"1", "a, \"b\"\r\nand more"},
                                       {"2", " blank "},
                                       {"3", ""},
                                       {"4", "last"}});
  CHECK(all.lines == std::vector<std::size_t>{1, 2, 4, 5, 6});
  CHECK(all.texts.at(1) == "1,\"a, \"\"b\"\"\r\nand more\"");
}

TEST_CASE("line numbers are the file's, past empty lines and every kind of line end", "[files]") {
  CHECK(read("a\n\n\r\nb\n").lines == std::vector<std::size_t>{1, 4});
  CHECK(read("a\rb\r\rc").lines == std::vector<std::size_t>{1, 2, 4});
  CHECK(read("a\r\nb\r\n").rows.size() == 2);
  CHECK(read("").rows.empty());
  CHECK(read("\n\n").rows.empty());
}

TEST_CASE("a byte order mark and a sep= line are not part of the first row", "[files]") {
  CHECK(read("\xef\xbb\xbfid,b\n").rows.front() == Cells{"id", "b"});
  const Read all = read("\xef\xbb\xbfsep=;\r\nid;a,b\r\n1;2\r\n");
  CHECK(all.rows == std::vector<Cells>{{"id", "a,b"}, {"1", "2"}});
  CHECK(all.lines.front() == 2);
}

TEST_CASE("only a printable ASCII character separates cells", "[files]") {
  for (const char c : {',', ';', '|', '\t', ' ', 'x', '~'}) CHECK(is_csv_delimiter(c));
  for (const char c : {'"', '\r', '\n', '\0', '\x7f', '\xc3', '\xff'}) CHECK(!is_csv_delimiter(c));
  CHECK(parse_csv_delimiter("tab") == '\t');
  CHECK(parse_csv_delimiter("\\t") == '\t');
  CHECK(parse_csv_delimiter(";") == ';');
  for (const char* text : {"", "\"", "ab", "\xc3", "\xc2\xa7"}) CHECK(!parse_csv_delimiter(text));

  // Half a character named as the delimiter would leave cells that are not UTF-8.
  const Read all = read("sep=\xc3\n\xc3\xa9,b\n");
  CHECK(all.faults == std::vector<std::string>{"1 bad_utf8"});
  CHECK(all.rows == std::vector<Cells>{{"\xc3\xa9", "b"}});
}

TEST_CASE("the delimiter is the one that the header uses most, outside of quotes", "[files]") {
  CHECK(detect_delimiter("id;email;a,b") == ';');
  CHECK(detect_delimiter("id\temail") == '\t');
  CHECK(detect_delimiter("id|email") == '|');
  CHECK(detect_delimiter("\"a;b;c\",d") == ',');
  CHECK(detect_delimiter("email") == ',');
  CHECK(read("id;email\n1;x", ',').rows.front() == Cells{"id;email"});
}

TEST_CASE("a row with a stray quote is refused alone, as it was read", "[files]") {
  const Read all = read("id,a\n1,x\"y\n2,\"x\"y\n3,z\n4,\"open\n5,z\n");
  CHECK(all.rows == std::vector<Cells>{{"id", "a"}, {"3", "z"}});
  CHECK(all.faults == std::vector<std::string>{"2 bad_quotes", "3 bad_quotes", "5 bad_quotes"});
  CHECK(all.texts.at(1) == "1,x\"y");
  CHECK(all.texts.back() == "4,\"open\n5,z");
}

TEST_CASE("bytes that are no UTF-8 are refused with their line, and say what to do", "[files]") {
  const Read all = read("id,a\n1,caf\xe9\n2,caf\xc3\xa9\n");
  CHECK(all.faults == std::vector<std::string>{"2 bad_utf8"});
  CHECK(all.rows.back() == Cells{"2", "caf\xc3\xa9"});
  CsvReader wide{pieces_of(std::string_view{"\xff\xfei\0d\0\n\0", 8})};
  CsvRow row;
  REQUIRE(wide.next(row));
  REQUIRE(row.fault);
  CHECK(row.fault->message.find("UTF-16") != std::string::npos);
}

TEST_CASE("a zero byte, which JSON could not tell, is refused", "[files]") {
  CHECK(read(std::string_view{"id,a\n1,x\0y\n2,z\n", 15}).faults ==
        std::vector<std::string>{"2 bad_character"});
}

TEST_CASE("a row beyond all measure is refused, and reading goes on behind its line", "[files]") {
  const std::string huge(kCsvRowBytesMax + 200'000, 'x');
  const Read all = read("id,a\n1," + huge + "\n2,b\n");
  CHECK(all.faults == std::vector<std::string>{"2 row_too_long"});
  CHECK(all.rows.back() == Cells{"2", "b"});
  CHECK(all.lines.back() == 3);
}

TEST_CASE("what is written as CSV is read as it was, whatever the delimiter", "[files]") {
  CHECK(rc::check("round trip", [](const std::vector<std::vector<std::string>>& given) {
    const char delimiter = *rc::gen::element(',', ';', '\t', '|');
    std::vector<Cells> rows;
    std::string text;
    for (Cells row : given) {
      if (row.empty()) continue;
      for (std::string& cell : row)
        for (char& c : cell)
          if (c <= 0) c = 'u';  // no UTF-8 and zero bytes are another matter
      // A reader passes over what looks like an empty line, even in quotes.
      if (row.size() == 1 && row.front().empty()) row.front() = "x";
      text += csv_row(row, delimiter);
      rows.push_back(std::move(row));
    }
    RC_PRE(rows.empty() || !text.starts_with("sep="));
    const Read from_text = read(text, delimiter);
    RC_ASSERT(from_text.faults.empty());
    RC_ASSERT(from_text.rows == rows);
    std::istringstream stream{text};
    const Read from_stream = read(pieces_of(stream), delimiter);
    RC_ASSERT(from_stream.rows == rows);
    RC_ASSERT(from_stream.lines == from_text.lines);
  }));
}

TEST_CASE("cells that a spreadsheet would run are guarded, and come back as they were", "[files]") {
  CHECK(guard_formula("=1+1") == "'=1+1");
  CHECK(guard_formula("+1 514 555 0100") == "'+1 514 555 0100");
  CHECK(guard_formula("@x") == "'@x");
  CHECK(guard_formula("-1+cmd()") == "'-1+cmd()");
  CHECK(guard_formula("\t=1") == "'\t=1");
  CHECK(guard_formula("\r=1") == "'\r=1");
  CHECK(guard_formula("'=x") == "''=x");
  CHECK(guard_formula("'tis") == "'tis");
  CHECK(guard_formula("plain") == "plain");
  CHECK(unguard_formula("'tis") == "'tis");
  CHECK(unguard_formula("=1+1") == "=1+1");
  CHECK(rc::check("round trip", [] {
    const auto text = *rc::gen::container<std::string>(rc::gen::element('\'', '=', '-', 'a', '\t'));
    RC_ASSERT(unguard_formula(guard_formula(text)) == text);
  }));
}
}  // namespace onward
