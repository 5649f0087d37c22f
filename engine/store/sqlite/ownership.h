#pragma once
// That a data folder has one owner at a time, and that its database is still the file that this
// owner writes to. Throws what `guarded` catches.
#include <chrono>
#include <filesystem>
#include <string>

#include "engine/core/base/time.h"
#include "engine/store/sqlite/database.h"

namespace onward {
/// The file of the database, opened once more: for hints to the kernel, for its lock, and to
/// overwrite what is unused. Closing it releases the POSIX locks that this process has on the file,
/// so it is the last to go.
class DatabaseFile {
 public:
  /// `locks` false: on a network file system, where flock would meet the locks of SQLite. Throws
  /// where another process has the lock.
  DatabaseFile(std::filesystem::path path, bool locks, Duration look_every);
  ~DatabaseFile();
  DatabaseFile(const DatabaseFile&) = delete;
  DatabaseFile& operator=(const DatabaseFile&) = delete;

  /// Negative where it could not be opened.
  int descriptor() const { return descriptor_; }
  /// Throws where the path names another file now, or none; looks once in a while.
  void check();

 private:
  using SteadyClock = std::chrono::steady_clock;

  const std::filesystem::path path_;
  const int descriptor_;
  const Duration look_every_;
  SteadyClock::time_point looked_at_ = SteadyClock::now();
};

/// What the database says of its owner. Locks keep two owners apart where they work; this fences
/// the first one where they do not: its next transaction finds another owner and is refused.
class Owner {
 public:
  /// `database` must outlive this.
  Owner(SQLite::Database& database, std::filesystem::path folder);

  /// Writes that this process is the owner; it is once the transaction is committed.
  void take_over();
  /// In a transaction, so that the owner cannot change before its end.
  void check();
  void committed() { owns_ = true; }

 private:
  SQLite::Database& database_;
  const std::filesystem::path folder_;
  Query owner_;
  const std::string token_ = random_epoch();  ///< Of this process; in `meta` once `owns_`.
  bool owns_ = false;
};
/// The error of a process whose folder another one has taken over.
Error taken_over_error(const std::string& what);
}  // namespace onward
