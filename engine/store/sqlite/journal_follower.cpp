#include "engine/store/sqlite/journal_follower.h"

#include <algorithm>

namespace onward {
namespace {
/// Rows of the overlay's that stand in the tables already do no harm, but for their memory: so many
/// may stay besides as many as are in use.
constexpr std::size_t kFoldedMax = 1'000;
}  // namespace

JournalFollower::JournalFollower(SQLite::Database& database, Overlay& overlay)
    : overlay_{overlay},
      first_{database, "SELECT min(id) FROM journal"},
      rows_{database, "SELECT id, body FROM journal WHERE id > ? ORDER BY id"} {
  begin_anew();
}

void JournalFollower::begin_anew() {
  overlay_ = Overlay{};
  overlay_.context.replaying = true;  // The tables may hold any of what follows.
  overlay_.context.lists_only = true;
  journal_.clear();
  last_ = 0;
}

void JournalFollower::catch_up() {
  std::uint64_t first = 0;  // 0: all is in the tables
  {
    auto rows = first_();
    if (rows.next() && !rows.is_null(0)) first = rows.number(0);
  }
  const auto folded = static_cast<std::size_t>(
      std::ranges::lower_bound(journal_, first, {}, &JournalRow::id) - journal_.begin());
  // Rows that went into the tables unseen may be newer than what stands here.
  const bool gap = first == 0 || first > last_ + 1;
  if (last_ != 0 && (gap || folded > journal_.size() - folded + kFoldedMax)) begin_anew();
  auto rows = rows_(last_);
  while (rows.next()) {
    replay_row(rows.number(0), rows.bytes(1), overlay_, journal_);
    last_ = journal_.back().id;
    ++rows_read_;
  }
}
}  // namespace onward
