#include "engine/cell/purge_job.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
/// Contacts whose live runs one step looks at.
constexpr std::size_t kContactsEndedMax = 200;
/// Ended runs that one step looks at.
constexpr std::size_t kRunsMax = 500;
/// Deliveries, of those runs, after which it leaves the rest to the next step.
constexpr std::size_t kDeliveriesMax = 500;
}  // namespace

Result<JobStep> PurgeJob::step(std::size_t rows) {
  next_ = state_;
  last_page_ = false;
  const ScenarioRecord* record = cell_.control.scenarios.find(state_.scenario);
  if (record == nullptr || all_deleted_) return end();
  return state_.ended ? delete_runs(*record, std::min(rows, kRunsMax))
                      : end_runs(*record, std::min(rows, kContactsEndedMax));
}

Result<JobStep> PurgeJob::end_runs(const ScenarioRecord& record, std::size_t rows) {
  const auto live = cell_.store->live_runs({state_.after}, rows);
  if (!live) return tl::make_unexpected(live.error());
  JobStep step;
  for (const Run& run : live->runs)
    if (run.scenario == record.key)
      step.inputs.emplace_back(CommandInput{
          .contact = run.contact, .command = EndRun{.run = run.key, .reason = "archived"}});
  next_.after = live->end ? 0 : live->last.value;
  next_.ended = live->end;
  return step;
}

Result<JobStep> PurgeJob::delete_runs(const ScenarioRecord& record, std::size_t rows) {
  const auto ended = cell_.store->ended_runs(record.key, {state_.after}, rows);
  if (!ended) return tl::make_unexpected(ended.error());
  JobStep step{.changes = cell_.new_batch()};
  Commit& commit = step.changes->rows();
  for (const Run& run : ended->runs) {
    if (commit.purged_deliveries.size() >= kDeliveriesMax) break;
    commit.purged_runs.push_back({.run = run.key, .contact = run.contact});
    for (const PathStep& visit : run.path)
      if (visit.delivery) commit.purged_deliveries.push_back(*visit.delivery);
  }
  const bool all = commit.purged_runs.size() == ended->runs.size();
  next_.after = all ? ended->last.value : commit.purged_runs.back().run.value;
  next_.done += commit.purged_runs.size();
  last_page_ = all && ended->end;
  return step;
}

JobStep PurgeJob::end() {
  BookChange change;
  if (const ScenarioRecord* record = cell_.control.scenarios.find(state_.scenario)) {
    change.scenarios.push_back(*record);
    change.scenarios.back().purged = cell_.now();
    change.activity.push_back(cell_.activity("scenario.purged", state_.scenario, state_.who,
                                             fmt::format("{} runs", state_.done)));
  }
  ended_ = true;
  return {.control = Change{std::move(change)}, .ended = true};
}

void PurgeJob::committed() {
  state_ = next_;
  all_deleted_ = last_page_;
  if (ended_)
    cell_.log(
        {"scenario.purged", {{"scenario", state_.scenario}, {"runs", count_value(state_.done)}}});
}
}  // namespace onward
