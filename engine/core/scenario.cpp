#include "engine/core/scenario.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace onward {
std::size_t ScenarioNode::target(std::string_view port) const {
  const auto found =
      std::find_if(ports.begin(), ports.end(), [&](const Port& p) { return p.name == port; });
  return found == ports.end() ? kEnd : found->target;
}

const ScenarioNode* Scenario::find(std::string_view node_id) const {
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const ScenarioNode& n) { return n.id == node_id; });
  return found == nodes.end() ? nullptr : &*found;
}

const ScenarioNode* Scenario::find(NodeNumber number) const {
  if (number.value >= by_number.size() || by_number[number.value] == kEnd) return nullptr;
  return &nodes[by_number[number.value]];
}

std::vector<std::string> Scenario::secrets() const {
  std::set<std::string> names;
  for (const ScenarioNode& node : nodes)
    for (std::string& name : node.node->secrets()) names.insert(std::move(name));
  return {names.begin(), names.end()};
}

std::vector<std::string> Scenario::credentials() const {
  std::set<std::string> names;
  for (const ScenarioNode& node : nodes)
    for (std::string& name : node.node->credentials()) names.insert(std::move(name));
  return {names.begin(), names.end()};
}

void Scenario::number_nodes(std::vector<std::pair<std::string, NodeNumber>>& known) {
  std::unordered_map<std::string, NodeNumber> numbers;
  std::uint32_t greatest = 0;
  for (const auto& [node_id, number] : known) {
    numbers.emplace(node_id, number);
    greatest = std::max(greatest, number.value);
  }
  for (ScenarioNode& node : nodes) {
    const auto found = numbers.find(node.id);
    node.number = found != numbers.end() ? found->second : NodeNumber{++greatest};
    if (found == numbers.end()) known.emplace_back(node.id, node.number);
  }
  by_number.assign(greatest + 1, kEnd);
  for (std::size_t i = 0; i < nodes.size(); ++i) by_number[nodes[i].number.value] = i;
}

bool valid_id(std::string_view id) {
  const auto is_alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (id.empty() || id.size() > 64 || !is_alnum(id.front())) return false;
  return std::all_of(id.begin(), id.end(),
                     [&](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}
}  // namespace onward
