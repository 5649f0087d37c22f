#pragma once
// All that writes to a data folder, and the newest state that commits lead to.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/store/rows.h"
#include "engine/store/sqlite/folding.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/log_erasure.h"
#include "engine/store/sqlite/marks.h"
#include "engine/store/sqlite/newest.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/owned_database.h"
#include "engine/store/sqlite/seen_ids.h"
#include "engine/store/sqlite/sqlite_options.h"
#include "engine/store/sqlite/table_writer.h"
#include "engine/store/sqlite/tables.h"
#include "engine/store/unreadable.h"

// How a commit travels (docs/store.md has the whole of it):
//   commit        one row into `journal`; its rows then stand in the overlay
//   sync          one fsync of the WAL, by a thread that is about to report a commit (LogSync)
//   commit …      after `fold_after` changes, or `fold_age`, the overlay's generation is frozen;
//                 slices of it are written to the tables inside the following commits' transactions
//   last slice    the folded journal rows are erased, and the memory that held them is released
//   after it      where a contact or bodies were erased, the WAL is emptied (LogErasure)
// A crash at any moment leaves tables plus journal, and every journal row holds whole rows: start
// reads the journal into the overlay, and it is as it was.

namespace onward {
/// Of one thread, but for the log of its database.
class SqliteWriter {
 public:
  /// Takes the folder over, and reads its journal. Throws what `guarded` catches.
  SqliteWriter(SqliteOptions options, LockFile lock, std::unique_ptr<SQLite::Database> database);

  Status commit(const Commit& commit);
  bool fold_pending() const;
  Status fold();
  Result<bool> fold_slice();
  Status probe();
  Result<bool> forget_seen(Instant before);

  // These throw what `guarded` catches.
  /// Many reads under one snapshot.
  ReadScope reading() { return database_.snapshot(); }
  Newest& newest() { return newest_; }
  SeenIds& seen() { return seen_; }
  Snapshot snapshot();
  ControlSnapshot control();

  const SqliteOptions& options() const { return options_; }
  LogSync& log() { return database_.log(); }
  const LogSync& log() const { return database_.log(); }
  std::uint64_t log_bytes() const { return database_.checkpoints().log_bytes(); }
  std::uint64_t seen_look_ups() const { return seen_.look_ups(); }

 private:
  template <class Work>
  void transact(Work work);
  void replay();
  void write(const Commit& commit);
  void write_journal(const std::string& bytes);
  void write_plain_rows(const std::string& bytes);
  void fold_everything();
  void empty_log_if_due();
  void forget_some(Date oldest);

  const SqliteOptions options_;
  OwnedDatabase database_;
  UnreadableRows unreadable_;
  Tables tables_;
  Marks marks_;
  TableWriter writer_;
  Overlay overlay_;
  Folding folding_{overlay_, writer_};
  Newest newest_{overlay_, tables_, unreadable_};
  LogErasure erasure_{database_, options_};
  SeenIds seen_{overlay_, writer_.seen};
  std::optional<Date> forgotten_before_;  ///< Days before it are being dropped, and nowhere else.
};
}  // namespace onward
