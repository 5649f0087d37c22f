#pragma once
// The numbers of a scenario: by node, and by version.
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/scenario_book.h"
#include "engine/control/scenario_info.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/journey/stats.h"

namespace onward {
/// What the statistics of a scenario are made from, beside its texts.
struct StatsBasis {
  Counters counters;            ///< Of this scenario at least.
  std::set<NodeNumber> paused;  ///< By people.
  Instant as_of{};
};

/// `scenario`: the version that is asked for (of 0: the newest), which only the caller can read
/// where it is not built; may be null.
Result<ScenarioStats> scenario_stats(const ScenarioBook& book, std::string_view id, Version version,
                                     const StatsBasis& basis,
                                     std::shared_ptr<const Scenario> scenario = {});
/// How many nodes a version has is 0 until it was adopted.
Result<ScenarioVersions> scenario_versions(const ScenarioBook& book, std::string_view id,
                                           const Counters& counters);
/// Whether a node sends webhooks and is in the newest version, or was visited in an older one; of
/// an archived scenario, whose newest version is not in memory: whether it sends webhooks.
bool is_sending(const ScenarioBook& book, const ScenarioRecord& record, NodeNumber node,
                const Counters& counters);
/// Ids of all nodes that send webhooks, in any version.
std::vector<std::string> sending_nodes(const ScenarioBook& book, const ScenarioRecord& record);
}  // namespace onward
