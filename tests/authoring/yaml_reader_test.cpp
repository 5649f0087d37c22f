#include "engine/authoring/yaml_reader.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "engine/authoring/source_text.h"
#include "engine/authoring/syntax_error.h"

using namespace onward;

namespace {
struct Read {
  std::optional<Tree> tree;
  std::vector<Diagnostic> found;
};
Read read(std::string_view text) {
  Diagnostics diagnostics;
  Read result;
  result.tree = read_yaml(text, diagnostics);
  result.found = diagnostics.sorted();
  return result;
}
std::string codes(const Read& read) {
  std::string text;
  for (const Diagnostic& found : read.found) text += found.code + " ";
  return text;
}
std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}
}  // namespace

TEST_CASE("scalars keep the text that was written", "[authoring][yaml]") {
  const auto text = GENERATE(as<std::string>{}, "no", "yes", "off", "012", "1e3", "2026-01-01",
                             "0x1F", "1_000", "12:30:45", "True", ".inf");
  const Read result = read("key: " + text);
  REQUIRE(result.tree);
  const Tree& value = result.tree->find("key")->value;
  CHECK(value.text == text);
  CHECK_FALSE(value.quoted);
}

TEST_CASE("every escape of a quoted text is a whole character", "[authoring][yaml]") {
  const std::string text = R"(a: "\_\N \L\P\x85\xa0é\_ẞ\N🎈\_\N!\u00a0")"
                           "\n\"k\\_\": 1\n";
  Diagnostics diagnostics;
  const auto tree = read_yaml(text, diagnostics);
  REQUIRE(tree);
  CHECK(tree->entries.at(0).value.text ==
        "\u00a0\u0085 \u2028\u2029\u0085\u00a0é\u00a0ẞ\u0085🎈\u00a0\u0085!\u00a0");
  CHECK(tree->entries.at(1).key == "k\u00a0");
}

TEST_CASE("constants become values without guessing", "[authoring][yaml]") {
  const Read result = read(
      "{no: no, a: 012, b: 12, c: '12', d: 1.5, e: true, f: null, g: ~, h: 2026-01-01,"
      " i: 99999999999999999999, j: -3, k: 1e3, l: [1, x], m: 0x1F, n: \"\", o: -0x1, p: .5}");
  REQUIRE(result.tree);
  CHECK(to_json(to_value(*result.tree)) ==
        R"({"no":"no","a":"012","b":12,"c":"12","d":1.5,"e":true,"f":null,"g":null,)"
        R"("h":"2026-01-01","i":"99999999999999999999","j":-3,"k":1000.0,"l":[1,"x"],"m":31,)"
        R"("n":"","o":"-0x1","p":0.5})");
}

TEST_CASE("yes and no are keys like any other", "[authoring][yaml]") {
  const Read result = read("yes: a\nno: b\non: c\n");
  REQUIRE(result.tree);
  CHECK(result.tree->find("yes")->value.text == "a");
  CHECK(result.tree->find("no")->value.text == "b");
}

TEST_CASE("columns count characters, not bytes", "[authoring][yaml]") {
  const Read result = read(
      "\xEF\xBB\xBF"
      "é: {ключ: \"日本\", b: x}\r\nc:   y\r\n");
  REQUIRE(result.tree);
  const Tree& map = result.tree->find("é")->value;
  CHECK(map.at == Position{1, 4});
  CHECK(map.find("ключ")->key_at == Position{1, 5});
  CHECK(map.find("ключ")->value.at == Position{1, 11});
  CHECK(map.find("ключ")->value.text_at == Position{1, 12});
  CHECK(map.find("b")->key_at == Position{1, 17});
  CHECK(result.tree->find("c")->value.at == Position{2, 6});
}

TEST_CASE("the text of a block begins in the line below", "[authoring][yaml]") {
  const Read result = read("a: |\n  one\n  two\nb:\nc: 1\n");
  REQUIRE(result.tree);
  CHECK(result.tree->find("a")->value.text == "one\ntwo\n");
  CHECK(result.tree->find("a")->value.text_at == Position{2, 3});
  CHECK(result.tree->find("a")->value.quoted);
  CHECK(result.tree->find("b")->value.is_null());
  CHECK(result.tree->find("b")->value.at == Position{4, 1});
}

TEST_CASE("a duplicate key names both lines and keeps the first value", "[authoring][yaml]") {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "k" + std::to_string(i) + ": a\n";
  const Read result = read(text + "k3: b\n");
  REQUIRE(result.tree);
  CHECK(result.tree->find("k3")->value.text == "a");
  REQUIRE(result.found.size() == 1);
  CHECK(result.found[0].code == "duplicate_key");
  CHECK(result.found[0].at == Position{41, 1});
  CHECK(result.found[0].message == "\"k3\" is given twice: here and in line 4");
}

