// What a scan of unfolded rows costs: as many rows as it returns, however many are not folded.
#include <SQLiteCpp/SQLiteCpp.h>
#include <catch2/catch.hpp>
#include <deque>
#include <string>

#include "engine/store/sqlite/journal.h"
#include "engine/store/sqlite/migrations/migrations.h"
#include "engine/store/sqlite/newest.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/tables.h"

namespace onward {
namespace {
constexpr std::uint64_t kRows = 5'000;
constexpr std::size_t kLimit = 10;

/// Empty tables, and an overlay of rows that were not folded.
class Unfolded {
 public:
  void take(const Commit& commit) {
    journal_.push_back(encode_journal(commit, {}));
    REQUIRE(overlay.apply(journal_.back()));
  }

  /// What `scan` returns; fails where it looked at more rows than a few for each that it may
  /// return.
  template <class Scan>
  auto cheap(Scan scan) {
    const std::uint64_t before = newest.rows_scanned();
    auto found = scan();
    CHECK(newest.rows_scanned() - before <= 2 * (kLimit + 1));
    return found;
  }

 private:
  struct Schema {
    explicit Schema(SQLite::Database& database) {
      for (const SchemaMigration& one : migrations()) database.exec(std::string{one.sql});
    }
  };
  std::deque<std::string> journal_;
  SQLite::Database database_{":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
  Schema schema_{database_};

 public:
  Overlay overlay;
  UnreadableRows unreadable;
  Tables tables{database_, unreadable};
  Newest newest{overlay, tables, unreadable};
};

Delivery delivery_of(std::uint64_t number, DeliveryState state) {
  Delivery delivery;
  delivery.key = {number * 2};
  delivery.endpoint = {{1}, {static_cast<std::uint32_t>(1 + number % 2)}, 1};
  delivery.contact = {1 + number % 100};
  delivery.run = {number};
  delivery.state = state;
  if (state == DeliveryState::Pending) delivery.due = Instant{Duration{1'000}};
  return delivery;
}

/// Newest first in the journal where `backwards`, so that nothing depends on ascending keys.
void fill(Unfolded& rows, bool backwards) {
  for (std::uint64_t i = 1; i <= kRows; ++i) {
    const std::uint64_t number = backwards ? kRows + 1 - i : i;
    Commit commit;
    Run run;
    run.key = {number};
    run.contact = {number};
    run.scenario = {1};
    run.state = number % 2 == 0 ? RunState::Waiting : RunState::Done;
    commit.runs.push_back(run);
    commit.deliveries.push_back(delivery_of(number, DeliveryState::Pending));
    commit.requests.push_back(
        {.delivery = {number * 2}, .request = std::make_shared<const Request>()});
    rows.take(commit);
  }
  // Every third is settled later.
  for (std::uint64_t number = 3; number <= kRows; number += 3) {
    Commit commit;
    commit.deliveries.push_back(delivery_of(number, DeliveryState::Accepted));
    rows.take(commit);
  }
}
}  // namespace

TEST_CASE("a scan looks at as many unfolded rows as it returns", "[store]") {
  const bool backwards = GENERATE(false, true);
  Unfolded rows;
  fill(rows, backwards);
  Newest& newest = rows.newest;

  std::size_t found = 0;
  ContactKey contact;
  for (bool end = false; !end; ++found) {
    const LiveRuns live = rows.cheap([&] { return newest.live_runs_after(contact, kLimit); });
    for (const Run& run : live.runs) CHECK((run.live() && run.contact > contact));
    contact = live.last;
    end = live.end;
  }
  CHECK(found == kRows / 2 / kLimit);

  found = 0;
  RunKey run;
  for (bool end = false; !end;) {
    const EndedRuns ended = rows.cheap([&] { return newest.ended_runs({1}, run, kLimit); });
    found += ended.runs.size();
    run = ended.last;
    end = ended.end;
  }
  CHECK(found == kRows / 2);

  found = 0;
  DeliveryKey key;
  for (bool end = false; !end;) {
    const StoredBodies bodies = rows.cheap([&] { return newest.stored_bodies(key, kLimit); });
    found += bodies.deliveries.size();
    key = bodies.last;
    end = bodies.end;
  }
  CHECK(found == kRows);

  for (const DeliveryState state : {DeliveryState::Pending, DeliveryState::Accepted}) {
    found = 0;
    key = {};
    for (const std::uint32_t node : {1U, 2U}) {
      key = {};
      while (true) {
        const auto keys =
            rows.cheap([&] { return newest.deliveries_of({1}, {node}, state, key, kLimit); });
        found += keys.size();
        if (keys.empty()) break;
        CHECK(keys.front() > key);
        key = keys.back();
      }
    }
    CHECK(found == (state == DeliveryState::Accepted ? kRows / 3 : kRows - kRows / 3));
  }

  found = 0;
  for (std::uint64_t one = 1; one <= 100; ++one) {
    const std::uint64_t before = newest.rows_scanned();
    const std::size_t pending = newest.pending_of({one}).size();
    CHECK(newest.rows_scanned() - before == pending);
    found += pending;
  }
  CHECK(found == kRows - kRows / 3);
}
}  // namespace onward
