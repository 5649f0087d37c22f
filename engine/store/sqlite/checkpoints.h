#pragma once
// From the write-ahead log into the database, and the end of the log.
#include <chrono>
#include <cstdint>
#include <memory>

#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/deferred_sync.h"
#include "engine/store/sqlite/sqlite_options.h"

namespace onward {
/// Where the log has grown by `checkpoint_pages` it is to be begun anew: when all of it is in the
/// database, synced, and no reader stands in it, the next commit does that, in the same file. It is
/// copied in rounds: commits wait for the copy, and the sync goes on beside them, so that each
/// round has less to copy than the one before. Nothing is copied sooner: a log that is damaged by
/// somebody is read up to there, which goes well only with a database that is not ahead of it.
///
/// Of one thread, which commits between the calls. Throws what `guarded` catches.
class Checkpoints {
 public:
  /// `descriptor` is another one of the file of `database`. All must outlive this.
  Checkpoints(SQLite::Database& database, int descriptor, const SqliteOptions& options);
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  /// Syncs the database; after it rounds may begin.
  void begin();
  /// After a commit: what is to be done by now.
  void run();
  /// Brings all of the log into the database and cuts it. False: a reader is in it, or there is no
  /// room.
  bool truncate();
  /// Waits for the sync under way, and then there are no more rounds. Whether it went well.
  bool end();
  /// After `end`: whether all of the log could be brought into the database, without a sync.
  bool copy_all();

  /// Makes the database durable, in the caller's thread. Throws Fault.
  void sync_database();
  /// Of the log that is in use.
  std::uint64_t log_bytes() const { return static_cast<std::uint64_t>(log_pages_) * kPageSize; }

 private:
  using SteadyClock = std::chrono::steady_clock;

  void begin_round();
  bool end_round();
  int copy_back();
  void check_copied(int result);
  static int on_log(void* self, sqlite3*, const char*, int pages) {
    static_cast<Checkpoints*>(self)->log_pages_ = pages;
    return SQLITE_OK;
  }

  SQLite::Database& database_;
  const SqliteOptions& options_;
  int log_pages_ = 0;
  // While what a round copied is synced the guard reads, so that the log, which alone is durable,
  // is not begun anew. The pages are of the log as it is; they are none when it is new.
  std::unique_ptr<DeferredSync> sync_;
  std::unique_ptr<SQLite::Database> guard_;
  bool in_round_ = false;
  int rounds_ = 0;       ///< Of the checkpoint under way; 0: there is none.
  int round_pages_ = 0;  ///< There were when the last one began: so many are in the database.
  int ended_pages_ = 0;  ///< There were when the last checkpoint ended.
  SteadyClock::time_point copied_at_ = SteadyClock::now();  ///< The last time.
};
}  // namespace onward
