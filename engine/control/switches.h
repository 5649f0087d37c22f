#pragma once
// The switches of nodes: paused ones park their deliveries.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"

namespace onward {
using NodePlace = std::pair<ScenarioKey, NodeNumber>;

/// Of a node that is paused, or whose parked deliveries are being taken out again.
struct NodeSwitch {
  bool paused = true;
  Instant since{};  ///< Of the pause.
};
/// A node without a row is on.
using Switches = std::map<NodePlace, NodeSwitch>;

inline bool is_paused(const Switches& switches, NodePlace place) {
  const auto found = switches.find(place);
  return found != switches.end() && found->second.paused;
}

/// The content of the record that keeps it: "paused 2026-05-01T09:00:00.000Z", "resuming …".
std::string to_text(const NodeSwitch& node);
std::optional<NodeSwitch> parse_switch(std::string_view text);
}  // namespace onward
