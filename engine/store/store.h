#pragma once
// Durable state, set-based: a batch's reads and writes are one call each, never a query per row.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/stats.h"
#include "engine/core/scenario/catalog.h"

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

struct ScenarioRecord {
  ScenarioKey key;
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  Version newest = 0;
  std::vector<std::string> test_emails;
  std::vector<std::pair<std::string, NodeNumber>> nodes;   ///< Every node id ever, and its number.
  std::vector<std::pair<std::string, std::string>> kinds;  ///< Node id -> kind; never changes.
  Instant created{};
  std::optional<Instant> activated, archived;
  std::optional<Instant> purged;
  bool ever_ran = false;
  bool deleted = false;  ///< A draft taken away; its id stays taken.
  bool operator==(const ScenarioRecord&) const = default;
};
using TextKey = Id<struct TextTag, std::uint32_t>;  ///< A text that is stored in parts.
struct VersionRecord {
  ScenarioKey scenario;
  Version version = 0;
  std::string text;  ///< The YAML, byte for byte.
  Instant created{};
  RulesFormat format = kNewestFormat;  ///< The rules that checked the text.
  TextKey apart;  ///< Under which the packed `text` was stored before; or none.
  bool operator==(const VersionRecord&) const = default;
};
/// A part of a version's packed text (packed_text.h) that is stored before the version is, so that
/// no commit holds much of it. A text under a key that no version names goes when the store is
/// opened.
struct TextPart {
  TextKey text;
  std::uint16_t number = 0;  ///< From 0 on, without a gap.
  std::string bytes;
  bool removed = false;  ///< In a commit: the row goes.
};
/// Longer texts are packed, and stored in parts of this size.
inline constexpr std::size_t kTextPart = std::size_t{64} << 10;

/// Stored by number: append only.
enum class Role : std::uint8_t { Read, Ingest, Author, Admin, Metrics };
std::string_view to_string(Role role);
struct TokenRecord {
  std::string sha256;  ///< Lower-case hex of the token.
  std::string name;
  Role role = Role::Read;
  Instant created{};
  std::optional<Instant> expires = {};  ///< From then on it opens nothing.
  bool removed = false;                 ///< In a commit: the row goes.
  bool operator==(const TokenRecord&) const = default;
};

/// Small things that people set up, or the engine keeps between starts: few, all in memory. What
/// the content means is its owner's business.
enum class AdminKind : std::uint8_t {
  Secret,      ///< Sealed; by name.
  Credential,  ///< Sealed; by name.
  Field,       ///< A declared custom field; by name.
  Switch,      ///< A node that is paused: "scenario/node".
  Pass,        ///< How far a background pass over all contacts has come.
  Setting,
};
struct AdminRecord {
  AdminKind kind = AdminKind::Setting;
  std::string name;
  std::string content;
  bool removed = false;
  bool operator==(const AdminRecord&) const = default;
};

/// What somebody changed, or what the engine did to a scenario: for people to read. The newest
/// 100,000 are kept.
struct Activity {
  Instant at{};
  std::string what;      ///< "scenario.activated", "secret.set"
  std::string scenario;  ///< Id, or empty.
  std::string node;      ///< Id, or empty.
  std::string who;       ///< Name of the token, or "engine".
  std::string text;      ///< For a person; never a secret.
  bool operator==(const Activity&) const = default;
};
inline constexpr std::size_t kActivityMax = 100'000;

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
  std::vector<ScenarioRecord> scenarios;
  std::vector<TextPart> text_parts;
  std::vector<VersionRecord> versions;
  std::vector<TokenRecord> tokens;
  std::vector<AdminRecord> admin;
  std::vector<Activity> activity;
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
  std::vector<ScenarioRecord> scenarios;
  std::vector<VersionRecord> versions;  ///< Without their texts: see StoreReader::version_text.
  TextKey last_text;                    ///< Greatest used so far.
  std::vector<TokenRecord> tokens;
  std::vector<AdminRecord> admin;  ///< By kind and name.
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

