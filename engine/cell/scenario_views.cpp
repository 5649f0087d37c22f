#include "engine/cell/scenario_views.h"

#include <algorithm>
#include <utility>

#include "engine/cell/cancel_job.h"
#include "engine/cell/migration_job.h"
#include "engine/cell/purge_job.h"
#include "engine/cell/scenario_pass.h"

namespace onward {
std::optional<ScenarioProgress> ScenarioViews::progress_of(const ScenarioRecord& record) const {
  const auto find = [&](ScenarioPass::Kind kind) { return jobs_.find(pass_name(kind, record.id)); };
  if (const auto* job = dynamic_cast<const MigrationJob*>(find(ScenarioPass::Kind::Migrate)))
    return ScenarioProgress{.what = "migrate",
                            .to = job->state().to,
                            .done = job->done(),
                            .stayed = job->state().stayed};
  if (const auto* job = dynamic_cast<const PurgeJob*>(find(ScenarioPass::Kind::Purge))) {
    const std::int64_t stopped =
        sum_of(cell_.counters, record.key, 0, Counter::Stopped) - job->state().base;
    return ScenarioProgress{
        .what = "purge",
        .done = job->done(),
        .stopped = static_cast<std::uint64_t>(std::max<std::int64_t>(stopped, 0))};
  }
  if (const Job* cancel = jobs_.find(cancel_name(record.id)))
    return ScenarioProgress{.what = "cancel", .done = cancel->done()};
  return std::nullopt;
}

RunCensus ScenarioViews::census(const std::string& id) const {
  const ScenarioRecord* record = cell_.control.scenarios.find(id);
  return record == nullptr ? RunCensus{} : census_of(cell_.counters, record->key);
}

Result<ScenarioStats> ScenarioViews::stats(const std::string& id, Version version) const {
  const VersionName name = version == 0 ? cell_.control.scenarios.unread(id).value_or(VersionName{})
                                        : VersionName{id, version};
  return scenario_stats(cell_.control.scenarios, id, version, stats_basis(id),
                        name.version == 0 ? nullptr : cell_.control.scenarios.load(name));
}

StatsBasis ScenarioViews::stats_basis(const std::string& id) const {
  StatsBasis basis{.as_of = cell_.now()};
  const ScenarioRecord* record = cell_.control.scenarios.find(id);
  if (record == nullptr) return basis;
  basis.counters = counters_of(cell_.counters, record->key);
  for (const auto& [place, node] : cell_.control.switches)
    if (place.first == record->key && node.paused) basis.paused.insert(place.second);
  return basis;
}

Result<ScenarioPlan> ScenarioViews::plan(const std::string& id, const std::string& text,
                                         const MigrationRequest& request) const {
  return plan_text(cell_.control.scenarios, id, text, request, census(id), cell_.now());
}

Result<ScenarioVersions> ScenarioViews::versions(const std::string& id) {
  std::map<Version, std::size_t> sizes;
  for (const Version version : cell_.control.scenarios.unsized(id))
    sizes[version] = cell_.control.scenarios.size_of({id, version});
  return versions(id, sizes);
}

Result<ScenarioVersions> ScenarioViews::versions(const std::string& id,
                                                 const std::map<Version, std::size_t>& sizes) {
  if (!sizes.empty()) {
    cell_.control.scenarios.adopt_sizes(id, sizes);
    ++cell_.control.generation;
  }
  auto versions = scenario_versions(cell_.control.scenarios, id, cell_.counters);
  if (versions) versions->progress = progress_of(*cell_.control.scenarios.find(id));
  return versions;
}

/// Adds what the counters know.
void ScenarioViews::complete(ScenarioInfo& info) const {
  const ScenarioRecord* record = cell_.control.scenarios.find(info.id);
  if (record == nullptr) return;
  if (const auto name =
          builder_.reads_elsewhere() ? std::nullopt : cell_.control.scenarios.untitled(info.id))
    if (const auto read = cell_.control.scenarios.load(*name)) info.title = kept_title(*read);
  info.progress = progress_of(*record);
  for (auto row = cell_.counters.lower_bound({.scenario = record->key});
       row != cell_.counters.end() && row->first.scenario == record->key; ++row) {
    if (row->first.test) continue;
    info.entered += row->second[Counter::Entered];
    info.inside += row->second[Counter::Inside];
    info.pending += row->second[Counter::Pending];
    info.failed += row->second[Counter::Failed];
  }
}

Result<ScenarioInfo> ScenarioViews::info(const std::string& id) const {
  auto info = cell_.control.scenarios.info(id);
  if (info) complete(*info);
  return info;
}

std::vector<ScenarioInfo> ScenarioViews::list() const {
  std::vector<ScenarioInfo> infos = cell_.control.scenarios.list();
  for (ScenarioInfo& info : infos) complete(info);
  return infos;
}
}  // namespace onward
