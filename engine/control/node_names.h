#pragma once
// The nodes of a scenario over all its versions.
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"

namespace onward {
/// Node ids of one scenario over all its versions: they are never forgotten, since the numbers of a
/// node follow its id, and each change of the scenario's state writes them all.
inline constexpr std::size_t kNodeNamesMax = 20'000;

/// Every node that a scenario ever had, by id and by number. Immutable.
class NodeNames {
 public:
  struct Named {
    std::string id, kind;
    NodeNumber number;
  };
  explicit NodeNames(const std::vector<std::pair<std::string, NodeNumber>>& nodes = {},
                     const std::vector<std::pair<std::string, std::string>>& kinds = {});
  NodeNames(const NodeNames&) = delete;
  NodeNames& operator=(const NodeNames&) = delete;

  const Named* find(std::string_view id) const;
  const Named* find(NodeNumber number) const;
  /// By number.
  const std::vector<Named>& all() const { return all_; }

 private:
  std::vector<Named> all_;
  std::unordered_map<std::string_view, std::size_t> by_id_;  // views into all_
};
}  // namespace onward
