#pragma once
// When the windows of deliveries end that wait in the store. Coarse, so that a million of them cost
// little: of deliveries whose windows end together only the range of their keys is known.
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/core/base/ids.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
/// When a waiting delivery must have its last attempt.
inline Instant window_end(const Delivery& delivery) {
  return std::max(delivery.deadline, delivery.due.value_or(delivery.deadline));
}

class WindowEnds {
 public:
  /// Keys, among which there may be others as well, and when the first and the last window of them
  /// ends.
  struct Stretch {
    Instant first = Instant::max(), last = Instant::min();
    DeliveryKey least, greatest;

    bool empty() const { return first > last; }
    void add(Instant end, DeliveryKey key);
  };

  void note(const EndpointKey& endpoint, Instant end, DeliveryKey key);
  /// Nothing of it waits any more.
  void forget(const EndpointKey& endpoint);
  /// No window of it that is known to end before `at` does so.
  void defer(const EndpointKey& endpoint, Instant at);
  /// The stretch of `endpoint` that begins first, where it has begun; it is no longer known here.
  std::optional<Stretch> take(const EndpointKey& endpoint, Instant now);
  /// What is left of one that was taken: a part, or what was not looked at yet.
  void put_back(const EndpointKey& endpoint, const Stretch& stretch);
  /// Endpoints by the end of their first window.
  const std::set<std::pair<Instant, EndpointKey>>& queue() const { return queue_; }

 private:
  struct Endpoint {
    std::map<std::int64_t, Stretch> noted;   ///< By the ten minutes in which their windows end.
    std::multimap<Instant, Stretch> looked;  ///< By their first end.
    std::optional<Instant> first;            ///< As in the queue.
  };
  void enqueue(const EndpointKey& key, Endpoint& endpoint);

  std::map<EndpointKey, Endpoint> endpoints_;
  std::set<std::pair<Instant, EndpointKey>> queue_;
};
}  // namespace onward
