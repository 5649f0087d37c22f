#pragma once
// A wall clock that is not trusted at once: one wrong reading must not end waits, fail deliveries
// or delete rows.
#include <functional>
#include <mutex>
#include <optional>

#include "engine/cell/clock.h"
#include "engine/core/base/time.h"

namespace onward {
/// CLOCK_BOOTTIME: time since the machine started, sleep included. Nobody can set it.
Duration time_since_boot();

/// Compares the wall clock with the time since boot. After a jump of `kJump` or more it goes by the
/// time since boot, until the new time has held for `kHold` or an operator accepts it; smaller
/// steps are followed at once, as when a clock is slowly put right. Any thread.
class MonitoredClock final : public Clock {
 public:
  static constexpr Duration kJump = std::chrono::seconds{60};
  static constexpr Duration kHold = std::chrono::minutes{5};
  /// A start so much later than the newest stored time is uncertain for `kHold`.
  static constexpr Duration kAbsence = std::chrono::hours{24};

  /// `wall` must outlive it. `since_boot` is called by any thread.
  MonitoredClock(const Clock& wall, std::function<Duration()> since_boot);

  Instant now() const override;
  Instant wall() const override { return wall_.now(); }
  std::optional<Instant> uncertain_until() const override;

  /// The newest time that is stored, at a start: a wall clock behind it has jumped back; one that
  /// is far ahead of it may have been set wrongly, or the server was down.
  void begin_after(Instant newest);
  /// The wall clock is right. False: nothing was in doubt.
  bool accept();

  struct State {
    Instant now{}, wall{};
    std::optional<Instant> held_until;       ///< By `now`: then the wall clock is followed.
    std::optional<Instant> uncertain_until;  ///< By `now`.
  };
  State state() const;

  struct Change {
    enum class Kind { Moved, Back, Accepted };
    Kind kind;
    Duration by;  ///< Of the wall clock against the time that was followed.
  };
  /// What happened since the last call; the newest, if much did. Also takes a new reading.
  std::optional<Change> take_change();

 private:
  struct Reading {
    Instant wall, now;
  };
  Reading read() const;  // with mutex_

  const Clock& wall_;
  const std::function<Duration()> since_boot_;
  mutable std::mutex mutex_;                // guards what follows
  mutable Duration offset_;                 // of the time that is followed from the time since boot
  mutable std::optional<Duration> jumped_;  // the offset of a wall clock that has jumped,
  mutable Duration jumped_at_{};            // since when (since boot)
  mutable std::optional<Duration> doubted_since_;  // since boot
  mutable std::optional<Change> change_;
};
}  // namespace onward
