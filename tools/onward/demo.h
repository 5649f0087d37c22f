#pragma once
// `onward demo`: the main job on this machine, from this program alone.
#include <string_view>

namespace onward {
struct DemoOptions {
  bool keep = false;  ///< Keep the server and the receiver running until Ctrl-C.
};
/// Starts a server with a temporary data folder and a receiver, both on loopback, and shows a
/// scenario, its contacts, webhooks with their retry, and the numbers. Every number is compared
/// with what the receiver got; kExitFailed if one differs.
int run_demo(const DemoOptions& options);

/// scenarios/welcome.yaml and its events (NDJSON), compiled into the program.
extern const std::string_view kDemoScenario;
extern const std::string_view kDemoEvents;
}  // namespace onward
