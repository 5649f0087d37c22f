// /livez and /readyz: for whoever watches the process.
#include "engine/api/resources.h"

namespace onward {
namespace {
void live(Runtime& runtime, const Call& call) {
  const std::string failure = runtime.failure();
  if (!failure.empty()) return call.reply(problem(503, "failed", failure));
  call.reply(json_reply(200, ValueMap{{"status", "live"}}));
}

void ready(Runtime& runtime, const Call& call) {
  if (const Status ready = runtime.ready(); !ready)
    return call.reply(problem(503, ready.error().code, ready.error().message));
  call.reply(json_reply(200, ValueMap{{"status", "ready"},
                                      {"sending", runtime.shown().held_since() ? "held" : "on"}}));
}
}  // namespace

std::vector<Route> health_routes(Runtime& runtime) {
  return {
      {"GET",
       "/livez",
       Need::Nothing,
       "Whether the process does its work at all.",
       {},
       [&](const Call& call) { live(runtime, call); },
       {.id = "isLive", .answers = {{200, "Status"}}, .faults = {{503, "failed"}}}},
      {"GET",
       "/readyz",
       Need::Nothing,
       "Whether it takes events now.",
       {},
       [&](const Call& call) { ready(runtime, call); },
       {.id = "isReady",
        .answers = {{200, "Status"}},
        .faults = {{503, "not_ready disk_full disk_read_only store_busy"}}}},
  };
}
}  // namespace onward
