#pragma once
// Time limits count only while this process runs.
#include <chrono>
#include <optional>

#include "engine/core/base/time.h"

namespace onward {
/// Monotonic time less the time in which the process was stopped (SIGSTOP, a frozen container, a
/// paused machine). Others cannot be blamed for that time: their bytes waited in our sockets.
///
/// A loop that counts limits looks at least every `kLookEvery`. Two looks that are much further
/// apart show that it was stopped in between. Pure: the loop reads the clock. One thread.
class ActiveTime {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr Duration kLookEvery = std::chrono::seconds{1};
  /// Shorter gaps are a busy machine.
  static constexpr Duration kGapMin = 2 * kLookEvery;

  /// `now` as active time.
  Time look(Time now) {
    if (last_ && now - *last_ > kGapMin) lost_ += now - *last_ - kLookEvery;
    last_ = now;
    return now - lost_;
  }
  /// The loop has no limits to count and may sleep longer; the next look begins a new stretch.
  void rest() { last_.reset(); }
  /// What `look` subtracts.
  Time::duration lost() const { return lost_; }

 private:
  std::optional<Time> last_;
  Time::duration lost_{};
};
}  // namespace onward
