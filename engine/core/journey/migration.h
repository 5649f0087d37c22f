#pragma once
// Whether runs under way can move to another version of their scenario, and to which node. Pure.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/journey/run.h"
#include "engine/core/scenario/scenario.h"

namespace onward {
/// The node at which a run continues, by the node where it is; nodes that are not named keep their
/// place.
using NodeMap = std::map<NodeNumber, NodeNumber>;
NodeNumber target_of(const NodeMap& map, NodeNumber node);

/// Why a run cannot move.
struct MoveRefusal {
  enum class Why : std::uint8_t {
    NoSuchNode,      ///< The version has no such node.
    IsTrigger,       ///< A run never arrives at a trigger.
    AlreadyVisited,  ///< The version leads it to a node where it was before.
  };
  Why why = Why::NoSuchNode;
  NodeNumber node = {};  ///< Of AlreadyVisited: the node where it was.
};

/// Why `run` cannot continue at `target` of `version`; nothing if it can. A run visits a node at
/// most once, so no node that `target` leads to may be on its path already.
std::optional<MoveRefusal> move_refusal(const Run& run, const Scenario& version, NodeNumber target);

/// A move to `to`. Both it and the versions asked about carry the scenario's node numbers.
class Migration {
 public:
  Migration(std::shared_ptr<const Scenario> to, NodeMap map);

  NodeNumber target(NodeNumber node) const { return target_of(map_, node); }
  /// Why runs that are at `node` of `from` cannot move, as the end of a sentence; nothing where
  /// they can, whatever way they took. Each run is judged by its own path when its turn comes.
  std::optional<std::string> refusal(const Scenario& from, NodeNumber node) const;

 private:
  std::shared_ptr<const Scenario> to_;
  NodeMap map_;
};

/// The nodes that can be reached from `node`, itself included; none where it does not exist.
std::set<NodeNumber> nodes_ahead(const Scenario& scenario, NodeNumber node);
/// The nodes from which `node` can be reached, itself not included.
std::set<NodeNumber> nodes_behind(const Scenario& scenario, NodeNumber node);
}  // namespace onward
