#include "engine/store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "engine/disk/durable_file.h"
#include "engine/store/sqlite/data_files.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/deferred_sync.h"
#include "engine/store/sqlite/fold.h"
#include "engine/store/sqlite/forget.h"
#include "engine/store/sqlite/id_filter.h"
#include "engine/store/sqlite/journal.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/newest.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/page_scrub.h"
#include "engine/store/sqlite/replay.h"
#include "engine/store/sqlite/seen_scan.h"
#include "engine/store/sqlite/sqlite_reader.h"
#include "engine/store/sqlite/tables.h"

// How a commit travels (docs/store.md has the whole of it):
//   commit        one row into `journal`; its rows then stand in the overlay
//   sync          one fsync of the WAL, by whichever thread wants to tell somebody of a commit
//   commit …      after `fold_after` changes, or `fold_age`, the overlay's generation is frozen;
//   slices of it are
//                 written to the tables inside the following commits' transactions
//   last slice    the folded journal rows are erased; the memory that held them is let go
//   after it      where a contact or bodies were erased, the WAL is emptied
// A crash at any moment leaves tables plus journal, and every journal row holds whole rows: start
// reads the journal into the overlay, and it is as it was.

namespace onward {
namespace {
/// Rows that ride in a small commit.
constexpr std::size_t kRidersMin = 16;
/// Rows that a slice of its own folds whatever the time.
constexpr std::size_t kSliceRowsMin = 64;
/// Rounds that try to come to a small rest, once the WAL is to be begun anew.
constexpr int kRoundsMax = 6;
/// A WAL of so many pages waits for its checkpoint.
constexpr int kLogPagesMax = 32'768;
/// Rows that one transaction of `fold` writes, so that none grows without bound.
constexpr std::size_t kFoldRowsMax = 50'000;

/// Rows of events seen that go at once.
constexpr std::size_t kForgottenAtOnce = 1'000;

/// In `meta`: the journal row whose old values the log may still hold.
const std::string kErased = "erased";

using SteadyClock = std::chrono::steady_clock;

/// Whether old values are to leave the files.
bool erases(const Commit& commit) {
  return !commit.forgotten.empty() || !commit.purged_runs.empty() ||
         !commit.purged_deliveries.empty() || !commit.purged_attempts.empty();
}

/// Rows that a commit leaves to be folded.
std::size_t size_of(const Commit& commit) {
  return commit.contacts.size() + commit.engagements.size() + commit.ledger.size() +
         commit.runs.size() + commit.deliveries.size() + commit.requests.size() +
         commit.attempts.size() + commit.timers_set.size() + commit.timers_cleared.size() +
         commit.seen.size() + commit.identities.size() + commit.counters.size() +
         commit.purged_runs.size() + commit.purged_deliveries.size() +
         commit.purged_attempts.size();
}

/// Of the database, for hints to the kernel, for its lock, and to overwrite what is unused. Closing
/// it releases the POSIX locks that this process has on the file, so it is the last to go.
struct Descriptor {
  /// `locks` false: on a network file system, where flock would meet the locks of SQLite.
  Descriptor(const std::filesystem::path& file, bool locks)
      : number{::open(file.c_str(), O_RDWR | O_CLOEXEC)} {
    if (!locks || number < 0 || ::flock(number, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
      return;
    ::close(number);
    throw Fault{
        {ErrorKind::Conflict, "in_use",
         "another process is using " + file.string() + ": a data folder has one owner at a time"}};
  }
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int number;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(SqliteOptions options, LockFile lock, std::unique_ptr<SQLite::Database> database)
      : options_{std::move(options)},
        lock_{std::move(lock)},
        file_{options_.folder / "onward.db",
              !network_file_system(options_.file_system(options_.folder))},
        database_{std::move(database)},
        begin_{*database_, "BEGIN IMMEDIATE"},
        begin_read_{*database_, "BEGIN"},
        commit_{*database_, "COMMIT"},
        owner_{*database_, "SELECT value FROM meta WHERE name = 'owner'"},
        unreadable_{[log = options_.log](const RowName& row) {
          if (log)
            log({"store.unreadable_row",
                 {{"table", row.table},
                  {"row", row.key},
                  {"hint",
                   "the database is damaged there; the rest goes on without this row. Look at "
                   "it with `onward doctor`, and restore a backup"}},
                 LogLevel::Error});
        }},
        tables_{*database_, unreadable_},
        writer_{*database_, tables_.seen_days()},
        newest_{overlay_, tables_, unreadable_} {
    sqlite3_wal_hook(database_->getHandle(), &SqliteStore::on_wal, this);
    sqlite3_file_control(database_->getHandle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal_);
    if (wal_ == nullptr || wal_->pMethods == nullptr)
      throw Fault{{ErrorKind::Io, "no_wal", "the database has no write-ahead log"}};
    sqlite3_file* file = nullptr;
    sqlite3_file_control(database_->getHandle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
    database_sync_ = std::make_unique<DeferredSync>(file, file_.number);
    own();
  }
  ~SqliteStore() override;

  /// Overwrites what earlier versions left of deleted rows, once for each folder.
  void remove_leftovers();
  /// Reads the journal into the overlay.
  void replay();
  std::uint64_t seen_look_ups() const override { return newest_.seen_look_ups(); }

  Result<Snapshot> snapshot() override {
    return reading([&] { return newest_.snapshot(); });
  }

  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    return reading([&] {
      std::vector<IdentityMatch> matches;
      matches.reserve(queries.size());
      for (const IdentityQuery& query : queries) matches.push_back(newest_.identify(query));
      return matches;
    });
  }

  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    const Date from = date_of(now - options_.dedupe_for);
    return reading([&] {
      std::vector<std::optional<Hash128>> answer;
      answer.reserve(keys.size());
      take_filters();
      for (const Hash128& key : keys)
        answer.push_back(newest_.seen(key, from, writer_.days(), filter_ ? &*filter_ : nullptr));
      return answer;
    });
  }

  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    return reading([&] {
      std::vector<std::optional<ContactState>> states;
      states.reserve(queries.size());
      for (const LoadQuery& query : queries) states.push_back(newest_.load(query));
      return states;
    });
  }

  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    return reading([&] {
      std::vector<std::optional<LoadedDelivery>> answer;
      answer.reserve(keys.size());
      for (const DeliveryKey key : keys) answer.push_back(newest_.delivery(key));
      return answer;
    });
  }

