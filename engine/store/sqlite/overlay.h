#pragma once
// The newest state of what was committed but not yet folded: consulted before the tables.
//
// Rows are views into journal rows, which the store keeps in memory until they are folded. Every
// put carries the present generation; a fold takes what stood there when its generation was
// frozen, and lets go of a row only if nothing newer was put meanwhile.
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
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/stats.h"
#include "engine/store/store.h"

namespace onward {
class Decoder;
enum class Section : std::uint8_t;
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

/// The unfolded rows of one table.
template <class Key, class Row, class Hash = std::hash<Key>>
struct Layer {
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
};

class Overlay {
 public:
  struct Bytes {
    std::string_view body;  ///< Empty: there is no such row any more.
  };
  struct RunRow {
    std::string_view body;  ///< Empty: purged.
    ContactKey contact;
    bool live = false;
    bool stored = false;  ///< The tables may hold an earlier state of it.
  };
  struct DeliveryRow {
    std::string_view body;
    DeliveryColumns columns;
  };
  struct TimerRow {
    bool set = false;  ///< Or cleared.
  };
  struct SeenRow {
    Hash128 fingerprint;
    Date day{};
  };
  struct IdRow {
    bool decided = false;             ///< Whatever the tables say:
    ContactKey holder;                ///< this one, or with 0 nobody. Else as in the tables,
    std::vector<ContactKey> removed;  ///< unless it is one of these.
  };
  struct EmailRow {
    std::map<ContactKey, bool> holders;  ///< Added (true) or removed, others as in the tables.
  };

  Layer<ContactKey, Bytes> contacts, engagements;
  Layer<LedgerKey, Bytes, OverlayHash> ledger;
  Layer<RunKey, RunRow> runs;
  Layer<DeliveryKey, DeliveryRow> deliveries;
  Layer<DeliveryKey, Bytes> requests;
  Layer<std::pair<DeliveryKey, std::uint32_t>, Bytes, OverlayHash> attempts;
  Layer<Timer, TimerRow, OverlayHash> timers;
  Layer<Hash128, SeenRow> seen;
  Layer<std::string, IdRow> ids;
  Layer<std::string, EmailRow> emails;
  Layer<CounterKey, Bytes, OverlayHash> counters;

  // Indexes over the above, ordered, so that a scan for a few rows looks at a few rows.
  std::unordered_map<ContactKey, std::vector<RunKey>> runs_of;
  std::map<ContactKey, std::size_t> live_runs_of;  ///< How many of `runs` are live.
  std::set<RunKey> ended_runs;                     ///< Those of `runs` that are not live.
  std::set<DeliveryKey> bodies;                    ///< Those of `requests` that have one.
  std::set<ScenarioKey> ledger_scenarios;          ///< All that `ledger` has ever named.
  std::set<ContactKey> contact_keys;               ///< Those of `contacts`; only with `lists_only`.
  struct Place {
    ScenarioKey scenario;
    NodeNumber node;
    DeliveryState state = DeliveryState::Pending;
    auto operator<=>(const Place&) const = default;
  };
  std::map<Place, std::set<DeliveryKey>> deliveries_in;
  std::set<std::pair<ContactKey, DeliveryKey>> pending_of;
  std::map<EndpointKey, std::set<DueDelivery>> due;
  std::set<Timer> timers_set;

  Sequence last_seq = 0;
  ContactKey last_contact;  ///< Greatest ever put, or said to be in use.
  RunKey last_run;          ///< Greatest ever put.
  Instant newest{};         ///< Of a commit.
  bool replaying = false;   ///< The tables may hold any of what is put.
  /// Leaves out what no list asks for: seen ids, timers, counters, and the orders in which an
  /// engine looks for work.
  bool lists_only = false;
  Generation generation = 1;
  std::size_t changes = 0;  ///< Puts in this generation.

  /// Takes in a journal row, which must outlive its rows here. False where the bytes are damaged.
  [[nodiscard]] bool apply(std::string_view journal_row);

  void put(const IdentityChange& change);
  void put(const Timer& timer, bool set);
  void put(RunKey key, const RunRow& row);
  void put(DeliveryKey key, const DeliveryRow& row);
  void put(DeliveryKey key, const Bytes& request);

  // A fold lets go of a row that now stands in the tables.
  template <class Key, class Row, class Hash>
  void drop(Layer<Key, Row, Hash>& layer, const Key& key) {
    layer.map.erase(key);
  }
  void drop(Layer<RunKey, RunRow>& layer, RunKey key);
  void drop(Layer<DeliveryKey, DeliveryRow>& layer, DeliveryKey key);
  void drop(Layer<DeliveryKey, Bytes>& layer, DeliveryKey key);
  void drop(Layer<Timer, TimerRow, OverlayHash>& layer, const Timer& timer);

 private:
  bool apply(Section section, Decoder& in);
  template <class Key, class Row, class Hash>
  typename Layer<Key, Row, Hash>::Entry& touch(Layer<Key, Row, Hash>& layer, const Key& key);
  void index(RunKey key, const RunRow& row);
  void unindex(RunKey key, const RunRow& row);
  void index(DeliveryKey key, const DeliveryColumns& columns);
  void unindex(DeliveryKey key, const DeliveryColumns& columns);
};
}  // namespace onward
