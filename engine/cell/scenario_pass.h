#pragma once
// Work on all runs of one scenario, done in bounded pieces between the batches: runs that go over
// to another version, or a purge. How far it has come is kept in the store, so that it continues
// after a restart.
#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/base/ids.h"
#include "engine/core/journey/migration.h"
#include "engine/core/journey/stats.h"
#include "engine/store/control_rows.h"

namespace onward {
struct ScenarioPass {
  enum class Kind : std::uint8_t { Migrate, Purge } kind = Kind::Migrate;
  std::string scenario;      ///< Id.
  Version to = 0;            ///< Of a migration.
  NodeMap map;               ///< Of a migration.
  std::int64_t base = 0;     ///< Runs moved (or stopped) before it began, as they are counted.
  bool ended = false;        ///< Of a purge: no run is live any more, ended ones are taken away.
  std::uint64_t after = 0;   ///< The last contact or ended run that it has dealt with.
  std::uint64_t done = 0;    ///< Runs purged.
  std::uint64_t stayed = 0;  ///< Runs that could not go over, before its last step.
  std::uint64_t asked = 0;   ///< Runs that its last step asked to move.
  std::int64_t moved_before = 0;  ///< Runs moved before that step.
  std::string who;                ///< Asked for it: the name of a token; empty: the engine itself.

  std::string name() const;  ///< "migrate/welcome"
};
std::string pass_name(ScenarioPass::Kind kind, const std::string& scenario);
/// The content of its row.
std::string to_row(const ScenarioPass& pass);
/// Its row.
AdminRecord record_of(const ScenarioPass& pass);
/// Nothing where the record is none of these passes.
std::optional<ScenarioPass> read_pass(const AdminRecord& record);
/// Over the rows of `scenario` itself, of `version` (0: of all).
std::int64_t sum_of(const Counters& counters, ScenarioKey scenario, Version version,
                    Counter counter);
}  // namespace onward
