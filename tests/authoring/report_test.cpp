#include "engine/authoring/report.h"

#include <catch2/catch.hpp>

#include "engine/core/base/value.h"

using namespace onward;

namespace {
Diagnostic error(Position at, std::string message, std::string nearest = {}) {
  return {Severity::Error, at, "some_code", std::move(message), std::move(nearest)};
}
}  // namespace

TEST_CASE("a report shows the line and puts a caret under the place", "[authoring][report]") {
  const std::vector found{error({2, 6}, "wrong", "right")};
  CHECK(report_text("a.yaml", "one\ntwo: three\n", found) ==
        "a.yaml:2:6: wrong; did you mean \"right\"?\n"
        "two: three\n"
        "     ^\n");
}

TEST_CASE("tabs, wide and combining characters keep the caret in place", "[authoring][report]") {
  const std::vector found{error({1, 6}, "wrong")};
  CHECK(report_text("a", "\ta\xCC\x81日x\r\n", found) == "a:1:6: wrong\n a\xCC\x81日x\n     ^\n");
}

TEST_CASE("the shown line hides user and password of a URL", "[authoring][report]") {
  const std::string line = "x: { url: \"https://bob:secret@a.example/\", b: 1 }";
  const auto report = [&](int column) {
    return report_text("a", line, std::vector{error({1, column}, "wrong")}).plain();
  };
  CHECK(report(11) == "a:1:11: wrong\nx: { url: \"https://***@a.example/\", b: 1 }\n          ^\n");
  CHECK(report(43) == "a:1:43: wrong\nx: { url: \"https://***@a.example/\", b: 1 }\n" +
                          std::string(35, ' ') + "^\n");
  // Inside of what is hidden.
  CHECK(report(24).find("                   ^") != std::string::npos);
  CHECK(report(24).find("secret") == std::string::npos);
  const std::string cut = std::string(1000, 'x') + "https://bob:" + std::string(1000, 'p') + "@a";
  for (const int column : {990, 1005, 1200, 1700, 2013})
    CHECK(report_text("a", cut, std::vector{error({1, column}, "wrong")}).plain().find("pp") ==
          std::string::npos);
}

TEST_CASE("a long line is cut around the caret", "[authoring][report]") {
  const std::string line = std::string(500, 'a') + "!" + std::string(500, 'b');
  const std::string report = report_text("a", line, std::vector{error({1, 501}, "wrong")}).plain();
  const std::size_t first = report.find('\n');
  const std::size_t second = report.find('\n', first + 1);
  const std::string shown = report.substr(first + 1, second - first - 1);
  const std::string caret = report.substr(second + 1);
  CHECK(shown.size() < 120);
  CHECK(shown.starts_with("…"));
  CHECK(shown.ends_with("…"));
  // The first "…" takes three bytes and one column.
  CHECK(shown.find('!') - 2 == caret.find('^'));
}

TEST_CASE("a report never sends control characters to a terminal", "[authoring][report]") {
  const std::string report =
      report_text("a\x1b.yaml", "x\x1b[31m\xE2\x80\xAE\xFF\n", std::vector{error({1, 1}, "b\x07")})
          .plain();
  CHECK(report == "a?.yaml:1:1: b?\nx?[31m??\n^\n");
}

TEST_CASE("a report is UTF-8 whatever the bytes of the file are", "[authoring][report]") {
  // A surrogate, a number beyond Unicode, an overlong form, and a character that was cut off.
  const std::vector<Diagnostic> wrong{{Severity::Error, {1, 1}, "c", "wrong", ""}};
  for (const char* bytes : {"\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE0\x80\xAF", "\xE2\x82"}) {
    const std::string shown = report_text("a", bytes, wrong).plain();
    CHECK(shown == "a:1:1: wrong\n" + std::string(std::string_view{bytes}.size(), '?') + "\n^\n");
  }
  CHECK(report_text("a", "\xEF\xBF\xBD\xF4\x8F\xBF\xBD", wrong) ==
        "a:1:1: wrong\n\xEF\xBF\xBD\xF4\x8F\xBF\xBD\n^\n");
}

TEST_CASE("what concerns the whole file has no line", "[authoring][report]") {
  CHECK(report_text("a", "x", std::vector{error({}, "too large")}) == "a: too large\n");
  CHECK(report_short("a", std::vector{error({}, "too large")}) ==
        "a: error[some_code]: too large\n");
}

TEST_CASE("colour only adds", "[authoring][report]") {
  const std::vector found{error({1, 2}, "wrong")};
  std::string report = report_text("a", "xyz", found).coloured();
  CHECK(report.find("\x1b[") != std::string::npos);
  for (std::size_t at; (at = report.find("\x1b[")) != std::string::npos;)
    report.erase(at, report.find('m', at) - at + 1);
  CHECK(report_text("a", "xyz", found) == report);
}

TEST_CASE("programs get a line or a JSON object each", "[authoring][report]") {
  std::vector found{error({1, 2}, "wrong \"x\"", "y")};
  found.push_back({Severity::Warning, {3, 4}, "other", "careful", {}});
  CHECK(report_short("a", found) ==
        "a:1:2: error[some_code]: wrong \"x\"; did you mean \"y\"?\n"
        "a:3:4: warning[other]: careful\n");
  const auto json = parse_json(report_json("a", found));
  REQUIRE(json);
  REQUIRE(json->list()->size() == 2);
  CHECK(to_json(json->list()->front()) ==
        R"({"file":"a","line":1,"column":2,"severity":"error","code":"some_code",)"
        R"("message":"wrong \"x\"","nearest":"y"})");
  CHECK(json->list()->back().find("nearest") == nullptr);
}
