// The power fails after every single thing that a store did to its disk, and the disk kept all,
// nothing or some of what was not synced.
#include <catch2/catch.hpp>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/store/sqlite/sqlite_store.h"
#include "tests/store/conformance.h"
#include "tests/store/history.h"
#include "tests/support/effort.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/power_loss.h"

namespace onward {
namespace {
/// A history, and all that came to the disk meanwhile.
struct Recording {
  std::vector<DiskEvent> events;
  /// How far it had come when so many events had happened.
  std::map<std::size_t, Progress> progress{{0, {}}};

  std::set<std::size_t> opened;  ///< After so many events the lock file said "open".

  Progress at(std::size_t events_done) const {
    return std::prev(progress.upper_bound(events_done))->second;
  }
  /// What the lock file says by then; that it is closed, at the latest when the WAL goes.
  std::string lock_at(std::size_t events_done) const {
    std::string lock;
    for (std::size_t i = 0; i < events_done; ++i) {
      if (opened.contains(i)) lock = "1\nopen\n";
      if (events[i].kind == DiskEvent::Kind::Delete && events[i].name.ends_with("-wal"))
        lock = "1\nclosed\n";
    }
    return lock;
  }
};

enum class Tells { AfterSync, AfterCommit };

/// Follows `history`, with a restart in the middle. A server that tells too early calls a commit
/// synced when it has but returned.
Recording record(const History& history, FaultyDisk& disk, SqliteOptions options,
                 Tells tells = Tells::AfterSync) {
  Recording recording;
  Progress now;
  const auto mark = [&] { recording.progress[disk.events_so_far()] = now; };
  disk.remember();
  const auto open = [&] {
    auto opened = must(open_sqlite_store(options));
    recording.opened.insert(disk.events_so_far());
    return opened;
  };
  auto store = open();
  for (std::size_t next = 0; next < history.size(); ++next) {
    now.begun = next + 1;
    mark();
    must(store->commit(history.commit(next)));
    if (tells == Tells::AfterCommit) now.synced = next + 1;
    if (next % 2 == 0) {
      must(store->sync());
      now.synced = next + 1;
    }
    // Again and again, with nothing to fold: a checkpoint whose sync was in another thread then
    // ends with nothing left that the commits' own would cover.
    for (int times = 0; next % 4 == 3 && times < 500; ++times) {
      must(store->fold());
      std::this_thread::yield();
    }
    mark();
    if (next == history.size() / 2) {
      store.reset();
      store = open();
    }
  }
  store.reset();
  recording.events = disk.events();
  return recording;
}

void write_files(const std::filesystem::path& folder,
                 const std::map<std::string, std::string>& files) {
  for (const auto& [name, content] : files)
    std::ofstream{folder / name, std::ios::binary} << content;
}

/// Holds what is found after a power failure at every moment to `sound`, which answers with what is
/// wrong. The first of these, or "".
std::string fail_at_every_moment(
    const std::vector<DiskEvent>& events,
    const std::function<std::string(const std::filesystem::path&, std::size_t)>& wrong_at) {
  PoweredDisk disk;
  std::mt19937 random{7};
  for (std::size_t done = 1; done <= events.size(); ++done) {
    disk.apply(events[done - 1]);
    if (done % kOneIn != 0) continue;
    for (const Loss loss : kLosses) {
      const TempFolder folder;
      write_files(folder.path(), disk.after(loss, random));
      if (std::string wrong = wrong_at(folder.path(), done); !wrong.empty())
        return "after event " + std::to_string(done) + " of " + std::to_string(events.size()) +
               ", loss " + std::to_string(static_cast<int>(loss)) + ": " + wrong;
    }
  }
  return {};
}

std::string fail_at_every_moment(const History& history, const Recording& recording) {
  return fail_at_every_moment(recording.events,
                              [&](const std::filesystem::path& folder, std::size_t done) {
                                if (const std::string lock = recording.lock_at(done); !lock.empty())
                                  write_files(folder, {{"onward.lock", lock}});
                                return wrong_after(folder, history, recording.at(done));
                              });
}
}  // namespace

TEST_CASE(
    "a power failure at any moment leaves a beginning of the commits with all that was synced",
    "[store][power]") {
  const History history{9};
  const TempFolder folder;
  Recording recording;
  {
    FaultyDisk disk;
    recording = record(history, disk, restless(folder.path()));
  }
  CHECK(recording.events.size() > 300);
  CHECK(fail_at_every_moment(history, recording) == "");
}

TEST_CASE("a power failure shows up whoever tells of a commit that is not synced",
          "[store][power]") {
  const History history{9};
  const TempFolder folder;
  Recording recording;
  {
    FaultyDisk disk;
    recording = record(history, disk, restless(folder.path()), Tells::AfterCommit);
  }
  CHECK(fail_at_every_moment(history, recording).find("synced were") != std::string::npos);
}

TEST_CASE("a power failure shows up a disk that only says it has synced", "[store][power]") {
  const History history{9};
  const TempFolder folder;
  Recording recording;
  {
    FaultyDisk disk;
    disk.lie_about_sync();
    recording = record(history, disk, restless(folder.path()));
  }
  CHECK(fail_at_every_moment(history, recording) != "");
}

TEST_CASE("a power failure shows up a store that leaves out the syncs of its checkpoints",
          "[store][power]") {
  const History history{9};
  const TempFolder folder;
  SqliteOptions options = restless(folder.path());
  options.durable = false;
  Recording recording;
  {
    FaultyDisk disk;
    recording = record(history, disk, options);
  }
  CHECK(fail_at_every_moment(history, recording) != "");
}
}  // namespace onward
