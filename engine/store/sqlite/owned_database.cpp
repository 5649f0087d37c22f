#include "engine/store/sqlite/owned_database.h"

#include <utility>

namespace onward {
OwnedDatabase::OwnedDatabase(const SqliteOptions& options, LockFile lock,
                             std::unique_ptr<SQLite::Database> database)
    : options_{options},
      lock_{std::move(lock)},
      file_{options.folder / "onward.db", !network_file_system(options.file_system(options.folder)),
            options.look_every},
      database_{std::move(database)},
      begin_{*database_, "BEGIN IMMEDIATE"},
      begin_read_{*database_, "BEGIN"},
      commit_{*database_, "COMMIT"},
      owner_{*database_, options.folder},
      log_{*database_, options.durable},
      checkpoints_{*database_, file_.descriptor(), options} {}

void OwnedDatabase::own() {
  keep_log_on_close(*database_, true);
  if (options_.durable) {
    if (log_.sync_file() != SQLITE_OK)
      throw Fault{{ErrorKind::Io, "store_io", "the write-ahead log cannot be synced"}};
    checkpoints_.begin();
  }
  // Before anything is read that another owner might still change. Where the disk is full the first
  // transaction does it.
  const Status taken = guarded([&]() -> Status {
    errno = 0;
    try {
      owner_.take_over();
      owner_.committed();
    } catch (const SQLite::Exception& exception) {
      if (is_full(database_->getHandle(), exception.getExtendedErrorCode())) return {};
      if (is_read_only(database_->getHandle(), exception.getExtendedErrorCode())) return {};
      throw;
    }
    return {};
  });
  if (!taken && taken.error().kind != ErrorKind::Unavailable) throw Fault{taken.error()};
  if (Status said = lock_.leave(Left::Open, options_.durable); !said)
    throw Fault{std::move(said.error())};
  keep_log_on_close(*database_, false);
  owned_ = true;
}

OwnedDatabase::~OwnedDatabase() {
  if (!owned_) return;
  const bool synced = checkpoints_.end();
  const bool whole = synced && !failed_ && !log_.has_failed() && checkpoints_.copy_all() &&
                     lock_.leave(Left::Closed, options_.durable);
  if (!whole) keep_log_on_close(*database_, true);
}
}  // namespace onward
