// A data folder seen from outside: beside a server or without one, nothing in it changes; and the
// copy that is drawn of it.
#include "engine/store/sqlite/store_view.h"

#include <SQLiteCpp/Database.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "engine/store/sqlite/restored.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tests/store/conformance.h"
#include "tests/store/world.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

/// Every file of a folder and what is in it.
std::map<std::string, std::string> content_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator{folder}) {
    std::ostringstream text;
    text << std::ifstream{entry.path(), std::ios::binary}.rdbuf();
    files[entry.path().filename()] = text.str();
  }
  return files;
}

/// The folder as a crash would leave it: without the index of the write-ahead log.
void copy_crashed(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const char* name : {"onward.db", "onward.db-wal", "onward.lock"})
    fs::copy_file(from / name, to / name);
}

void exec(const fs::path& folder, const std::string& sql) {
  SQLite::Database{(folder / "onward.db").string(), SQLite::OPEN_READWRITE}.exec(sql);
}

/// Somebody without rights of his own, while it lives; whoever runs tests as root is let in
/// everywhere else.
class OtherUser {
 public:
  OtherUser() {
    if (before_ == 0) REQUIRE(::seteuid(65'534) == 0);
  }
  ~OtherUser() {
    if (before_ == 0) (void)(::seteuid(before_) + 0);
  }
  OtherUser(const OtherUser&) = delete;
  OtherUser& operator=(const OtherUser&) = delete;

 private:
  uid_t before_ = ::geteuid();
};

/// Commits of a world, half of them folded.
void fill(Store& store, World& world, std::uint32_t seed) {
  for (std::uint32_t i = 0; i < 40; ++i) {
    REQUIRE(store.commit(world.next(seed + i)));
    if (i == 20) REQUIRE(store.fold());
  }
  REQUIRE(store.sync());
}
}  // namespace

TEST_CASE("a view sees what is committed, journal and all, and changes nothing at rest",
          "[store][view]") {
  const TempFolder folder;
  World world;
  {
    auto store = must(open_sqlite_store({.folder = folder.path() / "live"}));
    fill(*store, world, 100);
    copy_crashed(folder.path() / "live", folder.path() / "crashed");
  }
  for (const char* name : {"live", "crashed"}) {
    INFO(name);
    const fs::path data = folder.path() / name;
    const auto before = content_of(data);
    auto view = must(StoreView::open(data));
    CHECK(view->owner().empty());
    CHECK(view->schema() == newest_schema());
    CHECK(must(view->integrity()).empty());
    CHECK(view->journal().missing == 0);
    const Snapshot seen = must(view->snapshot());
    const Recount rows = must(view->recount(world.now()));
    view.reset();
    CHECK(content_of(data) == before);

    auto store = must(open_sqlite_store({.folder = data}));
    const Snapshot snapshot = must(store->snapshot());
    CHECK(seen.last_seq == snapshot.last_seq);
    CHECK(seen.epochs == snapshot.epochs);
    CHECK(seen.counters == snapshot.counters);
    CHECK(rows.timers == must(store->timers_due(Instant::max(), SIZE_MAX)).size());
  }
}

TEST_CASE("a view reads a folder that only older programs have opened", "[store][view]") {
  const TempFolder folder;
  must(open_sqlite_store({.folder = folder.path()}));
  exec(folder.path(),
       "INSERT INTO versions (scenario, version, created, text) VALUES (1, 1, 0, 'scenario: old');"
       "INSERT INTO admin VALUES (2, 'tier', x'7b7d')");
  const std::map<int, std::string> back{
      {3, "DROP TABLE version_texts; ALTER TABLE versions DROP COLUMN apart"},
      {2, "ALTER TABLE versions DROP COLUMN format"},
      {1, "DROP TABLE admin; DROP TABLE activity"}};
  for (const int schema : {3, 2, 1}) {
    exec(folder.path(), back.at(schema));
    exec(folder.path(), "PRAGMA user_version = " + std::to_string(schema));
    auto view = must(StoreView::open(folder.path()));
    CHECK(view->schema() == schema);
    const Snapshot snapshot = must(view->snapshot());
    REQUIRE(snapshot.control.versions.size() == 1);
    CHECK(snapshot.control.versions.front().format == kFirstFormat);
    CHECK(snapshot.control.admin.size() == (schema >= 2 ? 1 : 0));
    must(view->recount(Instant{}));
  }
}

TEST_CASE("beside its owner a view names it and keeps to one moment", "[store][view]") {
  const TempFolder folder;
  World world;
  auto store = must(open_sqlite_store({.folder = folder.path()}));
  fill(*store, world, 1);
  const Sequence then = must(store->snapshot()).last_seq;
  auto view = must(StoreView::open(folder.path()));
  CHECK(view->owner().find("process ") == 0);
  fill(*store, world, 200);
  CHECK(must(view->snapshot()).last_seq == then);
  CHECK(must(store->snapshot()).last_seq > then);
}

TEST_CASE("while a view is open no owner can begin where there was none", "[store][view]") {
  const TempFolder folder;
  must(open_sqlite_store({.folder = folder.path()}));
  auto view = must(StoreView::open(folder.path()));
  CHECK(must(StoreView::open(folder.path()))->owner().empty());
  CHECK(open_sqlite_store({.folder = folder.path()}).error().code == "in_use");
  view.reset();
  CHECK(open_sqlite_store({.folder = folder.path()}));
}

TEST_CASE("a copy drawn while its store works on answers as the store did at that moment",
          "[store][view]") {
  const TempFolder folder;
  World world;
  auto store = must(open_sqlite_store({.folder = folder.path() / "data"}));
  fill(*store, world, 1);
  // The twin stays where the copy is drawn.
  World twin_world;
  auto twin = must(open_sqlite_store({.folder = folder.path() / "twin"}));
  fill(*twin, twin_world, 1);

  auto view = must(StoreView::open(folder.path() / "data"));
  fs::create_directories(folder.path() / "copy");
  bool worked = false;
  REQUIRE(view->copy_to(folder.path() / "copy" / "onward.db", [&](std::uint64_t) {
    if (!std::exchange(worked, true)) fill(*store, world, 300);
    return true;
  }));
  view.reset();
  CHECK(fs::exists(folder.path() / "copy" / "onward.db-wal") == false);
  auto copy = must(open_sqlite_store({.folder = folder.path() / "copy"}));
  CHECK(twin_world.difference(*copy, *twin) == "");
}

TEST_CASE("while somebody reads the write-ahead log grows, and then it is begun anew",
          "[store][view]") {
  const TempFolder folder;
  auto store = must(open_sqlite_store({.folder = folder.path()}));
  const std::string text(std::size_t{2} << 20, 'x');
  Version version = 0;
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i)
      REQUIRE(store->commit(
          {.last_seq = ++version, .control = {.versions = {{{1}, version, text, {}}}}}));
  };
  auto view = must(StoreView::open(folder.path()));
  write(20);
  CHECK(store->log_bytes() > std::uint64_t{40} << 20);
  view.reset();
  // Checkpoints take all of it, in rounds that are synced beside the commits.
  for (int i = 0; i < 200 && store->log_bytes() > std::uint64_t{8} << 20; ++i) write(1);
  CHECK(store->log_bytes() <= std::uint64_t{8} << 20);
}

