#include "engine/control/recent_log.h"

#include <algorithm>

namespace onward {
namespace {
/// Lines that fit between two starts, a millisecond apart.
constexpr std::int64_t kLinesPerMillisecond = 1'000;
}  // namespace

RecentLog::RecentLog(Instant start)
    : last_{static_cast<std::uint64_t>(std::max<std::int64_t>(start.time_since_epoch().count(), 0) *
                                       kLinesPerMillisecond)} {}

void RecentLog::add(LogLine line) {
  const std::lock_guard lock{mutex_};
  ++last_;
  lines_.push_back(std::move(line));
  if (lines_.size() > kMax) lines_.pop_front();
}

bool RecentLog::fits(const LogLine& line, const Filter& filter) const {
  return (filter.scenario.empty() || line.scenario == filter.scenario) &&
         (!filter.since || line.at >= *filter.since);
}

RecentLog::Numbered RecentLog::after(std::uint64_t number, const Filter& filter,
                                     std::size_t limit) const {
  Numbered found;
  std::uint64_t next = number + 1;
  // Lines may come and go between two locks; their numbers stay.
  for (bool more = true; more && found.size() < limit;) {
    const std::lock_guard lock{mutex_};
    const std::uint64_t first = last_ - lines_.size() + 1;
    next = std::max(next, first);
    for (std::size_t looked = 0; next <= last_ && looked < kLookedAt && found.size() < limit;
         ++looked, ++next)
      if (const LogLine& line = lines_[next - first]; fits(line, filter))
        found.emplace_back(next, line);
    more = next <= last_;
  }
  return found;
}

RecentLog::Numbered RecentLog::newest(const Filter& filter, std::size_t limit) const {
  Numbered found;
  std::uint64_t before = last() + 1;
  for (bool more = true; more && found.size() < limit;) {
    const std::lock_guard lock{mutex_};
    const std::uint64_t first = last_ - lines_.size() + 1;
    for (std::size_t looked = 0; before > first && looked < kLookedAt && found.size() < limit;
         ++looked, --before)
      if (const LogLine& line = lines_[before - 1 - first]; fits(line, filter))
        found.emplace_back(before - 1, line);
    more = before > first;
  }
  std::ranges::reverse(found);
  return found;
}

std::uint64_t RecentLog::last() const {
  const std::lock_guard lock{mutex_};
  return last_;
}
}  // namespace onward
