#include "engine/core/base/value.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "engine/core/base/clipped.h"

using namespace onward;

namespace {
/// The message of a refusal; empty where the text was accepted.
std::string refusal(std::string_view text, JsonLimits limits = {}) {
  const auto parsed = parse_json(text, limits);
  return parsed ? std::string{} : parsed.error().message;
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

Value any_value(int depth) {
  switch (*rc::gen::inRange(0, depth == 0 ? 5 : 7)) {
    case 0:
      return {};
    case 1:
      return *rc::gen::arbitrary<bool>();
    case 2:
      return *rc::gen::arbitrary<std::int64_t>();
    case 3:
      return *rc::gen::arbitrary<double>();
    case 4:
      return *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
    case 5: {
      ValueList list(static_cast<std::size_t>(*rc::gen::inRange(0, 5)));
      for (Value& item : list) item = any_value(depth - 1);
      return list;
    }
    default: {
      Value map{ValueMap{}};
      for (int i = *rc::gen::inRange(0, 5); i > 0; --i)
        map.set(
            *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127)) + std::to_string(i),
            any_value(depth - 1));
      return map;
    }
  }
}
}  // namespace

TEST_CASE("what JSON is written is the value that was read", "[core][value]") {
  CHECK(rc::check([] {
    const Value value = any_value(3);
    RC_ASSERT(parse_json(to_json(value)).value() == value);
    RC_ASSERT(parse_json(to_pretty_json(value)).value() == value);
  }));
}

TEST_CASE("members keep their order and integers all their digits", "[core][value]") {
  const std::string text =
      R"({"z":9007199254740993,"a":[1,-9223372036854775808,9223372036854775807],"m":{"b":null,"a":true}})";
  CHECK(to_json(parse_json(text).value()) == text);
}

TEST_CASE("numbers keep their kind and their shortest form", "[core][value]") {
  CHECK(parse_json("1").value() == Value{1});
  CHECK(parse_json("1.0").value() == Value{1.0});
  CHECK(parse_json("-0").value() == Value{0});
  CHECK(to_json(Value{1.0}) == "1.0");
  CHECK(to_json(Value{0.1}) == "0.1");
  CHECK(to_json(Value{1e300}) == "1e+300");
  CHECK(to_json(Value{-0.0}) == "-0.0");
  CHECK(to_json(Value{std::nan("")}) == "null");
  // Beyond 64 bits, but a double holds them.
  CHECK(parse_json("18446744073709551616").value() == Value{18446744073709551616.0});
  CHECK(parse_json("9223372036854775808").value() == Value{9223372036854775808.0});
  CHECK(parse_json("-18446744073709551616").value() == Value{-18446744073709551616.0});
}

TEST_CASE("what JSON parsers let pass is refused with its place", "[core][value]") {
  using namespace std::string_view_literals;
  const struct {
    std::string_view text;
    std::string_view message;
  } cases[] = {
      {"", "byte 0: nothing"},
      {"  ", "byte 2: "},
      {"nul", "byte 3: invalid literal"},
      {"[1,2", "byte 4: unexpected end of input"},
      {R"({"a":1,})", "byte 7: unexpected '}'"},
      {R"({"a":1} x)", "byte 8: "},
      {R"({"a":1,"b":2,"a":3})", R"(byte 15: the member "a" occurs twice)"},
      {R"({"o":{"a":1,"a":1}})", R"(byte 14: the member "a" occurs twice)"},
      {"[\"a\xff\"]", "byte 3: invalid string: ill-formed UTF-8"},
      {"[\"\xc0\xaf\"]", "byte 2: invalid string: ill-formed UTF-8"},
      {"[\"\xed\xa0\x80\"]", "byte 3: invalid string: ill-formed UTF-8"},
      {R"(["\ud800"])", "byte 8: invalid string: surrogate"},
      {R"(["\udc00"])", "byte 7: invalid string: surrogate"},
      {R"(["a\u0000"])", "byte 9: NUL in a string"},
      {R"({"a\u0000":1})", "byte 9: NUL in a member's name"},
      {"[1]\0"sv, "byte 3: a NUL byte"},
      {"[\"\n\"]", "byte 2: invalid string: control character"},
      {"1e400", "byte 4: a number too large"},
      {"9223372036854775809", "byte 18: an integer beyond 64 bits"},
      {"123456789012345678901", "byte 20: an integer beyond 64 bits"},
      {"[01]", "byte 2: "},
      {"NaN", "byte 0: invalid literal"},
      {"'a'", "byte 0: invalid literal"},
      {"/* */ 1", "byte 0: invalid literal"},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    CHECK_THAT(refusal(c.text), Catch::StartsWith(std::string{c.message}));
  }
}

