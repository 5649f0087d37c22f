// The lock file after a power failure at any moment, and on a disk whose calls fail.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/disk/disk_calls.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tests/store/conformance.h"
#include "tests/support/unsynced_disk.h"

namespace onward {
namespace {
namespace fs = std::filesystem;
constexpr const char* kLog = "onward.db-wal";

/// How the file was left before each call, durably, and how it may be left after it.
struct Step {
  Left before, after;
};

/// An owner that takes the folder, and records what may be left meanwhile.
struct Owner {
  explicit Owner(fs::path folder) : folder{std::move(folder)} {}

  LockFile take() {
    note(known);
    auto lock = LockFile::take(folder / "onward.lock");
    INFO((lock ? "" : lock.error().message));
    REQUIRE(lock);
    CHECK(lock->left() == known);
    note(known);
    return std::move(*lock);
  }
  void leave(LockFile& lock, Left left) {
    must(lock.leave(left, /*durable=*/true));
    note(left);
    known = left;
    CHECK(lock.left() == left);
    for (const Files& files : disk.left_now()) CHECK(left_in(files) == left);
  }
  void note(Left left) {
    while (steps.size() < disk.calls().size()) steps.push_back({known, left});
  }
  /// What the next start finds.
  static Left left_in(const Files& files) {
    const TempFolder next;
    QuickDisk quick;
    const ReplacedDiskCalls replaced{quick};
    replace_files(next.path(), files);
    const Left found = LockFile::left_in(next.path() / "onward.lock");
    const auto lock = must(LockFile::take(next.path() / "onward.lock"));
    CHECK(lock.left() == found);
    return found;
  }
  void check() const {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      INFO("after call " << i << ", " << disk.calls()[i]);
      for (const Files& files : disk.left_after(i + 1)) {
        const Left found = left_in(files);
        CHECK((found == steps[i].before || found == steps[i].after));
        if (found == Left::Open) CHECK(files.contains(kLog));
      }
    }
  }

