#pragma once
// A second in which something is not tried again.
#include <chrono>

#include "engine/core/base/time.h"

namespace onward {
class ShortPause {
 public:
  static constexpr Duration kLength = std::chrono::seconds{1};

  void begin(Instant now) { end_ = now + kLength; }
  /// When it ends. One that seems longer than it is began before the clock was set back: it ends at
  /// once.
  Instant end(Instant now) const { return end_ - now > kLength ? now : end_; }

 private:
  Instant end_{};
};
}  // namespace onward
