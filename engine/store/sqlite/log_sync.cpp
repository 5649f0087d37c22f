#include "engine/store/sqlite/log_sync.h"

#include <string>

namespace onward {
LogSync::LogSync(SQLite::Database& database, bool durable) : durable_{durable} {
  sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log_);
  if (log_ == nullptr || log_->pMethods == nullptr)
    throw Fault{{ErrorKind::Io, "no_wal", "the database has no write-ahead log"}};
}

std::optional<Error> LogSync::failure() {
  if (!broken_) return std::nullopt;
  const std::lock_guard lock{mutex_};
  return failure_;
}

Status LogSync::sync() {
  const std::uint64_t wanted = begun_.load(std::memory_order_acquire);
  const std::lock_guard lock{mutex_};
  if (failure_) return tl::make_unexpected(*failure_);
  if (synced_ >= wanted || !durable_) return {};
  // Whatever else came in while another thread's fsync was awaited is covered as well.
  const std::uint64_t covered = written_.load(std::memory_order_acquire);
  if (const int code = sync_file(); code != SQLITE_OK) {
    // The kernel may have dropped the pages: another fsync would succeed and lie.
    failure_ = Error{ErrorKind::Io, "store_io",
                     "the database failed: its write-ahead log cannot be synced (SQLite " +
                         std::to_string(code) + ")"};
    broken_ = true;
    return tl::make_unexpected(*failure_);
  }
  synced_.store(covered, std::memory_order_release);
  return {};
}
}  // namespace onward
