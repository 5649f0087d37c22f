#include "engine/store/sqlite/data_files.h"

#include <string>
#include <system_error>

namespace onward {
namespace fs = std::filesystem;
namespace {
tl::unexpected<Error> lost(const std::string& what) { return fail(ErrorKind::Io, "damaged", what); }
const char* kind_of(fs::file_type type) {
  switch (type) {
    case fs::file_type::directory:
      return "a folder";
    case fs::file_type::fifo:
      return "a FIFO";
    case fs::file_type::socket:
      return "a socket";
    case fs::file_type::symlink:
      return "a symbolic link";
    default:
      return "a device";
  }
}
}  // namespace

Status check_regular_files(const fs::path& folder) {
  const auto database = folder / "onward.db";
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code error;
    const fs::path file = database.string() + suffix;
    // SQLite follows a link to the database, and none of the others.
    const fs::file_status found =
        *suffix == '\0' ? fs::status(file, error) : fs::symlink_status(file, error);
    if (fs::exists(found) && !fs::is_regular_file(found))
      return lost(file.string() + " must be a regular file (found " + kind_of(found.type()) +
                  "): remove what is there, and put back the file if there was one");
  }
  return {};
}

Status check_database_lost(const fs::path& folder) {
  std::error_code error;
  const fs::path file = folder / "onward.db";
  if (fs::exists(folder / "onward.db-wal", error))
    return lost(file.string() + " is missing, but its write-ahead log is there: restore both");
  if (fs::exists(folder / "onward.lock", error))
    return lost(file.string() +
                " is missing, but it was there: restore it from a backup; to start with an "
                "empty database, use another folder");
  return {};
}

Status check_data_files(const fs::path& folder, Left left) {
  const fs::path file = folder / "onward.db", wal = folder / "onward.db-wal";
  std::error_code missing;
  const bool empty = fs::file_size(file, missing) == 0;
  const bool has_wal = fs::exists(wal, missing);
  if (empty && (left != Left::Nothing || (has_wal && fs::file_size(wal, missing) > 0)))
    return lost(file.string() + " is empty, and was not: restore it from a backup");
  if (left == Left::Open && !has_wal)
    return lost(wal.string() +
                " is missing, and whoever used the database last did not close it: what was "
                "committed last is in that file. Put it back, or restore a backup. If another "
                "program has closed the database since (the sqlite3 shell), nothing is lost: "
                "empty the lock file and start again: truncate -s 0 " +
                (folder / "onward.lock").string());
  return {};
}

Status check_log_taken(const fs::path& folder, const std::string& owner) {
  const fs::path wal = folder / "onward.db-wal", lock = folder / "onward.lock";
  std::error_code error;
  // It is marked as open only while the log is there; twice, since it may be closed in between.
  if (LockFile::left_in(lock) != Left::Open || fs::exists(wal, error) ||
      LockFile::left_in(lock) != Left::Open)
    return {};
  return fail(ErrorKind::Io, "log_taken",
              wal.string() + " was taken away while " + owner +
                  " writes to it: end that with SIGTERM, which brings all of it into the database; "
                  "if it is killed, what was committed last is lost");
}
}  // namespace onward
