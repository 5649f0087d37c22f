#pragma once
// Which deliveries are not handed out for now: those of paused nodes, or all.
#include <set>
#include <utility>

#include "engine/core/base/ids.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
class HandoutHolds {
 public:
  void set(ScenarioKey scenario, NodeNumber node, bool held) {
    if (held)
      nodes_.emplace(scenario, node);
    else
      nodes_.erase({scenario, node});
  }
  void set_all(bool held) { all_ = held; }

  bool all() const { return all_; }
  bool contains(const EndpointKey& endpoint) const {
    return all_ || (!nodes_.empty() && nodes_.contains({endpoint.scenario, endpoint.node}));
  }

 private:
  std::set<std::pair<ScenarioKey, NodeNumber>> nodes_;
  bool all_ = false;
};
}  // namespace onward