TEST_CASE("what YAML allows and an author would regret is refused", "[authoring][yaml]") {
  struct Case {
    std::string text;
    std::string codes;
    Position at;
  };
  const auto c = GENERATE(
      Case{"a: &x 1\nb: *x\n", "anchor alias ", {1, 4}}, Case{"a: *x\n", "alias ", {1, 4}},
      Case{"a: &a [*a]\n", "anchor alias ", {1, 4}}, Case{"<<: {a: 1}\n", "merge_key ", {1, 1}},
      Case{"a: !!binary aGk=\n", "tag ", {1, 4}},
      Case{"a: 1\n---\nb: 2\n", "second_document ", {2, 1}}, Case{"", "empty_file ", {1, 1}},
      Case{"# c\n", "empty_file ", {1, 1}}, Case{"---\n", "empty_file ", {1, 1}},
      Case{"~\n", "empty_file ", {1, 1}}, Case{"? {a: 1}\n: x\n", "bad_key ", {1, 3}},
      Case{": x\n", "bad_key ", {1, 1}}, Case{"null: x\n", "bad_key ", {1, 1}},
      Case{std::string("a: \0b\n", 6), "control_character ", {1, 4}},
      Case{"a: \x04\nb: 1\n", "control_character ", {1, 4}},
      Case{"a: b\rc: d\n", "control_character second_colon ", {1, 5}},
      Case{"a: \xC0\xAF\n", "bad_utf8 bad_utf8 ", {1, 4}},
      Case{"a: \xED\xA0\x80\n", "bad_utf8 bad_utf8 bad_utf8 ", {1, 4}},
      Case{"a: x\xE2\x80\xAEy\n", "direction_mark ", {1, 5}},
      Case{"a: x\xE2\x80\x8By\n", "invisible_character ", {1, 5}},
      Case{"\xFF\xFE"
           "a\0:\0",
           "bad_encoding ",
           {1, 1}},
      Case{"a: 'x\nb: y\n", "unclosed_quote ", {1, 4}},
      Case{"- a\nb: c\n", "not_a_mapping ", {2, 1}}, Case{"a: {b: c]}\n", "stray_bracket ", {1, 9}},
      Case{"a:\n\t- b\n", "tab ", {2, 1}}, Case{"a: [x, y\n", "unclosed_bracket ", {1, 4}});
  CAPTURE(c.text);
  const Read result = read(c.text);
  CHECK(codes(result) == c.codes);
  REQUIRE_FALSE(result.found.empty());
  CHECK(result.found[0].at == c.at);
}

TEST_CASE("every syntax error of a list dash without a value is explained", "[authoring][yaml]") {
  // A dash before nothing but blanks, above, below and beside a misplaced colon.
  for (const char* dash : {"-", "- ", "-  ", "- -", "- - ", "-\t", "- # c", "- ''"})
    for (const char* text :
         {"a: x\n  {}\n  bar: baz\n", "a: x\n{}\nbar: baz: q\n", "{}\n  a: b: c\n",
          "a:\n  {}\n b: c: d\n", "a: b\n  {}\n", "a: [\n  {}\n"}) {
      std::string file{text};
      file.replace(file.find("{}"), 2, dash);
      CAPTURE(file);
      Diagnostics diagnostics;
      (void)read_yaml(file, diagnostics);
      for (const Diagnostic& found : diagnostics.sorted()) CHECK(found.at.line > 0);
    }
}

