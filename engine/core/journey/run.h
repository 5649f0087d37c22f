#pragma once
// A run: one contact's journey through one version of one scenario. One token: it is at one node.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/core/contact/event.h"
#include "engine/core/scenario/run_state.h"

namespace onward {
/// Reason of a run that is parked, and of an entry that is refused, past the bounds of one input.
inline constexpr std::string_view kCascadeReason = "cascade";

/// One arrival at a node. A node occurs at most once in a path.
struct PathStep {
  NodeNumber node;
  Instant at{};                         ///< Arrival.
  std::string port;                     ///< By which it left; empty while it is there, or parked.
  std::optional<DeliveryKey> delivery;  ///< Asked for by this visit.
  std::string note;                     ///< Why this port, in words and values; may be empty.
  bool operator==(const PathStep&) const = default;
};

struct Run {
  RunKey key;
  ScenarioKey scenario;
  Version version = 0;
  EntryKey entry_key;
  bool test = false;
  ContactKey contact;
  RunState state = RunState::Waiting;
  std::string reason;  ///< Of Parked, Exited, Stopped.
  /// Of Parked: it has not arrived at its node, the last one of its path, which is not counted yet.
  /// Stored as the reason `kCascadeReason`.
  bool pending_arrival = false;
  Instant started{};
  std::optional<Instant> ended;
  std::optional<Instant> wake_at;      ///< The instant at which it goes on, while it waits for one.
  std::optional<Instant> recheck_at;   ///< When time alone may change a segment it waits for or
                                       ///< is bound by (TimerKind::RunRecheck).
  std::optional<Instant> goal;         ///< When it reached the scenario's goal.
  std::shared_ptr<const Event> event;  ///< What started it, while live; null where nothing did.
  std::vector<PathStep> path;          ///< The last step is where it is.

  bool live() const {
    return state == RunState::Waiting || state == RunState::Parked || state == RunState::Running;
  }
  NodeNumber place() const { return path.empty() ? NodeNumber{} : path.back().node; }
};
}  // namespace onward
