#include "engine/core/journey/stats.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
constexpr ScenarioKey kScenario{1};

CounterRow row(std::initializer_list<std::pair<Counter, std::int64_t>> counts) {
  CounterRow made;
  for (const auto& [counter, count] : counts) made.add(counter, count);
  return made;
}
}  // namespace

TEST_CASE("runs that move between versions leave the numbers in balance", "[core][stats]") {
  const CounterKey first{.scenario = kScenario, .version = 1};
  const CounterKey second{.scenario = kScenario, .version = 2};
  Counters counters{
      {first, row({{Counter::Entered, 5}, {Counter::Done, 2}, {Counter::MovedOut, 3}})},
      {second, row({{Counter::Entered, 1},
                    {Counter::MovedIn, 3},
                    {Counter::Inside, 3},
                    {Counter::Done, 1}})}};
  CHECK(check_counters(counters).empty());

  counters[second].add(Counter::MovedIn, 1);
  counters[second].add(Counter::Inside, 1);
  CHECK(check_counters(counters).find("over all versions") != std::string::npos);
  counters[first].add(Counter::MovedOut, 1);
  CHECK(check_counters(counters).find("entered + moved in") != std::string::npos);
}

TEST_CASE("nobody leaves a node who never came to it", "[core][stats]") {
  const CounterKey node{.scenario = kScenario, .node = {2}, .version = 2};
  Counters counters{
      {node, row({{Counter::Visits, 3}, {Counter::MovedIn, 2}, {Counter::Waiting, 1}})}};
  counters[node].add("next", 3);
  CHECK(check_counters(counters).empty());  // one is parked there
  counters[node].add(Counter::MovedOut, 1);
  CHECK(check_counters(counters).empty());
  counters[node].add("next", 1);
  CHECK(check_counters(counters).find("ports + waiting") != std::string::npos);
}
}  // namespace onward