/// Lists for people: a consistent snapshot of the folded tables. Its own connection, its own
/// thread. Cursors are opaque; "" is the beginning and, in an answer, the end.
class StoreReader {
 public:
  virtual ~StoreReader() = default;
  /// From now on every call answers from one snapshot, until `release`. Where none can be taken, or
  /// the store has none, each call has its own.
  virtual void hold() {}
  virtual void release() {}
  struct RunList {
    std::vector<Run> runs;  ///< Newest first.
    std::string next;
  };
  struct DeliveryList {
    std::vector<Delivery> deliveries;  ///< Newest first.
    std::string next;
  };
  struct DeliveryDetail {
    Delivery delivery;
    std::shared_ptr<const Request> request;
    std::vector<Attempt> attempts;  ///< All, by number.
  };
  virtual Result<IdentityMatch> identify(const IdentityQuery& query) = 0;
  virtual Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey key) = 0;
  virtual Result<RunList> runs(ContactKey contact, std::size_t limit, std::string_view cursor) = 0;
  virtual Result<DeliveryList> deliveries(ScenarioKey scenario, NodeNumber node,
                                          std::optional<DeliveryState> state, std::size_t limit,
                                          std::string_view cursor) = 0;
  virtual Result<std::optional<DeliveryDetail>> delivery(DeliveryKey key) = 0;
  struct ActivityList {
    std::vector<std::pair<std::uint64_t, Activity>> rows;  ///< Newest first, with their numbers.
    std::string next;
  };
  /// `scenario`: an id, or empty for all.
  virtual Result<ActivityList> activity(std::string_view scenario, std::size_t limit,
                                        std::string_view cursor) = 0;
  /// Live runs of all contacts, by contact, then oldest first. A search that finds few stops after
  /// a while: a page may be short, or empty, and go on.
  struct RunFilter {
    ScenarioKey scenario;           ///< 0: of all.
    std::optional<RunState> state;  ///< Waiting or Parked.
    NodeNumber node;                ///< Where it is; 0: anywhere.
    std::string reason;             ///< Of a parked one; empty: any.
    RunKey run;                     ///< This one alone; 0: any.
  };
  virtual Result<RunList> live_runs(const RunFilter& filter, std::size_t limit,
                                    std::string_view cursor) = 0;
  /// The text of a version; nothing where there is none. Sees each commit at once.
  virtual Result<std::optional<std::string>> version_text(ScenarioKey scenario,
                                                          Version version) = 0;
  /// A contact's rows without a key, by scenario, live before test.
  virtual Result<std::vector<LedgerRow>> ledger(ContactKey contact) = 0;

  struct ContactList {
    std::vector<std::pair<Contact, Engagement>> contacts;  ///< By key: oldest first.
    bool more = false;                                     ///< There are further ones.
  };
  /// Contacts behind `after`, which need not exist (the zero key is before all), at most `limit`.
  /// Fewer come where they are large; never none while there are some.
  virtual Result<ContactList> contacts(ContactKey after, std::size_t limit) = 0;
};
bool fits(const StoreReader::RunFilter& filter, const Run& run);
/// Live runs that one search looks at.
inline constexpr std::size_t kRunsSearched = 50'000;

/// Owned by the engine thread: every call but `open_reader`, `sync` and `is_synced` comes from it.
/// An Io error from `commit` or `sync` leaves the store unusable; ErrorKind::Unavailable
/// ("disk_full", "disk_read_only", "store_busy") leaves it as before the call; ErrorKind::Conflict
/// (a constraint, a size) rolls back and the store goes on.
class Store {
 public:
  virtual ~Store() = default;

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
  /// crash is always a beginning of the commits. Part of a waiting fold may ride along.
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

  /// Whether rows wait to be folded into the tables that readers see.
  virtual bool fold_pending() const = 0;
  /// Folds everything that was committed before the call.
  virtual Status fold() = 0;
  /// A slice of the same, about a millisecond of work, for quiet moments. Whether more is left.
  virtual Result<bool> fold_slice() = 0;
  /// Writes and syncs a little, to see whether the disk takes it again.
  virtual Status probe() = 0;
  /// Tables that `seen` has asked so far: what it costs, for tests. 0 in memory.
  virtual std::uint64_t seen_look_ups() const { return 0; }
  /// Drops some of the remembered events older than `before`, whole days in the end. Whether more
  /// is left.
  virtual Result<bool> forget_seen(Instant before) = 0;

  /// Any thread, any number; each reader belongs to one thread.
  virtual Result<std::unique_ptr<StoreReader>> open_reader() = 0;
  /// Bytes on disk; 0 in memory.
  virtual std::uint64_t size_on_disk() const = 0;
  /// Bytes of the write-ahead log that is in use: it grows while a reader keeps checkpoints from
  /// passing.
  virtual std::uint64_t log_bytes() const { return 0; }
};
}  // namespace onward
