#pragma once
// What one writer over contacts needs of its store. Set-based: a batch's reads and writes are one
// call each, never a query per row.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"
#include "engine/store/rows.h"

namespace onward {
/// Owned by the engine thread: every call but `sync` and `is_synced` comes from it.
/// An Io error from `commit` or `sync` leaves the store unusable; ErrorKind::Unavailable
/// ("disk_full", "disk_read_only", "store_busy") leaves it as before the call; ErrorKind::Conflict
/// (a constraint, a size) rolls back and the store goes on.
class CellStore {
 public:
  virtual ~CellStore() = default;

  virtual Result<Snapshot> snapshot() = 0;
  virtual Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) = 0;
  /// The fingerprint under which each event was last seen, on a day of the dedupe window that ends
  /// at `now`, or later (the clock may have been set back).
  virtual Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                           Instant now) = 0;
  /// Newest states; nothing for a contact that does not exist.
  virtual Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) = 0;
  virtual Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) = 0;
  /// The pending requests of a contact, to cancel them when it is forgotten.
  virtual Result<std::vector<DeliveryKey>> pending_of(ContactKey contact) = 0;

  /// The deliveries of a node in one state, of all versions, from `after` on, oldest first.
  virtual Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                         DeliveryState state, DeliveryKey after,
                                                         std::size_t limit) = 0;
  /// Of the next `contacts` contacts after `after` that may have live runs, all of these.
  virtual Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) = 0;
  /// Those of `scenario` (0: all) among the next `limit` ended runs after `after`.
  virtual Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) = 0;
  /// The next `limit` after `after`.
  virtual Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) = 0;

  /// One transaction, seen by every later read; durable once `sync` has returned. What survives a
  /// crash is always a beginning of the commits.
  virtual Status commit(const Commit& commit) = 0;
  /// Makes durable whatever was committed before the call: one fsync for all of it, none where
  /// nothing is new. Any thread, also while the engine thread commits on.
  virtual Status sync() = 0;
  /// Whether all that any reader can have seen by now is durable, so that `sync` would do nothing.
  /// Any thread.
  virtual bool is_synced() const = 0;

  /// Timers due at or before `until`, earliest first.
  virtual Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) = 0;
  /// When the earliest is due. A fault answers with the earliest instant there is, so that
  /// `timers_due` is asked and tells it.
  virtual std::optional<Instant> next_timer() = 0;
  /// Endpoints that have pending deliveries, with the earliest due instant of each.
  virtual Result<std::vector<DueEndpoint>> due_endpoints() = 0;
  /// Pending, not parked deliveries of `endpoint` behind `after` that are due at or before `until`,
  /// in order.
  virtual Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint,
                                               const DueDelivery& after, Instant until,
                                               std::size_t limit) = 0;
  /// The earliest due of an endpoint later than `after`, if any.
  virtual Result<std::optional<Instant>> next_due(const EndpointKey& endpoint, Instant after) = 0;

  /// Drops some of the remembered events older than `before`, whole days in the end. Whether more
  /// is left.
  virtual Result<bool> forget_seen(Instant before) = 0;

  /// Tables that `seen` has asked so far: what it costs, for tests. 0 in memory.
  virtual std::uint64_t seen_look_ups() const { return 0; }
};
}  // namespace onward
