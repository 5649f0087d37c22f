#pragma once
// Deliveries that wait for others to share a request with (BatchPolicy), grouped by endpoint and
// address. Only keys and sizes are kept, and at most so many: what has no room waits in the store.
// Each operation costs the logarithm of what is gathered, whatever the number of addresses.
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
class Gathered {
 public:
  struct Limits {
    std::size_t endpoint = 5'000;  ///< Deliveries of one endpoint, all groups together.
    std::size_t total = 50'000;
  };
  /// One delivery, as far as grouping needs to know it.
  struct Member {
    DeliveryKey delivery;
    Hash128 address;        ///< Of method, URL and headers.
    std::size_t bytes = 0;  ///< Of its events in a body.
    Instant due{};          ///< When it has waited long enough.
  };
  /// Neighbours in order of creation that fit into one request.
  struct Group {
    EndpointKey endpoint;
    std::vector<Member> members;
    bool full = false;   ///< Another one would not fit, or there are as many as may be.
    bool early = false;  ///< Taken before its time, to make room.
  };

  Gathered() = default;
  explicit Gathered(const Limits& limits) : limits_{limits} {}

  /// False: there is no room. One that is known already stays as it is.
  bool add(const EndpointKey& endpoint, const Member& member, const BatchPolicy& policy);
  /// Cancelled, parked: it waits no longer.
  void remove(const EndpointKey& endpoint, DeliveryKey delivery);
  bool contains(const EndpointKey& endpoint, DeliveryKey delivery) const;
  /// All of an endpoint.
  void forget(const EndpointKey& endpoint);
  /// While more of an endpoint is being looked up, groups that are not full wait for it.
  void expect_more(const EndpointKey& endpoint, bool more);

  /// The group that has been ready for longest, and is no longer known here: full, or its first
  /// member is due, or, where the room is used up, the one that is due first.
  std::optional<Group> take(Instant now);
  /// Whether `take` would return one.
  bool any_ready(Instant now) const;

  std::size_t size() const { return total_; }

 private:
  struct Waiting {
    std::map<DeliveryKey, Member> members;
    std::set<std::pair<Instant, DeliveryKey>> dues;
    std::size_t bytes = 0;  ///< Of the events of all.
    std::size_t max = 0;    ///< Members of a batch.
    bool full() const;
  };
  /// Full ones first, then by the time at which they are ready.
  using Order = std::tuple<bool, Instant, Hash128>;
  struct Endpoint {
    std::map<Hash128, Waiting> groups;
    std::set<Order> order;  ///< Of `groups`.
    std::unordered_map<DeliveryKey, Hash128> address_of;
    bool more = false;
    std::optional<Instant> ready;  ///< As in the queue.
  };

  static Order order_of(const Hash128& address, const Waiting& waiting);
  void leave_order(Endpoint& endpoint, const Hash128& address);
  void enqueue(const EndpointKey& key, Endpoint& endpoint);
  void erase(Endpoint& endpoint, std::map<Hash128, Waiting>::iterator group, DeliveryKey delivery);

  Limits limits_;
  std::size_t total_ = 0;
  std::map<EndpointKey, Endpoint> endpoints_;
  std::set<std::pair<Instant, EndpointKey>> queue_;  // by `ready`
};
}  // namespace onward
