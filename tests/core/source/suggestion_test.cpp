#include "engine/core/source/suggestion.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
TEST_CASE("a suggestion follows what was found, and is empty without a name", "[core][source]") {
  CHECK(did_you_mean("welcome") == "; did you mean \"welcome\"?");
  CHECK(did_you_mean("") == "");
  CHECK(perhaps("welcome") == "; perhaps \"welcome\"");
  CHECK(perhaps("welcome", "?") == "; perhaps \"welcome\"?");
  CHECK(perhaps("", "?") == "");
}
}  // namespace
}  // namespace onward
