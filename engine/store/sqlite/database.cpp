#include "engine/store/sqlite/database.h"

#include <sqlite3.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "engine/core/base/ids.h"
#include "engine/store/sqlite/migrations/migrations.h"
#include "engine/store/sqlite/schema_objects.h"
#include "engine/store/unreadable.h"

namespace onward {
namespace {
/// "ONWD", so that `file` and we know the file.
constexpr int kApplicationId = 0x4f4e5744;

Fault io_fault(std::string code, std::string message) {
  return {{ErrorKind::Io, std::move(code), std::move(message)}};
}

int user_version(SQLite::Database& database) {
  return database.execAndGet("PRAGMA user_version").getInt();
}

void check_schema(SQLite::Database& database, const std::filesystem::path& file) {
  const int version = user_version(database);
  if (version < 0)
    throw io_fault("damaged", file.string() + " says that its schema is " +
                                  std::to_string(version) +
                                  ": its header is damaged; restore it from a backup");
  if (version > migrations().back().version)
    throw io_fault("newer_schema", file.string() + " was written by a newer version (schema " +
                                       std::to_string(version) + ", this program knows up to " +
                                       std::to_string(migrations().back().version) +
                                       "): use that version");
}

void migrate(SQLite::Database& database, const std::filesystem::path& file) {
  check_schema(database, file);
  const int version = user_version(database);
  for (const SchemaMigration& migration : migrations()) {
    if (migration.version <= version) continue;
    database.exec("BEGIN IMMEDIATE");
    try {
      database.exec(std::string{migration.sql});
      if (migration.version == 1) {
        Query{database, "INSERT INTO meta VALUES ('epoch', ?)"}.run(random_epoch());
        database.exec("INSERT INTO meta VALUES ('scrubbed', 1)");  // Nothing was deleted yet.
        database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
      }
      database.exec("PRAGMA user_version = " + std::to_string(migration.version));
      database.exec("COMMIT");
    } catch (const SQLite::Exception& error) {
      if (sqlite3_get_autocommit(database.getHandle()) == 0) database.tryExec("ROLLBACK");
      // A table or column that exists already, or is missing: the number is not that of the tables.
      if (error.getErrorCode() == SQLITE_ERROR)
        throw io_fault("damaged", file.string() + " says that its schema is " +
                                      std::to_string(version) +
                                      ", but its tables are not of that schema: its header is "
                                      "damaged; restore it from a backup");
      throw;
    } catch (...) {
      if (sqlite3_get_autocommit(database.getHandle()) == 0) database.tryExec("ROLLBACK");
      throw;
    }
  }
}

/// The first thing that is read. A header that SQLite cannot make sense of is a plain error to it,
/// as a slip in a statement of ours would be.
int count_tables(SQLite::Database& database, const std::filesystem::path& file) {
  try {
    return database.execAndGet("SELECT count(*) FROM sqlite_schema").getInt();
  } catch (const SQLite::Exception& exception) {
    if (exception.getErrorCode() != SQLITE_ERROR) throw;
    throw io_fault("damaged", file.string() + " cannot be read: " + exception.what() +
                                  "; its header is damaged: restore it from a backup");
  }
}

/// A database of ours, or an empty file that may become one.
void check_owner(SQLite::Database& database, const std::filesystem::path& file) {
  const int application = database.execAndGet("PRAGMA application_id").getInt();
  const int tables = count_tables(database, file);
  if (application != kApplicationId && tables > 0)
    throw io_fault("not_ours", file.string() +
                                   " is a database of another program: use another folder; or, if "
                                   "it was ours, its header is damaged: restore it from a backup");
}

/// Nothing that would run with our statements, such as a trigger that came with a backup.
void check_objects(SQLite::Database& database, const std::filesystem::path& file) {
  for (const ForeignObject& object : foreign_objects(database))
    if (object.acts)
      throw io_fault("foreign_schema",
                     file.string() +
                         " has a schema that this program did not make: " + object.what +
                         ". Remove what was added with the sqlite3 shell, or restore a backup");
}
}  // namespace

std::string random_epoch() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number))
    throw io_fault("no_random",
                   std::string{"the system gives no random bytes: "} + std::strerror(errno));
  return to_base32(number >> 4).substr(1);
}

void check_known(SQLite::Database& database, const std::filesystem::path& file) {
  check_owner(database, file);
  check_schema(database, file);
}

bool is_read_only(sqlite3* database, int code) {
  const int primary = code & 0xff;
  if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)
    return errno == EROFS || sqlite3_system_errno(database) == EROFS;
  return primary == SQLITE_READONLY && code != SQLITE_READONLY_DBMOVED;
}

Error read_only_error() {
  return {ErrorKind::Unavailable, "disk_read_only",
          "the file system of the data folder is mounted read-only"};
}

void throw_unreadable(const std::string& what) {
  throw Fault{
      {ErrorKind::Internal, kUnreadableRow, "the database is damaged: " + what + " is not valid"}};
}

bool is_unreadable(const Fault& fault) { return fault.error.code == kUnreadableRow; }

