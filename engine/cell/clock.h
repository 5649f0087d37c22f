#pragma once
// Time as an argument: the engine asks a clock that it is given.
#include <algorithm>
#include <optional>

#include "engine/core/base/time.h"

namespace onward {
/// Time as the engine sees it; a test's is set by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  /// What the machine's clock shows; `now` differs while a clock that was moved is not trusted yet.
  virtual Instant wall() const { return now(); }
  /// Until when nothing that cannot be undone is to be done for its time, since the time is not
  /// certain: no wait ends, no delivery fails for its deadline, no row is deleted for its age.
  virtual std::optional<Instant> uncertain_until() const { return std::nullopt; }
};
const Clock& system_clock();
/// The later of the two times that it may be.
inline Instant latest(const Clock& clock) { return std::max(clock.now(), clock.wall()); }
}  // namespace onward
