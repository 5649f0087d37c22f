#include "engine/store/sqlite/checkpoints.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

namespace onward {
namespace {
/// Rounds that try to come to a small rest, once the log is to be begun anew.
constexpr int kRoundsMax = 6;
/// A log of so many pages waits for its checkpoint.
constexpr int kLogPagesMax = 32'768;
}  // namespace

Checkpoints::Checkpoints(SQLite::Database& database, int descriptor, const SqliteOptions& options)
    : database_{database}, options_{options} {
  sqlite3_wal_hook(database_.getHandle(), &Checkpoints::on_log, this);
  sqlite3_file* file = nullptr;
  sqlite3_file_control(database_.getHandle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  sync_ = std::make_unique<DeferredSync>(file, descriptor);
}

void Checkpoints::begin() {
  sync_database();
  guard_ = open_readonly(options_.folder / "onward.db");
}

void Checkpoints::sync_database() {
  if (sync_->sync() != SQLITE_OK)
    throw Fault{{ErrorKind::Io, "store_io", "the database cannot be synced"}};
}

void Checkpoints::run() {
  if (in_round_ && !end_round()) return;
  if (log_pages_ < ended_pages_) ended_pages_ = 0;
  if (log_pages_ - ended_pages_ < options_.checkpoint_pages) return;
  const int rest = rounds_ == 0 ? log_pages_ : log_pages_ - round_pages_;
  if (options_.durable && rest > options_.rest_pages && rounds_ < kRoundsMax &&
      log_pages_ < kLogPagesMax)
    return begin_round();
  ended_pages_ = log_pages_;
  copied_at_ = SteadyClock::now();
  rounds_ = 0;
  check_copied(copy_back());
}

bool Checkpoints::truncate() {
  if (in_round_ && !end_round()) return false;
  sqlite3_busy_timeout(database_.getHandle(), 0);
  errno = 0;
  const int result = sqlite3_wal_checkpoint_v2(database_.getHandle(), nullptr,
                                               SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(database_.getHandle(), kBusyTimeoutMs);
  check_copied(result);
  if (result != SQLITE_OK) return false;
  log_pages_ = ended_pages_ = round_pages_ = rounds_ = 0;
  copied_at_ = SteadyClock::now();
  return true;
}

bool Checkpoints::end() {
  const bool synced = !sync_->under_way() || sync_->wait() == SQLITE_OK;
  guard_.reset();
  return synced;
}

bool Checkpoints::copy_all() {
  int pages = 0, copied = -1;
  return sqlite3_wal_checkpoint_v2(database_.getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                   &pages, &copied) == SQLITE_OK &&
         pages == copied;
}

/// A round takes its time, a part of that in which its pages came in.
void Checkpoints::begin_round() {
  const auto now = SteadyClock::now();
  const auto since = std::chrono::floor<Duration>(now - copied_at_);
  const Duration length = std::min(since / 4, options_.round_longest);
  // A snapshot of what is about to be copied: once that is done there is none to be had. Without
  // one there is no round now; the commit that came before stands all the same.
  if (guard_->tryExec("BEGIN; SELECT 1 FROM meta LIMIT 1") != SQLITE_OK) {
    guard_->tryExec("ROLLBACK");
    return;
  }
  in_round_ = true;
  copied_at_ = now;
  ++rounds_;
  round_pages_ = log_pages_;
  check_copied(sync_->leave_out(length, [&] { return copy_back(); }));
}

/// Whether what the round copied is synced: then the guard may go.
bool Checkpoints::end_round() {
  if (sync_->under_way()) {
    const std::optional<int> code =
        log_pages_ < kLogPagesMax ? sync_->result() : std::optional{sync_->wait()};
    if (!code) return false;
    if (*code != SQLITE_OK)
      throw Fault{
          {ErrorKind::Io, "store_io",
           "the database failed: it cannot be synced (SQLite " + std::to_string(*code) + ")"}};
  }
  guard_->tryExec("COMMIT");
  in_round_ = false;
  return true;
}

int Checkpoints::copy_back() {
  return sqlite3_wal_checkpoint_v2(database_.getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                   nullptr, nullptr);
}

/// Without room for the database to grow, or with a lock in the way, the log simply goes on; where
/// the disk may only be read, the next commit says so.
void Checkpoints::check_copied(int result) {
  if (result == SQLITE_OK || result == SQLITE_BUSY || result == SQLITE_LOCKED ||
      is_full(database_.getHandle(), result) || is_read_only(database_.getHandle(), result))
    return;
  throw SQLite::Exception{database_.getHandle(), result};
}
}  // namespace onward
