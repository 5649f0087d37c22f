#pragma once
// The checks on the graph of a scenario that is being read.
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/source/diagnostic.h"

namespace onward {
/// A graph as its author wrote it: nodes by index, edges to nodes that exist.
struct ScenarioGraph {
  struct Vertex {
    std::string_view id;
    Position at;
    bool trigger = false;
    std::vector<std::size_t> edges;
    /// A wrong edge was most likely meant for it, or it for a trigger: not reported as unreached.
    bool excused = false;
  };
  std::vector<Vertex> nodes;
  bool complete = true;  ///< False where some node's edges could not be read.
};

/// Reports cycles, printed as a path, and the nodes that no trigger reaches: of a chain of those
/// only the first. Needs no stack in proportion to the graph.
void check_graph(const ScenarioGraph& graph, Diagnostics& diagnostics);
}  // namespace onward
