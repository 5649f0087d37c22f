#pragma once
// The smallest scenario that asks for deliveries: each opened event, told to one receiver.
#include <string_view>

namespace onward {
inline constexpr std::string_view kRelay = R"(
scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)";
}  // namespace onward
