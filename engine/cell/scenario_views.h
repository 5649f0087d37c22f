#pragma once
// What the cell knows of scenarios, for people: states, numbers, progress.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/cell/catalog_builder.h"
#include "engine/cell/context.h"
#include "engine/control/scenario_book.h"
#include "engine/control/scenario_plan.h"
#include "engine/control/scenario_stats.h"
#include "engine/jobs/job_queue.h"

namespace onward {
class ScenarioViews {
 public:
  /// All must outlive it.
  ScenarioViews(CellContext& cell, const CatalogBuilder& builder, const JobQueue& jobs)
      : cell_{cell}, builder_{builder}, jobs_{jobs} {}

  Result<ScenarioInfo> info(const std::string& id) const;
  std::vector<ScenarioInfo> list() const;
  /// Where the runs of a scenario are now.
  RunCensus census(const std::string& id) const;
  /// With the book of the same moment these are the statistics; empty where there is no such
  /// scenario.
  StatsBasis stats_basis(const std::string& id) const;
  /// `sizes`: of versions whose number of nodes was not known.
  Result<ScenarioVersions> versions(const std::string& id,
                                    const std::map<Version, std::size_t>& sizes);

  // These read texts of scenarios, which may take seconds: for cells without threads.
  Result<ScenarioPlan> plan(const std::string& id, const std::string& text,
                            const MigrationRequest& migration) const;
  Result<ScenarioVersions> versions(const std::string& id);
  Result<ScenarioStats> stats(const std::string& id, Version version) const;

 private:
  std::optional<ScenarioProgress> progress_of(const ScenarioRecord& record) const;
  void complete(ScenarioInfo& info) const;

  CellContext& cell_;
  const CatalogBuilder& builder_;
  const JobQueue& jobs_;
};
}  // namespace onward
