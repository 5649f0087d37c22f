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

TEST_CASE("finds: rows that go before their time", "[chaos]") {
  finds(Plant::ShortKeep, {promise::kKept});
}
TEST_CASE("finds: requests that are kept beyond their time", "[chaos]") {
  finds(Plant::KeepBodies, {promise::kKept});
}
TEST_CASE("finds: a store that keeps what it was told to take away", "[chaos]") {
  finds(Plant::LosePurge, {promise::kKept});
}
TEST_CASE("finds: ids that are forgotten early", "[chaos]") {
  finds(Plant::ForgetSeenEarly, {promise::kOnce});
}
TEST_CASE("finds: ids that are never forgotten", "[chaos]") {
  finds(Plant::RememberSeen, {promise::kForgets});
}
TEST_CASE("finds: a secret that was replaced and is still sent", "[chaos]") {
  finds(Plant::OldSecret, {promise::kSecrets});
}
TEST_CASE("finds: a secret that is stored in clear", "[chaos]") {
  finds(Plant::SecretInClear, {promise::kSecrets});
}
TEST_CASE("finds: a secret that a start forgets", "[chaos]") {
  finds(Plant::LoseSecret, {promise::kSecrets});
}
TEST_CASE("finds: a revoked token that a start brings back", "[chaos]") {
  finds(Plant::ReviveToken, {promise::kTokens});
}
TEST_CASE("finds: an acknowledged row of an import that is not applied", "[chaos]") {
  finds(Plant::LoseImportRow, {promise::kImports});
}
TEST_CASE("finds: a run that a migration does not see", "[chaos]") {
  finds(Plant::MissRun, {promise::kMigrated});
}
TEST_CASE("finds: a batch that is sent after it has ended", "[chaos]") {
  finds(Plant::BatchAgain, {promise::kBatchOnce});
}
TEST_CASE("finds: a paused node that sends", "[chaos]") {
  finds(Plant::SendPaused, {promise::kPaused});
}
TEST_CASE("finds: a delivery that a pause does not see", "[chaos]") {
  finds(Plant::MissParking, {promise::kPaused});
}
TEST_CASE("finds: a delivery that a bulk command does not see", "[chaos]") {
  finds(Plant::MissInBulk, {promise::kBulk});
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
