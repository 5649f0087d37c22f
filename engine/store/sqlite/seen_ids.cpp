#include "engine/store/sqlite/seen_ids.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace onward {
/// Every id that is stored is in the filter, or in a table that the filter does not speak for: the
/// tables of the start are read beside the work, what the journal holds now, and what is committed
/// from here on goes in before its commit.
void SeenIds::begin_filter(const std::filesystem::path& file, std::size_t memory,
                           const LogSink& log) {
  if (memory == 0) return;
  filter_.emplace(memory);
  const std::set<Date>& days = tables_.days();
  for (const Date day : days) filter_->add_table(day);
  for (const auto& [key, entry] : overlay_.seen.map) filter_->add(entry.row.day, key);
  if (!days.empty())
    scan_ =
        std::make_unique<SeenScan>(file, std::vector<Date>(days.begin(), days.end()), memory, log);
}

void SeenIds::take_filters() {
  if (!scan_) return;
  const bool ended = scan_->ended();  // asked first: what it found before is taken below
  for (auto& [day, ids] : scan_->take()) filter_->complete(day, std::move(ids));
  if (ended) scan_.reset();
}

std::optional<Hash128> SeenIds::find(const Hash128& key, Date from) {
  if (const Overlay::SeenRow* row = overlay_.seen.find(key)) {
    if (row->day < from) return std::nullopt;
    return row->fingerprint;
  }
  const std::set<Date>& days = tables_.days();
  if (days.empty() || *days.rbegin() < from) return std::nullopt;
  const std::string bytes = to_bytes(key);
  for (auto day = days.rbegin(); day != days.rend() && *day >= from; ++day) {
    if (filter_ && !filter_->may_contain(*day, key)) continue;
    ++look_ups_;
    if (const auto found = tables_.find(*day, bytes)) return found;
  }
  return std::nullopt;
}

void SeenIds::add(std::span<const SeenEvent> events) {
  if (!filter_) return;
  for (const SeenEvent& event : events) filter_->add(date_of(event.at), event.key);
}

bool SeenIds::unfolded_before(Date day) const {
  return std::ranges::any_of(overlay_.seen.map,
                             [&](const auto& item) { return item.second.row.day < day; });
}

bool SeenIds::folded_before(Date day) const {
  return !tables_.days().empty() && *tables_.days().begin() < day;
}
}  // namespace onward
