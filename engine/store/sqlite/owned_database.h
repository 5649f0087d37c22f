#pragma once
// The connection that writes: its transactions, and its claim to the data folder from the first one
// until it is closed. Throws what `guarded` catches.
#include <sqlite3.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "engine/core/base/result.h"
#include "engine/store/sqlite/checkpoints.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/log_sync.h"
#include "engine/store/sqlite/ownership.h"
#include "engine/store/sqlite/sqlite_options.h"

namespace onward {
/// Of one thread, but for its log.
class OwnedDatabase {
 public:
  /// `options` must outlive this. `database` is what `open_writer` opened of its folder.
  OwnedDatabase(const SqliteOptions& options, LockFile lock,
                std::unique_ptr<SQLite::Database> database);
  /// Where all of the WAL is in the database, closing takes it away, and the folder says first that
  /// it may be missing. Else it stays for the next start; after a fault nothing more is written.
  ~OwnedDatabase();
  OwnedDatabase(const OwnedDatabase&) = delete;
  OwnedDatabase& operator=(const OwnedDatabase&) = delete;

  /// From now on the folder says that its WAL must be there: on disk, and only then said so. The
  /// database as well: the process before may have ended between a checkpoint and its sync, with
  /// the shared index, where somebody else held it open, saying that the WAL is not needed any
  /// more.
  void own();

  /// Guards `work`, which throws; an I/O error ends the writing for good.
  template <class Work>
  Status writing(Work work);
  /// Runs `work` in a transaction. What is thrown in it leaves the database as it was.
  template <class Work>
  void transact(Work work);
  /// Many reads under one snapshot.
  ReadScope snapshot() { return ReadScope{begin_read_, commit_}; }

  SQLite::Database& connection() { return *database_; }
  LogSync& log() { return log_; }
  const LogSync& log() const { return log_; }
  Checkpoints& checkpoints() { return checkpoints_; }
  const Checkpoints& checkpoints() const { return checkpoints_; }
  /// Of the file; negative where it could not be opened.
  int descriptor() const { return file_.descriptor(); }
  bool has_failed() const { return failed_.has_value(); }

 private:
  const SqliteOptions& options_;
  LockFile lock_;
  DatabaseFile file_;
  std::unique_ptr<SQLite::Database> database_;
  Query begin_, begin_read_, commit_;
  Owner owner_;
  LogSync log_;
  Checkpoints checkpoints_;
  bool owned_ = false;           ///< `own` has succeeded.
  std::optional<Error> failed_;  ///< An I/O error of a commit: what is on disk is uncertain.
};

template <class Work>
Status OwnedDatabase::writing(Work work) {
  if (!failed_) failed_ = log_.failure();
  if (failed_) return tl::make_unexpected(*failed_);
  Status status = guarded([&]() -> Status {
    file_.check();
    errno = 0;
    try {
      work();
    } catch (const SQLite::Exception& exception) {
      if (is_full(database_->getHandle(), exception.getExtendedErrorCode()))
        throw Fault{full_error()};
      if (is_read_only(database_->getHandle(), exception.getExtendedErrorCode()))
        throw Fault{read_only_error()};
      throw;
    }
    return {};
  });
  if (!status && status.error().kind == ErrorKind::Io) failed_ = status.error();
  return status;
}

template <class Work>
void OwnedDatabase::transact(Work work) {
  begin_.run();
  try {
    owner_.check();
    work();
    log_.committing();
    commit_.run();
  } catch (...) {
    // After some faults SQLite has rolled back by itself.
    if (sqlite3_get_autocommit(database_->getHandle()) == 0) database_->tryExec("ROLLBACK");
    log_.rolled_back();
    throw;
  }
  owner_.committed();
  log_.committed();
}
}  // namespace onward
