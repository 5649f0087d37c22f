#include "engine/host/monitored_clock.h"

#include <time.h>

#include <algorithm>
#include <utility>

namespace onward {
Duration time_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds{now.tv_sec} +
                                              std::chrono::nanoseconds{now.tv_nsec});
}

MonitoredClock::MonitoredClock(const Clock& wall, std::function<Duration()> since_boot)
    : wall_{wall},
      since_boot_{std::move(since_boot)},
      offset_{wall.now().time_since_epoch() - since_boot_()} {}

MonitoredClock::Reading MonitoredClock::read() const {
  const Instant wall = wall_.now();
  const Duration boot = since_boot_();
  const Duration offset = wall.time_since_epoch() - boot;
  if (std::chrono::abs(offset - offset_) < kJump) {
    if (jumped_) {
      change_ = Change{Change::Kind::Back, offset - offset_};
      if (doubted_since_) doubted_since_ = boot;
    }
    jumped_.reset();
    offset_ = offset;
  } else if (!jumped_ || std::chrono::abs(offset - *jumped_) >= kJump) {
    change_ = Change{Change::Kind::Moved, offset - offset_};
    jumped_ = offset;
    jumped_at_ = boot;
    if (doubted_since_) doubted_since_ = boot;
  } else if (boot - jumped_at_ >= kHold) {
    change_ = Change{Change::Kind::Accepted, offset - offset_};
    jumped_.reset();
    offset_ = offset;
    doubted_since_.reset();
  }
  if (doubted_since_ && boot - *doubted_since_ >= kHold) doubted_since_.reset();
  return {.wall = wall, .now = Instant{boot + offset_}};
}

Instant MonitoredClock::now() const {
  const std::lock_guard lock{mutex_};
  return read().now;
}

std::optional<Instant> MonitoredClock::uncertain_until() const { return state().uncertain_until; }

void MonitoredClock::begin_after(Instant newest) {
  const std::lock_guard lock{mutex_};
  const Instant now = read().now;
  const Duration boot = now.time_since_epoch() - offset_;
  if (now - newest <= kAbsence && newest - now < kJump) return;
  doubted_since_ = boot;
  if (newest > now) offset_ = newest.time_since_epoch() - boot;
  read();
}

bool MonitoredClock::accept() {
  const std::lock_guard lock{mutex_};
  const Reading reading = read();
  const bool doubted = jumped_.has_value() || doubted_since_.has_value();
  if (jumped_) {
    change_ = Change{Change::Kind::Accepted, *jumped_ - offset_};
    offset_ += reading.wall - reading.now;
  }
  jumped_.reset();
  doubted_since_.reset();
  return doubted;
}

MonitoredClock::State MonitoredClock::state() const {
  const std::lock_guard lock{mutex_};
  const Reading reading = read();
  State state{.now = reading.now, .wall = reading.wall};
  if (jumped_) state.held_until = Instant{jumped_at_ + kHold + offset_};
  if (doubted_since_) state.uncertain_until = Instant{*doubted_since_ + kHold + offset_};
  return state;
}

std::optional<MonitoredClock::Change> MonitoredClock::take_change() {
  const std::lock_guard lock{mutex_};
  read();
  return std::exchange(change_, std::nullopt);
}
}  // namespace onward
