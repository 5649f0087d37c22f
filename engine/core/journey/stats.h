#pragma once
// The numbers: exact counters, changed only by the transition they count, in the same commit.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"

namespace onward {
/// What is counted. Stored by number: append only. The first block is a scenario's (node 0), the
/// second a node's. `Inside`, `Parked`, `Waiting`, `Pending` and `PendingParked` go down as well as
/// up.
enum class Counter : std::uint8_t {
  Entered,
  Inside,
  Done,
  Exited,
  Stopped,
  Parked,
  Goal,
  Visits,
  UniqueContacts,
  Waiting,
  Unknown,
  Requests,
  Accepted,
  Pending,
  PendingParked,
  Failed,
  Cancelled,
  MovedIn,   ///< Runs that came from another version while under way; of a node: while there.
  MovedOut,  ///< And those that went.
  /// Conditions that took too much work: of a node its visits, of a scenario its goals, exit rules
  /// and waits.
  TooMuchWork,
  ContactFull,  ///< Visits whose change did not fit into the contact.
  kCount,
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::kCount);

/// Whose numbers. Node 0 is the scenario itself. A contact's first visit ever is unique in the
/// version where it happened, so that versions sum to the whole.
struct CounterKey {
  ScenarioKey scenario;
  NodeNumber node;
  Version version = 0;
  bool test = false;
  auto operator<=>(const CounterKey&) const = default;
};

struct CounterRow {
  std::array<std::int64_t, kCounters> counts{};
  /// A node's ports ("yes"), or a scenario's refusals ("already_entered"). By name.
  std::vector<std::pair<std::string, std::int64_t>> named;

  std::int64_t operator[](Counter counter) const {
    return counts[static_cast<std::size_t>(counter)];
  }
  void add(Counter counter, std::int64_t delta) {
    counts[static_cast<std::size_t>(counter)] += delta;
  }
  void add(std::string_view name, std::int64_t delta);
  void add(const CounterRow& other);
  bool operator==(const CounterRow&) const = default;
};

/// The present numbers. Ordered, so that a scenario's rows are neighbours.
using Counters = std::map<CounterKey, CounterRow>;

/// One number that moved, of a counter or of a name (a port, a reason).
struct CounterChange {
  CounterKey key;
  std::string_view name;              ///< Lives as long as the scenario version.
  Counter counter = Counter::kCount;  ///< kCount: it is the name's.
  std::int32_t delta = 0;
};

/// Changes to counters, summed over a batch.
class CounterDeltas {
 public:
  void add(const CounterChange& change);
  /// The rows that changed, as they are then: each is `before`, or nothing, and its changes.
  std::vector<std::pair<CounterKey, CounterRow>> added_to(const Counters& before) const;

 private:
  struct Row {
    CounterKey key;
    std::array<std::int32_t, kCounters> counts{};
  };
  struct Named {
    std::size_t row = 0;
    std::string_view name;
    std::int64_t delta = 0;
  };
  struct KeyHash {
    std::size_t operator()(const CounterKey& key) const noexcept;
  };

  std::size_t row_of(const CounterKey& key);

  std::vector<Row> rows_;
  std::vector<Named> named_;
  std::unordered_map<CounterKey, std::size_t, KeyHash> index_;  // once they are many
  std::size_t last_ = 0;  // of `add`: its neighbours are alike
};

/// The sum over the versions of one scenario (or only `version`), by node; node 0 is the scenario.
std::map<NodeNumber, CounterRow> sum_counters(const Counters& counters, ScenarioKey scenario,
                                              bool test, Version version = 0);

/// The rows of one scenario.
Counters counters_of(const Counters& counters, ScenarioKey scenario);
/// A number of a node, of all versions; 0 where there is none.
std::int64_t sum_of(const Counters& counters, ScenarioKey scenario, NodeNumber node,
                    Counter counter);

/// The first of the promised equations that does not hold, in words; empty where all do:
/// accepted + pending + failed + cancelled = requests; requests = visits for nodes that ask for
/// deliveries; entered + moved in = inside + done + exited + stopped + moved out; of a node, ports
/// + waiting + moved out <= visits + moved in (the rest is parked there, or ended there).
std::string check_counters(const Counters& counters);
}  // namespace onward
