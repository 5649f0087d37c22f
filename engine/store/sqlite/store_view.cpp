#include "engine/store/sqlite/store_view.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "engine/store/sqlite/control_tables.h"
#include "engine/store/sqlite/data_files.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/fold.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/migrations/migrations.h"
#include "engine/store/sqlite/page_scrub.h"
#include "engine/store/sqlite/replay.h"
#include "engine/store/sqlite/row_counter.h"
#include "engine/store/sqlite/schema_objects.h"
#include "engine/store/sqlite/snapshot.h"
#include "engine/store/sqlite/stored_state.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
/// Pages of one step of a copy, after which somebody may end it.
constexpr int kCopyPages = 1'024;
constexpr int kFaultsShown = 20;
constexpr std::size_t kUnreadableShown = 100;

/// A path as SQLite reads it behind "file:".
std::string uri_of(const fs::path& file, const char* parameters) {
  std::string uri = "file:";
  for (const char c : file.string()) {
    if (c == '%' || c == '?' || c == '#') {
      static constexpr char kDigits[] = "0123456789ABCDEF";
      uri += {'%', kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]};
    } else {
      uri += c;
    }
  }
  return uri + parameters;
}

/// Of a folder that nobody works on, so that not even the files beside the database change. A
/// write-ahead log that was left behind is read without its index file; where there is none, the
/// database is whole in itself.
std::unique_ptr<SQLite::Database> open_at_rest(const fs::path& file) {
  const int flags = SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX;
  std::error_code missing;
  const auto log = fs::file_size(file.string() + "-wal", missing);
  std::unique_ptr<SQLite::Database> database;
  if (missing || log == 0) {
    database =
        std::make_unique<SQLite::Database>(uri_of(file, "?immutable=1"), flags | SQLite::OPEN_URI);
  } else {
    database = std::make_unique<SQLite::Database>(file.string(), flags, 0, "unix-none");
    database->exec("PRAGMA locking_mode = EXCLUSIVE");
  }
  sqlite3_db_config(database->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  database->exec("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF");
  return database;
}

class View final : public StoreView {
 public:
  View(std::unique_ptr<SQLite::Database> database, std::optional<LockFile> lock, std::string owner)
      : lock_{std::move(lock)},
        owner_{std::move(owner)},
        database_{std::move(database)},
        begin_{*database_, "BEGIN"},
        schema_{(begin_.run(), database_->execAndGet("PRAGMA user_version").getInt())},
        state_{*database_, [this](const RowName& row) {
                 if (found_.size() < kUnreadableShown) found_.push_back(row);
               }} {}

  const std::string& owner() const override { return owner_; }
  int schema() const override { return schema_; }

  Result<Snapshot> snapshot() override {
    return guarded([&]() -> Result<Snapshot> {
      return snapshot_of(*database_, state_.marks, state_.overlay, state_.unreadable);
    });
  }

  Result<std::vector<std::string>> integrity() override {
    return guarded([&]() -> Result<std::vector<std::string>> {
      std::vector<std::string> faults;
      Query check{*database_, "PRAGMA integrity_check(" + std::to_string(kFaultsShown) + ")"};
      for (auto rows = check(); rows.next();) faults.emplace_back(rows.bytes(0));
      if (faults == std::vector<std::string>{"ok"}) faults.clear();
      return faults;
    });
  }

  Result<std::vector<std::string>> foreign_objects() override {
    return guarded([&]() -> Result<std::vector<std::string>> {
      std::vector<std::string> found;
      for (ForeignObject& object : onward::foreign_objects(*database_))
        found.push_back(std::move(object.what));
      return found;
    });
  }

  Journal journal() const override {
    const std::deque<JournalRow>& rows = state_.journal;
    Journal journal{.rows = rows.size()};
    if (!rows.empty()) journal.missing = rows.back().id - rows.front().id + 1 - rows.size();
    return journal;
  }

  Result<Recount> recount(Instant now) override;

  std::uint64_t size() override {
    const auto pages = database_->execAndGet("PRAGMA page_count").getInt64();
    return static_cast<std::uint64_t>(pages * database_->execAndGet("PRAGMA page_size").getInt64());
  }

  Status copy_to(const fs::path& file, const std::function<bool(std::uint64_t)>& goes_on) override;

  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    return guarded([&]() -> Result<std::optional<std::string>> {
      if (schema_ >= kSchemaOfTextsApart) return version_text_of(*database_, scenario, version);
      Query text{*database_, "SELECT text FROM versions WHERE scenario = ? AND version = ?"};
      auto rows = text(scenario, version);
      return rows.next() ? std::optional{std::string{rows.bytes(0)}} : std::nullopt;
    });
  }

 private:
  bool copy_pages(SQLite::Database& to, const std::function<bool(std::uint64_t)>& goes_on);

  std::optional<LockFile> lock_;
  std::string owner_;
  std::unique_ptr<SQLite::Database> database_;
  Query begin_;
  int schema_;
  std::vector<RowName> found_;  ///< Rows that cannot be read, the first of them.
  StoredState state_;
};

Result<Recount> View::recount(Instant now) {
  return guarded([&]() -> Result<Recount> {
    Recount count = RowCounter{state_, schema_}.count(now);
    for (const RowName& row : found_) count.unreadable.push_back(row.table + ": " + row.key);
    count.unreadable_count = state_.unreadable.count();
    return count;
  });
}

