#pragma once
// Virtual time: one clock that only goes forward, and the clock on the wall, which may be wrong.
#include <algorithm>

#include "engine/host/runtime.h"

namespace onward::chaos {
class WorldClock final : public Clock {
 public:
  explicit WorldClock(Instant start) : steady_{start}, latest_{start} {}
  /// The wall's.
  Instant now() const override { return steady_ + offset_; }
  Instant steady() const { return steady_; }
  void go_to(Instant steady) {
    steady_ = std::max(steady_, steady);
    latest_ = std::max(latest_, now());
  }
  /// Somebody sets the clock, or the machine slept.
  void jump(Duration by) {
    offset_ += by;
    set_back_ += std::max(-by, Duration::zero());
    latest_ = std::max(latest_, now());
  }
  /// When it will be `wall`, if nobody sets the clock.
  Instant steady_of(Instant wall) const {
    return offset_ < Duration::zero() && wall > Instant::max() + offset_ ? Instant::max()
                                                                         : wall - offset_;
  }
  /// By how much it was set back, all times together.
  Duration set_back() const { return set_back_; }
  /// The latest that the wall ever showed.
  Instant latest() const { return latest_; }

 private:
  Instant steady_;
  Duration offset_{}, set_back_{};
  Instant latest_;
};
}  // namespace onward::chaos
