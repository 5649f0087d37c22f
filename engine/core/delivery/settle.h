#pragma once
// What a finished attempt does to its delivery. Pure: time and chance come in as arguments.
#include <optional>

#include "engine/core/base/now.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
struct PendingDelivery {
  Delivery delivery;  ///< Pending.
};

/// What becomes of a delivery after an attempt.
struct Settlement {
  Delivery delivery;                  ///< Its new row.
  std::optional<Attempt> superseded;  ///< The attempt that was the newest until now.
  bool accepted = false, failed = false;
};

/// The instant of the next attempt after `delivery.attempts` refusals in this series; nothing when
/// the last attempt, at the end of the window, has been made.
///
/// The delay is moved by up to a fifth either way by a hash of delivery and attempt, so that a
/// receiver that comes back is not met by everyone at once. A longer `retry_after` wins, but never
/// past the deadline, when one last attempt falls due.
std::optional<Instant> next_attempt_at(const Delivery& delivery, const RetryPolicy& policy,
                                       Instant finished, std::optional<Duration> retry_after,
                                       Instant attempt_started);

/// Accepted: a complete header block with an accepted status, whatever came of the body. 410, the
/// policy's permanent statuses and our own refusals fail at once; local trouble costs no attempt;
/// everything else is tried again until the window's end, and, while the time is not certain,
/// beyond. A result for a delivery that is no longer pending, or for an attempt already recorded,
/// changes nothing.
Settlement settle(const PendingDelivery& pending, const AttemptResult& result,
                  const RetryPolicy& policy, const Now& now);
}  // namespace onward
