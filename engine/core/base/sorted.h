#pragma once
// Lists in order, each item once.
#include <algorithm>
#include <functional>

namespace onward {
/// Sorts by `projection` and keeps one of those that are alike under it.
template <class List, class Projection = std::identity>
void sort_unique(List& list, Projection projection = {}) {
  std::ranges::sort(list, {}, projection);
  const auto alike = [&](const auto& a, const auto& b) {
    return std::invoke(projection, a) == std::invoke(projection, b);
  };
  list.erase(std::unique(list.begin(), list.end(), alike), list.end());
}
}  // namespace onward
