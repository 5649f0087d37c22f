// Worlds with fixed seeds, and that the same seed is the same world.
#include <catch2/catch.hpp>

#include "tests/chaos/report.h"
#include "tests/support/effort.h"

using namespace onward;
using namespace onward::chaos;

TEST_CASE("whatever happens, every promise holds", "[chaos]") {
  const Report report = run_campaign({.first = 1, .last = effort(150)});
  INFO(as_table(report));
  CHECK(report.findings.empty());
  CHECK(report.figures.crashes > effort(300));
  CHECK(report.figures.attempts > effort(10'000));
  CHECK(report.figures.store_failures > effort(300));
  CHECK(report.figures.on_sqlite > 0);
}

TEST_CASE("whenever the power fails, every promise holds", "[chaos]") {
  const Report report = run_campaign({.first = 1, .last = 25, .sqlite = true});
  INFO(as_table(report));
  CHECK(report.findings.empty());
  CHECK(report.figures.cut_commits > 0);
  CHECK(report.figures.cut_folds > 0);
}

TEST_CASE("each contact goes the way that a model foretells", "[chaos]") {
  const Report report = run_campaign({.first = 1, .last = effort(60), .routes = true});
  INFO(as_table(report));
  CHECK(report.findings.empty());
  CHECK(report.figures.crashes > effort(500));
  CHECK(report.figures.runs > effort(3'000));
}

TEST_CASE("a process may die at every place at which it can", "[chaos]") {
  const Report report = run_campaign({.first = 1, .last = 3, .steps = 6, .every_place = true});
  INFO(as_table(report));
  CHECK(report.findings.empty());
  CHECK(report.figures.crashes > 200);
}

TEST_CASE("the same seed is the same world", "[chaos]") {
  for (const std::uint64_t seed : {7, 8, 9}) {
    const WorldEnd first = run_world({.seed = seed});
    const WorldEnd again = run_world({.seed = seed});
    CHECK(first.trace_hash == again.trace_hash);
    CHECK(first.figures.attempts == again.figures.attempts);
    CHECK(first.trace_hash != run_world({.seed = seed + 100}).trace_hash);
    const WorldOptions routes{.seed = seed, .routes = true};
    CHECK(run_world(routes).trace_hash == run_world(routes).trace_hash);
    const WorldOptions sqlite{.seed = seed, .sqlite = true};
    CHECK(run_world(sqlite).trace_hash == run_world(sqlite).trace_hash);
  }
}

TEST_CASE("a step that is left out leaves the others as they were", "[chaos]") {
  std::vector<std::string> all, some;
  const auto into = [](std::vector<std::string>& lines) {
    return [&lines](std::string_view line) { lines.emplace_back(line); };
  };
  WorldOptions options{.seed = 5, .steps = 10, .trace = into(all)};
  REQUIRE_FALSE(run_world(options).finding);
  options.only = {2, 3};
  options.trace = into(some);
  REQUIRE_FALSE(run_world(options).finding);
  CHECK(some.size() < all.size());
  CHECK(some.front().ends_with("-- step 2"));
}
