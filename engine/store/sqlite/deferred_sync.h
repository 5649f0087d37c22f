#pragma once
// The fsync with which a checkpoint ends, made by a thread of its own: it takes as long as many
// commits, and nothing but the reuse of the write-ahead log has to wait for it. What it writes
// comes to the disk bit by bit, so that the fsyncs of commits find their turn in between.
#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include <sqlite3.h>

#include "engine/core/base/time.h"
#include "engine/store/sqlite/database.h"

namespace onward {
/// Stands before the syncs of one open file of SQLite, and overwrites what its pages hold besides
/// rows (page_scrub.h) when a checkpoint writes them. One thread uses it, but for what it says of
/// its own.
class DeferredSync {
 public:
  /// `file` is the database's, `descriptor` another one of the same. They must outlive this, and
  /// nobody else may stand before `file` meanwhile.
  DeferredSync(sqlite3_file* file, int descriptor);
  /// Waits for the sync under way.
  ~DeferredSync();
  DeferredSync(const DeferredSync&) = delete;
  DeferredSync& operator=(const DeferredSync&) = delete;

  /// What SQLite syncs of the file during `work` is not synced there, but begins in its own thread
  /// afterwards, and takes at least `length` if nobody waits. None may be under way.
  template <class Work>
  auto leave_out(Duration length, Work work) {
    leaving_out_ = true;
    const auto result = work();
    leaving_out_ = false;
    if (left_out_) begin(length);
    return result;
  }
  /// Whether a sync has begun whose result was not taken.
  bool under_way() const { return left_out_.has_value(); }
  /// Takes the result, an SQLite code, where there is one by now.
  std::optional<int> result();
  /// Waits for it, which then hurries.
  int wait();
  /// Syncs at once, in the caller's thread.
  int sync() { return original_->xSync(file_, SQLITE_SYNC_NORMAL); }

 private:
  /// SQLite finds the first part, and we the second behind it.
  struct Methods {
    sqlite3_io_methods calls;
    DeferredSync* self;
  };

  static int on_sync(sqlite3_file* file, int flags);
  static int on_write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset);
  void begin(Duration length);
  void run();
  void write_out(std::unique_lock<std::mutex>& lock);

  sqlite3_file* const file_;
  const int descriptor_;
  const sqlite3_io_methods* const original_;
  Methods methods_;
  sqlite3_int64 bytes_ = 0;  ///< Of the file, so far as is known.
  std::array<unsigned char, kPageSize> page_{};
  bool leaving_out_ = false;
  std::optional<int> left_out_;  ///< Flags of the sync that was left out.

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<int> wanted_, done_;  ///< Guarded; so is what follows.
  Duration length_{};
  bool stopping_ = false;
  std::thread thread_;  ///< From the first sync on.
};
}  // namespace onward
