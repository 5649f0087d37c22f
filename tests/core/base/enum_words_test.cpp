#include "engine/core/base/enum_words.h"

#include <catch2/catch.hpp>

#include "engine/core/delivery/delivery.h"
#include "engine/core/scenario/catalog.h"
#include "engine/core/scenario/reentry.h"
#include "engine/core/scenario/run_state.h"

namespace onward {
namespace {
enum class Colour { Red, Green };
constexpr EnumWords<Colour, 2> kColours{{{Colour::Red, "red"}, {Colour::Green, "green"}}};

TEST_CASE("a word leads to its value and back", "[core][words]") {
  CHECK(kColours.of(Colour::Green) == "green");
  CHECK(kColours.find("green") == Colour::Green);
  CHECK_FALSE(kColours.find("blue").has_value());
  CHECK_FALSE(kColours.find("").has_value());
  CHECK(kColours.of(static_cast<Colour>(2)).empty());
  CHECK(kColours.all().size() == 2);
  CHECK(kColours.all().front() == "red");
}

TEST_CASE("states and modes have the words that are stored and shown", "[core][words]") {
  using Words = std::vector<std::string_view>;
  const auto as_list = [](std::span<const std::string_view> words) {
    return Words(words.begin(), words.end());
  };
  CHECK(as_list(run_state_words()) == Words{"waiting", "done", "exited", "stopped", "parked"});
  CHECK(as_list(delivery_state_words()) == Words{"pending", "accepted", "failed", "cancelled"});
  CHECK(as_list(reentry_mode_words()) == Words{"never", "after_exit", "restart", "parallel"});
  CHECK(as_list(scenario_state_words()) ==
        Words{"draft", "scheduled", "active", "on_hold", "archived"});
  CHECK(to_string(RunState::Parked) == "parked");
  CHECK(to_string(DeliveryState::Cancelled) == "cancelled");
  CHECK(parse_delivery_state("failed") == DeliveryState::Failed);
  CHECK(parse_reentry_mode("parallel") == ReentryMode::Parallel);
  CHECK(parse_scenario_state("on_hold") == ScenarioState::OnHold);
  CHECK_FALSE(parse_delivery_state("Failed").has_value());
}
}  // namespace
}  // namespace onward
