#pragma once
// What the commits of a world come to, kept apart from the engine and its stores: rows, the numbers
// reckoned from them, and what of it is durable.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/journey/migration.h"
#include "engine/store/rows.h"

namespace onward::chaos {
/// The scenario whose deliveries tell of each event that was taken.
inline constexpr std::string_view kAudit = "audit";

struct ShadowDelivery {
  Delivery row;
  std::size_t created_in = 0, changed_in = 0;  ///< Numbers of commits, from 1.
  Hash128 body;                                ///< Of its own request, before it is batched.
};
struct ShadowRun {
  Run row;
  std::size_t arrived = 0;  ///< Steps of the path that were counted or never will be.
  Version began = 0;        ///< The version that it entered.
};
using EntryPlace = std::tuple<ContactKey, ScenarioKey, EntryKey>;
struct Entries {
  std::vector<Instant> at;
  std::set<RunKey> live;
};

struct Shadow {
  std::size_t commits = 0;
  std::unordered_map<RunKey, ShadowRun> runs;
  std::unordered_map<DeliveryKey, ShadowDelivery> deliveries;
  std::set<DeliveryKey> pending;
  Counters counters;  ///< As they were written.
  Counters recount;   ///< As the rows say.
  std::set<std::tuple<ScenarioKey, NodeNumber, bool, ContactKey>> visited;
  std::map<EntryPlace, Entries> entries;  ///< Not those of tests.
  std::set<Timer> timers;
  std::set<RunKey> live;
  std::map<ScenarioKey, ScenarioRecord> scenarios;
  std::unordered_map<ContactKey, Contact> contacts;
  std::unordered_map<ContactKey, std::string>
      ids;  ///< The caller's own, of contacts that have one.
  std::set<ContactKey> forgotten;
  std::set<DeliveryKey> bodies;          ///< Deliveries whose request is stored.
  std::set<RunKey> ended;                ///< Ended runs that are stored.
  std::map<std::string, bool> switches;  ///< "scenario/node": whether it is paused.
  /// Migrations under way, by scenario.
  struct Moves {
    Version to = 0;
    NodeMap map;
    std::set<RunKey> runs;  ///< Live on an older version when it began.
  };
  std::map<std::string, Moves> moves;
  std::map<std::int64_t, int> effects;  ///< Deliveries of kAudit, by the number of their event.

  /// The rows follow; the run and delivery rows of `commit` are applied by `take`.
  void apply(const Commit& commit);

  const ScenarioRecord* scenario(ScenarioKey key) const;
  /// The kind of a node ("wait"); empty where it is not known.
  std::string kind_of(ScenarioKey scenario, NodeNumber node) const;
  std::string name_of(ScenarioKey scenario, NodeNumber node) const;

 private:
  void take(const Run& run);
  void take(const AdminRecord& record);
  void take_away(const Commit& commit);
  void take(const Delivery& delivery);
  void count(const Run& run, std::int64_t sign);
  void count(const Delivery& delivery, std::int64_t sign);
  void arrive(const Run& run, ShadowRun& known, const Run* before);
};

/// The first number that is not what the rows say; empty where all are. Only of the scenarios that
/// `commit` counts, or of all.
std::string compare_numbers(const Shadow& shadow, const Commit* commit);
}  // namespace onward::chaos
