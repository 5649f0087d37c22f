#include "engine/core/migration.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
std::vector<std::size_t> reached(const std::vector<std::vector<std::size_t>>& edges,
                                 std::size_t from) {
  std::vector<bool> seen(edges.size());
  std::vector<std::size_t> found{from};
  seen[from] = true;
  for (std::size_t i = 0; i < found.size(); ++i)
    for (const std::size_t next : edges[found[i]])
      if (!seen[next]) {
        seen[next] = true;
        found.push_back(next);
      }
  return found;
}

std::optional<std::size_t> index_of(const Scenario& scenario, NodeNumber node) {
  const ScenarioNode* found = scenario.find(node);
  if (found == nullptr) return std::nullopt;
  return static_cast<std::size_t>(found - scenario.nodes.data());
}

/// Forwards, or with `back` against the arrows.
std::set<NodeNumber> walk(const Scenario& scenario, NodeNumber node, bool back) {
  const auto from = index_of(scenario, node);
  if (!from) return {};
  std::vector<std::vector<std::size_t>> edges(scenario.nodes.size());
  for (std::size_t i = 0; i < scenario.nodes.size(); ++i) {
    for (const Port& port : scenario.nodes[i].ports) {
      if (port.target == kEnd) continue;
      if (back)
        edges[port.target].push_back(i);
      else
        edges[i].push_back(port.target);
    }
  }
  std::set<NodeNumber> numbers;
  for (const std::size_t index : reached(edges, *from))
    numbers.insert(scenario.nodes[index].number);
  return numbers;
}
}  // namespace

std::set<NodeNumber> nodes_ahead(const Scenario& scenario, NodeNumber node) {
  return walk(scenario, node, /*back=*/false);
}

std::set<NodeNumber> nodes_behind(const Scenario& scenario, NodeNumber node) {
  std::set<NodeNumber> nodes = walk(scenario, node, /*back=*/true);
  nodes.erase(node);
  return nodes;
}

Migration::Migration(std::shared_ptr<const Scenario> to, NodeMap map)
    : to_{std::move(to)}, map_{std::move(map)} {}

NodeNumber Migration::target(NodeNumber node) const {
  const auto mapped = map_.find(node);
  return mapped == map_.end() ? node : mapped->second;
}

const std::set<NodeNumber>& Migration::ahead_of(NodeNumber node) const {
  const auto [place, fresh] = ahead_.try_emplace(node);
  if (fresh) place->second = nodes_ahead(*to_, node);
  return place->second;
}

std::optional<std::string> Migration::refusal(const Scenario& from, NodeNumber node) const {
  const NodeNumber goal = target(node);
  const ScenarioNode* place = to_->find(goal);
  if (place == nullptr) return "that node is not in the new version";
  if (place->kind->family == NodeFamily::Trigger)
    return fmt::format("\"{}\" is a trigger, which nobody arrives at", place->id);
  std::set<NodeNumber> visited = nodes_behind(from, node);
  if (goal != node) visited.insert(node);
  const std::set<NodeNumber>& ahead = ahead_of(goal);
  const auto twice =
      std::ranges::find_if(visited, [&](NodeNumber number) { return ahead.contains(number); });
  if (twice == visited.end()) return std::nullopt;
  return fmt::format(
      "they may have visited \"{}\" already, which the new version leads them to "
      "again",
      to_->find(*twice)->id);
}

bool Migration::allows(const Run& run) const {
  const NodeNumber goal = target(run.place());
  const ScenarioNode* place = to_->find(goal);
  if (place == nullptr || place->kind->family == NodeFamily::Trigger) return false;
  const std::set<NodeNumber>& ahead = ahead_of(goal);
  return std::ranges::none_of(run.path, [&](const PathStep& step) {
    const bool here = &step == &run.path.back() && step.node == goal;
    return !here && ahead.contains(step.node);
  });
}
}  // namespace onward