TEST_CASE("what JSON escapes is escaped wherever it stands", "[core][value]") {
  const std::pair<char, std::string_view> cases[] = {
      {'"', "\\\""}, {'\\', "\\\\"}, {'\x01', "\\u0001"}, {'\x1f', "\\u001f"},
      {'\n', "\\n"}, {' ', " "},     {'!', "!"},          {'\x7f', "\x7f"}};
  for (const auto& [c, escaped] : cases)
    for (std::size_t before = 0; before < 20; ++before)
      for (std::size_t after = 0; after < 12; ++after) {
        const std::string head(before, 'a'), tail(after, '~');
        const std::string text = head + c + tail;
        CHECK(to_json(Value{text}) == '"' + head + std::string{escaped} + tail + '"');
        CHECK(parse_json(to_json(Value{text})).value() == Value{text});
      }
}

TEST_CASE("a value may nest as deep as the limit, not deeper", "[core][value]") {
  CHECK(parse_json(nested(32)));
  CHECK(refusal(nested(33)) == "byte 32: nested deeper than 32 levels");
  CHECK(parse_json(nested(3), {.depth = 3}));
  CHECK_FALSE(parse_json(nested(4), {.depth = 3}));
  CHECK_FALSE(parse_json(nested(200'000)));
  CHECK(parse_json("1", {.depth = 0}));
}

TEST_CASE("what a caller said is repeated in whole characters, and briefly", "[core][value]") {
  CHECK(clipped("") == "");
  CHECK(clipped(std::string(80, 'x')) == std::string(80, 'x'));
  CHECK(clipped(std::string(81, 'x')) == std::string(80, 'x') + "…");
  CHECK(clipped(std::string(79, 'x') + "éé") == std::string(79, 'x') + "…");
  CHECK(clipped(std::string(78, 'x') + "éé") == std::string(78, 'x') + "é…");
  const std::string long_name(5'000, 'n');
  CHECK(refusal(R"({")" + long_name + R"(":1,")" + long_name + R"(":2})").size() < 200);
}

TEST_CASE("a map of many members is read quickly and still checked", "[core][value]") {
  std::string text = "{";
  for (int i = 0; i < 20'000; ++i) text += "\"k" + std::to_string(i) + "\":1,";
  CHECK(parse_json(text + "\"last\":1}").value().map()->size() == 20'001);
  CHECK_THAT(refusal(text + "\"k17\":1}"), Catch::EndsWith("\"k17\" occurs twice"));
}

TEST_CASE("text is escaped as JSON asks and otherwise left alone", "[core][value]") {
  CHECK(to_json(Value{"a\"b\\c\b\f\n\r\t\x01\x1f\x7f/é😀"}) ==
        "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/é😀\"");
}

TEST_CASE("days and instants are written as text", "[core][value]") {
  const Value value{ValueList{*parse_date("2026-01-31"), *parse_instant("2026-05-01T09:00:00Z")}};
  CHECK(to_json(value) == R"(["2026-01-31","2026-05-01T09:00:00Z"])");
}

TEST_CASE("pretty JSON is indented by two", "[core][value]") {
  CHECK(to_pretty_json(parse_json(R"({"a":[1,{}],"b":[]})").value()) ==
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

TEST_CASE("a path leads through maps and lists", "[core][value]") {
  const Value value = parse_json(R"({"order":{"total":12.5,"lines":[{"sku":"x"}]},"n":1})").value();
  CHECK(*value.find_path("order.total") == Value{12.5});
  CHECK(*value.find_path("order.lines.0.sku") == Value{"x"});
  CHECK(value.find_path("order.lines.1.sku") == nullptr);
  CHECK(value.find_path("order.lines.x") == nullptr);
  CHECK(value.find_path("order.lines.00000000000000000000000009") == nullptr);
  CHECK(value.find_path("n.x") == nullptr);
  CHECK(value.find_path("") == nullptr);
  CHECK(value.find_path("order.") == nullptr);
  CHECK(value.find_path(".order") == nullptr);
  CHECK(Value{}.find_path("a") == nullptr);
}

TEST_CASE("setting a member replaces it or adds it at the end", "[core][value]") {
  Value value;
  value.set("b", 1);
  value.set("a", 2);
  value.set("b", 3);
  CHECK(to_json(value) == R"({"b":3,"a":2})");
}

TEST_CASE("plain text shows what a person would write", "[core][value]") {
  CHECK(to_text(Value{}).empty());
  CHECK(to_text(Value{"a\"b"}) == "a\"b");
  CHECK(to_text(Value{true}) == "true");
  CHECK(to_text(Value{10.0}) == "10");
  CHECK(to_text(Value{12.5}) == "12.5");
  CHECK(to_text(Value{std::int64_t{54321}}) == "54321");
  CHECK(to_text(Value{ValueList{"a", 1, Value{}}}) == "a, 1, ");
  CHECK(to_text(parse_json(R"({"a":1})").value()) == R"({"a":1})");
  CHECK(to_text(*parse_date("2026-01-31")) == "2026-01-31");
}

TEST_CASE("well-formed UTF-8 is told from the rest, with the place of the fault", "[core][value]") {
  CHECK(valid_utf8(""));
  CHECK(valid_utf8("aé😀\x7f"));
  const struct {
    std::string_view text;
    std::size_t fault;
  } cases[] = {{"a\xff", 1},
               {"\xc0\xaf", 0},
               {"\xc1\xbf", 0},
               {"\xe0\x80\xaf", 0},
               {"\xed\xa0\x80", 0},
               {"ab\xc3", 2},
               {"\xf4\x90\x80\x80", 0},
               {"\xf5\x80\x80\x80", 0},
               {"\xf0\x8f\xbf\xbf", 0},
               {"é\x80", 2},
               {"\xe2\x82", 0}};
  for (const auto& c : cases) {
    std::size_t fault = 99;
    CHECK_FALSE(valid_utf8(c.text, &fault));
    CHECK(fault == c.fault);
  }
}

TEST_CASE("any bytes are a value or a refusal, never a crash", "[core][value]") {
  const std::vector<std::string> pieces{"{",
                                        "}",
                                        "[",
                                        "]",
                                        ",",
                                        ":",
                                        "\"",
                                        "\"a\"",
                                        "\\u",
                                        "d800",
                                        "\\",
                                        "1",
                                        "-",
                                        ".5",
                                        "e9",
                                        "true",
                                        "null",
                                        " ",
                                        "\xff",
                                        "\xc3\xa9",
                                        std::string(1, '\0'),
                                        "1e999",
                                        "99999999999999999999"};
  CHECK(rc::check([&] {
    std::string text;
    for (const auto& piece :
         *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pieces)))
      text += piece;
    const auto value = parse_json(text);
    if (value) RC_ASSERT(parse_json(to_json(*value)).value() == *value);
    if (!value) {
      RC_ASSERT(value.error().message.starts_with("byte "));
      RC_ASSERT(valid_utf8(value.error().message));
    }
  }));
}

TEST_CASE("an index and a builder find the members of small and wide maps", "[core][value]") {
  for (const int width : {0, 1, 24, 25, 1000}) {
    CAPTURE(width);
    MapBuilder builder;
    for (int i = 0; i < width; ++i) CHECK(builder.add("m" + std::to_string(i), i));
    for (int i = 0; i < width; ++i) CHECK_FALSE(builder.add("m" + std::to_string(i), -1));
    for (int i = 0; i < width; ++i) CHECK(*builder.find("m" + std::to_string(i)) == Value{i});
    CHECK(builder.find("m" + std::to_string(width)) == nullptr);
    const ValueMap members = builder.take();
    REQUIRE(members.size() == static_cast<std::size_t>(width));
    const MemberIndex index{members};
    for (const auto& [name, value] : members) CHECK(index.find(name) == &value);
    CHECK(index.find("") == nullptr);
    CHECK(index.find("m" + std::to_string(width)) == nullptr);
    MapBuilder again{members};
    CHECK(again.add("new", 1));
    CHECK_FALSE(again.add("new", 2));
    CHECK(again.take().size() == members.size() + 1);
  }
}
