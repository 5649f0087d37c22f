#include "engine/store/sqlite/log_erasure.h"

#include <algorithm>
#include <string>

namespace onward {
bool erases(const Commit& commit) {
  return !commit.forgotten.empty() || !commit.purged_runs.empty() ||
         !commit.purged_deliveries.empty() || !commit.purged_attempts.empty();
}

void LogErasure::begin(std::optional<std::uint64_t> erased, const std::deque<JournalRow>& journal) {
  erased_ = erased;
  noted_ = erased_.has_value();
  if (erased_ && journal.empty()) erased_ = 0;
}

void LogErasure::write(const Commit& commit, std::uint64_t journal_row, JournalWriter& writer) {
  if (erases(commit))
    writer.meta(kErased, journal_row);
  else if (noted_ && !erased_)
    Query{database_.connection(), "DELETE FROM meta WHERE name = ?"}.run(std::string{kErased});
}

void LogErasure::committed(const Commit& commit, std::uint64_t journal_row) {
  noted_ = erases(commit) || erased_;
  if (!erases(commit)) return;
  if (!erased_) not_before_ = std::max(not_before_, emptied_at_ + options_.purge_pause);
  if (!commit.forgotten.empty())
    not_before_ = std::min(not_before_, emptied_at_ + options_.erase_pause);
  erased_ = journal_row;
}

bool LogErasure::is_due(const std::deque<JournalRow>& journal) const {
  return erased_ && (journal.empty() || journal.front().id > *erased_) &&
         SteadyClock::now() >= not_before_;
}

/// What was erased is overwritten in the database; the log still holds earlier images of its pages,
/// and so does the cache, which the next change of a page would write to the log again.
void LogErasure::run() {
  if (!database_.checkpoints().truncate()) {
    not_before_ = SteadyClock::now() + std::chrono::seconds{1};
    return;
  }
  erased_.reset();
  emptied_at_ = SteadyClock::now();
  sqlite3_db_release_memory(database_.connection().getHandle());
}
}  // namespace onward