  Result<std::vector<DeliveryKey>> pending_of(ContactKey contact) override {
    return reading([&] { return newest_.pending_of(contact); });
  }

  Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                 DeliveryState state, DeliveryKey after,
                                                 std::size_t limit) override {
    return reading([&] { return newest_.deliveries_of(scenario, node, state, after, limit); });
  }

  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    return reading([&] { return newest_.live_runs_after(after, contacts); });
  }

  Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) override {
    return reading([&] { return newest_.ended_runs(scenario, after, limit); });
  }

  Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) override {
    return reading([&] { return newest_.stored_bodies(after, limit); });
  }

  Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) override {
    return reading([&] { return newest_.timers(until, limit); });
  }

  std::optional<Instant> next_timer() override {
    const auto next =
        guarded([&]() -> Result<std::optional<Instant>> { return newest_.next_timer(); });
    // A fault shows where it can be answered: in `timers_due`, which is asked at once.
    return next.value_or(Instant::min());
  }

  Result<std::vector<DueEndpoint>> due_endpoints() override {
    return reading([&] { return newest_.due_endpoints(); });
  }

  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, const DueDelivery& after,
                                       Instant until, std::size_t limit) override {
    return reading([&] { return newest_.due(endpoint, after, until, limit); });
  }

  Result<std::optional<Instant>> next_due(const EndpointKey& endpoint, Instant after) override {
    return reading([&]() -> std::optional<Instant> {
      if (after == Instant::max()) return std::nullopt;
      const DueDelivery last{.due = after + Duration{1}, .delivery = {}};
      const auto next = newest_.due(endpoint, last, Instant::max(), 1);
      if (next.empty()) return std::nullopt;
      return next.front().due;
    });
  }

  Status commit(const Commit& commit) override;
  Status sync() override;
  bool is_synced() const override {
    return !options_.durable ||
           synced_.load(std::memory_order_acquire) >= begun_.load(std::memory_order_acquire);
  }
  bool fold_pending() const override { return !journal_.empty() || may_empty_log(); }
  Status fold() override;
  Result<bool> fold_slice() override;
  Status probe() override;
  Result<bool> forget_seen(Instant before) override;

  Result<std::unique_ptr<StoreReader>> open_reader() override {
    return open_sqlite_reader(options_.folder / "onward.db");
  }
  std::uint64_t size_on_disk() const override;
  std::uint64_t log_bytes() const override {
    return static_cast<std::uint64_t>(wal_pages_) * kPageSize;
  }

 private:
  template <class Read>
  auto reading(Read read) -> Result<decltype(read())> {
    return guarded([&]() -> Result<decltype(read())> {
      const ReadScope scope{begin_read_, commit_};
      return read();
    });
  }

  void own();
  void take_over();
  void check_owner();
  void check_file();
  void drop_unused_texts();
  void begin_filter();
  void take_filters();
  template <class Work>
  Status writing(Work work);
  template <class Work>
  void transact(Work work);
  void write(const Commit& commit);
  void write_plain_rows(std::unique_ptr<const std::string> bytes);
  void begin_fold();
  bool fold_rows(std::size_t rows_min, std::size_t rows_max, Duration time);
  void fold_everything();
  void checkpoint();
  void note_erased(const Commit& commit);
  bool may_empty_log() const;
  void empty_log();
  bool truncate_log();
  void begin_round();
  bool end_round();
  int copy_back();
  void check_copied(int result);
  static int on_wal(void* self, sqlite3*, const char*, int pages) {
    static_cast<SqliteStore*>(self)->wal_pages_ = pages;
    return SQLITE_OK;
  }

  SqliteOptions options_;
  LockFile lock_;
  const Descriptor file_;
  std::unique_ptr<SQLite::Database> database_;
  Query begin_, begin_read_, commit_, owner_;
  std::string owner_token_ = random_epoch();  ///< Of this process; in `meta` once `owned_`.
  bool owned_ = false;
  SteadyClock::time_point looked_at_ = SteadyClock::now();  ///< For the file, the last time.
  /// The journal row of the last erasure whose old values may still be in the WAL.
  std::optional<std::uint64_t> erased_;
  bool erased_noted_ = false;                                ///< In `meta`, for the next process.
  SteadyClock::time_point empty_log_at_{};                   ///< Not before.
  SteadyClock::time_point emptied_at_ = SteadyClock::now();  ///< The last time.
  UnreadableRows unreadable_;
  Tables tables_;
  TableWriter writer_;
  Overlay overlay_;
  std::deque<JournalRow> journal_;  ///< Not folded yet, oldest first.
  std::uint64_t next_journal_ = 1;
  std::unique_ptr<Fold> fold_;  ///< The one under way.
  bool fold_done_ = false;      ///< It has nothing left to step.
  Newest newest_;
  std::optional<SeenFilter> filter_;      ///< None where there is no memory for it.
  std::unique_ptr<SeenScan> scan_;        ///< While it reads.
  std::optional<Date> forgotten_before_;  ///< Days before it are being dropped, and nowhere else.
  int wal_pages_ = 0;
  // Of checkpoints. While what a round copied is synced the guard reads, so that the WAL, which
  // alone is durable, is not begun anew. The pages are of the WAL as it is; they are none when it
  // is new.
  std::unique_ptr<DeferredSync> database_sync_;
  std::unique_ptr<SQLite::Database> guard_;
  bool in_round_ = false;
  int rounds_ = 0;       ///< Of the checkpoint under way; 0: there is none.
  int round_pages_ = 0;  ///< There were when the last one began: so many are in the database.
  int ended_pages_ = 0;  ///< There were when the last checkpoint ended.
  SteadyClock::time_point copied_at_ = SteadyClock::now();  ///< The last time.
  std::optional<Error> failed_;  ///< An I/O error of a commit: what is on disk is uncertain.

  // Of `sync`. SQLite's own handle of the WAL, so that its VFS sees every fsync.
  sqlite3_file* wal_ = nullptr;
  // Transactions: a reader may see one of them before `written_` counts it.
  std::atomic<std::uint64_t> begun_ = 0, written_ = 0, synced_ = 0;
  std::mutex sync_mutex_;
  std::optional<Error> sync_failed_;  ///< Guarded by it: after it nothing may be told of any more.
  std::atomic<bool> sync_broken_ = false;
};

