#pragma once
// When to look at which transfer again, for the few that wait for something but libcurl.
#include <algorithm>
#include <chrono>
#include <optional>
#include <unordered_map>
#include <vector>

namespace onward {
/// One time for each key. Rarely used by most and looked at all the time: nothing but the earliest
/// time is kept in order.
template <class Key>
class Alarms {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void set(Key key, Time at) {
    times_[key] = at;
    if (!next_ || at < *next_) next_ = at;
  }
  void clear(Key key) {
    if (times_.erase(key) > 0 && times_.empty()) next_.reset();
  }
  /// Not later than the earliest.
  const std::optional<Time>& next() const { return next_; }
  /// Takes out those whose time has come.
  std::vector<Key> take(Time now) {
    std::vector<Key> due;
    if (!next_ || now < *next_) return due;
    next_.reset();
    for (auto at = times_.begin(); at != times_.end();) {
      if (at->second <= now) {
        due.push_back(at->first);
        at = times_.erase(at);
        continue;
      }
      next_ = next_ ? std::min(*next_, at->second) : at->second;
      ++at;
    }
    return due;
  }

 private:
  std::unordered_map<Key, Time> times_;
  std::optional<Time> next_;
};
}  // namespace onward
