#pragma once
// After an erasure the write-ahead log still holds earlier images of pages: it is emptied.
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "engine/store/rows.h"
#include "engine/store/sqlite/owned_database.h"
#include "engine/store/sqlite/replay.h"
#include "engine/store/sqlite/sqlite_options.h"
#include "engine/store/sqlite/table_writer.h"

namespace onward {
/// Whether old values are to leave the files.
bool erases(const Commit& commit);

/// Throws what `guarded` catches.
class LogErasure {
 public:
  /// All must outlive this.
  LogErasure(OwnedDatabase& database, const SqliteOptions& options)
      : database_{database}, options_{options} {}

  /// The process before ended with old values in its log: those of the journal row `erased`, which
  /// is one of `journal`, or went into the tables.
  void begin(std::optional<std::uint64_t> erased, const std::deque<JournalRow>& journal);
  /// In the transaction of `commit`, which becomes this row of the journal.
  void write(const Commit& commit, std::uint64_t journal_row, JournalWriter& writer);
  /// The transaction is committed.
  void committed(const Commit& commit, std::uint64_t journal_row);

  /// Whether the log may be emptied now: the journal rows that hold old values must be gone first.
  bool is_due(const std::deque<JournalRow>& journal) const;
  void run();
  /// As soon as the journal allows it.
  void hurry() { not_before_ = {}; }

 private:
  using SteadyClock = std::chrono::steady_clock;

  OwnedDatabase& database_;
  const SqliteOptions& options_;
  /// The journal row of the last erasure whose old values may still be in the log.
  std::optional<std::uint64_t> erased_;
  bool noted_ = false;  ///< In `meta`, for the next process.
  SteadyClock::time_point not_before_{};
  SteadyClock::time_point emptied_at_ = SteadyClock::now();  ///< The last time.
};

/// In `meta`: the journal row whose old values the log may still hold.
inline constexpr const char* kErased = "erased";
}  // namespace onward
