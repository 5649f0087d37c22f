// A run under way moves to another version of its scenario.
#include <string>
#include <utility>

#include "engine/core/journey/run_walk.h"

namespace onward {
namespace {
constexpr std::string_view kMovedPort = "moved";
constexpr std::string_view kNotMoved = "not_moved";
constexpr std::string_view kNotMovedNote = "not moved to version ";

/// For the path of a run that stays: "not moved to version 2: …".
std::string note_of(const MoveRefusal& refusal, const Scenario& version, Version to) {
  using Why = MoveRefusal::Why;
  std::string note = std::string{kNotMovedNote} + std::to_string(to) + ": ";
  switch (refusal.why) {
    case Why::NoSuchNode:
      return note + "it does not have this node";
    case Why::IsTrigger:
      return note + "no run arrives at a trigger";
    case Why::AlreadyVisited: {
      const ScenarioNode* node = version.find(refusal.node);
      return note + "it leads to \"" + (node == nullptr ? std::string{} : node->id) +
             "\", which this run has already visited";
    }
  }
  return note;
}
}  // namespace

void RunWalk::migrate(const RunContext& from, const MoveRun& command) {
  const Run& run = *from.run;
  if (from.stopped() || run.version == command.to || run.path.empty()) return;
  const Scenario* version = from.home->version(command.to);
  if (version == nullptr) return;
  const NodeNumber target = command.map ? target_of(*command.map, run.place()) : run.place();
  // Asked now, not when the command was planned: an input in between may have moved the run on.
  if (const auto refusal = move_refusal(run, *version, target))
    return refuse_move(from, note_of(*refusal, *version, command.to));
  const RunContext to{
      .run = from.run, .home = from.home, .scenario = version, .node = version->find(target)};
  if (target == run.place())
    migrate_in_place(to, command.to);
  else
    migrate_to_node(to, command.to);
}

/// A wait continues from the time already waited; a parked run stays parked. The rules of the other
/// version bind the run before either.
void RunWalk::migrate_in_place(const RunContext& to, Version version) {
  const RunRef run = to.run;
  const NodeNumber node = run->place();
  const bool parked = run->state == RunState::Parked;
  const bool arrived = !run->pending_arrival;  // else it was never counted at the node
  const std::string reason = run->reason;
  changes_.transition(run, RunState::Running);
  if (arrived) changes_.counters(*run, node).add(Counter::MovedOut, 1);
  changes_.change_version(run, version);
  if (arrived) changes_.counters(*run, node).add(Counter::MovedIn, 1);
  if (!arrived)
    changes_.park_before_arrival(run);
  else
    changes_.transition(run, parked ? RunState::Parked : RunState::Waiting, reason);
  if (exits_by_rules(to) || parked) return;
  changes_.transition(run, RunState::Running);
  enter_again(to, run->path.back().at);
}

/// A wait counts from the arrival at the node that the run leaves.
void RunWalk::migrate_to_node(const RunContext& to, Version version) {
  const RunRef run = to.run;
  const Instant arrived = run->path.back().at;
  const bool counted = !run->pending_arrival;
  changes_.transition(run, RunState::Running);
  if (counted) changes_.counters(*run, run->place()).add(Counter::MovedOut, 1);
  changes_.change_version(run, version);
  changes_.edit(run).path.back().port = kMovedPort;
  if (exits_by_rules(to)) return;
  if (to.node->kind->family != NodeFamily::Wait) return walk(to, to.index());
  arrive(to);
  enter_again(to, arrived);
}

/// Counted and noted in the run's path: once, however often the same command comes.
void RunWalk::refuse_move(const RunContext& context, const std::string& why) {
  if (context.run->path.back().note.ends_with(why)) return;
  std::string& note = changes_.edit(context.run).path.back().note;
  // It replaces the refusal of an earlier version, so that notes do not grow.
  if (const std::size_t earlier = note.rfind(kNotMovedNote); earlier != std::string::npos)
    note.erase(earlier >= 2 ? earlier - 2 : earlier);
  append_note(note, why);
  changes_.counters(*context.run).add(kNotMoved, 1);
}
}  // namespace onward
