#include "engine/core/delivery/delivery.h"

#include <algorithm>

#include "engine/core/base/enum_words.h"

namespace onward {
namespace {
constexpr EnumWords<DeliveryState, 4> kDeliveryStates{{{DeliveryState::Pending, "pending"},
                                                       {DeliveryState::Accepted, "accepted"},
                                                       {DeliveryState::Failed, "failed"},
                                                       {DeliveryState::Cancelled, "cancelled"}}};
}  // namespace

std::string_view to_string(DeliveryState state) { return kDeliveryStates.of(state); }
std::optional<DeliveryState> parse_delivery_state(std::string_view text) {
  return kDeliveryStates.find(text);
}
std::span<const std::string_view> delivery_state_words() { return kDeliveryStates.all(); }

RetryPolicy default_retry_policy() {
  using namespace std::chrono_literals;
  return {.delays = {5s, 30s, 2min, 5min, 15min, 30min, 1h, 90min, 2h}};
}

bool is_accepted(const RetryPolicy& policy, int status) {
  if (policy.accept.empty()) return status >= 200 && status < 300;
  return std::ranges::find(policy.accept, status) != policy.accept.end();
}

bool is_accepted(const RetryPolicy& policy, const AttemptResult& result) {
  return result.status != 0 && !result.permanent && is_accepted(policy, result.status);
}
}  // namespace onward
