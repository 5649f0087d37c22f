// Every call of SQLite to the disk fails once, one after the other: what is answered is right, and
// what is opened again is a beginning of the history with everything that was synced.
#include <sqlite3.h>
#include <catch2/catch.hpp>

#include <cerrno>
#include <optional>
#include <string>

#include "engine/store/sqlite/sqlite_store.h"
#include "tests/store/conformance.h"
#include "tests/store/history.h"
#include "tests/support/effort.h"
#include "tests/support/faulty_vfs.h"

namespace onward {
namespace {
constexpr std::size_t kCommits = 9;
constexpr std::size_t kReopenAfter = 6;

/// Follows a history on a disk that fails once. What it finds wrong ends up in `wrong`.
class Follower {
 public:
  Follower(const History& history, FaultyDisk& disk, const DiskFault& fault,
           const std::filesystem::path& folder)
      : history_{history}, disk_{disk}, fault_{fault}, options_{restless(folder)} {
    disk_.fail(fault_);
  }

  Progress follow() {
    open();
    while (store_ && next_ < history_.size() && wrong.empty()) {
      step();
      if (store_ && next_ == kReopenAfter) open();
    }
    store_.reset();
    return progress_;
  }

  std::string wrong;

 private:
  void open() {
    store_.reset();
    auto opened = open_sqlite_store(options_);
    if (opened) {
      store_ = std::move(*opened);
      compare("opened");
    } else if (disk_.failures() == 0) {
      wrong = "not opened: " + opened.error().message;
    }
  }

  /// A commit, and what a server does around it.
  void step() {
    progress_.begun = next_ + 1;
    const bool was_synced = store_->is_synced();
    Status done = store_->commit(history_.commit(next_));
    if (!done && done.error().kind == ErrorKind::Unavailable) {
      if (was_synced && !store_->is_synced()) wrong = "what was refused is waited for";
      compare("after a refusal");
      disk_.heal();
      if (const Status probed = store_->probe(); !probed)
        wrong = "not writable again: " + probed.error().message;
      done = store_->commit(history_.commit(next_));
    }
    if (!done) return end(done.error());
    ++next_;
    compare("after a commit");
    if (next_ % 2 == 0) sync();
    if (next_ == 3) read();
    if (store_ && next_ % 3 == 1) fold();
  }

  void sync() {
    if (const Status done = store_->sync(); done)
      progress_.synced = next_;
    else
      end(done.error());
  }

  void fold() {
    const auto more = store_->fold_slice();
    const Status done = more ? store_->fold() : tl::make_unexpected(more.error());
    if (done)
      progress_.synced = next_;
    else if (done.error().kind != ErrorKind::Unavailable)
      end(done.error());
  }

  void read() {
    auto reader = store_->open_reader();
    if (reader) static_cast<void>((*reader)->contacts({}, 10));
  }

  /// An error of the disk ends the store's writing, and no later sync says that all is well.
  void end(const Error& error) {
    if (disk_.failures() == 0) wrong = "failed by itself: " + error.message;
    if (error.kind != ErrorKind::Io) wrong = "an unexpected error: " + error.message;
    if (store_->commit(history_.commit(next_ < history_.size() ? next_ : 0)))
      wrong = "wrote after \"" + error.message + "\"";
    if (store_->fold()) wrong = "folded after \"" + error.message + "\"";
    store_.reset();
  }

  /// A read that meets the fault says so; the next one is right. Its many locks are all alike, and
  /// are let alone.
  void compare(const std::string& when) {
    disk_.pause(fault_.call == DiskCall::SharedLock);
    compare_now(when);
    disk_.pause(false);
  }
  void compare_now(const std::string& when) {
    const std::size_t before = disk_.failures();
    if (std::string found = look(); found.empty() || disk_.failures() == before) {
      if (!found.empty() && wrong.empty()) wrong = when + ": " + found;
      return;
    }
    if (std::string found = look(); !found.empty() && wrong.empty()) wrong = when + ": " + found;
  }
  std::string look() {
    try {
      return history_.difference(*store_, next_);
    } catch (const std::exception& fault) {
      return fault.what();
    }
  }