/// From now on the folder says that its WAL must be there: on disk, and only then said so. The
/// database as well: the process before may have ended between a checkpoint and its sync, with the
/// shared index, where somebody else held it open, saying that the WAL is not needed any more.
void SqliteStore::own() {
  keep_log_on_close(*database_, true);
  if (options_.durable) {
    if (wal_->pMethods->xSync(wal_, SQLITE_SYNC_NORMAL) != SQLITE_OK)
      throw Fault{{ErrorKind::Io, "store_io", "the write-ahead log cannot be synced"}};
    if (database_sync_->sync() != SQLITE_OK)
      throw Fault{{ErrorKind::Io, "store_io", "the database cannot be synced"}};
    guard_ = open_readonly(options_.folder / "onward.db");
  }
  // Before anything is read that another owner might still change. Where the disk is full the first
  // transaction does it.
  const Status owned = guarded([&]() -> Status {
    errno = 0;
    try {
      take_over();
      owned_ = true;
    } catch (const SQLite::Exception& exception) {
      if (is_full(database_->getHandle(), exception.getExtendedErrorCode())) return {};
      if (is_read_only(database_->getHandle(), exception.getExtendedErrorCode())) return {};
      throw;
    }
    return {};
  });
  if (!owned && owned.error().kind != ErrorKind::Unavailable) throw Fault{owned.error()};
  if (Status told = lock_.leave(Left::Open, options_.durable); !told)
    throw Fault{std::move(told.error())};
  keep_log_on_close(*database_, false);
}

