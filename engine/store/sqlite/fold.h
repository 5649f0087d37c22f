#pragma once
// From the overlay into the tables: coalesced, sorted by key, a few rows at a time.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/table_writer.h"

namespace onward {
/// One pass over everything that stood in the overlay when its generation was frozen. Any crash in
/// between is harmless: the journal rows go last, and what they hold is whole rows.
class Fold {
 public:
  /// Freezes the overlay's generation. `journal`: the rows it came in, oldest first. All but
  /// `journal` must outlive this object.
  Fold(Overlay& overlay, TableWriter& writer, std::vector<std::uint64_t> journal);
  ~Fold();

  /// Writes the next row, or erases the next journal row. False: nothing is left.
  bool step();
  /// What was stepped is durable: the overlay lets go of it.
  void confirm();
  /// The transaction was rolled back: the same steps come again.
  void rollback();
  std::uint64_t last_journal() const { return last_journal_; }

  class Phase;

 private:
  std::vector<std::unique_ptr<Phase>> phases_;
  std::size_t phase_ = 0;      ///< The one that steps.
  std::size_t confirmed_ = 0;  ///< Phases before it are done with.
  std::uint64_t last_journal_ = 0;
};
}  // namespace onward