  const History& history_;
  FaultyDisk& disk_;
  DiskFault fault_;
  SqliteOptions options_;
  std::unique_ptr<Store> store_;
  std::size_t next_ = 0;
  Progress progress_;
};

/// Every call of one sort, one run of the history each. How many there were, about.
std::size_t fail_each(DiskFault fault) {
  const History history{kCommits};
  for (fault.at = 1;; fault.at += kOneIn) {
    const TempFolder folder;
    std::string wrong;
    std::size_t failures = 0;
    Progress progress;
    {
      FaultyDisk disk;
      Follower follower{history, disk, fault, folder.path()};
      progress = follower.follow();
      failures = disk.failures();
      wrong = follower.wrong;
    }
    if (wrong.empty()) wrong = wrong_after(folder.path(), history, progress);
    INFO(name_of(fault.call) << " number " << fault.at << " with code " << fault.code);
    REQUIRE(wrong == "");
    if (failures == 0) return fault.at - 1;
  }
}
}  // namespace

TEST_CASE(
    "whichever write fails, a store holds a beginning of its commits with all that was synced",
    "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::Write, .code = SQLITE_IOERR_WRITE}) > 100);
}

TEST_CASE("whichever write finds the disk full, the store is as before and goes on",
          "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::Write, .code = SQLITE_FULL}) > 100);
}

TEST_CASE("a disk that fills up at whichever write is waited for", "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::Write, .code = SQLITE_FULL, .stays = true}) > 100);
}

TEST_CASE("whichever write finds the disk read-only, the store is as before and goes on",
          "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::Write, .code = SQLITE_READONLY}) > 100);
  CHECK(fail_each({.call = DiskCall::Write, .code = SQLITE_READONLY, .stays = true}) > 100);
  // What a file that was open before says.
  CHECK(fail_each({.call = DiskCall::Write, .code = SQLITE_IOERR_WRITE, .system = EROFS}) > 100);
}

TEST_CASE("a disk that may only be read for a while is told as that", "[store][faults]") {
  const History history{2};
  const TempFolder folder;
  FaultyDisk disk;
  const auto store = must(open_sqlite_store(restless(folder.path())));
  must(store->commit(history.commit(0)));
  disk.fail({.call = DiskCall::Write, .code = SQLITE_IOERR_WRITE, .stays = true, .system = EROFS});
  for (const Status& refused : {store->commit(history.commit(1)), store->probe()}) {
    REQUIRE(!refused);
    CHECK(refused.error().kind == ErrorKind::Unavailable);
    CHECK(refused.error().code == "disk_read_only");
  }
  disk.heal();
  must(store->probe());
  must(store->commit(history.commit(1)));
  must(store->sync());
  CHECK(history.difference(*store, 2) == "");
}

TEST_CASE("whichever sync fails once, nothing is acknowledged after it", "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::Sync, .code = SQLITE_IOERR_FSYNC}) > 10);
}

TEST_CASE("whichever lock, mapping, truncation or look at a file fails, no commit is lost",
          "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::Lock, .code = SQLITE_IOERR_LOCK}) > 2);
  CHECK(fail_each({.call = DiskCall::Lock, .code = SQLITE_BUSY}) > 2);
  CHECK(fail_each({.call = DiskCall::SharedMap, .code = SQLITE_IOERR_SHMMAP}) > 1);
  CHECK(fail_each({.call = DiskCall::SharedMap, .code = SQLITE_IOERR_SHMSIZE}) > 1);
  CHECK(fail_each({.call = DiskCall::FileSize, .code = SQLITE_IOERR_FSTAT}) > 5);
  CHECK(fail_each({.call = DiskCall::Open, .code = SQLITE_CANTOPEN}) > 2);
  CHECK(fail_each({.call = DiskCall::Delete, .code = SQLITE_IOERR_DELETE}) > 0);
}

TEST_CASE("whichever lock of the shared memory fails or is busy, no commit is lost",
          "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::SharedLock, .code = SQLITE_BUSY}) > 20);
  CHECK(fail_each({.call = DiskCall::SharedLock, .code = SQLITE_IOERR_SHMLOCK}) > 20);
}

TEST_CASE("whichever read fails, the answer is an error and never a wrong row", "[store][faults]") {
  CHECK(fail_each({.call = DiskCall::Read, .code = SQLITE_IOERR_READ}) > 5);
}
}  // namespace onward
