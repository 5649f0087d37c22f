#include "engine/core/base/styled_text.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
TEST_CASE("a style surrounds its text, and text brings no style", "[core][styled]") {
  StyledText text = "a ";
  text += {Style::Red, "b\x1b[32m"};
  text += " c\x1b[31m";
  CHECK(text == "a b\\x1b[32m c\\x1b[31m");
  CHECK(text.coloured() == "a \x1b[31mb\\x1b[32m\x1b[0m c\\x1b[31m");
}

TEST_CASE("styles move with what they are added to", "[core][styled]") {
  const StyledText inner = StyledText{"x"} + StyledText{Style::Bold, "y"};
  const StyledText outer = "é: " + inner + "\n" + StyledText{Style::Faint, ""};
  CHECK(outer.coloured() == "é: x\x1b[1my\x1b[0m\n");
  CHECK(outer.plain() == "é: xy\n");
  CHECK_FALSE(outer.empty());
  CHECK(StyledText{Style::Red, ""}.empty());
}
}  // namespace
}  // namespace onward
