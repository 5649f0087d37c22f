#include "engine/control/node_names.h"

#include <algorithm>

namespace onward {
NodeNames::NodeNames(const std::vector<std::pair<std::string, NodeNumber>>& nodes,
                     const std::vector<std::pair<std::string, std::string>>& kinds) {
  all_.reserve(nodes.size());
  for (const auto& [id, number] : nodes) all_.push_back({.id = id, .number = number});
  std::ranges::sort(all_, {}, &Named::number);
  by_id_.reserve(all_.size());
  for (std::size_t i = 0; i < all_.size(); ++i) by_id_.emplace(all_[i].id, i);
  for (const auto& [id, kind] : kinds)
    if (const auto known = by_id_.find(id); known != by_id_.end()) all_[known->second].kind = kind;
}

const NodeNames::Named* NodeNames::find(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &all_[found->second];
}

const NodeNames::Named* NodeNames::find(NodeNumber number) const {
  const auto found = std::ranges::lower_bound(all_, number, {}, &Named::number);
  return found == all_.end() || found->number != number ? nullptr : &*found;
}
}  // namespace onward