TEST_CASE("a copy that is ended, or whose place is taken, says so", "[store][view]") {
  const TempFolder folder;
  World world;
  auto store = must(open_sqlite_store({.folder = folder.path()}));
  std::string text(std::size_t{8} << 20, 'x');
  REQUIRE(store->commit({.last_seq = 1, .control = {.versions = {{{1}, 1, text, world.now()}}}}));
  auto view = must(StoreView::open(folder.path()));
  const auto file = folder.path() / "copy.db";
  CHECK(view->copy_to(file, [](std::uint64_t) { return false; }).error().code == "cancelled");
  CHECK(view->copy_to(file, {}).error().code == "no_access");
}

TEST_CASE("a new epoch keeps the names of what was made, and gives others to what comes",
          "[store][view]") {
  const TempFolder folder;
  World world;
  Epochs before;
  Sequence last = 0;
  {
    auto store = must(open_sqlite_store({.folder = folder.path()}));
    fill(*store, world, 1);
    const Snapshot snapshot = must(store->snapshot());
    before = snapshot.epochs;
    last = snapshot.last_seq;
  }
  const Commit marks{
      .control = {.admin = {{.kind = AdminKind::Setting, .name = "mark", .content = "x"}}}};
  const Epochs once = must(begin_new_epoch(folder.path(), marks));
  CHECK(once.newest() != before.newest());
  CHECK(once.newest().size() == 12);
  const Epochs twice = must(begin_new_epoch(folder.path(), {}));
  const Snapshot snapshot = must(must(open_sqlite_store({.folder = folder.path()}))->snapshot());
  CHECK(snapshot.epochs == twice);
  CHECK(snapshot.last_seq == last);
  CHECK(std::count_if(snapshot.control.admin.begin(), snapshot.control.admin.end(),
                      [](const AdminRecord& record) { return record.name == "mark"; }) == 1);
  CHECK(twice.of({numbered(last, 7)}) == before.newest());
  CHECK(twice.of({numbered(last + 1, 0)}) == twice.newest());
}

TEST_CASE("a backup is opened by nobody but what makes a store of its own of it", "[store][view]") {
  TempFolder folder;
  must(open_sqlite_store({.folder = folder.path()}));
  std::ofstream{folder.path() / kBackupMark};
  const auto refused = open_sqlite_store({.folder = folder.path()});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "is_backup");
  CHECK(refused.error().message.find("onward restore") != std::string::npos);
  must(begin_new_epoch(folder.path(), {}));
  CHECK(std::filesystem::exists(folder.path() / kBackupMark));
  std::filesystem::remove(folder.path() / kBackupMark);
  CHECK(open_sqlite_store({.folder = folder.path()}));
}