/// Writes that this process is the owner. Locks keep two owners apart where they work; this fences
/// the first one where they do not: its next transaction finds another owner and is refused.
void SqliteStore::take_over() {
  Query{*database_, "REPLACE INTO meta (name, value) VALUES ('owner', ?)"}.run(owner_token_);
}

/// In a transaction, so that the owner cannot change before its end.
void SqliteStore::check_owner() {
  if (!owned_) return take_over();
  auto rows = owner_();
  if (rows.next() && rows.bytes(0) == owner_token_) return;
  throw Fault{{ErrorKind::Io, "taken_over",
               "another process has taken over " + options_.folder.string() +
                   ": a data folder has one owner at a time; end one of the two"}};
}

/// Whether the database is still the file that this process writes to.
void SqliteStore::check_file() {
  const auto now = SteadyClock::now();
  if (now < looked_at_ + options_.look_every) return;
  looked_at_ = now;
  const std::filesystem::path file = options_.folder / "onward.db";
  struct stat named {
  }, open{};
  if (::fstat(file_.number, &open) != 0) return;
  if (::stat(file.c_str(), &named) == 0) {
    if (named.st_ino == open.st_ino && named.st_dev == open.st_dev) return;
  } else if (errno != ENOENT && errno != ENOTDIR) {
    return;
  }
  throw Fault{{ErrorKind::Io, "store_io",
               file.string() +
                   " was removed, moved or replaced while this process writes to it: what comes "
                   "from now on would be lost; put it back and start again"}};
}

/// By a pass over the file, since it is not known where they are. It is repeated at the next start
/// where it cannot be done: a reader is in the log, the disk is full.
void SqliteStore::remove_leftovers() {
  const auto done = [&] {
    return Query{*database_, "SELECT 1 FROM meta WHERE name = 'scrubbed'"}().next();
  };
  if (done() || file_.number < 0 || !truncate_log()) return;
  const auto pages = scrub_file(file_.number);
  if (!pages) throw Fault{pages.error()};
  if (options_.durable && database_sync_->sync() != SQLITE_OK)
    throw Fault{{ErrorKind::Io, "store_io", "the database cannot be synced"}};
  sqlite3_db_release_memory(database_->getHandle());
  const Status noted = writing([&] {
    transact([&] { Query{*database_, "INSERT INTO meta VALUES ('scrubbed', 1)"}.run(); });
  });
  if (!noted && noted.error().kind != ErrorKind::Unavailable) throw Fault{noted.error()};
  if (*pages > 0 && options_.log)
    options_.log({"store.leftovers_erased", {{"pages", static_cast<std::int64_t>(*pages)}}});
}

/// Where all of the WAL is in the database, closing takes it away, and the folder says first that
/// it may be missing. Else it stays for the next start; after a fault nothing more is written.
SqliteStore::~SqliteStore() {
  scan_.reset();
  const bool synced = !database_sync_->under_way() || database_sync_->wait() == SQLITE_OK;
  guard_.reset();
  int pages = 0, copied = -1;
  const bool whole =
      synced && !failed_ && !sync_broken_ &&
      sqlite3_wal_checkpoint_v2(database_->getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages,
                                &copied) == SQLITE_OK &&
      pages == copied && lock_.leave(Left::Closed, options_.durable);
  if (!whole) keep_log_on_close(*database_, true);
}

void SqliteStore::replay() {
  journal_ = onward::replay(*database_, tables_, overlay_);
  if (!journal_.empty()) next_journal_ = journal_.back().id + 1;
  // The process before ended with old values in its log.
  erased_ = tables_.meta(kErased);
  erased_noted_ = erased_.has_value();
  if (erased_ && journal_.empty()) erased_ = 0;
  drop_unused_texts();
  begin_filter();
}

/// Texts whose version was never committed: the process ended between them, or it was refused.
void SqliteStore::drop_unused_texts() {
  static constexpr const char* kUnused =
      " FROM version_texts WHERE (id >> 16) NOT IN (SELECT apart FROM versions)";
  Query unused{*database_, std::string{"SELECT count(*)"} + kUnused};
  if (auto rows = unused(); !rows.next() || rows.number(0) == 0) return;
  transact([&] { Query{*database_, std::string{"DELETE"} + kUnused}.run(); });
}

