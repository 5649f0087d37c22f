#pragma once
// The deliveries of a batch: those that its inputs make, and what becomes of earlier ones. Each
// operation counts, so that no caller has to.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/control/switches.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/delivery/settle.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/stats.h"
#include "engine/store/cell_store.h"

namespace onward {
/// A settled attempt that awaits its commit.
struct Settled {
  Settlement settlement;
  AttemptResult result;
};

class BatchDeliveries {
 public:
  BatchDeliveries(CellStore& store, const Switches& switches, Instant now, bool certain)
      : store_{store}, switches_{switches}, now_{now}, certain_{certain} {}

  /// A new one, which waits where its node batches requests or is paused.
  void add(NewDelivery& made);
  /// Of one that carries a batch, its end is the end of all members. An error is the store's.
  Status settle_attempt(const Delivery& delivery, const AttemptResult& result,
                        const RetryPolicy& policy);
  /// Ends a pending delivery.
  void cancel(const Delivery& delivery, std::string_view reason);
  /// Cancels what is pending of a contact that is forgotten: stored, or new in this batch.
  Status forget(ContactKey contact);
  /// Takes a failed or cancelled delivery back to pending: a new window, the next series.
  void retry(const Delivery& delivery, const RetryPolicy& policy, bool due);
  /// Parks a pending delivery: its window stands still from `since` on.
  void park(const Delivery& delivery, Instant since);
  /// Continues a parked delivery, with a window that is longer by the time it was parked.
  void unpark(const Delivery& delivery);
  /// Makes the next attempt of a pending delivery due now.
  void make_due(const Delivery& delivery);

  const std::vector<NewDelivery>& made() const { return made_; }
  const std::vector<Settled>& settled() const { return settled_; }
  const std::vector<Delivery>& cancelled() const { return cancelled_; }
  bool is_cancelled(DeliveryKey delivery) const { return cancelled_keys_.contains(delivery); }
  /// Rows that changed for other reasons than an attempt or a cancellation.
  const std::map<DeliveryKey, Delivery>& changed() const { return changed_; }
  /// The counters of the batch: its runs are counted with its deliveries, in rows of one order.
  CounterDeltas& counters() { return counters_; }

  /// About how much memory the new rows take that inputs and results have made so far.
  std::size_t bytes() const { return bytes_; }
  /// Adds the changed rows to `commit`, without counters. Call once, last.
  void finish(Commit& commit);

 private:
  void count(const Delivery& delivery, Counter counter, std::int32_t delta);
  Status settle_members(const Settlement& settlement);
  Result<bool> lost_a_contact(const Delivery& carrier);
  Status hand_over(const Delivery& carrier);

  CellStore& store_;
  const Switches& switches_;
  const Instant now_;
  const bool certain_;
  std::vector<NewDelivery> made_;
  std::vector<Settled> settled_;
  std::unordered_map<DeliveryKey, std::size_t> settled_at_;  ///< The newest of each.
  std::vector<AttemptRow> superseded_;
  std::vector<Delivery> cancelled_;
  std::unordered_set<DeliveryKey> cancelled_keys_;
  std::map<DeliveryKey, Delivery> changed_;
  std::unordered_set<ContactKey> forgotten_;
  CounterDeltas counters_;
  std::size_t bytes_ = 0;
};

/// The members of the fixed batch that `delivery` belongs to, oldest first, with their requests;
/// of one that belongs to none, itself.
Result<std::vector<LoadedDelivery>> unit_of(CellStore& store, const Delivery& delivery);
}  // namespace onward
