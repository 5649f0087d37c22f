#include "engine/core/journey/ledger.h"

#include "engine/core/scenario/reentry.h"

#include <catch2/catch.hpp>

using namespace onward;
using namespace std::chrono_literals;

namespace {
const Instant kNow = std::chrono::sys_days{std::chrono::year{2026} / 5 / 1};
}

TEST_CASE("re-entry is decided by one table", "[core][ledger]") {
  struct Row {
    ReentryMode mode;
    bool gap;               // min_gap of a day
    std::uint32_t entries;  // before
    Duration ago;           // since the last
    std::uint32_t live;
    Entry expected;
  };
  using enum ReentryMode;
  using enum Entry;
  const std::vector<Row> table{
      {Never, false, 0, 0h, 0, Enter},           {Never, false, 1, 100h, 0, AlreadyEntered},
      {Never, false, 1, 1h, 1, AlreadyEntered},  {Never, true, 0, 0h, 0, Enter},
      {Never, true, 1, 100h, 0, AlreadyEntered}, {AfterExit, false, 0, 0h, 0, Enter},
      {AfterExit, false, 1, 1h, 0, Enter},       {AfterExit, false, 1, 1h, 1, Inside},
      {AfterExit, true, 1, 23h, 0, TooSoon},     {AfterExit, true, 1, 24h, 0, Enter},
      {AfterExit, true, 1, 48h, 1, Inside},      {Restart, false, 0, 0h, 0, Enter},
      {Restart, false, 1, 1h, 0, Enter},         {Restart, false, 1, 1h, 1, EnterAndEndLive},
      {Restart, true, 1, 1h, 1, TooSoon},        {Restart, true, 1, 24h, 1, EnterAndEndLive},
      {Parallel, false, 0, 0h, 0, Enter},        {Parallel, false, 5, 0h, 5, Enter},
      {Parallel, false, 99, 0h, 99, Enter},      {Parallel, false, 100, 0h, 100, TooMany},
      {Parallel, true, 1, 1h, 1, TooSoon},       {Parallel, true, 1, 24h, 1, Enter},
      {Parallel, false, 0, 0h, 100, TooMany},
  };
  for (const Row& row : table) {
    Reentry reentry{.mode = row.mode};
    if (row.gap) reentry.min_gap = 24h;
    CAPTURE(to_string(row.mode), row.gap, row.entries, row.live);
    CHECK(decide_entry(reentry, row.entries, kNow - row.ago, row.live, kNow) == row.expected);
  }
}

TEST_CASE("a visited node is new once", "[core][ledger]") {
  VisitedNodes visited;
  CHECK(visited.insert({1}));
  CHECK_FALSE(visited.insert({1}));
  CHECK(visited.insert({9'999}));
  CHECK(visited.contains({9'999}));
  CHECK_FALSE(visited.contains({9'998}));
  CHECK_FALSE(visited.contains({1'000'000}));
  CHECK(VisitedNodes::from_words(visited.words()) == visited);
}

TEST_CASE("an entry without a key's value is not the scenario's own row", "[core][ledger]") {
  CHECK(entry_key("") != EntryKey{});
  CHECK(entry_key("a") != entry_key("b"));
}
