#pragma once
// Reads of the folded tables alone, each through a statement that is prepared once. Bytes are
// copied out; the caller lays the overlay over them. Throws what `guarded` catches.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store/codec.h"
#include "engine/store/rows.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/marks.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/unreadable.h"

namespace onward {
/// Reads that the store and its readers share.
class SharedTables {
 public:
  /// What cannot be read is added to `unreadable`, which must outlive this.
  SharedTables(SQLite::Database& database, UnreadableRows& unreadable);

  std::optional<ContactKey> holder_of_id(const std::string& id);
  /// Oldest first.
  std::vector<ContactKey> holders_of_email(const std::string& email, std::size_t limit);
  bool has_id(ContactKey contact);
  bool holds_email(ContactKey contact, const std::string& email);
  // These two throw where a row of the contact cannot be read, so that nothing of it is taken for
  // whole.
  std::optional<Contact> contact(ContactKey key, Engagement* engagement);
  std::vector<Run> live_runs(ContactKey contact);
  // These leave out what cannot be read: nothing, or a null request, is as if there was none.
  std::optional<Delivery> delivery(DeliveryKey key);
  std::shared_ptr<const Request> request(DeliveryKey key);
  /// `unread` gets the numbers of those that cannot be read; may be null.
  std::vector<Attempt> attempts(DeliveryKey delivery, std::vector<std::uint32_t>* unread = nullptr);

 protected:
  UnreadableRows& unreadable_;

 private:
  Query id_, email_, holds_email_, contact_, live_, delivery_, request_, attempts_;
};

/// Further reads of the one that writes.
class Tables : public SharedTables {
 public:
  Tables(SQLite::Database& database, UnreadableRows& unreadable);

  std::optional<Engagement> engagement(ContactKey contact);
  /// The rows of (contact, scenario, key), live before test.
  std::vector<LedgerRow> ledger(ContactKey contact, ScenarioKey scenario, const EntryKey& key);
  std::vector<LedgerKey> ledger_of(ContactKey contact);
  /// `unread` gets the keys of those that cannot be read; may be null.
  std::vector<Run> ended_runs(ContactKey contact, std::vector<RunKey>* unread = nullptr);
  /// In order, whatever their scenario.
  std::map<RunKey, Run> ended_runs_after(RunKey after, std::size_t limit);
  std::vector<DeliveryKey> requests_after(DeliveryKey after, std::size_t limit);
  std::vector<ContactKey> contacts_with_live_runs(ContactKey after, std::size_t limit);
  std::vector<DeliveryKey> pending_of(ContactKey contact);
  /// Walks over the deliveries of a node in one state after `after`, oldest first, until `take`
  /// returns false.
  template <class Take>
  void deliveries_of(ScenarioKey scenario, NodeNumber node, DeliveryState state, DeliveryKey after,
                     Take take) {
    auto rows = of_node_(scenario, node, state, after);
    while (rows.next()) {
      const DeliveryKey key{rows.number(0)};
      if (!unreadable_.contains(key) && !take(key)) return;
    }
  }

  /// Walks over timers from `from` on, in order, until `take` returns false.
  template <class Take>
  void timers(const Timer& from, Take take) {
    auto rows = timers_(from.at, from.contact, from.key.kind, from.key.subject);
    while (rows.next()) {
      if (rows.number(2) > static_cast<std::uint64_t>(TimerKind::RunRecheck) ||
          !is_sound(rows.instant(0))) {
        unreadable_.add({"timers", "kind " + std::to_string(rows.number(2)) + ", contact " +
                                       std::to_string(rows.number(1))});
        continue;
      }
      const Timer timer{.at = rows.instant(0),
                        .contact = {rows.number(1)},
                        .key = {static_cast<TimerKind>(rows.number(2)), rows.number(3)}};
      if (!take(timer)) return;
    }
  }
  /// Walks over the queue of `endpoint` behind `after`, until `take` returns false.
  template <class Take>
  void due(const EndpointKey& endpoint, const DueDelivery& after, Take take) {
    const auto walk = [&](Rows&& rows) {
      while (rows.next()) {
        // Its row says when it is due as well; here a damaged time only means "now" or "late".
        const Instant at = std::clamp(rows.instant(0), kEarliest, kLatest);
        const DueDelivery due{.due = at, .delivery = {rows.number(1)}};
        if (!unreadable_.contains(due.delivery) && !take(due)) return false;
      }
      return true;
    };
    const auto& [scenario, node, version] = endpoint;
    if (walk(due_then_(scenario, node, version, after.due, after.delivery)))
      walk(due_later_(scenario, node, version, after.due));
  }
  /// The first endpoint after `endpoint` that has a queue.
  std::optional<EndpointKey> next_endpoint(const EndpointKey& endpoint);

 private:
  Query engagement_, ledger_, keyed_, ledger_of_, keyed_of_, ended_, pending_, of_node_, timers_,
      due_then_, due_later_, next_endpoint_, ended_after_, live_after_, requests_after_;
};
}  // namespace onward
