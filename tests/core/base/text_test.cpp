#include "engine/core/base/text.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace onward {
namespace {
TEST_CASE("lower and same_ignoring_case change letters of ASCII only", "[core][text]") {
  CHECK(lower(std::string_view{"AZ az 09 @[`{ É"}) == "az az 09 @[`{ É");
  CHECK(same_ignoring_case("X-Api-Key", "x-api-KEY"));
  CHECK_FALSE(same_ignoring_case("X-Api-Key", "X-Api-Ke"));
  CHECK_FALSE(same_ignoring_case("É", "é"));
  CHECK_FALSE(same_ignoring_case("@", "`"));
}

TEST_CASE("characters are classified by ASCII, at the borders of each range", "[core][text]") {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    INFO(i);
    const bool digit = std::string_view{"0123456789"}.find(c) != std::string_view::npos;
    const bool letter =
        std::string_view{"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}.find(c) !=
        std::string_view::npos;
    CHECK(is_digit(c) == digit);
    CHECK(is_letter_or_digit(c) == (digit || letter));
    CHECK(is_name_character(c) == (digit || letter || c == '-' || c == '_'));
    CHECK(is_control(c) == (i < 32 || i == 127));
    const std::size_t hex = std::string_view{"0123456789abcdef0123456789ABCDEF"}.find(c);
    CHECK(hex_value(c) == (hex == std::string_view::npos ? -1 : static_cast<int>(hex % 16)));
  }
  CHECK(is_digits("007"));
  CHECK_FALSE(is_digits(""));
  CHECK_FALSE(is_digits("1.5"));
}

TEST_CASE("trimmed leaves out blanks at both ends, and only the named ones", "[core][text]") {
  CHECK(trimmed(" \t a b\r\n") == "a b");
  CHECK(trimmed("a") == "a");
  CHECK(trimmed("").empty());
  CHECK(trimmed(" \t\r\n").empty());
  CHECK(trimmed("\n a\t", " \t") == "\n a");
  CHECK(is_blank(""));
  CHECK(is_blank(" \t\r\n"));
  CHECK_FALSE(is_blank(" \n", " \t"));
  CHECK_FALSE(is_blank("\v"));
}

TEST_CASE("words are joined with a separator between them", "[core][text]") {
  CHECK(join(std::vector<std::string>{}) == "");
  CHECK(join(std::vector<std::string>{"a"}) == "a");
  CHECK(join(std::vector<std::string_view>{"a", "b", "c"}) == "a, b, c");
  CHECK(join(std::vector<std::string_view>{"a", "b"}, " or ") == "a or b");
}
}  // namespace
}  // namespace onward
