#pragma once
// The newest state: the overlay laid over the tables. Throws what `guarded` catches.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/store/rows.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/tables.h"

namespace onward {
class Newest {
 public:
  /// All must outlive this object. What cannot be read is added to `unreadable` and left out.
  Newest(const Overlay& overlay, Tables& tables, UnreadableRows& unreadable)
      : overlay_{overlay}, tables_{tables}, unreadable_{unreadable} {}

  /// Whether the row by which the contact is found by this address is there.
  bool holds_email(ContactKey contact, const std::string& email);
  IdentityMatch identify(const IdentityQuery& query);
  // These two throw where a row of the contact cannot be read.
  std::optional<Contact> contact(ContactKey key, Engagement& engagement);
  std::optional<ContactState> load(const LoadQuery& query);
  std::optional<LoadedDelivery> delivery(DeliveryKey key);
  /// Those that were superseded, by number.
  std::vector<Attempt> attempts(const Delivery& delivery);
  std::vector<DeliveryKey> pending_of(ContactKey contact);
  std::vector<DeliveryKey> deliveries_of(ScenarioKey scenario, NodeNumber node, DeliveryState state,
                                         DeliveryKey after, std::size_t limit);
  LiveRuns live_runs_after(ContactKey after, std::size_t contacts);
  EndedRuns ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit);
  StoredBodies stored_bodies(DeliveryKey after, std::size_t limit);
  std::vector<Timer> timers(Instant until, std::size_t limit);
  std::optional<Instant> next_timer();
  std::vector<DueDelivery> due(const EndpointKey& endpoint, const DueDelivery& after, Instant until,
                               std::size_t limit);
  std::vector<DueEndpoint> due_endpoints();
  /// Keys that the scans above have looked at so far, of the overlay and of the tables: what they
  /// cost, for tests.
  std::uint64_t rows_scanned() const { return rows_scanned_; }

  /// Rows went from the overlay into the tables.
  void folded() {
    timers_from_.reset();
    first_timer_.reset();
  }

 private:
  bool has_id(ContactKey contact);
  std::optional<ContactKey> holder_of_id(const std::string& id);
  std::vector<Run> live_runs(ContactKey contact);
  void ledger(ContactKey contact, ScenarioKey scenario, const EntryKey& key,
              std::vector<LedgerRow>& rows);

  template <class T>
  T whole(Result<T> row, const char* table, ContactKey contact);

  const Overlay& overlay_;
  Tables& tables_;
  UnreadableRows& unreadable_;
  std::uint64_t rows_scanned_ = 0;
  /// The tables' timers before it are all overlaid, mostly cleared: not walked over again.
  std::optional<Timer> timers_from_;
  /// The tables' first timer that was not overlaid when it was looked for; nothing: not looked for.
  std::optional<std::optional<Timer>> first_timer_;
  std::vector<Timer> folded_timers(Instant until, std::size_t limit);
};
}  // namespace onward