TEST_CASE("a row that cannot be read and a file that is no store are told, not survived",
          "[store][view]") {
  const TempFolder folder;
  CHECK(StoreView::open(folder.path()).error().code == "no_store");
  World world;
  {
    auto store = must(open_sqlite_store({.folder = folder.path()}));
    fill(*store, world, 1);
    REQUIRE(store->fold());
  }
  const auto recount = [&] {
    return must(must(StoreView::open(folder.path()))->recount(world.now()));
  };
  // This world has rows of contacts that it does not store.
  const std::uint64_t before = recount().unreadable_count;
  exec(folder.path(),
       "UPDATE deliveries SET body = x'ff' WHERE key = (SELECT min(key) FROM deliveries)");
  const Recount rows = recount();
  CHECK(rows.unreadable_count == before + 1);
  CHECK(std::ranges::any_of(
      rows.unreadable, [](const std::string& row) { return row.starts_with("deliveries: "); }));
  exec(folder.path(), "INSERT INTO journal VALUES (7, x'0102')");
  CHECK(StoreView::open(folder.path()).error().message.find("journal row 7") != std::string::npos);
  exec(folder.path(), "PRAGMA user_version = 99");
  CHECK(StoreView::open(folder.path()).error().code == "newer_schema");
  std::ofstream{folder.path() / "onward.db"} << "no database at all, but long enough to be one....";
  CHECK(StoreView::open(folder.path()).error().code == "damaged");
}

TEST_CASE("a folder that no store opens for what it misses is none to look at either",
          "[store][view]") {
  const TempFolder folder;
  World world;
  {
    auto store = must(open_sqlite_store({.folder = folder.path() / "live"}));
    fill(*store, world, 1);
    copy_crashed(folder.path() / "live", folder.path() / "crashed");
  }
  CHECK(StoreView::open(folder.path() / "live"));  // closed: it needs no log
  const fs::path data = folder.path() / "crashed";
  const auto check = [&](std::string_view what) {
    const auto before = content_of(data);
    const Error error = StoreView::open(data).error();
    CHECK(error.code == "damaged");
    CHECK(error.message.find(what) != std::string::npos);
    CHECK(error.message == open_sqlite_store({.folder = data}).error().message);
    CHECK(content_of(data).size() == before.size());
  };
  fs::remove(data / "onward.db-wal");
  check("onward.db-wal is missing");
  fs::resize_file(data / "onward.db", 0);
  check("is empty, and was not");
  fs::remove(data / "onward.db");
  check("onward.db is missing, but it was there");
}

TEST_CASE("a log that is taken away under its owner is told, not made anew, and closed whole",
          "[store][view]") {
  const TempFolder folder;
  World world;
  Sequence last = 0;
  {
    auto store = must(open_sqlite_store({.folder = folder.path()}));
    fill(*store, world, 1);
    last = must(store->snapshot()).last_seq;
    fs::remove(folder.path() / "onward.db-wal");
    const Error error = StoreView::open(folder.path()).error();
    CHECK(error.code == "log_taken");
    CHECK(error.message.find("was taken away while process ") != std::string::npos);
    CHECK_FALSE(fs::exists(folder.path() / "onward.db-wal"));
  }
  CHECK(must(must(open_sqlite_store({.folder = folder.path()}))->snapshot()).last_seq == last);
}

TEST_CASE("what another user keeps to himself is told as that", "[store][view]") {
  const TempFolder folder;
  must(open_sqlite_store({.folder = folder.path() / "data"}));
  fs::permissions(folder.path(), fs::perms::all);
  const auto error_with = [&](const char* name, fs::perms perms) {
    const fs::path path = folder.path() / "data" / name;
    fs::permissions(path, perms);
    std::optional<Error> error;
    {
      const OtherUser other;
      auto view = StoreView::open(folder.path() / "data");
      if (!view) error = view.error();
    }
    fs::permissions(path, fs::perms::all);
    return error.value_or(Error{});
  };
  for (const char* name : {"", "onward.db", "onward.lock"}) {
    INFO(name);
    const Error error = error_with(name, fs::perms::none);
    CHECK(error.code == "no_access");
    CHECK(error.message.find("cannot be read by this user (EACCES)") != std::string::npos);
  }
}

TEST_CASE("of a store without runs and requests nothing is the youngest", "[store][view]") {
  const TempFolder folder;
  must(open_sqlite_store({.folder = folder.path()}));
  CHECK_FALSE(must(must(StoreView::open(folder.path()))->recount({})).newest);
}

TEST_CASE("a gap in the journal is counted", "[store][view]") {
  const TempFolder folder;
  World world;
  {
    auto store = must(open_sqlite_store({.folder = folder.path() / "a"}));
    for (std::uint32_t i = 0; i < 5; ++i) REQUIRE(store->commit(world.next(i)));
    REQUIRE(store->sync());
    copy_crashed(folder.path() / "a", folder.path() / "b");
  }
  exec(folder.path() / "b", "DELETE FROM journal WHERE id = 3");
  fs::remove(folder.path() / "b" / "onward.lock");  // Another program has closed it.
  const auto journal = must(StoreView::open(folder.path() / "b"))->journal();
  CHECK(journal.rows == 4);
  CHECK(journal.missing == 1);
}
}  // namespace onward
