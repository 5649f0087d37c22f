// Mistakes made on purpose: each is found, and named by the promise that it breaks.
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/chaos/promises.h"
#include "tests/chaos/world.h"

using namespace onward::chaos;

namespace {
/// The first finding among a few worlds with the mistake.
std::optional<Finding> first_finding(Plant plant, const WorldOptions& given) {
  WorldOptions options = given;
  options.plant = plant;
  for (options.seed = 1; options.seed <= 40; ++options.seed)
    if (auto end = run_world(options); end.finding) return end.finding;
  return std::nullopt;
}

void finds(Plant plant, std::initializer_list<std::string_view> promises,
           const WorldOptions& options = {}) {
  const auto finding = first_finding(plant, options);
  REQUIRE(finding);
  INFO(finding->broken.promise << ": " << finding->broken.detail);
  CHECK(std::ranges::find(promises, finding->broken.promise) != promises.end());
}
}  // namespace

TEST_CASE("finds: an answer before the sync", "[chaos]") {
  finds(Plant::AnswerBeforeSync, {promise::kDurable, promise::kWrittenDown});
}
TEST_CASE("finds: a commit that a start skips", "[chaos]") {
  finds(Plant::LoseCommit, {promise::kDurable});
}
TEST_CASE("finds: a commit whose numbers are applied twice", "[chaos]") {
  finds(Plant::CountTwice, {promise::kDurable});
}
TEST_CASE("finds: an event that is taken twice", "[chaos]") {
  finds(Plant::TakeTwice, {promise::kOnce});
}
TEST_CASE("finds: a retry that is dropped", "[chaos]") {
  finds(Plant::DropRetry, {promise::kOverdue});
}
TEST_CASE("finds: a timer that is dropped", "[chaos]") {
  finds(Plant::DropTimer, {promise::kTimers});
}
TEST_CASE("finds: a timer that is told early", "[chaos]") {
  finds(Plant::EarlyTimer, {promise::kTimers, promise::kEarly});
}
TEST_CASE("finds: a retry before its time", "[chaos]") {
  finds(Plant::EarlyRetry, {promise::kEarly});
}
TEST_CASE("finds: a retry with another body", "[chaos]") {
  finds(Plant::OtherBody, {promise::kOneBody});
}
TEST_CASE("finds: an outcome that a start forgets", "[chaos]") {
  finds(Plant::LoseOutcome, {promise::kDurable, promise::kRepeat});
}
TEST_CASE("finds: a contact that is not up to date", "[chaos]") {
  finds(Plant::StaleContact, {promise::kPath}, {.routes = true});
}
TEST_CASE("finds: a visit with two deliveries", "[chaos]") {
  finds(Plant::TwoDeliveries, {promise::kOneDelivery});
}

TEST_CASE("finds: a disk that says it has synced, and has not", "[chaos]") {
  finds(Plant::LieAboutSync, {promise::kDurable, promise::kSurvives}, {.sqlite = true});
}
TEST_CASE("finds: an answer before the sync of SQLite", "[chaos]") {
  finds(Plant::AnswerBeforeSync, {promise::kDurable, promise::kWrittenDown}, {.sqlite = true});
}

TEST_CASE("what is found is cut down to the steps that matter", "[chaos]") {
  const WorldOptions options{.seed = 3, .plant = Plant::DropTimer};
  std::optional<Finding> finding;
  WorldOptions found = options;
  for (; !finding && found.seed < 40; ++found.seed) finding = run_world(found).finding;
  REQUIRE(finding);
  --found.seed;
  const std::set<int> steps = shrink(found, *finding);
  CHECK(steps.size() <= static_cast<std::size_t>(finding->step));
  found.only = steps;
  const WorldEnd again = run_world(found);
  REQUIRE(again.finding);
  CHECK(again.finding->broken.promise == finding->broken.promise);
}
