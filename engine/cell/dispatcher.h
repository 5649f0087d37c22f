#pragma once
// Which pending deliveries are in memory, on their way out. The rest waits in the store, by
// endpoint and time, so that a million rows of a dead endpoint hide nobody and cost no memory.
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "engine/cell/handed_out.h"
#include "engine/cell/handout_holds.h"
#include "engine/cell/window_ends.h"
#include "engine/core/delivery/delivery.h"
#include "engine/store/cell_store.h"

namespace onward {
class Dispatcher {
 public:
  struct Limits {
    std::size_t endpoint = 1'000;  ///< Deliveries of one endpoint in memory.
    std::size_t total = 20'000;
  };
  /// A delivery that may go to the deliver thread now.
  struct Handout {
    Delivery delivery;
    std::shared_ptr<const Request> request;  ///< Null where its body is gone: it can only fail.
  };

  explicit Dispatcher(const Limits& limits) : limits_{limits} {}

  /// What the store knows at start.
  void restore(std::span<const DueEndpoint> endpoints);
  /// A new pending delivery, committed: handed out at once where there is room, else left to the
  /// store.
  void created(const Delivery& delivery, std::shared_ptr<const Request> request,
               std::vector<Handout>& out);
  /// A change of a delivery, committed: an attempt's outcome, a cancellation, a switch. It is not
  /// out any more; what is pending and not parked is handed out when it is due.
  void settled(const Delivery& delivery);
  /// What is not handed out for now; what is out already stays out.
  HandoutHolds& holds() { return holds_; }
  /// Takes back the deliveries of a node that are out: they wait in the store again. Their keys.
  std::vector<DeliveryKey> recall(ScenarioKey scenario, NodeNumber node);
  /// The same of all nodes of a scenario.
  std::vector<DeliveryKey> recall(ScenarioKey scenario);
  /// The same of the delivery that carries this batch; nothing where it is not out.
  std::optional<DeliveryKey> recall_batch(DeliveryKey batch);
  /// Endpoints of which something is due, held ones aside.
  std::vector<EndpointKey> due(Instant now) const;
  /// The row of a delivery that is out; null where it is not.
  const Delivery* find(DeliveryKey delivery) const { return out_.find(delivery); }
  /// Deliveries that are out and whose window has ended meanwhile: each is named once, so that its
  /// last attempt is made whatever it waited for.
  std::vector<DeliveryKey> overdue(Instant now) { return out_.take_overdue(now); }
  /// Takes from the store what is due and has room, and whatever its window's end is due for.
  Status refill(CellStore& store, Instant now, std::vector<Handout>& out);
  /// When `refill` may have something to do; nothing: not before something else happens.
  std::optional<Instant> next() const;

  std::size_t out() const { return out_.size(); }
  std::optional<Instant> oldest_due() const;

 private:
  struct Endpoint {
    std::size_t out = 0;
    std::size_t late = 0;         ///< Of these, taken out of turn as their windows had ended.
    std::optional<Instant> next;  ///< Of its earliest row in the store that is not out.
    /// Behind what of its queue in the store was looked at: up to here all are out, or gone.
    DueDelivery cursor = kBeforeAllDue;
    /// Of rows that wait since before the start the ends are not known; they have been looked up
    /// so far.
    std::optional<DeliveryKey> looked_up;
  };

  template <class Wanted>
  std::vector<DeliveryKey> recall_if(Wanted wanted);
  void expect(const EndpointKey& key, Endpoint& endpoint, std::optional<Instant> at);
  void waits(const Delivery& delivery);
  Status take_ended(CellStore& store, Instant now, std::vector<Handout>& out);
  Status look_at_ends(CellStore& store, const EndpointKey& key, Endpoint& endpoint, Instant now,
                      std::size_t& members, std::vector<Handout>& out);
  Status look_up_ends(CellStore& store, Instant now);
  Status refill_one(CellStore& store, const EndpointKey& key, Endpoint& endpoint, Instant now,
                    std::size_t& rows, std::vector<Handout>& out);
  /// How many of an endpoint may be out. A few of each always may, so that endpoints which hang and
  /// fill the memory never keep out one that answers.
  std::size_t window() const { return out_.size() < limits_.total ? limits_.endpoint : kShare; }
  bool has_room(const Endpoint& endpoint) const { return endpoint.out < window(); }
  /// The store is asked once for many, though not for so many that others wait long.
  bool wants_more(const Endpoint& endpoint) const {
    return endpoint.out + std::min((window() + 1) / 2, kRefill) <= window();
  }
  /// As many again may be out for their last attempts, which pass every pause and so are soon over.
  bool has_late_room(const Endpoint& endpoint) const { return endpoint.late < window(); }
  void take_out(const Delivery& delivery, Endpoint& endpoint,
                HandedOut::Turn turn = HandedOut::Turn::Regular);
  void forget_if_done(const EndpointKey& key);

  static constexpr std::size_t kShare = 16;
  static constexpr std::size_t kRefill = 128;
  /// Deliveries that one refill loads, members of batches among them. One batch is never divided.
  static constexpr std::size_t kRefillRows = 500;

  Limits limits_;
  HandedOut out_;
  HandoutHolds holds_;
  std::map<EndpointKey, Endpoint> endpoints_;
  std::set<std::pair<Instant, EndpointKey>> queue_;  // endpoints by `next`
  WindowEnds ends_;                                  // of those that wait in the store
  std::set<EndpointKey> unknown_;                    // whose ends are being looked up
  Instant look_up_at_{};                             // the next piece
};
}  // namespace onward
