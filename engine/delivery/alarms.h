#pragma once
// When to look at which transfer again.
#include <chrono>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace onward {
/// One time for each key. Every operation takes logarithmic time.
template <class Key>
class Alarms {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void set(Key key, Time at) {
    clear(key);
    times_[key] = at;
    order_.emplace(at, key);
  }
  void clear(Key key) {
    const auto known = times_.find(key);
    if (known == times_.end()) return;
    order_.erase({known->second, key});
    times_.erase(known);
  }
  std::optional<Time> next() const {
    if (order_.empty()) return std::nullopt;
    return order_.begin()->first;
  }
  /// Takes out those whose time has come.
  std::vector<Key> take(Time now) {
    std::vector<Key> due;
    while (!order_.empty() && order_.begin()->first <= now) {
      due.push_back(order_.begin()->second);
      times_.erase(due.back());
      order_.erase(order_.begin());
    }
    return due;
  }

 private:
  std::unordered_map<Key, Time> times_;
  std::set<std::pair<Time, Key>> order_;
};
}  // namespace onward