bool is_full(sqlite3* database, int code) {
  const auto full = [](int error) { return error == EFBIG || error == EDQUOT || error == ENOSPC; };
  if ((code & 0xff) != SQLITE_IOERR) return (code & 0xff) == SQLITE_FULL;
  return full(errno) || full(sqlite3_system_errno(database));
}

Error full_error() {
  return {ErrorKind::Unavailable, "disk_full", "no room left on the disk of the data folder"};
}

Error to_error(const SQLite::Exception& exception) {
  const std::string what = exception.what();
  const int extended = exception.getExtendedErrorCode();
  // The shared-memory file cannot grow either where there is no room.
  if (extended == SQLITE_IOERR_SHMSIZE) return full_error();
  // Whose file was moved away under it would go on writing into nowhere.
  if (extended == SQLITE_READONLY_DBMOVED)
    return {ErrorKind::Io, "store_io", "the database was moved or taken away: " + what};
  switch (exception.getErrorCode() & 0xff) {
    case SQLITE_READONLY:
      return read_only_error();
    case SQLITE_FULL:
      return full_error();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::Unavailable, "store_busy", "another program holds the database: " + what};
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return {ErrorKind::Conflict, "constraint", "the database refused a row: " + what};
    case SQLITE_TOOBIG:
      return {ErrorKind::Conflict, "too_big", "a row is too large for the database: " + what};
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return {ErrorKind::Io, "damaged",
              "the database is damaged: " + what + "; restore it from a backup"};
    default:
      return {ErrorKind::Io, "store_io",
              "the database failed: " + what + " (SQLite " + std::to_string(extended) + ")"};
  }
}

std::string_view Rows::bytes(int column) const {
  const SQLite::Column value = statement_->getColumn(column);
  const auto* data = static_cast<const char*>(value.getBlob());
  return {data, static_cast<std::size_t>(value.getBytes())};
}

void Query::bind(int place, std::string_view blob) {
  if (blob.size() > std::numeric_limits<int>::max())
    throw Fault{{ErrorKind::Conflict, "too_big", "a row is larger than 2 GiB"}};
  // A null pointer would bind NULL, an empty blob is not that.
  statement_.bindNoCopy(place, blob.empty() ? "" : blob.data(), static_cast<int>(blob.size()));
}

ReadScope::~ReadScope() {
  try {
    commit_.run();
  } catch (const SQLite::Exception&) {
    // Nothing was written; the fault that brought us here is on its way already.
  }
}

void keep_log_on_close(SQLite::Database& database, bool keep) {
  sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

std::unique_ptr<SQLite::Database> open_writer(const std::filesystem::path& file, bool durable,
                                              std::uint64_t bytes_max, bool known) {
  auto database = std::make_unique<SQLite::Database>(
      file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX,
      kBusyTimeoutMs);
  keep_log_on_close(*database, true);
  // 4 KiB pages, as the kernel's: a fold touches many pages for a small row each, and every touched
  // page goes into the WAL whole. Larger ones were a gain for no table.
  database->exec("PRAGMA page_size = " + std::to_string(kPageSize));
  check_owner(*database, file);
  if (known && user_version(*database) == 0)
    throw io_fault("damaged", file.string() +
                                  " holds nothing, and did: it, or its write-ahead log, was cut "
                                  "off or taken away. Restore both, or a backup");
  // To its end, where it is committed, and only then asked what came of it.
  database->exec("PRAGMA journal_mode = WAL");
  if (database->execAndGet("PRAGMA journal_mode").getString() != "wal")
    throw io_fault("no_wal", file.string() +
                                 " cannot use a write-ahead log: is the folder on a "
                                 "network file system?");
  // NORMAL leaves the fsync of commits to `Store::sync`; those of checkpoints and of a WAL that is
  // begun anew stay with SQLite.
  database->exec(durable ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = OFF");
  // The WAL is checkpointed by hand and, once it has reached its size, written over and over: a
  // growing file costs more at each fsync. No mapping: a failed read must be an error, no signal.
  // Deleted rows and freed pages are overwritten, so that what is erased is gone (page_scrub.h has
  // the rest).
  database->exec(
      "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 268435456;"
      "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
      "PRAGMA cache_size = -24000; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  if (bytes_max > 0)
    database->exec("PRAGMA max_page_count = " + std::to_string(bytes_max / kPageSize));
  migrate(*database, file);
  check_objects(*database, file);
  keep_log_on_close(*database, false);
  return database;
}

std::unique_ptr<SQLite::Database> open_readonly(const std::filesystem::path& file) {
  auto database = std::make_unique<SQLite::Database>(
      file.string(), SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs);
  // Not even the last one to close may checkpoint: the next owner does.
  sqlite3_db_config(database->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  database->exec(
      "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0;"
      "PRAGMA cache_size = -4000; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  return database;
}

std::string seen_table(Date day) {
  std::string digits = format_date(day);
  std::erase(digits, '-');
  return "seen_" + digits;
}

std::optional<Date> seen_day(std::string_view table) {
  if (!table.starts_with("seen_") || table.size() != 13) return std::nullopt;
  const std::string digits{table.substr(5)};
  return parse_date(digits.substr(0, 4) + "-" + digits.substr(4, 2) + "-" + digits.substr(6));
}
}  // namespace onward
