#pragma once
// Notices that somebody moved the wall clock.
#include <optional>

#include "engine/core/time.h"

namespace onward {
/// Compares the wall clock with one that nobody can set. Pure; one thread.
class ClockWatch {
 public:
  /// `since_boot`: time since the machine started, sleep included (CLOCK_BOOTTIME). How far the
  /// wall clock was moved since the last look, forward or, negative, back; nothing for less than
  /// `kMovedMin`, as when a clock is slowly put right.
  std::optional<Duration> look(Instant wall, Duration since_boot);

  static constexpr Duration kMovedMin = std::chrono::seconds{60};

 private:
  std::optional<Duration> offset_;  // of the wall clock from the machine's
};

/// CLOCK_BOOTTIME.
Duration time_since_boot();
}  // namespace onward
