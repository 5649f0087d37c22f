// What only the durable store promises: ownership, recovery, bounds, refusals.
#include "engine/store/sqlite/sqlite_store.h"

#include <SQLiteCpp/Database.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "engine/store/memory/memory_store.h"
#include "engine/store/packed_text.h"
#include "engine/store/recount.h"
#include "engine/store/sqlite/store_view.h"
#include "tests/store/conformance.h"
#include "tests/store/world.h"
#include "tests/support/first_schema.h"
#include "tests/support/noise.h"

namespace onward {
namespace {
Error error_of(const SqliteOptions& options) {
  const auto store = open_sqlite_store(options);
  REQUIRE(!store);
  return store.error();
}

/// `count` contacts from `first` on, each with its rows.
Commit busy_commit(std::uint64_t first, std::uint64_t count) {
  Commit commit{.last_seq = first + count, .last_contact = {first + count}};
  for (std::uint64_t key = first; key < first + count; ++key) {
    commit.contacts.push_back(a_contact(key, "c" + std::to_string(key)));
    commit.ledger.push_back({{key}, {.scenario = {1}, .entries = 1}});
    commit.runs.push_back(a_run(key * 256, key, RunState::Done));
    commit.deliveries.push_back(a_delivery(key * 256 + 1, key, 5));
    commit.requests.push_back({{key * 256 + 1}, std::make_shared<const Request>(a_request("x"))});
    commit.identities.push_back(id_change("c" + std::to_string(key), key));
  }
  return commit;
}

std::size_t contacts_known(Store& store, std::uint64_t count) {
  std::vector<LoadQuery> queries;
  for (std::uint64_t key = 1; key <= count; ++key) queries.push_back({.contact = {key}});
  std::size_t known = 0;
  for (const auto& state : must(store.load(queries))) known += state ? 1 : 0;
  return known;
}

void exec(const std::filesystem::path& file, const std::string& sql) {
  SQLite::Database{file.string(), SQLite::OPEN_READWRITE}.exec(sql);
}
}  // namespace

TEST_CASE("a data folder that this user may not write is told as that", "[store][sqlite]") {
  const TempFolder folder;
  must(open_sqlite_store({.folder = folder.path()})).reset();
  for (const auto& entry : std::filesystem::directory_iterator{folder.path()})
    REQUIRE(::chmod(entry.path().c_str(), 0666) == 0);
  REQUIRE(::chmod(folder.path().c_str(), 0555) == 0);
  // Root may write everywhere: somebody else opens it.
  const uid_t before = ::geteuid();
  if (before == 0) REQUIRE(::seteuid(65'534) == 0);
  const auto store = open_sqlite_store({.folder = folder.path()});
  if (before == 0) REQUIRE(::seteuid(0) == 0);
  ::chmod(folder.path().c_str(), 0700);
  REQUIRE_FALSE(store);
  CAPTURE(store.error().message);
  CHECK(store.error().kind == ErrorKind::Io);
  CHECK(store.error().message.find("this user may not write " + folder.path().string() + ": ") !=
        std::string::npos);
}

TEST_CASE("a data folder has one owner, whose pid is named", "[store][sqlite]") {
  const TempFolder folder;
  auto owner = must(open_sqlite_store({.folder = folder.path()}));
  const Error error = error_of({.folder = folder.path()});
  CHECK(error.kind == ErrorKind::Conflict);
  CHECK(error.code == "in_use");
  CHECK(error.message.find(std::to_string(getpid())) != std::string::npos);
  CHECK(error.message.find(folder.path().string()) != std::string::npos);
  owner.reset();
  CHECK(open_sqlite_store({.folder = folder.path()}));
}

TEST_CASE("a new folder is for its owner only", "[store][sqlite]") {
  const TempFolder folder;
  const auto data = folder.path() / "a" / "data";
  const auto store = must(open_sqlite_store({.folder = data}));
  using std::filesystem::perms;
  CHECK((std::filesystem::status(data).permissions() & perms::all) == perms::owner_all);
  CHECK((std::filesystem::status(data / "onward.db").permissions() & perms::all) ==
        (perms::owner_read | perms::owner_write));
}

TEST_CASE("two stores have two epochs of 12 letters", "[store][sqlite]") {
  const TempFolder one, two;
  const auto epoch = [](const TempFolder& folder) {
    return must(must(open_sqlite_store({.folder = folder.path()}))->snapshot()).epochs.newest();
  };
  CHECK(epoch(one) != epoch(two));
  CHECK(epoch(one) == epoch(one));
  CHECK(epoch(one).find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ") == std::string::npos);
}

TEST_CASE("a newer schema, another program's file and a damaged one are refused",
          "[store][sqlite]") {
  const TempFolder folder;
  const auto file = folder.path() / "onward.db";
  must(open_sqlite_store({.folder = folder.path()}));
  exec(file, "PRAGMA user_version = 999");
  CHECK(error_of({.folder = folder.path()}).code == "newer_schema");
  CHECK(error_of({.folder = folder.path()}).message.find(file.string()) != std::string::npos);

  std::filesystem::remove(file);
  {
    SQLite::Database other{file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
    other.exec("CREATE TABLE notes (text)");
  }
  CHECK(error_of({.folder = folder.path()}).code == "not_ours");

  std::filesystem::remove(file);
  std::ofstream{file} << std::string(10'000, 'x');
  CHECK(error_of({.folder = folder.path()}).code == "damaged");
}

TEST_CASE("a text that is stored in parts is whole after a restart, and one of no version is gone",
          "[store][sqlite]") {
  const TempFolder folder;
  const std::string text = noise(5 * kTextPart / 2);
  const std::string packed = pack_text(text);
  REQUIRE(packed.size() > 2 * kTextPart);
  const auto part = [&](std::uint32_t key, std::uint16_t number) {
    return TextPart{
        .text = {key}, .number = number, .bytes = packed.substr(number * kTextPart, kTextPart)};
  };
  {
    auto store = must(open_sqlite_store({.folder = folder.path()}));
    for (std::uint16_t number = 0; number < 3; ++number)
      must(store->commit({.control = {.text_parts = {part(7, number), part(9, number)}}}));
    must(store->commit({.control = {.text_parts = {part(8, 0)}}}));
    must(store->commit(
        {.control = {.versions = {{.scenario = {1}, .version = 1, .text = text, .apart = {7}},
                                  {.scenario = {1}, .version = 2, .text = "short"}}}}));
    must(store->commit({.control = {.text_parts = {{.text = {8}, .number = 0, .removed = true}}}}));
    must(store->sync());
  }
  const auto rows = [&] {
    return SQLite::Database{(folder.path() / "onward.db").string()}
        .execAndGet("SELECT group_concat(id >> 16) FROM version_texts")
        .getString();
  };
  CHECK(rows() == "7,7,7,9,9,9");
  {
    auto store = must(open_sqlite_store({.folder = folder.path()}));
    const Snapshot snapshot = must(store->snapshot());
    REQUIRE(snapshot.control.versions.size() == 2);
    const auto reader = must(store->open_reader());
    CHECK(must(reader->version_text({1}, 1)) == text);
    CHECK(must(reader->version_text({1}, 2)) == "short");
    CHECK(snapshot.control.last_text == TextKey{7});
  }
  CHECK(rows() == "7,7,7");

  // A part is damaged: this text alone cannot be read.
  exec(folder.path() / "onward.db",
       "UPDATE version_texts SET body = substr(body, 2) WHERE id & 65535 = 1");
  {
    auto store = must(open_sqlite_store({.folder = folder.path()}));
    CHECK(must(store->snapshot()).control.versions.size() == 2);
    const auto reader = must(store->open_reader());
    CHECK(reader->version_text({1}, 1).error().code == "unreadable_row");
    CHECK(must(reader->version_text({1}, 2)) == "short");
  }
  const auto view = must(StoreView::open(folder.path()));
  REQUIRE(view->snapshot());
  const Recount rows_read = must(view->recount(Instant{}));
  CHECK(rows_read.unreadable == std::vector<std::string>{"version_texts: scenario 1, version 1"});
}

TEST_CASE("a folder of the first schema is opened with all that it holds, journal and tables",
          "[store][sqlite]") {
  const TempFolder folder;
  {
    const auto store = must(open_sqlite_store({.folder = folder.path()}));
    must(store->commit(busy_commit(1, 3)));
    must(store->fold());
    must(store->commit(busy_commit(10, 2)));  // still in the journal
  }
  // As it was then: without what later migrations make, and with fewer counters in a row.
  back_to_first_schema(folder.path() / "onward.db");
  exec(folder.path() / "onward.db",
       "INSERT INTO versions VALUES (1, 1, 0, 'scenario: old');"
       "INSERT INTO counters VALUES (1, 0, 1, 0, x'0111060400000000000000000000000000000000')");
  const auto store = must(open_sqlite_store({.folder = folder.path()}));
  CHECK(contacts_known(*store, 11) == 5);
  const Snapshot snapshot = must(store->snapshot());
  const CounterRow& row = snapshot.counters.at({.scenario = {1}, .version = 1});
  CHECK(row[Counter::Entered] == 3);
  CHECK(row[Counter::Inside] == 2);
  CHECK(row[Counter::MovedIn] == 0);
  REQUIRE_FALSE(snapshot.control.versions.empty());
  for (const VersionRecord& version : snapshot.control.versions)
    CHECK(version.format == kFirstFormat);
  must(store->commit(
      {.last_seq = 20,
       .last_contact = {20},
       .control = {.admin = {{.kind = AdminKind::Pass, .name = "arm/x", .content = "{}"}},
                   .activity = {{.what = "scenario.applied", .scenario = "x"}}}}));
  must(store->fold());
  CHECK(must(store->snapshot()).control.admin.size() == 1);
  CHECK(must(must(store->open_reader())->activity("x", 10, "")).rows.size() == 1);
}

TEST_CASE("a lost database beside its log is not taken for a new folder", "[store][sqlite]") {
  const TempFolder folder;
  std::ofstream{folder.path() / "onward.db-wal"} << "log";
  CHECK(error_of({.folder = folder.path()}).code == "damaged");
}

TEST_CASE("a damaged journal row is refused at start", "[store][sqlite]") {
  const TempFolder folder;
  must(must(open_sqlite_store({.folder = folder.path()}))->commit(busy_commit(1, 3)));
  exec(folder.path() / "onward.db", "UPDATE journal SET body = substr(body, 1, 40)");
  CHECK(error_of({.folder = folder.path()}).code == "damaged");
}

TEST_CASE("a damaged row is an error of the call that reads it", "[store][sqlite]") {
  const TempFolder folder;
  {
    const auto store = must(open_sqlite_store({.folder = folder.path()}));
    must(store->commit(busy_commit(1, 3)));
    must(store->fold());
  }
  exec(folder.path() / "onward.db", "UPDATE contacts SET body = x'01ffffffff' WHERE key = 2");
  const auto store = must(open_sqlite_store({.folder = folder.path()}));
  const LoadQuery broken{.contact = {2}};
  const auto answer = store->load({&broken, 1});
  REQUIRE(!answer);
  CHECK(answer.error().kind == ErrorKind::Internal);
  CHECK(answer.error().code == "unreadable_row");
  const LoadQuery whole{.contact = {3}};
  CHECK(must(store->load({&whole, 1})).at(0));
}

TEST_CASE("a fold empties the journal and the rows are where readers see them", "[store][sqlite]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path()}));
  must(store->commit(busy_commit(1, 10)));
  CHECK(store->fold_pending());
  const auto reader = must(store->open_reader());
  for (const bool folded : {false, true}) {
    if (folded) must(store->fold());
    CHECK(store->fold_pending() == !folded);
    CHECK(must(reader->contact({3})));
    CHECK(must(reader->runs({3}, 5, "")).runs.size() == 1);
  }
  SQLite::Database database{(folder.path() / "onward.db").string()};
  CHECK(database.execAndGet("SELECT count(*) FROM journal").getInt() == 0);
  CHECK(database.execAndGet("SELECT count(*) FROM runs_live").getInt() == 0);
}

TEST_CASE("events seen long ago are forgotten in short steps, also across a restart",
          "[store][sqlite]") {
  const TempFolder folder;
  const auto open = [&] {
    return must(open_sqlite_store({.folder = folder.path(), .durable = false}));
  };
  constexpr std::uint64_t kIds = 10'000;
  const auto rows = [&] {
    SQLite::Database database{(folder.path() / "onward.db").string()};
    SQLite::Statement tables{database, "SELECT name FROM sqlite_schema WHERE name LIKE 'seen%'"};
    std::int64_t count = 0;
    while (tables.executeStep())
      count +=
          database.execAndGet("SELECT count(*) FROM " + tables.getColumn(0).getString()).getInt64();
    return count;
  };
  auto store = open();
  Commit commit{.at = at(0)};
  for (std::uint64_t id = 1; id <= kIds; ++id)
    commit.seen.push_back({{id * 7'919, id}, {1, 1}, at(0)});
  const Instant later = at(0) + std::chrono::hours{24};
  commit.seen.push_back({{5, 5}, {1, 1}, later});
  must(store->commit(commit));
  must(store->fold());
  std::int64_t left = rows();
  REQUIRE(left == static_cast<std::int64_t>(kIds) + 1);
  int steps = 0;
  while (must(store->forget_seen(later))) {
    const std::int64_t now = rows();
    CHECK(left - now <= 1'000);
    left = now;
    if (++steps == 4) {
      store.reset();
      store = open();
    }
  }
  CHECK(steps >= 10);
  CHECK(rows() == 1);
  const Hash128 kept{5, 5};
  CHECK(must(store->seen({&kept, 1}, later)).front() == Hash128{1, 1});
}

TEST_CASE("folding in slices ends, and leaves what whole folds leave", "[store][sqlite]") {
  const TempFolder folder;
  const auto store = must(
      open_sqlite_store({.folder = folder.path(), .fold_slice = Duration{0}, .durable = false}));
  must(store->commit(busy_commit(1, 300)));
  int slices = 1;
  while (must(store->fold_slice())) ++slices;
  CHECK(slices > 10);
  CHECK(!store->fold_pending());
  CHECK(contacts_known(*store, 300) == 300);
}

TEST_CASE("folds that ride along keep the journal bounded", "[store][sqlite]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store(
      {.folder = folder.path(), .fold_after = 500, .fold_slice = Duration{0}, .durable = false}));
  SQLite::Database database{(folder.path() / "onward.db").string()};
  int longest = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    must(store->commit(busy_commit(1 + i * 20, 20)));
    longest = std::max(longest, database.execAndGet("SELECT count(*) FROM journal").getInt());
  }
  CHECK(longest > 2);
  CHECK(longest < 25);  // 500 changes are 5 commits; a fold ends before as many come in again.
  CHECK(contacts_known(*store, 4000) == 4000);
}

TEST_CASE("a crash in the middle of a fold loses nothing", "[store][sqlite]") {
  // Slices of a fold that never ends before the next crash.
  Subject subject{Way::SqliteRiding};
  const auto reference = make_memory_store();
  World world;
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      const Commit commit = world.next(seed * 10 + i);
      must(reference->commit(commit));
      subject.commit(commit);
    }
    must(subject->commit(busy_commit(100'000 + seed * 100, 30)));
    static_cast<void>(must(subject->fold_slice()));
    must(reference->commit(busy_commit(100'000 + seed * 100, 30)));
    subject.crash();
    CHECK(world.difference(*reference, subject.store()) == "");
  }
}

TEST_CASE("a full disk refuses the commit and leaves the store as it was", "[store][sqlite]") {
  const TempFolder folder;
  SqliteOptions options{
      .folder = folder.path(), .fold_after = 100, .bytes_max = 400 * 1024, .durable = false};
  std::uint64_t taken = 0;
  {
    const auto store = must(open_sqlite_store(options));
    Status status;
    while (taken < 10'000) {
      status = store->commit(busy_commit(1 + taken, 50));
      if (!status) break;
      taken += 50;
    }
    REQUIRE(!status);
    CHECK(status.error().kind == ErrorKind::Unavailable);
    CHECK(status.error().code == "disk_full");
    CHECK(taken > 100);
    CHECK(contacts_known(*store, taken + 50) == taken);
    CHECK(must(store->snapshot()).last_contact.value == taken + 1);
    CHECK(!store->commit(busy_commit(1 + taken, 500)));
    CHECK(store->probe().error().code == "disk_full");
    CHECK(contacts_known(*store, taken + 50) == taken);
  }
  options.bytes_max = 0;  // Room again.
  const auto store = must(open_sqlite_store(options));
  CHECK(contacts_known(*store, taken + 50) == taken);
  must(store->probe());
  must(store->commit(busy_commit(1 + taken, 50)));
  must(store->fold());
  CHECK(contacts_known(*store, taken + 50) == taken + 50);
}

TEST_CASE("after a commit that failed for good nothing more is written", "[store][sqlite]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path(), .durable = false}));
  must(store->commit(busy_commit(1, 5)));
  exec(folder.path() / "onward.db", "ALTER TABLE journal RENAME TO elsewhere");
  const Status status = store->commit(busy_commit(6, 5));
  REQUIRE(!status);
  CHECK(status.error().kind == ErrorKind::Io);
  exec(folder.path() / "onward.db", "ALTER TABLE elsewhere RENAME TO journal");
  CHECK(!store->commit(busy_commit(6, 5)));
  CHECK(!store->fold());
  CHECK(contacts_known(*store, 10) == 5);
}

TEST_CASE("the log is checkpointed and used again", "[store][sqlite]") {
  const TempFolder folder;
  const auto store =
      must(open_sqlite_store({.folder = folder.path(), .fold_after = 2000, .durable = false}));
  std::uintmax_t largest = 0;
  for (std::uint64_t i = 0; i < 120; ++i) {
    must(store->commit(busy_commit(1 + i * 200, 200)));
    largest = std::max(largest, std::filesystem::file_size(folder.path() / "onward.db-wal"));
  }
  CHECK(store->size_on_disk() > 5'000'000);
  CHECK(largest < 40'000'000);
}

TEST_CASE("a reader outlives its store", "[store][sqlite]") {
  const TempFolder folder;
  auto store = must(open_sqlite_store({.folder = folder.path()}));
  must(store->commit(busy_commit(1, 3)));
  must(store->fold());
  const auto reader = must(store->open_reader());
  store.reset();
  CHECK(must(reader->contact({3})));
}

TEST_CASE("under steady load a commit is in the tables soon after the fold age",
          "[store][sqlite]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path(),
                                             .fold_after = 1'000'000,
                                             .fold_age = std::chrono::seconds{1},
                                             .durable = false}));
  SQLite::Database database{(folder.path() / "onward.db").string()};
  const auto journal_rows = [&] {
    return database.execAndGet("SELECT count(*) FROM journal").getInt();
  };
  // Ten commits a second. A fold takes with it what came within a second, in a commit or two.
  int most = 0;
  for (int i = 1; i <= 200; ++i) {
    must(store->commit({.at = at(0) + Duration{100 * i}, .contacts = {a_contact(1)}}));
    most = std::max(most, journal_rows());
  }
  CHECK(most >= 10);
  CHECK(most <= 16);
}
}  // namespace onward
