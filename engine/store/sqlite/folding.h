#pragma once
// What is committed and not yet in the tables, and how it gets there: the rows of the journal, and
// the fold under way.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "engine/core/base/time.h"
#include "engine/store/sqlite/fold.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/replay.h"
#include "engine/store/sqlite/table_writer.h"

namespace onward {
/// Throws what `guarded` catches.
class Folding {
 public:
  /// Both must outlive this. The overlay's rows are views into the journal here.
  Folding(Overlay& overlay, TableWriter& writer) : overlay_{overlay}, writer_{writer} {}

  /// What a start found: the rows that `overlay` holds.
  void begin_with(std::deque<JournalRow> journal);
  /// Rows that are not folded yet, oldest first.
  const std::deque<JournalRow>& journal() const { return journal_; }
  /// The number of the next row.
  std::uint64_t next_row() const { return next_row_; }
  /// The next row, committed: lays it over the others.
  void append(std::unique_ptr<const std::string> row, Instant at);

  bool under_way() const { return fold_ != nullptr; }
  bool is_done() const { return fold_ == nullptr && journal_.empty(); }
  /// Freezes what is not folded now. None may be under way.
  void begin();

  // In a transaction, while a fold is under way.
  /// At least `rows_min`, at most `rows_max` rows, in between until `time` is over.
  void step(std::size_t rows_min, std::size_t rows_max, Duration time);
  /// All rows, of which the journal has none.
  void step_to_end();

  // The end of any transaction.
  /// Whether a fold was under way: rows went from the overlay into the tables.
  bool committed();
  void rolled_back();

 private:
  Overlay& overlay_;
  TableWriter& writer_;
  std::deque<JournalRow> journal_;
  std::uint64_t next_row_ = 1;
  std::unique_ptr<Fold> fold_;
  bool fold_done_ = false;  ///< It has nothing left to step.
};
}  // namespace onward
