// The list of mutants and what it makes of sources.
#include "tools/mutate/mutants.h"

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace onward::mutate {
namespace {
std::string text_of(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Mutant mutant(std::size_t number, std::string original, std::string becomes, std::string in = {}) {
  return {.number = number,
          .name = "m" + std::to_string(number),
          .file = "a.cpp",
          .in = std::move(in),
          .original = std::move(original),
          .becomes = std::move(becomes)};
}

/// What becomes of `source`, without what is put before it; or the error's code.
std::string mutated(std::string_view source, const std::vector<Mutant>& mutants) {
  const auto text = with_mutants(source, mutants);
  if (!text) return text.error().code;
  const std::string_view mark = "#line 1\n";
  return text->substr(text->find(mark) + mark.size());
}

std::string parse_error(std::string_view list) {
  const auto parsed = parse_mutants(list);
  return parsed ? "" : parsed.error().message;
}
}  // namespace

TEST_CASE("each mutant of the list is in the sources exactly once", "[mutate]") {
  const auto mutants = parse_mutants(text_of("tools/mutate/mutants.txt"));
  if (!mutants) FAIL(mutants.error().message);
  CHECK(mutants->size() >= 60);
  std::map<std::string, std::vector<Mutant>> files;
  for (const Mutant& one : *mutants) files[one.file].push_back(one);
  for (const auto& [file, of] : files) {
    CAPTURE(file);
    const std::string source = text_of(file);
    REQUIRE_FALSE(source.empty());
    if (const auto text = with_mutants(source, of); !text) FAIL_CHECK(text.error().message);
  }
}

TEST_CASE("expressions become a choice, and statements are left out", "[mutate]") {
  CHECK(mutated("return a < b;", {mutant(1, "a < b", "a <= b")}) ==
        "return (is_mutant(1) ? (a <= b) : (a < b));");
  CHECK(mutated("f();\ng();\n", {mutant(2, "g();", "nothing")}) ==
        "f();\n{ if (!is_mutant(2)) g(); }\n");
  CHECK(mutated("return a < b;", {mutant(1, "a < b", "true"), mutant(2, "a < b", "false"),
                                  mutant(3, "return a < b;", "nothing")}) == "overlap");
  CHECK(mutated("x = a + b;", {mutant(1, "a + b", "a"), mutant(2, "a + b", "b")}) ==
        "x = (is_mutant(1) ? (a) : is_mutant(2) ? (b) : (a + b));");
}

TEST_CASE("an original must be there once, whatever its line breaks", "[mutate]") {
  CHECK(mutated("if (a &&\n    b) f();", {mutant(1, "a && b", "a")}) ==
        "if ((is_mutant(1) ? (a) : (a &&\n    b))) f();");
  CHECK(mutated("a < b", {mutant(1, "a > b", "true")}) == "not_found");
  CHECK(mutated("a < b; a < b", {mutant(1, "a < b", "true")}) == "ambiguous");
  CHECK(mutated("a < b; c(a < b)", {mutant(1, "a < b", "true", "c(a < b)")}) ==
        "a < b; c((is_mutant(1) ? (true) : (a < b)))");
  CHECK(mutated("a < b", {mutant(1, "a < b", "true", "c(a < b)")}) == "not_found");
  CHECK(mutated("aaa", {mutant(1, "aa", "b")}) == "ambiguous");
}

TEST_CASE("lines of errors stay those of the source", "[mutate]") {
  const auto text = with_mutants("one\ntwo a < b\n", std::vector{mutant(1, "a < b", "true")});
  REQUIRE(text);
  CHECK(text->ends_with("#line 1\none\ntwo (is_mutant(1) ? (true) : (a < b))\n"));
}

TEST_CASE("a list is read entry by entry, and a wrong one is refused with its line", "[mutate]") {
  const auto mutants = parse_mutants(R"(# A comment.

mutant: nothing is swept
file: a.cpp
# Another one.
original: x == y
becomes: true

mutant: nothing is synced
file: b.cpp
in: if (late) sync();
original: sync();
becomes: nothing
)");
  REQUIRE(mutants);
  REQUIRE(mutants->size() == 2);
  CHECK(mutants->at(0).name == "nothing is swept");
  CHECK(mutants->at(0).number == 1);
  CHECK(mutants->at(0).original == "x == y");
  CHECK(mutants->at(1).in == "if (late) sync();");
  CHECK(mutants->at(1).number == 2);
  CHECK(parse_mutants("")->empty());

  const std::string good = "mutant: a\nfile: a.cpp\noriginal: x\nbecomes: y\n";
  CHECK(parse_error(good).empty());
  CHECK(parse_error(good + "\n" + good) == "line 9: there is a mutant \"a\" already");
  CHECK(parse_error("mutant: a\nfile: a.cpp\noriginal: x\n") ==
        "line 3: the entry has no \"becomes\"");
  CHECK(parse_error("mutant: a\nmutant: b\n") == "line 2: the entry has this line already");
  CHECK(parse_error("what: a\n").starts_with("line 1: a line is"));
  CHECK(parse_error("mutant\n").starts_with("line 1: a line is"));
  CHECK(parse_error("mutant: a\nfile: a.cpp\noriginal: x;\nbecomes: y\n")
            .starts_with("line 4: a statement"));
  CHECK(parse_error("mutant: a\nfile: a.cpp\noriginal: x\nbecomes: nothing\n")
            .starts_with("line 4: a statement"));
}
}  // namespace onward::mutate
