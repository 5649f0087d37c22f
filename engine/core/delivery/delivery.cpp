#include "engine/core/delivery/delivery.h"

namespace onward {
std::string_view to_string(DeliveryState state) {
  switch (state) {
    case DeliveryState::Pending:
      return "pending";
    case DeliveryState::Accepted:
      return "accepted";
    case DeliveryState::Failed:
      return "failed";
    case DeliveryState::Cancelled:
      return "cancelled";
  }
  return "";
}

std::optional<DeliveryState> parse_delivery_state(std::string_view text) {
  for (const DeliveryState state : {DeliveryState::Pending, DeliveryState::Accepted,
                                    DeliveryState::Failed, DeliveryState::Cancelled})
    if (text == to_string(state)) return state;
  return std::nullopt;
}

RetryPolicy default_retry_policy() {
  using namespace std::chrono_literals;
  return {.delays = {5s, 30s, 2min, 5min, 15min, 30min, 1h, 90min, 2h}};
}
}  // namespace onward
