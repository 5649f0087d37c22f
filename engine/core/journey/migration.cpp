#include "engine/core/journey/migration.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
/// Why no run can arrive at `target` of `version`, whatever its path is.
std::optional<MoveRefusal> arrival_refusal(const Scenario& version, NodeNumber target) {
  const ScenarioNode* node = version.find(target);
  if (node == nullptr) return MoveRefusal{.why = MoveRefusal::Why::NoSuchNode};
  if (node->kind->family == NodeFamily::Trigger)
    return MoveRefusal{.why = MoveRefusal::Why::IsTrigger};
  return std::nullopt;
}
}  // namespace

NodeNumber target_of(const NodeMap& map, NodeNumber node) {
  const auto mapped = map.find(node);
  return mapped == map.end() ? node : mapped->second;
}

std::set<NodeNumber> nodes_ahead(const Scenario& scenario, NodeNumber node) {
  std::set<NodeNumber> ahead;
  for (const ScenarioNode& other : scenario.nodes)
    if (scenario.leads_to(node, other.number)) ahead.insert(other.number);
  return ahead;
}

std::set<NodeNumber> nodes_behind(const Scenario& scenario, NodeNumber node) {
  std::set<NodeNumber> behind;
  for (const ScenarioNode& other : scenario.nodes)
    if (other.number != node && scenario.leads_to(other.number, node)) behind.insert(other.number);
  return behind;
}

std::optional<MoveRefusal> move_refusal(const Run& run, const Scenario& version,
                                        NodeNumber target) {
  if (const auto refusal = arrival_refusal(version, target)) return refusal;
  std::span<const PathStep> path{run.path};
  if (run.place() == target) path = path.first(path.size() - 1);  // it stays where it is
  const auto again = std::ranges::find_if(
      path, [&](const PathStep& step) { return version.leads_to(target, step.node); });
  if (again == path.end()) return std::nullopt;
  return MoveRefusal{.why = MoveRefusal::Why::AlreadyVisited, .node = again->node};
}

Migration::Migration(std::shared_ptr<const Scenario> to, NodeMap map)
    : to_{std::move(to)}, map_{std::move(map)} {}

std::optional<std::string> Migration::refusal(const Scenario& from, NodeNumber node) const {
  const NodeNumber goal = target(node);
  if (const auto refusal = arrival_refusal(*to_, goal)) {
    if (refusal->why == MoveRefusal::Why::NoSuchNode) return "that node is not in the new version";
    return fmt::format("\"{}\" is a trigger, which nobody arrives at", to_->find(goal)->id);
  }
  const ScenarioNode* twice = nullptr;
  for (const ScenarioNode& visited : from.nodes) {
    const bool before = visited.number == node ? goal != node : from.leads_to(visited.number, node);
    if (!before || !to_->leads_to(goal, visited.number)) continue;
    if (twice == nullptr || visited.number < twice->number) twice = &visited;
  }
  if (twice == nullptr) return std::nullopt;
  return fmt::format(
      "they may have visited \"{}\" already, which the new version leads them to "
      "again",
      twice->id);
}
}  // namespace onward