/// Runs `work` in a transaction. What is thrown in it leaves the store as it was.
template <class Work>
void SqliteStore::transact(Work work) {
  begin_.run();
  try {
    check_owner();
    work();
    begun_.fetch_add(1, std::memory_order_acq_rel);
    commit_.run();
  } catch (...) {
    // After some faults SQLite has rolled back by itself.
    if (sqlite3_get_autocommit(database_->getHandle()) == 0) database_->tryExec("ROLLBACK");
    begun_.store(written_, std::memory_order_release);
    writer_.rolled_back();
    if (fold_) fold_->rollback();
    fold_done_ = false;
    throw;
  }
  owned_ = true;
  written_.store(begun_, std::memory_order_release);
  writer_.committed();
  if (!fold_) return;
  fold_->confirm();
  newest_.folded();
  if (!fold_done_) return;
  while (!journal_.empty() && journal_.front().id <= fold_->last_journal()) journal_.pop_front();
  fold_.reset();
  fold_done_ = false;
}

/// Guards `work`; an I/O error ends the store's writing for good.
template <class Work>
Status SqliteStore::writing(Work work) {
  if (sync_broken_ && !failed_) {
    const std::lock_guard lock{sync_mutex_};
    failed_ = sync_failed_;
  }
  if (failed_) return tl::make_unexpected(*failed_);
  Status status = guarded([&]() -> Status {
    check_file();
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

void SqliteStore::begin_fold() {
  std::vector<std::uint64_t> ids;
  ids.reserve(journal_.size());
  for (const JournalRow& row : journal_) ids.push_back(row.id);
  fold_ = std::make_unique<Fold>(overlay_, writer_, std::move(ids));
}

/// Steps the fold under way: at least `rows_min`, at most `rows_max` rows, in between until `time`
/// is over. True when nothing is left.
bool SqliteStore::fold_rows(std::size_t rows_min, std::size_t rows_max, Duration time) {
  const auto end = SteadyClock::now() + time;
  for (std::size_t rows = 0; rows < rows_max; ++rows) {
    if (rows >= rows_min && rows % 16 == 0 && SteadyClock::now() >= end) return false;
    if (!fold_->step()) return true;
  }
  return false;
}

Status SqliteStore::commit(const Commit& commit) {
  if (commit.empty() && commit.last_seq <= overlay_.last_seq &&
      commit.last_contact <= overlay_.last_contact && !failed_)
    return {};
  return writing([&] {
    write(commit);
    const bool old = !journal_.empty() && journal_.front().at + options_.fold_age <= commit.at;
    if (!fold_ && (old || overlay_.changes >= options_.fold_after)) begin_fold();
    checkpoint();
    if (may_empty_log()) empty_log();
  });
}

void SqliteStore::write(const Commit& commit) {
  Erasure erasure;
  if (!commit.forgotten.empty() || !commit.purged_deliveries.empty() ||
      !commit.purged_attempts.empty()) {
    const ReadScope scope{begin_read_, commit_};
    erasure = erasure_of(commit, overlay_, tables_);
  }
  auto bytes = std::make_unique<const std::string>(encode_journal(commit, erasure));
  // Before the commit: where it fails, the filter knows an id too many.
  if (filter_)
    for (const SeenEvent& event : commit.seen) filter_->add(date_of(event.at), event.key);
  overlay_.newest = std::max(overlay_.newest, commit.at);
  const auto write_rare_rows = [&] {
    for (const ScenarioRecord& record : commit.scenarios) writer_.scenario(record);
    for (const TextPart& part : commit.text_parts) writer_.text_part(part);
    for (const VersionRecord& record : commit.versions) writer_.version(record);
    for (const TokenRecord& record : commit.tokens) writer_.token(record);
    for (const AdminRecord& record : commit.admin) writer_.admin(record);
    for (const Activity& activity : commit.activity) writer_.activity(activity);
  };
  if (options_.plain_rows) {
    transact(write_rare_rows);
    return write_plain_rows(std::move(bytes));
  }

  // A quarter more rows than this commit adds: a fold that has begun ends before as much again has
  // come in, so memory is bounded; and no commit takes much longer than the others.
  const std::size_t riders = std::max(kRidersMin, size_of(commit) * 5 / 4);
  transact([&] {
    try {
      writer_.append_journal(next_journal_, *bytes);
    } catch (const SQLite::Exception& exception) {
      // Nothing that a client sends can cause it.
      if (exception.getErrorCode() != SQLITE_CONSTRAINT) throw;
      throw Fault{{ErrorKind::Io, "taken_over",
                   "another process writes to " + options_.folder.string() +
                       ": a data folder has one owner at a time; end one of the two"}};
    }
    write_rare_rows();
    if (erases(commit))
      writer_.meta(kErased, next_journal_);
    else if (erased_noted_ && !erased_)
      Query{*database_, "DELETE FROM meta WHERE name = ?"}.run(kErased);
    if (fold_) fold_done_ = fold_rows(riders, riders, {});
  });
  const bool applied = overlay_.apply(*bytes);
  assert(applied);
  static_cast<void>(applied);
  erased_noted_ = erases(commit) || erased_;
  note_erased(commit);
  journal_.push_back({next_journal_++, std::move(bytes), commit.at});
}

/// The WAL is read back only as far as its frames are whole and in order, so one fsync of the file
/// makes durable all that was written to it before.
Status SqliteStore::sync() {
  const std::uint64_t wanted = begun_.load(std::memory_order_acquire);
  const std::lock_guard lock{sync_mutex_};
  if (sync_failed_) return tl::make_unexpected(*sync_failed_);
  if (synced_ >= wanted || !options_.durable) return {};
  // Whatever else came in while another thread's fsync was awaited is covered as well.
  const std::uint64_t covered = written_.load(std::memory_order_acquire);
  if (const int code = wal_->pMethods->xSync(wal_, SQLITE_SYNC_NORMAL); code != SQLITE_OK) {
    // The kernel may have dropped the pages: another fsync would succeed and lie.
    sync_failed_ = Error{ErrorKind::Io, "store_io",
                         "the database failed: its write-ahead log cannot be synced (SQLite " +
                             std::to_string(code) + ")"};
    sync_broken_ = true;
    return tl::make_unexpected(*sync_failed_);
  }
  synced_.store(covered, std::memory_order_release);
  return {};
}

/// What journal and fold are measured against: the same rows by the same statements, each commit
/// its own.
void SqliteStore::write_plain_rows(std::unique_ptr<const std::string> bytes) {
  const bool applied = overlay_.apply(*bytes);
  assert(applied);
  static_cast<void>(applied);
  begin_fold();
  transact([&] {
    while (fold_->step()) {
    }
    writer_.marks(overlay_);
    fold_done_ = true;
  });
}

/// Ends the fold under way, then folds what has come in since it was frozen.
void SqliteStore::fold_everything() {
  while (fold_ || !journal_.empty()) {
    if (!fold_) begin_fold();
    transact([&] { fold_done_ = fold_rows(kFoldRowsMax, kFoldRowsMax, Duration{0}); });
  }
}

Status SqliteStore::fold() {
  const Status done = writing([&] {
    fold_everything();
    checkpoint();
    empty_log_at_ = {};
    if (may_empty_log()) empty_log();
  });
  return done ? sync() : done;
}

Result<bool> SqliteStore::fold_slice() {
  const Status status = writing([&] {
    if (!fold_ && !journal_.empty()) begin_fold();
    if (fold_)
      transact([&] { fold_done_ = fold_rows(kSliceRowsMin, SIZE_MAX, options_.fold_slice); });
    if (journal_.empty()) checkpoint();
    if (may_empty_log()) empty_log();
  });
  if (!status) return tl::make_unexpected(status.error());
  return !journal_.empty();
}

/// As much as a good commit, into a row that is gone again with the next probe's end.
Status SqliteStore::probe() {
  const Status done = writing([&] {
    transact([&] {
      Query{*database_, "REPLACE INTO meta (name, value) VALUES ('probe', zeroblob(1048576))"}
          .run();
    });
    transact([&] { Query{*database_, "DELETE FROM meta WHERE name = 'probe'"}.run(); });
  });
  return done ? sync() : done;
}

/// A day's table is large: its rows go bit by bit, so that no commit waits for it, and the table
/// with the last of them. What it holds are hashes: nothing of it has to be overwritten.
Result<bool> SqliteStore::forget_seen(Instant before) {
  const Date day = date_of(before);
  const auto left = [&] { return !writer_.days().empty() && *writer_.days().begin() < day; };
  // What the journal still holds of those days would make their tables again. Once for all steps:
  // what comes in meanwhile is younger.
  const bool first = forgotten_before_ != day;
  const bool unfolded = first && std::ranges::any_of(overlay_.seen.map, [&](const auto& item) {
                          return item.second.row.day < day;
                        });
  if (!unfolded && !left()) return false;
  const Status done = writing([&] {
    if (unfolded) fold_everything();
    if (first && filter_) filter_->forget_before(day);
    forgotten_before_ = day;
    if (!left()) return;
    const Date oldest = *writer_.days().begin();
    database_->exec("PRAGMA secure_delete = OFF");
    bool dropped = false;
    try {
      transact([&] {
        dropped = !writer_.erase_seen(oldest, kForgottenAtOnce);
        if (dropped) writer_.drop_day(oldest);
      });
    } catch (...) {
      database_->exec("PRAGMA secure_delete = ON");
      throw;
    }
    database_->exec("PRAGMA secure_delete = ON");
    if (dropped) tables_.forget_day(oldest);
  });
  if (!done) return tl::make_unexpected(done.error());
  return left();
}

/// Every id that is stored is in the filter, or in a table that the filter does not speak for: the
/// tables of the start are read beside the work, what the journal holds now, and what is committed
/// from here on goes in before its commit.
void SqliteStore::begin_filter() {
  if (options_.dedupe_memory == 0) return;
  filter_.emplace(options_.dedupe_memory);
  const std::set<Date>& days = writer_.days();
  for (const Date day : days) filter_->add_table(day);
  for (const auto& [key, entry] : overlay_.seen.map) filter_->add(entry.row.day, key);
  if (!days.empty())
    scan_ = std::make_unique<SeenScan>(options_.folder / "onward.db",
                                       std::vector<Date>(days.begin(), days.end()),
                                       options_.dedupe_memory, options_.log);
}

void SqliteStore::take_filters() {
  if (!scan_) return;
  const bool ended = scan_->ended();  // asked first: what it found before is taken below
  for (auto& [day, ids] : scan_->take()) filter_->complete(day, std::move(ids));
  if (ended) scan_.reset();
}

/// Where the WAL has grown by `checkpoint_pages` it is to be begun anew: when all of it is in the
/// database, synced, and no reader stands in it, the next commit does that, in the same file. It is
/// copied in rounds: commits wait for the copy, and the sync goes on beside them, so that each
/// round has less to copy than the one before. Nothing is copied sooner: a log that is damaged by
/// somebody is read up to there, which goes well only with a database that is not ahead of it.
void SqliteStore::checkpoint() {
  if (in_round_ && !end_round()) return;
  if (wal_pages_ < ended_pages_) ended_pages_ = 0;
  if (wal_pages_ - ended_pages_ < options_.checkpoint_pages) return;
  const int rest = rounds_ == 0 ? wal_pages_ : wal_pages_ - round_pages_;
  if (options_.durable && rest > options_.rest_pages && rounds_ < kRoundsMax &&
      wal_pages_ < kLogPagesMax)
    return begin_round();
  ended_pages_ = wal_pages_;
  copied_at_ = SteadyClock::now();
  rounds_ = 0;
  check_copied(copy_back());
}

void SqliteStore::note_erased(const Commit& commit) {
  if (!erases(commit)) return;
  if (!erased_) empty_log_at_ = std::max(empty_log_at_, emptied_at_ + options_.purge_pause);
  if (!commit.forgotten.empty())
    empty_log_at_ = std::min(empty_log_at_, emptied_at_ + options_.erase_pause);
  erased_ = next_journal_;
}

/// The journal rows that hold old values must be gone first.
bool SqliteStore::may_empty_log() const {
  return erased_ && (journal_.empty() || journal_.front().id > *erased_) &&
         SteadyClock::now() >= empty_log_at_;
}

/// What was erased is overwritten in the database; the log still holds earlier images of its pages,
/// and so does the cache, which the next change of a page would write to the log again.
void SqliteStore::empty_log() {
  if (!truncate_log()) {
    empty_log_at_ = SteadyClock::now() + std::chrono::seconds{1};
    return;
  }
  erased_.reset();
  emptied_at_ = SteadyClock::now();
  sqlite3_db_release_memory(database_->getHandle());
}

/// Brings all of the log into the database and cuts it. False: a reader is in it, or there is no
/// room.
bool SqliteStore::truncate_log() {
  if (in_round_ && !end_round()) return false;
  sqlite3_busy_timeout(database_->getHandle(), 0);
  errno = 0;
  const int result = sqlite3_wal_checkpoint_v2(database_->getHandle(), nullptr,
                                               SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(database_->getHandle(), kBusyTimeoutMs);
  check_copied(result);
  if (result != SQLITE_OK) return false;
  wal_pages_ = ended_pages_ = round_pages_ = rounds_ = 0;
  copied_at_ = SteadyClock::now();
  return true;
}

/// A round takes its time, a part of that in which its pages came in.
void SqliteStore::begin_round() {
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
  round_pages_ = wal_pages_;
  check_copied(database_sync_->leave_out(length, [&] { return copy_back(); }));
}

/// Whether what the round copied is synced: then the guard may go.
bool SqliteStore::end_round() {
  if (database_sync_->under_way()) {
    const std::optional<int> code = wal_pages_ < kLogPagesMax
                                        ? database_sync_->result()
                                        : std::optional{database_sync_->wait()};
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

int SqliteStore::copy_back() {
  return sqlite3_wal_checkpoint_v2(database_->getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                   nullptr, nullptr);
}

/// Without room for the database to grow, or with a lock in the way, the WAL simply goes on; where
/// the disk may only be read, the next commit says so.
void SqliteStore::check_copied(int result) {
  if (result == SQLITE_OK || result == SQLITE_BUSY || result == SQLITE_LOCKED ||
      is_full(database_->getHandle(), result) || is_read_only(database_->getHandle(), result))
    return;
  throw SQLite::Exception{database_->getHandle(), result};
}

std::uint64_t SqliteStore::size_on_disk() const {
  std::uint64_t size = 0;
  for (const char* name : {"onward.db", "onward.db-wal"}) {
    std::error_code missing;
    const auto bytes = std::filesystem::file_size(options_.folder / name, missing);
    if (!missing) size += bytes;
  }
  return size;
}

/// A new name is durable when its folder is synced: the name of the database, before a lock file
/// says that there is one, and those of all folders above, which a start that was cut off may have
/// made. The process may not be able to open folders that others made.
Status sync_names(const std::filesystem::path& file) {
  for (std::filesystem::path at = file; at.has_relative_path(); at = at.parent_path()) {
    const auto fault = sync_folder_of(at);
    if (!fault || fault->error == EACCES || fault->error == EPERM || fault->error == EROFS)
      continue;
    return fail(ErrorKind::Io, "no_access",
                "cannot sync the folder of " + at.string() + ": " + std::strerror(fault->error));
  }
  return {};
}

/// The folder, for its owner only, and an empty database file with the same rights where there is
/// none. A missing one beside a WAL or a lock file is no new folder: someone lost it.
Status prepare(const std::filesystem::path& folder, bool durable) {
  std::error_code error;
  if (std::filesystem::create_directories(folder, error))
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error)
    return fail(error == std::errc::permission_denied ? ErrorKind::Forbidden : ErrorKind::Io,
                "no_access",
                "cannot make the data folder " + folder.string() + ": " + error.message());
  if (Status regular = check_regular_files(folder); !regular) return regular;
  const std::filesystem::path file = folder / "onward.db";
  const bool made = !std::filesystem::exists(file, error);
  if (made)
    if (Status lost = check_database_lost(folder); !lost) return lost;
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return fail(errno == EACCES ? ErrorKind::Forbidden : ErrorKind::Io, "no_access",
                "cannot open " + file.string() + ": " + std::strerror(errno));
  close(descriptor);
  return made && durable ? sync_names(file) : Status{};
}

void warn_of_network(const SqliteOptions& options) {
  if (!options.log) return;
  const auto network = network_file_system(options.file_system(options.folder));
  if (!network) return;
  options.log({"store.network_file_system",
               {{"type", *network},
                {"data", options.folder.string()},
                {"hint",
                 "its locks and its fsync may not hold what they promise, and then events are lost "
                 "or the database is damaged: use a disk of this machine"}},
               LogLevel::Warning});
}

/// SQLite calls all that it may not write read-only; where rights are the reason, they are named.
std::optional<Error> missing_rights(const std::filesystem::path& file) {
  for (const auto& [path, mode] :
       {std::pair{file.parent_path(), W_OK | X_OK}, std::pair{file, W_OK},
        std::pair{std::filesystem::path{file.string() + "-wal"}, W_OK}})
    if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) != 0 && errno == EACCES)
      return Error{ErrorKind::Io, "store_io",
                   "this user may not write " + path.string() +
                       ": start the server as the owner of the data folder, or give the folder "
                       "and all files in it to its user (chown -R)"};
  return std::nullopt;
}
}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options) {
  std::error_code error;
  SqliteOptions absolute = options;
  absolute.folder = std::filesystem::absolute(options.folder, error);
  if (!options.backup && std::filesystem::exists(absolute.folder / kBackupMark, error))
    return fail(ErrorKind::Invalid, "is_backup",
                absolute.folder.string() +
                    " is a backup (it holds a manifest.json), or what a backup or a restore left "
                    "that was cut off: make a data folder of a whole one with `onward restore "
                    "BACKUP --data FOLDER`");
  if (const Status ready = prepare(absolute.folder, options.durable); !ready)
    return tl::make_unexpected(ready.error());
  auto lock = LockFile::take(absolute.folder / "onward.lock");
  if (!lock) return tl::make_unexpected(lock.error());
  if (const Status sound = check_data_files(absolute.folder, lock->left()); !sound)
    return tl::make_unexpected(sound.error());
  warn_of_network(absolute);

  const std::filesystem::path file = absolute.folder / "onward.db";
  auto store = guarded([&]() -> Result<std::unique_ptr<Store>> {
    auto database =
        open_writer(file, options.durable, options.bytes_max, lock->left() != Left::Nothing);
    auto opened =
        std::make_unique<SqliteStore>(std::move(absolute), std::move(*lock), std::move(database));
    opened->remove_leftovers();
    opened->replay();
    return opened;
  });
  if (!store && store.error().code == "disk_read_only")
    if (auto rights = missing_rights(file)) store = tl::make_unexpected(std::move(*rights));
  if (!store && store.error().message.find(file.string()) == std::string::npos)
    store.error().message = file.string() + ": " + store.error().message;
  return store;
}
}  // namespace onward
