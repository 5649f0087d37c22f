#pragma once
// Whether runs under way can go over to another version of their scenario, and to which node. Pure.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/core/ids.h"
#include "engine/core/run.h"
#include "engine/core/scenario.h"

namespace onward {
/// Where a run at one node goes on: nodes that are not named keep their place.
using NodeMap = std::map<NodeNumber, NodeNumber>;

/// One way over to `to`. Both it and the versions asked about carry the scenario's node numbers.
class Migration {
 public:
  Migration(std::shared_ptr<const Scenario> to, NodeMap map);

  NodeNumber target(NodeNumber node) const;
  /// Why runs that are at `node` of `from` cannot go over, as the end of a sentence; nothing where
  /// they can. A run never visits a node twice, so what may lie behind it must not lie before it.
  std::optional<std::string> refusal(const Scenario& from, NodeNumber node) const;
  /// The same of one run, by the path that it really took.
  bool allows(const Run& run) const;

 private:
  /// What a run at `node` of the new version can still come to, itself included.
  const std::set<NodeNumber>& ahead_of(NodeNumber node) const;

  std::shared_ptr<const Scenario> to_;
  NodeMap map_;
  mutable std::map<NodeNumber, std::set<NodeNumber>> ahead_;
};

/// The nodes that can be reached from `node`, itself included; none where it does not exist.
std::set<NodeNumber> nodes_ahead(const Scenario& scenario, NodeNumber node);
/// The nodes from which `node` can be reached, itself not included.
std::set<NodeNumber> nodes_behind(const Scenario& scenario, NodeNumber node);
}  // namespace onward
