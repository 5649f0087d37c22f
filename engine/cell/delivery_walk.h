#pragma once
// A step of a job through the deliveries of several nodes.
#include <cstddef>
#include <functional>
#include <optional>

#include "engine/control/switches.h"
#include "engine/store/cell_store.h"

namespace onward {
/// How far a job has come: at which of its nodes, and after which delivery of that node.
struct WalkPlace {
  std::size_t node = 0;
  DeliveryKey after;
};

/// Which deliveries a walk visits: those in `state` of `nodes` nodes, node by node, oldest first.
struct WalkRange {
  std::size_t nodes = 0;
  std::function<std::optional<NodePlace>(std::size_t)> node_at;  ///< Nothing: it is left out.
  DeliveryState state = DeliveryState::Pending;
};

/// Hands about `rows` deliveries behind `place` to `take`, and moves `place` behind them. `take`
/// answers whether it had room: else the delivery comes again with the next step. True: the walk
/// has come to its end. At most `rows` nodes are looked up. An error is the store's, or `take`'s.
Result<bool> walk_deliveries(CellStore& store, const WalkRange& range, std::size_t rows,
                             WalkPlace& place,
                             const std::function<Result<bool>(const LoadedDelivery&)>& take);
}  // namespace onward
