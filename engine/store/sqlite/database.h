#pragma once
// SQLite as this folder uses it: connections, prepared statements, faults as errors.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
/// A fault below a public call, on its way to `guarded`.
struct Fault {
  Error error;
};

/// A full disk is Unavailable ("disk_full"), so are one that may only be read ("disk_read_only")
/// and a lock of another program ("store_busy"); a constraint or a size is Conflict, the rest Io.
Error to_error(const SQLite::Exception& exception);
/// Whether `code`, which `database` has just answered, means that its disk may only be read: a file
/// that was opened for writing before meets that as an I/O error, of which SQLite keeps the reason
/// only where it is not met at a COMMIT. Else `errno` still tells it, if it was cleared before.
bool is_read_only(sqlite3* database, int code);
Error read_only_error();
/// The same for a disk without room: also where a quota or a limit on the size of files (EDQUOT,
/// EFBIG) refused the bytes, which SQLite calls an I/O error.
bool is_full(sqlite3* database, int code);
Error full_error();

/// Runs `call`, which returns a Result, and turns what is thrown inside into its error.
template <class Call>
auto guarded(Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const SQLite::Exception& exception) {
    return tl::make_unexpected(to_error(exception));
  } catch (Fault& fault) {
    return tl::make_unexpected(std::move(fault.error));
  }
}

/// The value of a decoder's result; what is damaged is thrown.
template <class T>
T intact(Result<T> result) {
  if (!result) throw Fault{std::move(result.error())};
  return std::move(*result);
}
/// A number that stands for another one in a row which cannot be read.
[[noreturn]] void throw_unreadable(const std::string& what);

/// Whether `fault` is of one row alone, which the others need not share.
bool is_unreadable(const Fault& fault);
/// Runs `read`, which reads one row. Where the row cannot be read `report` is called; false.
template <class Read, class Report>
bool read_row(Read read, Report report) {
  try {
    read();
    return true;
  } catch (const Fault& fault) {
    if (!is_unreadable(fault)) throw;
  }
  report();
  return false;
}

/// The rows of one use of a statement, which is free again at the end of scope, however that comes.
class Rows {
 public:
  explicit Rows(SQLite::Statement& statement) : statement_{&statement} {}
  ~Rows() { statement_->tryReset(); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  bool next() { return statement_->executeStep(); }
  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(statement_->getColumn(column).getInt64());
  }
  /// Throws what `is_unreadable` knows where it does not fit: it is never cut.
  std::uint32_t small_number(int column) const {
    const std::int64_t value = statement_->getColumn(column).getInt64();
    if (value < 0 || value > UINT32_MAX) throw_unreadable("the number " + std::to_string(value));
    return static_cast<std::uint32_t>(value);
  }
  bool is_null(int column) const { return statement_->getColumn(column).isNull(); }
  Instant instant(int column) const {
    return Instant{Duration{statement_->getColumn(column).getInt64()}};
  }
  /// A blob or text; valid until the next row.
  std::string_view bytes(int column) const;

 private:
  SQLite::Statement* statement_;
};

/// A statement, prepared once. Its arguments must live until its rows are done with: they are not
/// copied. Numbers, ids, instants, blobs (std::string_view), texts (std::string), nothing
/// (std::nullopt).
class Query {
 public:
  Query(SQLite::Database& database, const std::string& sql) : statement_{database, sql} {}

  template <class... Args>
  Rows operator()(const Args&... args) {
    int place = 0;
    (bind(++place, args), ...);
    return Rows{statement_};
  }
  /// For statements without rows.
  template <class... Args>
  void run(const Args&... args) {
    (*this)(args...).next();
  }

 private:
  void bind(int place, std::string_view blob);
  void bind(int place, const std::string& text) { statement_.bindNoCopy(place, text); }
  void bind(int place, std::nullopt_t) { statement_.bind(place); }
  void bind(int place, Instant instant) {
    statement_.bind(place, static_cast<std::int64_t>(instant.time_since_epoch().count()));
  }
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void bind(int place, T number) { statement_.bind(place, static_cast<std::int64_t>(number)); }
  template <class T>
  requires requires(const T& id) { id.value; }
  void bind(int place, const T& id) { statement_.bind(place, static_cast<std::int64_t>(id.value)); }

  SQLite::Statement statement_;
};

/// Many reads under one snapshot, which also saves taking the locks for each.
class ReadScope {
 public:
  ReadScope(Query& begin, Query& commit) : commit_{commit} { begin.run(); }
  ~ReadScope();
  ReadScope(const ReadScope&) = delete;
  ReadScope& operator=(const ReadScope&) = delete;

 private:
  Query& commit_;
};

inline constexpr std::uint64_t kPageSize = 4096;
/// For outside tools that hold a lock for a moment (a backup, the sqlite3 shell).
inline constexpr int kBusyTimeoutMs = 5'000;

/// Whether closing the database leaves its write-ahead log, as long as the lock file may say "open"
/// (lock_file.h): a start would be refused that then misses the log.
void keep_log_on_close(SQLite::Database& database, bool keep);

/// Opens the one connection that writes and checkpoints, and makes the file where there is none.
/// `bytes_max` bounds the file; 0: no bound. One that is `known` to hold something is not taken for
/// a new one when it holds nothing. Throws SQLite::Exception and Fault.
std::unique_ptr<SQLite::Database> open_writer(const std::filesystem::path& file, bool durable,
                                              std::uint64_t bytes_max, bool known = false);
/// Throws what is no database of ours, or one of a newer schema.
void check_known(SQLite::Database& database, const std::filesystem::path& file);
/// 12 characters of 60 bits from the operating system.
std::string random_epoch();
/// Opens a connection that only reads and never checkpoints. Throws SQLite::Exception.
std::unique_ptr<SQLite::Database> open_readonly(const std::filesystem::path& file);

/// The names of the day tables of seen events, and back.
std::string seen_table(Date day);
inline constexpr std::string_view kSeenColumns =
    " (key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL) STRICT, WITHOUT ROWID";
std::optional<Date> seen_day(std::string_view table);
}  // namespace onward
