#pragma once
// Deliveries that leave together (BatchPolicy). What waits for others is grouped from the store, so
// that a restart groups it again; once a batch is sealed its members never change.
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/dispatcher.h"
#include "engine/cell/gathered.h"

namespace onward {
class RequestBatcher {
 public:
  RequestBatcher(CellContext& cell, CommitWriter& writer, Dispatcher& window)
      : cell_{cell}, writer_{writer}, window_{window} {}

  /// A delivery that waits for others. Without its request it is looked for in the store.
  void add(const Delivery& delivery, const Request* request, const BatchPolicy& policy);
  /// Cancelled or parked: it waits no longer.
  void remove(const Delivery& delivery) { waiting_.remove(delivery.endpoint, delivery.key); }
  /// One that was handed out and belongs to no batch yet (after a restart, or while the store could
  /// not be written).
  void recover(const Delivery& delivery);
  /// Seals batches that are full, or whose oldest member has waited long enough, in one commit.
  Status seal();
  /// Looks for deliveries that wait in the store and are not known here: after a restart, or where
  /// there was no room. Each search reads a delivery once; one step.
  Status search();
  bool is_searching() const { return !searches_.empty(); }
  bool any_ready(Instant now) const { return waiting_.any_ready(now); }
  /// The request of a batch: the events of its members that still have theirs, in order of
  /// creation. A member whose contact was erased is left out. Null where none has any.
  Result<std::shared_ptr<const Request>> merged_request(const Delivery& carrier);

 private:
  void put_back(const Gathered::Group& group);
  void look_for(const EndpointKey& endpoint, DeliveryKey delivery);
  Status seal(const std::vector<Gathered::Group>& groups);
  void seal_group(const Gathered::Group& gathered, std::span<std::optional<LoadedDelivery>> loaded,
                  Commit& commit, std::vector<LoadedDelivery>& left) const;

  CellContext& cell_;
  CommitWriter& writer_;
  Dispatcher& window_;
  Gathered waiting_;
  /// A search of the store for deliveries of an endpoint that wait for others and are not known.
  struct Search {
    DeliveryKey after;
    bool again = false;  ///< Some that it has passed are to be found as well.
  };
  std::map<EndpointKey, Search> searches_;
  EndpointKey searched_;  // the last one that had its turn
};
}  // namespace onward
