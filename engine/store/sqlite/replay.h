#pragma once
// From the journal into the overlay: how a store begins, and how whoever only looks sees the newest
// state. Throws what `guarded` catches.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/marks.h"
#include "engine/store/sqlite/overlay.h"

namespace onward {
struct JournalRow {
  std::uint64_t id = 0;
  std::unique_ptr<const std::string> bytes;  ///< The overlay's rows are views into it.
  Instant at{};                              ///< Of its commit; of one replayed, long ago.
};

/// Lays one row of the journal over the others, behind the last of `journal`.
void replay_row(std::uint64_t id, std::string_view bytes, Overlay& overlay,
                std::deque<JournalRow>& journal);
/// Reads marks and journal into an empty overlay. The rows, oldest first, must outlive what the
/// overlay holds of them.
std::deque<JournalRow> replay(SQLite::Database& database, Marks& marks, Overlay& overlay);
}  // namespace onward
