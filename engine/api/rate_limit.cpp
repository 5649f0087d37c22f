#include "engine/api/rate_limit.h"

#include <iterator>

namespace onward {
std::optional<Duration> RateLimit::take(const std::string& name, Instant now) {
  const std::lock_guard lock{mutex_};
  for (auto row = taken_.begin(); row != taken_.end();) {
    std::deque<Instant>& times = row->second;
    while (!times.empty() && times.front() <= now - window_) times.pop_front();
    // A clock that was set back would keep people out for as long.
    while (!times.empty() && times.back() > now) times.pop_back();
    row = times.empty() ? taken_.erase(row) : std::next(row);
  }
  std::deque<Instant>& times = taken_[name];
  if (times.size() >= most_) return times.front() + window_ - now;
  times.push_back(now);
  return std::nullopt;
}
}  // namespace onward
