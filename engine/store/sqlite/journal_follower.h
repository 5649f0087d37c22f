#pragma once
// What a reader needs to see rows that are not in the tables yet: an overlay of its own, which
// follows the journal. Whoever writes does nothing for it. Throws what `guarded` catches.
#include <cstddef>
#include <cstdint>
#include <deque>

#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/replay.h"

namespace onward {
/// Of one thread.
class JournalFollower {
 public:
  /// `database` and `overlay` must outlive it; the overlay is empty, and nobody else changes it.
  JournalFollower(SQLite::Database& database, Overlay& overlay);

  /// Within a read transaction: brings the overlay to what that sees. Its work follows what was
  /// committed since the last call, at most what the journal holds.
  void catch_up();
  /// Journal rows read so far: what following costs, for tests.
  std::uint64_t rows_read() const { return rows_read_; }

 private:
  void begin_anew();

  Overlay& overlay_;
  Query first_, rows_;
  std::deque<JournalRow> journal_;  // those that the overlay's rows are views into
  std::uint64_t last_ = 0;          // that was read; 0: none
  std::uint64_t rows_read_ = 0;
};
}  // namespace onward
