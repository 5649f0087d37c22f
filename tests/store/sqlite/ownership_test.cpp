// One owner at a time, also where somebody removes, replaces or plants files.
#include <SQLiteCpp/Database.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "engine/store/sqlite/store_view.h"
#include "tests/store/conformance.h"
#include "tests/store/world.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

Commit one_contact(std::uint64_t key) {
  Commit commit{.at = at(1), .last_seq = key, .last_contact = {key}};
  commit.contacts.push_back(a_contact(key, "c" + std::to_string(key)));
  commit.identities.push_back(id_change("c" + std::to_string(key), key));
  return commit;
}
void exec(const fs::path& folder, const std::string& sql) {
  SQLite::Database{(folder / "onward.db").string(), SQLite::OPEN_READWRITE}.exec(sql);
}
}  // namespace

TEST_CASE("a removed lock file lets no second owner in", "[store][owner]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path()}));
  must(store->commit(one_contact(1)));
  fs::remove(folder.path() / "onward.lock");
  for (int turn = 0; turn < 2; ++turn) {  // The refused one makes a lock file of its own.
    const auto second = open_sqlite_store({.folder = folder.path()});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == "in_use");
  }
  must(store->commit(one_contact(2)));
  fs::remove(folder.path() / "onward.lock");
  const auto view = must(StoreView::open(folder.path()));
  CHECK_FALSE(view->owner().empty());  // It is read beside its owner.
  CHECK(must(view->snapshot()).last_seq == 2);
}

TEST_CASE("an owner that was taken over commits nothing more", "[store][owner]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path()}));
  must(store->commit(one_contact(1)));
  SECTION("by another owner") {
    exec(folder.path(), "UPDATE meta SET value = 'another' WHERE name = 'owner'");
  }
  SECTION("by somebody who writes the same journal row") {
    exec(folder.path(), "INSERT INTO journal VALUES (2, x'00')");
  }
  const Status done = store->commit(one_contact(2));
  REQUIRE_FALSE(done);
  CHECK(done.error().kind == ErrorKind::Io);  // Never a fault of the input.
  CHECK(done.error().code == "taken_over");
  CHECK_FALSE(store->commit(one_contact(3)));
}

TEST_CASE("a database that was moved or replaced ends its owner", "[store][owner]") {
  const TempFolder folder;
  SqliteOptions options{.folder = folder.path()};
  options.look_every = Duration{0};
  const auto store = must(open_sqlite_store(options));
  must(store->commit(one_contact(1)));
  fs::rename(folder.path() / "onward.db", folder.path() / "moved.db");
  SECTION("moved") {}
  SECTION("replaced") { fs::copy_file(folder.path() / "moved.db", folder.path() / "onward.db"); }
  const Status done = store->commit(one_contact(2));
  REQUIRE_FALSE(done);
  CHECK(done.error().kind == ErrorKind::Io);
  CHECK(done.error().message.find("removed, moved or replaced") != std::string::npos);
}

TEST_CASE("a lock file that is no regular file is refused at once", "[store][owner]") {
  const TempFolder folder;
  const fs::path lock = folder.path() / "onward.lock", other = folder.path() / "other";
  std::ofstream{other} << "keep";
  SECTION("a link") { fs::create_symlink(other, lock); }
  SECTION("a FIFO") { REQUIRE(::mkfifo(lock.c_str(), 0600) == 0); }
  SECTION("a folder") { fs::create_directory(lock); }
  const auto taken = LockFile::take(lock);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message.find("regular file") != std::string::npos);
  const auto shared = LockFile::share(lock);
  REQUIRE_FALSE(shared);
  CHECK(shared.error().kind == ErrorKind::Io);
  CHECK(LockFile::left_in(lock) == Left::Nothing);
  CHECK(fs::file_size(other) == 4);
}

TEST_CASE("a limit on the size of files is waited for like a full disk", "[store][owner]") {
  const TempFolder folder;
  const auto store = must(open_sqlite_store({.folder = folder.path()}));
  must(store->commit(one_contact(1)));
  const auto before = ::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &usual) == 0);
  rlimit small = usual;
  small.rlim_cur = fs::file_size(folder.path() / "onward.db-wal") + 5'000;
  Commit large = one_contact(2);
  large.contacts.front().custom.emplace_back("x", std::string(200'000, 'x'));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Status refused = store->commit(large);
  const Status probed = store->probe();
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &usual) == 0);
  ::signal(SIGXFSZ, before);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Unavailable);
  CHECK(refused.error().code == "disk_full");
  REQUIRE_FALSE(probed);
  CHECK(probed.error().code == "disk_full");
  must(store->probe());
  must(store->commit(large));
  CHECK(must(store->snapshot()).last_seq == 2);
}

TEST_CASE("a schema that is not ours is refused, whatever was planted", "[store][owner]") {
  const TempFolder folder;
  must(open_sqlite_store({.folder = folder.path()})).reset();
  const auto [sql, acts] = GENERATE(
      std::pair{"CREATE TRIGGER x AFTER INSERT ON contacts BEGIN DELETE FROM tokens; END", true},
      std::pair{"CREATE TRIGGER x AFTER INSERT ON journal BEGIN DELETE FROM tokens; END", true},
      std::pair{"CREATE VIEW x AS SELECT 1; CREATE TRIGGER y INSTEAD OF INSERT ON x BEGIN DELETE "
                "FROM tokens; END",
                true},
      std::pair{"DROP INDEX runs_contact", true},
      std::pair{"DROP INDEX runs_contact; CREATE INDEX runs_contact ON runs (key)", true},
      std::pair{"ALTER TABLE contacts ADD COLUMN x TEXT", true},
      std::pair{"CREATE TABLE seen_20200101 (key BLOB PRIMARY KEY CHECK (length(key) > 99)) STRICT",
                true},
      std::pair{"CREATE VIEW x AS SELECT 1", false}, std::pair{"CREATE TABLE x (a)", false},
      std::pair{"CREATE INDEX x ON runs (body)", false});
  INFO(sql);
  exec(folder.path(), sql);
  CHECK_FALSE(must(must(StoreView::open(folder.path()))->foreign_objects()).empty());
  const auto opened = open_sqlite_store({.folder = folder.path()});
  CHECK(opened.has_value() != acts);
  if (!opened) CHECK(opened.error().code == "foreign_schema");
}

TEST_CASE("ours, with statistics of SQLite's own, is no foreign schema", "[store][owner]") {
  const TempFolder folder;
  {
    const auto store = must(open_sqlite_store({.folder = folder.path()}));
    Commit commit = one_contact(1);
    commit.seen.push_back({.key = {1, 2}, .fingerprint = {3, 4}, .at = at(5)});
    commit.control.activity.push_back({.at = at(1), .what = "x"});
    must(store->commit(commit));
    must(store->fold());
  }
  exec(folder.path(), "ANALYZE");
  CHECK(must(must(StoreView::open(folder.path()))->foreign_objects()).empty());
  must(open_sqlite_store({.folder = folder.path()}));
}
}  // namespace onward
