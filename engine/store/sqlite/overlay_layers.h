#pragma once
// The layers of an overlay: the unfolded rows of one table each, and the orders in which they are
// looked for.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/stats.h"
#include "engine/store/rows.h"

namespace onward {
using Generation = std::uint64_t;

/// What names a ledger row.
struct LedgerKey {
  ContactKey contact;
  ScenarioKey scenario;
  EntryKey key;
  bool test = false;
  auto operator<=>(const LedgerKey&) const = default;
};

/// What the tables and their indexes need to know of a delivery besides its bytes.
struct DeliveryColumns {
  EndpointKey endpoint;
  DeliveryState state = DeliveryState::Pending;
  std::optional<Instant> due;  ///< Only while it is pending, not parked: then it queues.
  ContactKey contact;
};
DeliveryColumns columns_of(const Delivery& delivery);

struct OverlayHash {
  static std::size_t mix(std::uint64_t a, std::uint64_t b);
  std::size_t operator()(const LedgerKey& key) const;
  std::size_t operator()(const CounterKey& key) const;
  std::size_t operator()(const Timer& timer) const;
  std::size_t operator()(const std::pair<DeliveryKey, std::uint32_t>& attempt) const;
};

/// How all layers of one overlay take in rows.
struct PutContext {
  Generation generation = 1;
  std::size_t changes = 0;  ///< Puts in this generation.
  bool replaying = false;   ///< The tables may hold any of what is put.
  /// Leaves out what no list asks for: seen ids, timers, counters, and the orders in which an
  /// engine looks for work.
  bool lists_only = false;
};

/// The unfolded rows of one table.
template <class Key, class Row, class Hash = std::hash<Key>>
struct Layer {
  using KeyType = Key;
  using RowType = Row;
  struct Entry {
    Row row;
    Generation since = 0;   ///< When it came to stand here.
    Generation newest = 0;  ///< Its last put.
  };
  using Map = std::unordered_map<Key, Entry, Hash>;
  Map map;

  const Row* find(const Key& key) const {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second.row;
  }
  /// The entry into which a row is about to be put.
  Entry& touch(const Key& key, PutContext& context) {
    Entry& entry = map[key];
    if (entry.since == 0) entry.since = context.generation;
    entry.newest = context.generation;
    ++context.changes;
    return entry;
  }
  /// A fold drops a row that now stands in the tables.
  void drop(const Key& key) { map.erase(key); }
};

struct OverlayBytes {
  std::string_view body;  ///< Empty: there is no such row any more.
};
struct OverlayRun {
  std::string_view body;  ///< Empty: purged.
  ContactKey contact;
  bool live = false;
  bool stored = false;  ///< The tables may hold an earlier state of it.
};
struct OverlayDelivery {
  std::string_view body;
  DeliveryColumns columns;
};
struct OverlayTimer {
  bool set = false;  ///< Or cleared.
};
struct OverlaySeen {
  Hash128 fingerprint;
  Date day{};
};
struct OverlayId {
  bool decided = false;             ///< Whatever the tables say:
  ContactKey holder;                ///< this one, or with 0 nobody. Else as in the tables,
  std::vector<ContactKey> removed;  ///< unless it is one of these.
};
struct OverlayEmail {
  std::map<ContactKey, bool> holders;  ///< Added (true) or removed, others as in the tables.
};

// Layers with indexes, which are ordered, so that a scan for a few rows looks at a few rows.

struct ContactLayer : Layer<ContactKey, OverlayBytes> {
  std::set<ContactKey> keys;  ///< All; only with `lists_only`.

  void put(ContactKey key, std::string_view body, PutContext& context);
};

struct LedgerLayer : Layer<LedgerKey, OverlayBytes, OverlayHash> {
  std::set<ScenarioKey> scenarios;  ///< All that were ever named.

  void put(const LedgerKey& key, std::string_view body, PutContext& context);
};

struct RunLayer : Layer<RunKey, OverlayRun> {
  std::unordered_map<ContactKey, std::vector<RunKey>> of_contact;
  std::map<ContactKey, std::size_t> live_of;  ///< How many live ones a contact has.
  std::set<RunKey> ended;                     ///< Those that are not live.
  RunKey last;                                ///< Greatest ever put.

  void put(RunKey key, const OverlayRun& row, PutContext& context);
  void drop(RunKey key);

 private:
  void index(RunKey key, const OverlayRun& row, bool lists_only);
  void unindex(RunKey key, const OverlayRun& row);
};

struct DeliveryLayer : Layer<DeliveryKey, OverlayDelivery> {
  struct Place {
    ScenarioKey scenario;
    NodeNumber node;
    DeliveryState state = DeliveryState::Pending;
    auto operator<=>(const Place&) const = default;
  };
  std::map<Place, std::set<DeliveryKey>> at;
  std::set<std::pair<ContactKey, DeliveryKey>> pending_of;
  std::map<EndpointKey, std::set<DueDelivery>> due;

  void put(DeliveryKey key, const OverlayDelivery& row, PutContext& context);
  void drop(DeliveryKey key);

 private:
  void index(DeliveryKey key, const DeliveryColumns& columns, bool lists_only);
  void unindex(DeliveryKey key, const DeliveryColumns& columns);
};

struct RequestLayer : Layer<DeliveryKey, OverlayBytes> {
  std::set<DeliveryKey> bodies;  ///< Those that have one.

  void put(DeliveryKey key, std::string_view body, PutContext& context);
  void drop(DeliveryKey key);
};

struct TimerLayer : Layer<Timer, OverlayTimer, OverlayHash> {
  std::set<Timer> armed;  ///< Those that are set.

  void put(const Timer& timer, bool set, PutContext& context);
  void drop(const Timer& timer);
};

struct IdLayer : Layer<std::string, OverlayId> {
  void put(const IdentityChange& change, PutContext& context);
};

struct EmailLayer : Layer<std::string, OverlayEmail> {
  void put(const IdentityChange& change, PutContext& context);
};
}  // namespace onward
