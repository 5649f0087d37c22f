#pragma once
// What the query of a scenario's route asks for: the order of a list, a migration.
#include <functional>
#include <optional>
#include <vector>

#include "engine/api/router.h"
#include "engine/core/base/result.h"
#include "engine/host/runtime.h"

namespace onward {
/// `?sort=`, `?reverse=` and `?state=` of the list of scenarios.
struct ScenarioOrder {
  std::function<bool(const ScenarioInfo&, const ScenarioInfo&)> before;
  bool reverse = false;
  std::optional<ScenarioState> state;  ///< Only these.
};
Result<ScenarioOrder> parse_order(const Call& call);
/// Where two are alike, by id.
std::vector<ScenarioInfo> in_order(std::vector<ScenarioInfo> infos, const ScenarioOrder& order);

/// `?migrate=true&map=old:new,older:newer`.
Result<MigrationRequest> parse_migration(const Call& call);
}  // namespace onward
