#include "engine/core/scenario/scenario.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "engine/core/base/text.h"

namespace onward {
namespace {
constexpr std::size_t kWordBits = 64;
std::size_t words_for(std::size_t bits) { return (bits + kWordBits - 1) / kWordBits; }

/// The nodes in an order in which every node comes after those that it leads to.
std::vector<std::size_t> targets_first(std::span<const ScenarioNode> nodes) {
  struct Open {
    std::size_t node, port;
  };
  std::vector<std::size_t> order;
  order.reserve(nodes.size());
  std::vector<bool> seen(nodes.size());
  std::vector<Open> open;  // a stack of our own: a chain may be 10,000 nodes long
  for (std::size_t root = 0; root < nodes.size(); ++root) {
    if (seen[root]) continue;
    seen[root] = true;
    open.push_back({root, 0});
    while (!open.empty()) {
      auto& [node, port] = open.back();
      if (port == nodes[node].ports.size()) {
        order.push_back(node);
        open.pop_back();
        continue;
      }
      const std::size_t target = nodes[node].ports[port++].target;
      if (target == kEnd || seen[target]) continue;
      seen[target] = true;
      open.push_back({target, 0});
    }
  }
  return order;
}

std::vector<std::uint64_t> reachable_of(std::span<const ScenarioNode> nodes) {
  const std::size_t words = words_for(nodes.size());
  std::vector<std::uint64_t> bits(nodes.size() * words);
  for (const std::size_t node : targets_first(nodes)) {
    std::uint64_t* row = bits.data() + node * words;
    row[node / kWordBits] |= std::uint64_t{1} << node % kWordBits;
    for (const Port& port : nodes[node].ports) {
      if (port.target == kEnd) continue;
      const std::uint64_t* reached = bits.data() + port.target * words;
      for (std::size_t i = 0; i < words; ++i) row[i] |= reached[i];
    }
  }
  return bits;
}
}  // namespace

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

bool Scenario::leads_to(NodeNumber from, NodeNumber to) const {
  const ScenarioNode* first = find(from);
  const ScenarioNode* last = find(to);
  if (first == nullptr || last == nullptr) return false;
  const std::size_t row = static_cast<std::size_t>(first - nodes.data()) * words_for(nodes.size());
  const auto bit = static_cast<std::size_t>(last - nodes.data());
  return (reachable[row + bit / kWordBits] >> bit % kWordBits & 1) != 0;
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
  reachable = reachable_of(nodes);
}

bool valid_id(std::string_view id) {
  if (id.empty() || id.size() > 64 || !is_letter_or_digit(id.front())) return false;
  return std::all_of(id.begin(), id.end(), is_name_character);
}
}  // namespace onward
