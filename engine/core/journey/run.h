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

namespace onward {
enum class RunState : std::uint8_t { Waiting, Done, Exited, Stopped, Parked };
std::string_view to_string(RunState state);

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
  Instant started{};
  std::optional<Instant> ended;
  std::optional<Instant> wake_at;      ///< The instant at which it goes on, while it waits for one.
  std::optional<Instant> recheck_at;   ///< When time alone may change a segment it waits for or
                                       ///< is bound by (TimerKind::RunRecheck).
  std::optional<Instant> goal;         ///< When it reached the scenario's goal.
  std::shared_ptr<const Event> event;  ///< What started it, while live; null where nothing did.
  std::vector<PathStep> path;          ///< The last step is where it is.

  bool live() const { return state == RunState::Waiting || state == RunState::Parked; }
  NodeNumber place() const { return path.empty() ? NodeNumber{} : path.back().node; }
};
}  // namespace onward
