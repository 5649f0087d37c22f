#include "engine/store/sqlite/sqlite_writer.h"

#include <sqlite3.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/store/sqlite/control_tables.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/forget.h"
#include "engine/store/sqlite/journal.h"
#include "engine/store/sqlite/leftovers.h"
#include "engine/store/sqlite/replay.h"
#include "engine/store/sqlite/snapshot.h"

namespace onward {
namespace {
/// Rows that ride in a small commit.
constexpr std::size_t kRidersMin = 16;
/// Rows that a slice of its own folds whatever the time.
constexpr std::size_t kSliceRowsMin = 64;
/// Rows that one transaction of `fold` writes, so that none grows without bound.
constexpr std::size_t kFoldRowsMax = 50'000;
/// Rows of events seen that go at once.
constexpr std::size_t kForgottenAtOnce = 1'000;

/// Rows that a commit leaves to be folded.
std::size_t size_of(const Commit& commit) {
  return commit.contacts.size() + commit.engagements.size() + commit.ledger.size() +
         commit.runs.size() + commit.deliveries.size() + commit.requests.size() +
         commit.attempts.size() + commit.timers_set.size() + commit.timers_cleared.size() +
         commit.seen.size() + commit.identities.size() + commit.counters.size() +
         commit.purged_runs.size() + commit.purged_deliveries.size() +
         commit.purged_attempts.size();
}

UnreadableRows::Report report_to(LogSink log) {
  return [log = std::move(log)](const RowName& row) {
    if (log)
      log({"store.unreadable_row",
           {{"table", row.table},
            {"row", row.key},
            {"hint",
             "the database is damaged there; the rest goes on without this row. Look at "
             "it with `onward doctor`, and restore a backup"}},
           LogLevel::Error});
  };
}
}  // namespace

SqliteWriter::SqliteWriter(SqliteOptions options, LockFile lock,
                           std::unique_ptr<SQLite::Database> database)
    : options_{std::move(options)},
      database_{options_, std::move(lock), std::move(database)},
      unreadable_{report_to(options_.log)},
      tables_{database_.connection(), unreadable_},
      marks_{database_.connection(), unreadable_},
      writer_{database_.connection()} {
  database_.own();
  remove_leftovers(database_, options_);
  replay();
}

/// Reads the journal into the overlay.
void SqliteWriter::replay() {
  folding_.begin_with(onward::replay(database_.connection(), marks_, overlay_));
  erasure_.begin(marks_.value(kErased), folding_.journal());
  if (writer_.control.has_unused_texts()) transact([&] { writer_.control.drop_unused_texts(); });
  seen_.begin_filter(options_.folder / "onward.db", options_.dedupe_memory, options_.log);
}

/// A transaction of the database; what remembers rows of it follows its end.
template <class Work>
void SqliteWriter::transact(Work work) {
  try {
    database_.transact(std::move(work));
  } catch (...) {
    writer_.seen.rolled_back();
    folding_.rolled_back();
    throw;
  }
  writer_.seen.committed();
  if (folding_.committed()) newest_.folded();
}

ControlSnapshot SqliteWriter::control() {
  return read_control(database_.connection(), unreadable_);
}

Snapshot SqliteWriter::snapshot() {
  return snapshot_of(database_.connection(), marks_, overlay_, unreadable_);
}

Status SqliteWriter::commit(const Commit& commit) {
  if (commit.empty() && commit.last_seq <= overlay_.last_seq &&
      commit.last_contact <= overlay_.last_contact && !database_.has_failed())
    return {};
  return database_.writing([&] {
    write(commit);
    const auto& journal = folding_.journal();
    const bool old = !journal.empty() && journal.front().at + options_.fold_age <= commit.at;
    if (!folding_.under_way() && (old || overlay_.context.changes >= options_.fold_after))
      folding_.begin();
    database_.checkpoints().run();
    empty_log_if_due();
  });
}

void SqliteWriter::write(const Commit& commit) {
  Erasure erasure;
  if (!commit.forgotten.empty() || !commit.purged_deliveries.empty() ||
      !commit.purged_attempts.empty()) {
    const ReadScope scope = reading();
    erasure = erasure_of(commit, overlay_, tables_);
  }
  auto bytes = std::make_unique<const std::string>(encode_journal(commit, erasure));
  seen_.add(commit.seen);
  overlay_.newest = std::max(overlay_.newest, commit.at);
  if (options_.plain_rows) {
    transact([&] { writer_.control.write(commit.control); });
    return write_plain_rows(*bytes);
  }

  // A quarter more rows than this commit adds: a fold that has begun ends before as much again has
  // come in, so memory is bounded; and no commit takes much longer than the others.
  const std::size_t riders = std::max(kRidersMin, size_of(commit) * 5 / 4);
  const std::uint64_t row = folding_.next_row();
  transact([&] {
    write_journal(*bytes);
    writer_.control.write(commit.control);
    erasure_.write(commit, row, writer_.journal);
    if (folding_.under_way()) folding_.step(riders, riders, {});
  });
  folding_.append(std::move(bytes), commit.at);
  erasure_.committed(commit, row);
}

void SqliteWriter::write_journal(const std::string& bytes) {
  try {
    writer_.journal.append(folding_.next_row(), bytes);
  } catch (const SQLite::Exception& exception) {
    // Nothing that a client sends can cause it.
    if (exception.getErrorCode() != SQLITE_CONSTRAINT) throw;
    throw Fault{taken_over_error("another process writes to " + options_.folder.string())};
  }
}

/// What journal and fold are measured against: the same rows by the same statements, each commit
/// its own.
void SqliteWriter::write_plain_rows(const std::string& bytes) {
  const bool applied = overlay_.apply(bytes);
  assert(applied);
  static_cast<void>(applied);
  folding_.begin();
  transact([&] { folding_.step_to_end(); });
}

void SqliteWriter::empty_log_if_due() {
  if (erasure_.is_due(folding_.journal())) erasure_.run();
}

bool SqliteWriter::fold_pending() const {
  return !folding_.journal().empty() || erasure_.is_due(folding_.journal());
}

/// Ends the fold under way, then folds what has come in since it was frozen.
void SqliteWriter::fold_everything() {
  while (!folding_.is_done()) {
    if (!folding_.under_way()) folding_.begin();
    transact([&] { folding_.step(kFoldRowsMax, kFoldRowsMax, Duration{0}); });
  }
}

Status SqliteWriter::fold() {
  const Status done = database_.writing([&] {
    fold_everything();
    database_.checkpoints().run();
    erasure_.hurry();
    empty_log_if_due();
  });
  return done ? log().sync() : done;
}

Result<bool> SqliteWriter::fold_slice() {
  const Status status = database_.writing([&] {
    if (!folding_.is_done() && !folding_.under_way()) folding_.begin();
    if (folding_.under_way())
      transact([&] { folding_.step(kSliceRowsMin, SIZE_MAX, options_.fold_slice); });
    if (folding_.journal().empty()) database_.checkpoints().run();
    empty_log_if_due();
  });
  if (!status) return tl::make_unexpected(status.error());
  return !folding_.journal().empty();
}

/// As much as a good commit, into a row that is gone again with the next probe's end.
Status SqliteWriter::probe() {
  SQLite::Database& connection = database_.connection();
  const Status done = database_.writing([&] {
    transact([&] {
      Query{connection, "REPLACE INTO meta (name, value) VALUES ('probe', zeroblob(1048576))"}
          .run();
    });
    transact([&] { Query{connection, "DELETE FROM meta WHERE name = 'probe'"}.run(); });
  });
  return done ? log().sync() : done;
}

/// A day's table is large: its rows go bit by bit, so that no commit waits for it, and the table
/// with the last of them.
Result<bool> SqliteWriter::forget_seen(Instant before) {
  const Date day = date_of(before);
  // What the journal still holds of those days would make their tables again. Once for all steps:
  // what comes in meanwhile is younger.
  const bool first = forgotten_before_ != day;
  const bool unfolded = first && seen_.unfolded_before(day);
  if (!unfolded && !seen_.folded_before(day)) return false;
  const Status done = database_.writing([&] {
    if (unfolded) fold_everything();
    if (first) seen_.drop_filters_before(day);
    forgotten_before_ = day;
    if (seen_.folded_before(day)) forget_some(*writer_.seen.days().begin());
  });
  if (!done) return tl::make_unexpected(done.error());
  return seen_.folded_before(day);
}

/// What a day's table holds are hashes: nothing of it has to be overwritten.
void SqliteWriter::forget_some(Date oldest) {
  SQLite::Database& connection = database_.connection();
  connection.exec("PRAGMA secure_delete = OFF");
  try {
    transact([&] {
      if (!writer_.seen.erase(oldest, kForgottenAtOnce)) writer_.seen.drop(oldest);
    });
  } catch (...) {
    connection.exec("PRAGMA secure_delete = ON");
    throw;
  }
  connection.exec("PRAGMA secure_delete = ON");
}
}  // namespace onward
