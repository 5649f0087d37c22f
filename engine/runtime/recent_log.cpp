#include "engine/runtime/recent_log.h"

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

std::vector<std::pair<std::uint64_t, LogLine>> RecentLog::after(std::uint64_t number,
                                                                std::string_view scenario) const {
  std::vector<std::pair<std::uint64_t, LogLine>> found;
  const std::lock_guard lock{mutex_};
  const std::uint64_t first = last_ - lines_.size() + 1;
  for (std::size_t i = number < first ? 0 : number - first + 1; i < lines_.size(); ++i)
    if (scenario.empty() || lines_[i].scenario == scenario)
      found.emplace_back(first + i, lines_[i]);
  return found;
}

std::uint64_t RecentLog::last() const {
  const std::lock_guard lock{mutex_};
  return last_;
}
}  // namespace onward
