#pragma once
// The disk of a world: what was committed, what of it is durable, and how it fails. A process that
// starts gets a store that is built again from the durable commits alone, or, in a world on SQLite,
// what the files of its predecessor hold.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/store/store.h"
#include "tests/chaos/chance.h"
#include "tests/chaos/fault.h"
#include "tests/chaos/sqlite_disk.h"

namespace onward::chaos {
struct DiskFaults {
  bool full = false;              ///< No room: commits and probes are refused.
  bool unsyncable = false;        ///< The next fsync fails, once.
  bool unwritable = false;        ///< The next commit fails, once.
  std::string refuse_contact_id;  ///< A commit with this contact breaks a constraint.
  /// On SQLite: the power fails at this write of a file from now on, be it of a commit, of a fold
  /// or of a checkpoint. 0: at none.
  std::size_t cut_at_write = 0;
  bool operator==(const DiskFaults&) const = default;
};
struct DiskOptions {
  Plant plant = Plant::None;
  bool sqlite = false;
  Duration dedupe_for = std::chrono::hours{24 * 7};
};

class Disk {
 public:
  /// Told of each commit once the store has it.
  using Listener = std::function<void(const Commit&)>;
  Disk(const DiskOptions& options, Listener listener);

  /// What a process finds when it starts.
  std::unique_ptr<Store> open();
  /// The process is dead: of what was not synced a beginning survives. `chance` says how much, or
  /// on SQLite what became of each write of its files.
  void die(Chance& chance);
  bool on_sqlite() const { return sqlite_ != nullptr; }
  /// The durable commits, in order.
  const std::vector<Commit>& log() const { return log_; }
  std::size_t committed() const { return log_.size() + unsynced_.size(); }
  std::size_t durable() const { return log_.size(); }
  /// The present process was told that there is no room, and not yet that there is some again.
  bool told_full() const { return told_full_; }
  /// What the present process reads and writes, for recounts.
  Store& rows() { return *rows_; }

  /// Places at which a process may die are numbered from 1; it dies at `place`, 0: nowhere.
  void crash_at(std::uint64_t place) { crash_at_ = place; }
  std::uint64_t places() const { return places_; }
  /// One of them; throws Crash where it is the one.
  void place();

  DiskFaults faults;
  struct Figures {
    std::uint64_t commits = 0, syncs = 0, refused = 0;
    std::uint64_t cut_commits = 0, cut_folds = 0;  ///< In which the power failed.
  } figures;

 private:
  friend class DiskStore;
  Status commit(const Commit& commit);
  Status sync();
  bool is_synced() const { return unsynced_.empty(); }
  void arm();
  template <class Answer>
  Answer heard(Answer answer);
  std::size_t survivors();

  DiskOptions options_;
  Plant plant_;
  Listener listener_;
  std::vector<Commit> log_, unsynced_;
  std::optional<Commit> doubtful_;      ///< Failed on SQLite: the files may hold it all the same.
  std::unique_ptr<SqliteDisk> sqlite_;  ///< Null in worlds in memory.
  DiskFaults armed_;                    ///< What `sqlite_` was told of.
  std::shared_ptr<Store> rows_;
  std::uint64_t places_ = 0, crash_at_ = 0;
  bool told_full_ = false;
};
}  // namespace onward::chaos