TEST_CASE("a wide mapping finds each of its keys", "[authoring][yaml]") {
  for (const int width : {1, 15, 16, 17, 3'000}) {
    std::string text;
    for (int i = 0; i < width; ++i)
      text += "k" + std::to_string(i) + ": " + std::to_string(i) + "\n";
    Diagnostics diagnostics;
    const auto tree = read_yaml(text, diagnostics);
    REQUIRE(tree);
    for (int i = 0; i < width; ++i) {
      const auto* entry = tree->find("k" + std::to_string(i));
      REQUIRE(entry);
      CHECK(entry->value.text == std::to_string(i));
    }
    CHECK(tree->find("k") == nullptr);
    CHECK(tree->find("k" + std::to_string(width)) == nullptr);
    Tree shorter = *tree;  // whose index does not fit any more
    shorter.entries.erase(shorter.entries.begin());
    CHECK(shorter.find("k0") == nullptr);
    CHECK((width == 1 || shorter.find("k" + std::to_string(width - 1)) != nullptr));
  }
}

TEST_CASE("of a binary file twenty findings are kept and the rest are counted",
          "[authoring][yaml]") {
  for (const char* bad : {"\xFE", "\x04"}) {
    const Read result = read("a" + repeated(bad, 1000) + "\n");
    CHECK_FALSE(result.tree);
    REQUIRE(result.found.size() == 21);
    CHECK(result.found.back().code == "more");
    CHECK(result.found.back().message == "and 980 more from here on");
    CHECK(result.found.back().at == Position{1, 22});
  }
  const Read whole = read("a: \"" + repeated("\x04", 20) + "\"\n");
  CHECK(whole.tree);
  CHECK(whole.found.size() == 20);
}

TEST_CASE("an unclosed bracket is reported as one, however many enclose it", "[authoring][yaml]") {
  for (const char* text : {"[", "[[", "[[[", "[[a", "{[", "{[[", "[{", "[{[", "[[a], [b", "[[\"]\"",
                           "[a, [b, c]", "{a: [b, {c: d}", "[[a # ]]"})
    for (const char* rest : {"\n", "\nnodes:\n  a: 1\n"}) {
      CAPTURE(text, rest);
      CHECK(codes(read(std::string{"title: "} + text + rest)) == "unclosed_bracket ");
    }
  for (const char* text : {"[[a]: b]", "{[a]: b}", "{{a: 1}: b}", "[[a, \"[\"]: b]"}) {
    CAPTURE(text);
    const std::string found = codes(read(std::string{"title: "} + text + "\n"));
    CHECK((found == "bad_key " || found == "unquoted_placeholder "));
  }
}

TEST_CASE("keys without a colon are explained as long as findings are kept", "[authoring][yaml]") {
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += "? k" + std::to_string(i) + "\n";
  for (const std::string& keys : {text, "a: 1\n" + text + "a: 2\n"}) {
    const std::uint64_t before = missing_colons_explained();
    const Read result = read(keys);
    CHECK(missing_colons_explained() - before == kFindingsMax);
    CHECK_FALSE(result.tree);
    CHECK(result.found.size() == kFindingsMax + 1);
    CHECK(result.found.back().message == "and 4000 more");
    CHECK(result.found[7].message ==
          "\"k7\" has no colon; each line of a mapping is \"key: value\"");
  }
}

TEST_CASE("places are kept in their lines in one pass over the text", "[authoring][yaml]") {
  const std::string line = repeated("\xC3\xA9", 1'000);
  const std::string text = line + "\n" + line + "\nab\r\n" + line;
  std::vector<Diagnostic> found;
  for (const int number : {1, 2, 3, 4})
    for (int column = 1; column <= 1'100; column += 3) found.push_back({.at = {number, column}});
  found.push_back({.at = {9, 5}});
  found.push_back({});
  const std::vector<Diagnostic> before = found;
  CHECK(keep_in_lines(text, found) <= text.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Position at = before[i].at;
    const int end = at.line == 3 ? 4 : 1'001;
    CHECK(found[i].at ==
          (at.line > 4 || at.line == 0 ? at : Position{at.line, std::min(at.column, end)}));
  }
}

TEST_CASE("nesting of any depth is refused and never followed", "[authoring][yaml]") {
  for (const char* piece : {"[", "{", "- ", "? ", "{a: ", "[[],", "[{", "a: {b: ["}) {
    CAPTURE(piece);
    const Read result = read(repeated(piece, 100'000));
    CHECK_FALSE(result.tree);
    REQUIRE_FALSE(result.found.empty());
    CHECK((result.found[0].code == "too_deep" || result.found[0].code == "bad_key" ||
           result.found[0].code == "unclosed_bracket"));
  }
  // Where it begins to be too deep, not where the reader lost its patience.
  for (const char* piece : {"[", "{"}) {
    CAPTURE(piece);
    const Read result = read("a: [[]]\nb: " + repeated(piece, 100'000));
    CHECK(codes(result) == "too_deep ");
    CHECK(result.found[0].at == Position{2, 36});
  }
}

TEST_CASE("32 levels are allowed, 33 are not", "[authoring][yaml]") {
  CHECK(read(repeated("[", 32) + repeated("]", 32)).tree);
  const Read result = read(repeated("[", 33) + repeated("]", 33));
  CHECK(codes(result) == "too_deep ");
  CHECK(result.found[0].at == Position{1, 33});
}

TEST_CASE("a large file is refused before it is parsed", "[authoring][yaml]") {
  const std::string text(50u << 20, '[');
  const Read result = read(text);
  CHECK_FALSE(result.tree);
  CHECK(codes(result) == "too_large ");
  CHECK(result.found[0].message ==
        "the file has more than 4.0 MiB, the most that a scenario may have");
}

TEST_CASE("more values than memory should hold are refused", "[authoring][yaml]") {
  const Read result = read("a: [" + repeated("1,", 1'000'000) + "1]\n");
  CHECK(codes(result) == "too_large ");
}

TEST_CASE("a text of a megabyte is read", "[authoring][yaml]") {
  const Read result = read("a: \"" + std::string(1u << 20, 'x') + "\"\n");
  REQUIRE(result.tree);
  CHECK(result.tree->find("a")->value.text.size() == 1u << 20);
}

TEST_CASE("no text makes the reader fail", "[authoring][yaml]") {
  const std::string letters = "ab:-?[]{},#&*!|>'\"%@` \n\t\\<.0\xC3\xA9";
  std::mt19937 random{7};
  std::string text;
  for (int round = 0; round < 3000; ++round) {
    text.clear();
    const std::size_t length = random() % 60;
    for (std::size_t i = 0; i < length; ++i) text += letters[random() % letters.size()];
    const Read result = read(text);
    CAPTURE(text);
    // Either there is a tree, or it is said why not.
    CHECK((result.tree || !result.found.empty()));
  }
}
