// What the memory holds of the versions of a scenario: those that are needed, and no text.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/runtime/stores.h"

namespace onward {
namespace {
std::string course(int number) {
  return fmt::format(R"(scenario: course
title: "{} {}"
nodes:
  joined: {{ kind: trigger, event: subscription, next: pause }}
  pause:  {{ kind: wait, for: 30d, next: end }}
)",
                     number, std::string(2'000, 'x'));
}
}  // namespace

TEST_CASE("however often a scenario is applied, only the versions in use are in memory",
          "[runtime][scenarios]") {
  LastingStage stage{course(1), GENERATE(false, true)};
  stage->event("ada", "subscription");
  for (int number = 2; number <= 1'000; ++number) stage->apply(course(number));
  const auto check = [&] {
    const ScenarioBook& book = stage->engine().book();
    // The newest, and that of the run under way.
    CHECK(book.held().built == 2);
    CHECK(book.held().text_bytes == 0);
    CHECK(book.find("course")->newest == 1'000);
    for (const Version version : {1, 2, 500, 1'000})
      CHECK(book.text("course", version) == course(static_cast<int>(version)));
    CHECK(book.text("course", 1'001).error().code == "unknown_version");
  };
  check();
  stage.restart();
  // A start reads what it builds.
  CHECK(stage->engine().book().texts().reads() == 2);
  check();
  CHECK(stage->place_of("ada") == "pause");
}
}  // namespace onward
