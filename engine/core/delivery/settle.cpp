#include "engine/core/delivery/settle.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "engine/core/base/hash.h"

namespace onward {
namespace {
constexpr double kJitter = 0.2;
/// After local trouble: soon, since it is ours to mend and costs no attempt.
constexpr Duration kLocalPause = std::chrono::seconds{5};
constexpr Duration kLocalPauseMax = std::chrono::hours{24};
/// Between attempts after the deadline, while it is not certain that it is over.
constexpr Duration kDoubtPause = std::chrono::minutes{1};
constexpr int kGone = 410;

/// Why a delivery fails for good at this result; nothing where it may be tried again.
std::optional<std::string> final_reason(const RetryPolicy& policy, const AttemptResult& result) {
  if (result.permanent) return result.code.empty() ? "permanent" : result.code;
  if (result.status == 0) return std::nullopt;
  if (result.status == kGone) return "gone";
  if (std::ranges::find(policy.permanent, result.status) == policy.permanent.end())
    return std::nullopt;
  return "status_" + std::to_string(result.status);
}

Attempt record_of(const AttemptResult& result, std::uint32_t number) {
  return {.number = number,
          .started = result.started,
          .took = result.took,
          .status = result.status,
          .code = result.code,
          .error = result.error,
          .response = result.response};
}

void end(Delivery& delivery, DeliveryState state, std::string reason, Instant at) {
  delivery.state = state;
  delivery.reason = std::move(reason);
  delivery.due.reset();
  delivery.settled = at;
  delivery.parked = false;
  delivery.parked_since.reset();
}
}  // namespace

std::optional<Instant> next_attempt_at(const Delivery& delivery, const RetryPolicy& policy,
                                       Instant finished, std::optional<Duration> retry_after,
                                       Instant attempt_started) {
  // The attempt that began at or after the deadline was the last one; our own downtime can only
  // make it late, never skip it.
  if (attempt_started >= delivery.deadline) return std::nullopt;
  const std::uint32_t refused = delivery.attempts - delivery.series_from;
  Duration delay = Duration::zero();
  if (!policy.delays.empty() && refused > 0)
    delay = policy.delays[std::min<std::size_t>(refused - 1, policy.delays.size() - 1)];
  const double move =
      1.0 + kJitter * (2.0 * chance_of(delivery.key.value, delivery.attempts) - 1.0);
  delay = Duration{static_cast<Duration::rep>(static_cast<double>(delay.count()) * move)};
  // Retry-After is clamped by its reader; a deadline always lies within its reach.
  if (retry_after) delay = std::max(delay, *retry_after);
  if (delay >= delivery.deadline - finished) return std::max(delivery.deadline, finished);
  return finished + delay;
}

Settlement settle(const PendingDelivery& pending, const AttemptResult& result,
                  const RetryPolicy& policy, const Now& now) {
  Settlement settlement{.delivery = pending.delivery};
  Delivery& delivery = settlement.delivery;
  if (!delivery.pending()) return settlement;
  if (result.local) {
    delivery.due =
        now.at + std::clamp(result.retry_after.value_or(kLocalPause), kLocalPause, kLocalPauseMax);
    // The end of the window is not passed unseen.
    if (now.at < delivery.deadline) delivery.due = std::min(*delivery.due, delivery.deadline);
    return settlement;
  }
  if (result.number <= delivery.attempts) return settlement;  // recorded before

  ++delivery.attempts;
  settlement.superseded = std::exchange(delivery.last, record_of(result, delivery.attempts));
  if (is_accepted(policy, result)) {
    end(delivery, DeliveryState::Accepted, {}, now.at);
    settlement.accepted = true;
    return settlement;
  }
  std::optional<std::string> reason = final_reason(policy, result);
  if (!reason) {
    delivery.due = next_attempt_at(delivery, policy, now.at, result.retry_after, result.started);
    if (!delivery.due && !now.certain) delivery.due = now.at + kDoubtPause;
    if (delivery.due) return settlement;
    reason = "deadline";
  }
  end(delivery, DeliveryState::Failed, *std::move(reason), now.at);
  settlement.failed = true;
  return settlement;
}
}  // namespace onward