/// False: the caller ended it.
bool View::copy_pages(SQLite::Database& to, const std::function<bool(std::uint64_t)>& goes_on) {
  const std::uint64_t bytes = size();
  sqlite3_backup* backup =
      sqlite3_backup_init(to.getHandle(), "main", database_->getHandle(), "main");
  if (backup == nullptr) throw SQLite::Exception{to.getHandle()};
  int result = SQLITE_OK;
  bool wanted = true;
  while (wanted && (result = sqlite3_backup_step(backup, kCopyPages)) == SQLITE_OK) {
    const auto all = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup));
    const auto left = static_cast<std::uint64_t>(sqlite3_backup_remaining(backup));
    wanted = !goes_on || goes_on(all == 0 ? 0 : bytes / all * (all - left));
  }
  const int finished = sqlite3_backup_finish(backup);
  if (!wanted) return false;
  if (result != SQLITE_DONE || finished != SQLITE_OK)
    throw SQLite::Exception{to.getHandle(), result == SQLITE_DONE ? finished : result};
  return true;
}

/// The journal of a copy holds earlier states of rows, perhaps of a contact that was erased since.
void fold_copy(SQLite::Database& copy) {
  UnreadableRows unreadable;
  Marks marks{copy, unreadable};
  Overlay overlay;
  const std::deque<JournalRow> journal = replay(copy, marks, overlay);
  if (journal.empty()) return;
  std::vector<std::uint64_t> ids;
  for (const JournalRow& row : journal) ids.push_back(row.id);
  copy.exec("PRAGMA secure_delete = ON; BEGIN");
  {
    TableWriter writer{copy};
    Fold fold{overlay, writer, std::move(ids)};
    while (fold.step()) {
    }
  }
  copy.exec("COMMIT");
}

Status View::copy_to(const fs::path& file, const std::function<bool(std::uint64_t)>& goes_on) {
  const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0)
    return fail(ErrorKind::Io, "no_access",
                "cannot make " + file.string() + ": " + std::strerror(errno));
  Status copied = guarded([&]() -> Status {
    {
      SQLite::Database to{file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX};
      to.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
      if (!copy_pages(to, goes_on)) return fail(ErrorKind::Busy, "cancelled", "the copy was ended");
      // One file, whole in itself: whoever opens it needs no log beside it.
      if (to.execAndGet("PRAGMA journal_mode = DELETE").getString() != "delete")
        return fail(ErrorKind::Io, "store_io", file.string() + " keeps a write-ahead log");
      if (schema_ == newest_schema() && onward::foreign_objects(to).empty()) fold_copy(to);
    }
    // Pages of the log and free pages come along, with what was erased and not overwritten yet.
    const auto scrubbed = scrub_file(made);
    return scrubbed ? Status{} : tl::make_unexpected(scrubbed.error());
  });
  if (copied && ::fsync(made) != 0)
    copied = fail(ErrorKind::Io, "store_io",
                  "cannot sync " + file.string() + ": " + std::strerror(errno));
  ::close(made);
  return copied;
}
}  // namespace

namespace {
/// A file of another user is none that is missing, or damaged.
Status check_readable(const fs::path& folder) {
  const auto readable = [](const fs::path& path, int mode) -> Status {
    if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 || errno != EACCES) return {};
    return fail(ErrorKind::Io, "no_access",
                path.string() + " cannot be read by this user (EACCES); run this as its owner");
  };
  if (Status may = readable(folder, R_OK | X_OK); !may) return may;
  for (const char* name : {"onward.db", "onward.db-wal", "onward.lock"})
    if (Status may = readable(folder / name, R_OK); !may) return may;
  return {};
}
}  // namespace

int newest_schema() { return migrations().back().version; }

Result<std::unique_ptr<StoreView>> StoreView::open(const fs::path& folder) {
  const fs::path file = folder / "onward.db";
  if (Status may = check_readable(folder); !may) return tl::make_unexpected(may.error());
  if (Status regular = check_regular_files(folder); !regular)
    return tl::make_unexpected(regular.error());
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    if (Status lost = check_database_lost(folder); !lost) return tl::make_unexpected(lost.error());
    return fail(ErrorKind::NotFound, "no_store",
                folder.string() + " is no data folder: there is no onward.db in it");
  }
  auto lock = LockFile::share(folder / "onward.lock");
  if (!lock && lock.error().kind == ErrorKind::Io) return tl::make_unexpected(lock.error());
  const bool owned = !lock && lock.error().kind == ErrorKind::Conflict;
  const Status whole = owned ? check_log_taken(folder, lock.error().message)
                             : check_data_files(folder, lock ? lock->left() : Left::Nothing);
  if (!whole) return tl::make_unexpected(whole.error());
  return guarded([&]() -> Result<std::unique_ptr<StoreView>> {
    auto database = owned ? open_readonly(file) : open_at_rest(file);
    check_known(*database, file);
    std::optional<LockFile> guard;
    if (lock) guard.emplace(std::move(*lock));
    return std::make_unique<View>(std::move(database), std::move(guard),
                                  owned ? lock.error().message : std::string{});
  });
}
}  // namespace onward
