#pragma once
// What applying a text would do, and which runs could go over to it.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engine/control/authored.h"
#include "engine/control/scenario_book.h"
#include "engine/control/scenario_info.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/journey/migration.h"
#include "engine/core/journey/stats.h"

namespace onward {
/// Where the runs of a scenario are, live and test together: what plans and migrations count with.
struct RunCensus {
  struct Sums {
    std::int64_t entered = 0, inside = 0, parked = 0;
  };
  std::map<std::pair<Version, NodeNumber>, std::int64_t> waiting;
  std::map<Version, Sums> versions;

  std::int64_t sum(std::int64_t Sums::*of, Version but = 0) const;
};
RunCensus census_of(const Counters& counters, ScenarioKey scenario);

/// A migration, as far as it can be worked out before the engine thread decides.
struct Moves {
  NodeMap map;
  /// Why runs that wait at a node of a version cannot go over; empty where they can.
  std::map<std::pair<Version, NodeNumber>, std::string> verdicts;
};

/// What `id` is to become when `text` is applied. Reads texts.
Result<ScenarioPlan> plan_text(const ScenarioBook& book, const std::string& id,
                               const std::string& text, const MigrationRequest& request,
                               const RunCensus& census, Instant now);
/// What there is to know of a migration to what `made` makes before it is decided. Does not read
/// texts, but may take as long. Invalid where `request` names nodes that are not there.
Result<Moves> moves_to(const ScenarioBook& book, const Authored& made,
                       const MigrationRequest& request, const RunCensus& census);
/// The way over of runs under way to what `made` makes (or to the newest version, where it makes
/// none); refused where it would strand somebody. Nothing: too many places have come up since
/// `moves` was made; call `moves_to` again.
Result<std::optional<NodeMap>> migration_to(const ScenarioBook& book, const Authored& made,
                                            const Moves& moves, const RunCensus& census);
}  // namespace onward
