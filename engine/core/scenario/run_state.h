#pragma once
// States of a run, and their words.
#include <cstdint>
#include <span>
#include <string_view>

namespace onward {
/// Stored by number: append only.
enum class RunState : std::uint8_t {
  Waiting,  ///< At a node, for a time, an event, a segment or several of them.
  Done,     ///< Left the last node.
  Exited,   ///< Ended by an exit rule, a newer entry or an operator.
  Stopped,  ///< Ended because its scenario is archived.
  Parked,   ///< Waits for an operator. See `Run::pending_arrival`.
  Running,  ///< Between two nodes, inside `advance` only: never stored or shown.
};
std::string_view to_string(RunState state);
/// Of those that are stored, in the order of the enumeration.
std::span<const std::string_view> run_state_words();
}  // namespace onward
