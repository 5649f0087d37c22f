#include "engine/cell/result_backlog.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace onward {
namespace {
/// Deliveries that the results of one turn settle.
constexpr std::size_t kSettledMax = 1'000;
}  // namespace

void ResultBacklog::report(std::span<const AttemptResult> results) {
  for (const AttemptResult& result : results) reported_.push_back(result.delivery);
}

std::vector<AttemptResult> ResultBacklog::take(std::vector<AttemptResult> results, bool writable,
                                               const Weight& weight) {
  for (std::vector<AttemptResult>* earlier : {&later_, &kept_}) {
    if (earlier->empty() || (earlier == &kept_ && !writable)) continue;
    results.insert(results.begin(), std::make_move_iterator(earlier->begin()),
                   std::make_move_iterator(earlier->end()));
    earlier->clear();
  }
  std::size_t rows = 0;
  for (auto result = results.begin(); result != results.end(); ++result) {
    const std::size_t more = weight(*result);
    if (rows > 0 && rows + more > kSettledMax) {
      later_.insert(later_.end(), std::make_move_iterator(result),
                    std::make_move_iterator(results.end()));
      results.erase(result, results.end());
      break;
    }
    rows += more;
  }
  return results;
}

std::vector<DeliveryKey> ResultBacklog::take_recorded() {
  if (reported_.empty()) return {};
  std::unordered_set<DeliveryKey> left;
  for (const auto* waiting : {&later_, &kept_})
    for (const AttemptResult& result : *waiting) left.insert(result.delivery);
  const auto first = std::stable_partition(reported_.begin(), reported_.end(),
                                           [&](DeliveryKey key) { return left.contains(key); });
  std::vector<DeliveryKey> recorded(first, reported_.end());
  reported_.erase(first, reported_.end());
  return recorded;
}
}  // namespace onward
