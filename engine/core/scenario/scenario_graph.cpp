#include "engine/core/scenario/scenario_graph.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/depth_first_search.hpp>
#include <utility>

namespace onward {
namespace {
using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;
using Colors = std::vector<boost::default_color_type>;

/// Cycles reported of one file; each is a different mistake only up to a point.
constexpr std::size_t kCyclesMax = 20;
/// Nodes of a long cycle that are printed at its beginning; two more stand at its end.
constexpr std::size_t kCycleShown = 10;

/// Collects each edge that closes a cycle, and the tree of the search, along which the cycle runs.
class CycleFinder : public boost::default_dfs_visitor {
 public:
  struct Found {
    std::vector<std::size_t> parents;
    std::vector<std::pair<std::size_t, std::size_t>> closing;
  };
  explicit CycleFinder(Found& found) : found_{&found} {}
  void tree_edge(const Graph::edge_descriptor& edge, const Graph& graph) const {
    found_->parents[target(edge, graph)] = source(edge, graph);
  }
  void back_edge(const Graph::edge_descriptor& edge, const Graph& graph) const {
    found_->closing.emplace_back(source(edge, graph), target(edge, graph));
  }

 private:
  Found* found_;
};

/// "a -> b -> a", its middle left out where it is long.
std::string cycle_text(const ScenarioGraph& graph, const std::vector<std::size_t>& cycle) {
  std::string text;
  const bool cut = cycle.size() > kCycleShown + 3;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    if (cut && i == kCycleShown) {
      text += fmt::format(" -> … {} more …", cycle.size() - kCycleShown - 2);
      i = cycle.size() - 2;
    }
    if (i > 0) text += " -> ";
    text += graph.nodes[cycle[i]].id;
  }
  return text + " -> " + std::string{graph.nodes[cycle.front()].id};
}

void report_cycles(const ScenarioGraph& nodes, const Graph& graph, Diagnostics& diagnostics) {
  CycleFinder::Found found;
  found.parents.resize(nodes.nodes.size());
  boost::depth_first_search(graph, boost::visitor(CycleFinder{found}));
  if (found.closing.size() > kCyclesMax) found.closing.resize(kCyclesMax);
  for (const auto& [last, first] : found.closing) {
    std::vector<std::size_t> cycle;
    for (std::size_t node = last; node != first; node = found.parents[node]) cycle.push_back(node);
    cycle.push_back(first);
    std::reverse(cycle.begin(), cycle.end());
    diagnostics.error(nodes.nodes[first].at, "cycle",
                      fmt::format("a run could go round for ever: {}", cycle_text(nodes, cycle)));
  }
}

void report_unreached(const ScenarioGraph& nodes, const Graph& graph, Diagnostics& diagnostics) {
  Colors colors(nodes.nodes.size(), boost::white_color);
  const auto map =
      boost::make_iterator_property_map(colors.begin(), get(boost::vertex_index, graph));
  const auto visit_from = [&](std::size_t node) {
    if (colors[node] == boost::white_color)
      boost::depth_first_visit(graph, node, boost::default_dfs_visitor{}, map);
  };
  for (std::size_t i = 0; i < nodes.nodes.size(); ++i)
    if (nodes.nodes[i].trigger) visit_from(i);

  std::vector<bool> led_to(nodes.nodes.size(), false);
  for (const auto& node : nodes.nodes)
    for (const std::size_t target : node.edges) led_to[target] = true;
  // Whatever follows an unreached node is a consequence; a ring of them has no first one.
  for (const bool ring : {false, true}) {
    for (std::size_t i = 0; i < nodes.nodes.size(); ++i) {
      if (colors[i] != boost::white_color || (!ring && led_to[i])) continue;
      const auto& node = nodes.nodes[i];
      visit_from(i);
      if (!node.excused)
        diagnostics.error(node.at, "unreachable",
                          fmt::format("node \"{}\": no trigger leads here; let a node name it as "
                                      "its next one, or remove it",
                                      node.id));
    }
  }
}
}  // namespace

void check_graph(const ScenarioGraph& nodes, Diagnostics& diagnostics) {
  Graph graph{nodes.nodes.size()};
  for (std::size_t i = 0; i < nodes.nodes.size(); ++i)
    for (const std::size_t target : nodes.nodes[i].edges) boost::add_edge(i, target, graph);
  report_cycles(nodes, graph, diagnostics);
  const bool triggered = std::any_of(nodes.nodes.begin(), nodes.nodes.end(),
                                     [](const auto& node) { return node.trigger; });
  if (nodes.complete && triggered) report_unreached(nodes, graph, diagnostics);
}
}  // namespace onward
