#include "engine/cell/delivery_walk.h"

namespace onward {
Result<bool> walk_deliveries(CellStore& store, const WalkRange& range, std::size_t rows,
                             WalkPlace& place,
                             const std::function<Result<bool>(const LoadedDelivery&)>& take) {
  std::size_t visited = 0, looks = 0;
  for (; place.node < range.nodes; ++place.node, place.after = {}) {
    const auto node = range.node_at(place.node);
    if (!node) continue;
    if (looks++ == rows) return false;
    const std::size_t limit = rows - visited;
    const auto keys =
        store.deliveries_of(node->first, node->second, range.state, place.after, limit);
    if (!keys) return tl::make_unexpected(keys.error());
    const auto loaded = store.deliveries(*keys);
    if (!loaded) return tl::make_unexpected(loaded.error());
    for (const auto& one : *loaded) {
      if (!one) continue;
      const auto taken = take(*one);
      if (!taken) return taken;
      if (!*taken) return false;
      place.after = one->delivery.key;
    }
    visited += keys->size();
    if (keys->size() < limit) continue;
    place.after = keys->back();
    return false;
  }
  return true;
}
}  // namespace onward
