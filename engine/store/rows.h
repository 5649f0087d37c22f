#pragma once
// Rows of contacts, their runs and deliveries, as stores take and give them.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/stats.h"
#include "engine/store/control_rows.h"

namespace onward {
/// Looks a contact up by what its caller knows. Both may be given.
struct IdentityQuery {
  std::string id;     ///< Empty: not asked.
  std::string email;  ///< Normal form; empty: not asked.
};
struct IdentityMatch {
  std::optional<ContactKey> by_id;
  struct Holder {
    ContactKey contact;
    bool has_id = false;
  };
  std::vector<Holder> by_email;  ///< Oldest first (least key), at most 16.
};

struct LoadQuery {
  ContactKey contact;
  std::vector<ScenarioKey> ledger;                      ///< Rows without a key, live and test.
  std::vector<std::pair<ScenarioKey, EntryKey>> keyed;  ///< Rows by key, live and test.
};

/// A remembered event: the fingerprint tells a repeat from a conflict.
struct SeenEvent {
  Hash128 key;  ///< Of (source, id).
  Hash128 fingerprint;
  Instant at{};  ///< Arrival; decides the day table.
};

/// What `identify` finds from now on. The engine names every change of a contact's id or email.
struct IdentityChange {
  enum class Kind : std::uint8_t { Id, Email } kind = Kind::Id;
  std::string value;
  ContactKey contact;
  bool removed = false;
};

struct AttemptRow {
  DeliveryKey delivery;
  Attempt attempt;
};
struct EngagementRow {
  ContactKey contact;
  Engagement engagement;
};
struct LedgerEntry {
  ContactKey contact;
  LedgerRow row;
};
struct RequestRow {
  DeliveryKey delivery;
  std::shared_ptr<const Request> request;  ///< Null: its body is purged.
};

/// Everything a batch changes, as whole rows: applying one twice changes nothing. Later rows of one
/// key win. A live run (Run::live) can be loaded again; an ended one is only read by people.
struct Commit {
  Instant at{};
  Sequence last_seq = 0;    ///< Greatest used so far.
  ContactKey last_contact;  ///< Greatest used so far.
  std::vector<Contact> contacts;
  std::vector<EngagementRow> engagements;
  std::vector<LedgerEntry> ledger;
  std::vector<Run> runs;
  std::vector<Delivery> deliveries;
  std::vector<RequestRow> requests;               ///< Of new deliveries.
  std::vector<AttemptRow> attempts;               ///< Superseded ones.
  std::vector<Timer> timers_set, timers_cleared;  ///< Cleared first: one that is in both stands.
  std::vector<SeenEvent> seen;
  std::vector<IdentityChange> identities;
  std::vector<std::pair<CounterKey, CounterRow>> counters;  ///< Absolute.
  ControlChange control;  ///< What people set up, in the same transaction.
  /// Erased before the forgotten: of ended runs the whole row, of settled deliveries what was sent
  /// and answered. The rows of the deliveries stay, and so do all numbers.
  struct PurgedRun {
    RunKey run;
    ContactKey contact;
  };
  std::vector<PurgedRun> purged_runs;
  std::vector<DeliveryKey> purged_deliveries;
  std::vector<DeliveryKey>
      purged_attempts;  ///< Settled ones, of which only the last attempt stays.
  /// Erased after all else in the commit: contact, identities, engagement, ledger. Its runs (ended,
  /// in this commit or before) and deliveries stay, without path, event, entry key, request and
  /// response; the deliveries that its runs' paths name and those that are pending are its own.
  std::vector<ContactKey> forgotten;

  bool empty() const;
};

/// What the engine needs in memory at start.
struct Snapshot {
  Epochs epochs;  ///< The newest is of what is made from now on.
  Sequence last_seq = 0;
  ContactKey last_contact;
  /// The greatest `Commit::at`, as of a moment before the end of the last process.
  std::optional<Instant> newest = {};
  Counters counters;
  /// What people set up, as far as the writer over these contacts follows it.
  ControlSnapshot control;
};

/// A pending delivery that is due, as a queue shows it.
struct DueDelivery {
  Instant due{};
  DeliveryKey delivery;
  auto operator<=>(const DueDelivery&) const = default;
};
inline constexpr DueDelivery kBeforeAllDue{.due = Instant::min(), .delivery = {}};
struct DueEndpoint {
  EndpointKey endpoint;
  Instant due{};  ///< Of its earliest pending delivery.
};
struct LoadedDelivery {
  Delivery delivery;
  std::shared_ptr<const Request> request;  ///< Null where the body was purged.
};

/// Live runs of contacts that follow one another.
struct LiveRuns {
  std::vector<Run> runs;  ///< By contact, then by run.
  ContactKey last;        ///< The last contact looked at; what follows comes after it.
  bool end = false;       ///< Nobody after `last` has a live run.
};
/// Ended runs of one scenario, found in a stretch of all ended runs.
struct EndedRuns {
  std::vector<Run> runs;  ///< By key.
  RunKey last;            ///< The last run looked at, of whatever scenario.
  bool end = false;       ///< No run ended that comes after it.
};

/// Deliveries whose request is still stored, in the order in which they were made.
struct StoredBodies {
  std::vector<Delivery> deliveries;
  DeliveryKey last;  ///< The last one looked at.
  bool end = false;  ///< None with a request comes after it.
};
}  // namespace onward
