// What a reader costs that sees rows before they are in the tables.
#include <catch2/catch.hpp>

#include "engine/store/sqlite/journal_follower.h"
#include "tests/store/conformance.h"

namespace onward {
namespace {
Commit of_contact(std::uint64_t number) {
  return {.at = at(1),
          .last_seq = number,
          .last_contact = {number},
          .contacts = {a_contact(number, "c" + std::to_string(number))}};
}

/// A reader's overlay, which follows the journal of a folder.
struct Reader {
  explicit Reader(const std::filesystem::path& folder)
      : database{open_readonly(folder / "onward.db")} {}
  std::size_t look() {
    Query begin{*database, "BEGIN"}, commit{*database, "COMMIT"};
    const ReadScope scope{begin, commit};
    journal.catch_up();
    return overlay.contacts.map.size();
  }

  std::unique_ptr<SQLite::Database> database;
  Overlay overlay;
  JournalFollower journal{*database, overlay};
};
}  // namespace

TEST_CASE("a reader reads each row of the journal once, and none of it while nobody asks",
          "[store][reader]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path(), .durable = false}));
  Reader reader{folder.path()};
  std::uint64_t number = 0;
  for (; number < 50; ++number) must(store->commit(of_contact(number + 1)));
  CHECK(reader.journal.rows_read() == 0);
  CHECK(reader.look() == 50);
  for (int times = 0; times < 10; ++times) CHECK(reader.look() == 50);
  CHECK(reader.journal.rows_read() == 50);
  must(store->commit(of_contact(++number)));
  CHECK(reader.look() == 51);
  CHECK(reader.journal.rows_read() == 51);
}

TEST_CASE("while a snapshot is held a reader sees nothing newer", "[store][reader]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path(), .durable = false}));
  const auto reader = must(store->open_reader());
  const auto seen = [&] { return must(reader->contacts({}, 10)).contacts.size(); };
  must(store->commit(of_contact(1)));
  reader->hold();
  CHECK(seen() == 1);
  must(store->commit(of_contact(2)));
  CHECK(seen() == 1);
  CHECK_FALSE(must(reader->contact({2})));
  reader->release();
  CHECK(seen() == 2);
}

TEST_CASE("rows that go into the tables leave a reader's memory", "[store][reader]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path(), .durable = false}));
  Reader reader{folder.path()};
  std::uint64_t number = 0;
  for (int round = 0; round < 5; ++round) {
    // What comes while the reader does not look goes into the tables unseen.
    for (int more = 0; more < 20; ++more) must(store->commit(of_contact(++number)));
    if (round % 2 == 0) CHECK(reader.look() == 20);
    must(store->fold());
    CHECK(reader.look() == 0);
  }
}

TEST_CASE("a reader that follows a fold under way holds little that stands in the tables",
          "[store][reader]") {
  const TempFolder folder;
  const auto store =
      must(open_sqlite_store({.folder = folder.path(), .fold_after = 10, .durable = false}));
  Reader reader{folder.path()};
  for (std::uint64_t number = 1; number <= 10'000; ++number) {
    must(store->commit(of_contact(number)));
    if (number % 100 == 0) CHECK(reader.look() < 3'000);
  }
  CHECK(reader.journal.rows_read() < 30'000);
}
}  // namespace onward
