#include "engine/core/base/utf8.h"

#include <string>

#include <catch2/catch.hpp>

#include "engine/core/base/value.h"

namespace onward {
namespace {
constexpr std::string_view kText = "aé漢😀z";  // of 1, 2, 3, 4 and 1 bytes

TEST_CASE("places in UTF-8 text are counted in characters", "[core][utf8]") {
  CHECK(count_characters("") == 0);
  CHECK(count_characters(kText) == 5);
  CHECK(next_character(kText, 0) == 1);
  CHECK(next_character(kText, 1) == 3);
  CHECK(next_character(kText, 3) == 6);
  CHECK(next_character(kText, 6) == 10);
  CHECK(next_character(kText, 10) == kText.size());
  CHECK(character_place(kText, 0) == 0);
  CHECK(character_place(kText, 3) == 6);
  CHECK(character_place(kText, 5) == kText.size());
  CHECK(character_place(kText, 99) == kText.size());
  CHECK(character_place(kText, -1) == 0);
}

TEST_CASE("the first character is read with its length", "[core][utf8]") {
  struct Row {
    std::string_view text;
    char32_t point;
    std::size_t length;
  };
  for (const Row& row :
       {Row{"a", U'a', 1}, Row{"éa", U'é', 2}, Row{"\xc2\x80", 0x80, 2}, Row{"漢", U'漢', 3},
        Row{"\xef\xbf\xbf", 0xffff, 3}, Row{"😀", U'😀', 4}, Row{"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
        Row{std::string_view{"\0", 1}, 0, 1}, Row{"\x7f", 0x7f, 1}}) {
    const Character found = first_character(row.text);
    CHECK(found.point == row.point);
    CHECK(found.length == row.length);
    CHECK(character_length(row.text) == row.length);
    CHECK(valid_utf8(row.text.substr(0, row.length)));
  }
}

TEST_CASE("malformed UTF-8 has no first character", "[core][utf8]") {
  for (const std::string_view text :
       {"\x80",
        "\xbf"
        "a",
        "\xc3",
        "\xc3"
        "a",
        "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe6\xbc", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98", "\xff"}) {
    CHECK(first_character(text).length == 0);
    CHECK(character_length(text) == 0);
    CHECK_FALSE(valid_utf8(text));
  }
}
}  // namespace
}  // namespace onward
