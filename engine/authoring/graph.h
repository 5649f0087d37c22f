#pragma once
// A scenario as a drawing: for terminals, for Mermaid, for Graphviz. Pure.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/scenario/scenario.h"

namespace onward {
/// What a drawing tells of one node, where numbers are known.
struct NodeNumbers {
  std::int64_t visits = 0, unique_contacts = 0, waiting = 0;
  std::int64_t requests = 0, accepted = 0, pending = 0, failed = 0;
  std::vector<std::pair<std::string, std::int64_t>> ports;  ///< How many left by each.
};
/// By node id. Nodes that are not in it are drawn without numbers.
using GraphNumbers = std::map<std::string, NodeNumbers, std::less<>>;

/// A tree for terminals: a node with one way on is followed by the next one, a node with several
/// by its branches; a node where branches meet is drawn once and named again.
std::string graph_text(const Scenario& scenario, const GraphNumbers& numbers = {});
/// A Mermaid flowchart.
std::string graph_mermaid(const Scenario& scenario, const GraphNumbers& numbers = {});
/// Graphviz's language.
std::string graph_dot(const Scenario& scenario, const GraphNumbers& numbers = {});
/// {"scenario", "title", "nodes": [{"id", "kind", "ports": [{"port", "to", "count"?}], numbers?}]}
Value graph_value(const Scenario& scenario, const GraphNumbers& numbers = {});

/// Text inside the quotes of a Mermaid label: entity codes for what would end or format it.
std::string mermaid_escaped(std::string_view text);
/// A quoted string of DOT; newlines are centred line breaks.
std::string dot_quoted(std::string_view text);
}  // namespace onward
