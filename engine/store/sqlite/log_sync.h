#pragma once
// The fsync of the write-ahead log, which makes commits durable.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include <sqlite3.h>

#include "engine/core/base/result.h"
#include "engine/store/sqlite/database.h"

namespace onward {
/// `sync`, `is_synced`: any thread, also while another one commits.
class LogSync {
 public:
  /// Something must have been read of `database`, which must outlive this. Not `durable`: nothing
  /// is ever synced. Throws Fault.
  LogSync(SQLite::Database& database, bool durable);

  /// The WAL is read back only as far as its frames are whole and in order, so one fsync of the
  /// file makes durable all that was written to it before.
  Status sync();
  bool is_synced() const {
    return !durable_ ||
           synced_.load(std::memory_order_acquire) >= begun_.load(std::memory_order_acquire);
  }
  /// Why nothing may be written any more, once a sync has failed.
  std::optional<Error> failure();
  bool has_failed() const { return broken_; }
  /// Syncs whatever is there, in the caller's thread. An SQLite code.
  int sync_file() { return log_->pMethods->xSync(log_, SQLITE_SYNC_NORMAL); }

  // Of each transaction, by the thread that commits. Readers may see it from `committing` on.
  void committing() { begun_.fetch_add(1, std::memory_order_acq_rel); }
  void committed() { written_.store(begun_, std::memory_order_release); }
  void rolled_back() { begun_.store(written_, std::memory_order_release); }

 private:
  const bool durable_;
  sqlite3_file* log_ = nullptr;  // SQLite's own handle, so that its VFS sees every fsync
  // Transactions: a reader may see one of them before `written_` counts it.
  std::atomic<std::uint64_t> begun_ = 0, written_ = 0, synced_ = 0;
  std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_: after it nothing may be told of any more
  std::atomic<bool> broken_ = false;
};
}  // namespace onward