  const fs::path folder;
  UnsyncedDisk disk{folder};
  Left known = Left::Nothing;
  std::vector<Step> steps;
};

/// The write-ahead log is made, as SQLite makes it: its folder is not synced.
void make_log(const fs::path& folder) {
  const int log = disk_calls().open((folder / kLog).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(log >= 0);
  ::close(log);
}
}  // namespace

TEST_CASE("a power failure at any moment leaves the lock file as before or as after",
          "[store][owner][power]") {
  const TempFolder folder;
  // Of earlier versions, which wrote as many bytes as they needed; of another pid, shorter and
  // longer than this one.
  const auto [content, left] = GENERATE(table<const char*, Left>(
      {{nullptr, Left::Nothing},
       {"", Left::Nothing},
       {"7\n", Left::Nothing},
       {"7\nopen\n", Left::Open},
       {"7\nclosed\n", Left::Closed},
       {"123456789\nopen\n", Left::Open},
       {"123456789\nclosed\n", Left::Closed},
       {"7\nopen\nclosed\nopen\nclosed\nopen\nclosed\nopen\n", Left::Open}}));
  Files files;
  if (content) files["onward.lock"] = content;
  if (left == Left::Open) files[kLog] = "";
  replace_files(folder.path(), files);
  CHECK(LockFile::left_in(folder.path() / "onward.lock") == left);

  Owner owner{folder.path()};
  owner.known = left;
  const ReplacedDiskCalls replaced{owner.disk};
  for (int turn = 0; turn < 2; ++turn) {
    LockFile lock = owner.take();
    make_log(folder.path());
    owner.leave(lock, Left::Open);
    owner.leave(lock, Left::Closed);
    const std::string closed = files_of(folder.path()).at("onward.lock");
    CHECK(closed.starts_with(std::to_string(::getpid()) + "\nclosed\n"));
    disk_calls().unlink((folder.path() / kLog).c_str());
  }
  owner.check();
  CHECK(owner.steps.size() >= 14);
}

TEST_CASE("whichever call fails while the lock file is written, the next try writes it",
          "[store][owner][power]") {
  const int error = GENERATE(EIO, ENOSPC);
  const Files before{{"onward.lock", "7\nclosed\n"}};
  std::size_t call = 0, failed = 0;
  for (bool reached = true; reached; ++call) {
    INFO("call " << call << " fails");
    const TempFolder folder;
    const fs::path file = folder.path() / "onward.lock";
    replace_files(folder.path(), before);
    UnsyncedDisk disk{folder.path()};
    const ReplacedDiskCalls replaced{disk};
    disk.fail(call, error);
    const auto told = [&](const Error& fault) {
      ++failed;
      CHECK(fault.kind == ErrorKind::Io);
      CHECK(fault.code == "no_access");
      CHECK(fault.message.find(file.string()) != std::string::npos);
      CHECK(fault.message.find(std::strerror(error)) != std::string::npos);
      disk.repair();
    };
    std::optional<LockFile> lock;
    if (auto first = LockFile::take(file)) {
      lock.emplace(std::move(*first));
    } else {
      told(first.error());
      for (const Files& files : disk.left_now()) CHECK(Owner::left_in(files) == Left::Closed);
      lock.emplace(must(LockFile::take(file)));
    }
    CHECK(lock->left() == Left::Closed);
    for (const Left left : {Left::Open, Left::Closed}) {
      const Left known = lock->left();
      if (const Status done = lock->leave(left, /*durable=*/true); !done) {
        told(done.error());
        CHECK(lock->left() == known);
        for (const Files& files : disk.left_now()) {
          const Left found = Owner::left_in(files);
          CHECK((found == known || found == left));
        }
        must(lock->leave(left, /*durable=*/true));
      }
      for (const Files& files : disk.left_now()) CHECK(Owner::left_in(files) == left);
    }
    reached = disk.calls().size() > call;
  }
  CHECK(failed == 10);
}

TEST_CASE("a start that cannot write the lock file leaves a store that opens", "[store][owner]") {
  const TempFolder folder;
  const auto contact = [](std::uint64_t key) {
    Commit commit{.at = at(1), .last_seq = key, .last_contact = {key}};
    commit.contacts.push_back(a_contact(key, "c" + std::to_string(key)));
    return commit;
  };
  const SqliteOptions options{.folder = folder.path()};
  must(must(open_sqlite_store(options))->commit(contact(1)));

  /// Fails a call of those for the lock file.
  struct Failing : DiskCalls {
    int open(const char* path, int flags, unsigned mode) override {
      return fails() ? -1 : DiskCalls::open(path, flags, mode);
    }
    ssize_t write(int descriptor, const void* from, std::size_t size, off_t offset) override {
      return fails() ? -1 : DiskCalls::write(descriptor, from, size, offset);
    }
    int sync(int descriptor) override { return fails() ? -1 : DiskCalls::sync(descriptor); }
    bool fails() {
      errno = EIO;
      return calls++ == fails_at;
    }
    int calls = 0, fails_at = 0;
  } disk;
  int refused = 0;
  for (bool reached = true; reached; ++disk.fails_at) {
    disk.calls = 0;
    const ReplacedDiskCalls replaced{disk};
    const auto store = open_sqlite_store(options);
    reached = disk.calls > disk.fails_at;
    if (!store) ++refused;
    INFO("call " << disk.fails_at << " fails");
    DiskCalls system;
    const ReplacedDiskCalls repaired{system};
    if (!store) CHECK(must(must(open_sqlite_store(options))->snapshot()).last_seq == 1);
  }
  CHECK(refused >= 5);
}

TEST_CASE("a new data folder is durable before its lock file says that there is one",
          "[store][owner]") {
  const TempFolder folder;
  /// What was opened: folders, to be synced, and files.
  struct Opened : DiskCalls {
    int open(const char* path, int flags, unsigned mode) override {
      const int descriptor = DiskCalls::open(path, flags, mode);
      paths[descriptor] = path;
      if ((flags & O_CREAT) != 0) calls.push_back("create " + std::string{path});
      return descriptor;
    }
    int sync(int descriptor) override {
      calls.push_back("sync " + paths.at(descriptor));
      return DiskCalls::sync(descriptor);
    }
    std::map<int, std::string> paths;
    std::vector<std::string> calls;
  } disk;
  const ReplacedDiskCalls replaced{disk};
  const fs::path data = folder.path() / "made" / "data" / "";  // As people type it: "data/".
  must(open_sqlite_store({.folder = data}));
  const auto place = [&](const std::string& call) {
    INFO(call);
    const auto found = std::find(disk.calls.begin(), disk.calls.end(), call);
    CHECK(found != disk.calls.end());
    return found - disk.calls.begin();
  };
  const auto lock = place("create " + (data / "onward.lock").string());
  for (const fs::path& synced : {folder.path() / "made" / "data", folder.path() / "made",
                                 folder.path(), folder.path().parent_path()})
    CHECK(place("sync " + synced.string()) < lock);
  disk.calls.clear();
  must(open_sqlite_store({.folder = data}));
  CHECK(place("create " + (data / "onward.lock").string()) == 0);
}
}  // namespace onward
