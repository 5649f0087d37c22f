#include "engine/runtime/clock_watch.h"

#include <time.h>

#include <utility>

namespace onward {
std::optional<Duration> ClockWatch::look(Instant wall, Duration since_boot) {
  const Duration offset = wall.time_since_epoch() - since_boot;
  const std::optional<Duration> before = std::exchange(offset_, offset);
  if (!before || std::chrono::abs(offset - *before) < kMovedMin) return std::nullopt;
  return offset - *before;
}

Duration time_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds{now.tv_sec} +
                                              std::chrono::nanoseconds{now.tv_nsec});
}
}  // namespace onward
