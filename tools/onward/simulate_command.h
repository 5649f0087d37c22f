#pragma once
// `onward simulate`: what scenarios would do with contacts and events, in virtual time.
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/simulation/simulation.h"
#include "tools/onward/client.h"

namespace onward {
struct SimulateOptions {
  std::vector<std::string> scenarios;  ///< Files, folders, or ids on the server.
  std::string contacts, events;        ///< Files, NDJSON or a JSON list; "-" is standard input.
  std::string from, until;  ///< Instants; `until` may be a duration after the last event.
  std::vector<std::string> receivers;  ///< "tell_crm=503", "tell_crm=503,503,200 for 1h"
  bool summary = false;                ///< Numbers only.
};
int run_simulate(const ClientOptions& client, const SimulateOptions& options, std::ostream& out,
                 std::ostream& err);

/// "NODE=REPLY[,REPLY…][ for DURATION]", NODE perhaps as SCENARIO/NODE; `start` is when it begins.
Result<ReceiverRule> parse_receiver_rule(const std::string& text, Instant start);
}  // namespace onward
