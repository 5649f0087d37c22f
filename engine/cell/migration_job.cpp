#include "engine/cell/migration_job.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
/// Contacts whose live runs one step looks at.
constexpr std::size_t kContactsMovedMax = 200;
}  // namespace

MigrationJob::MigrationJob(CellContext& cell, CatalogBuilder& builder, ScenarioPass pass)
    : cell_{cell}, builder_{builder}, state_{std::move(pass)} {
  count_stayed(state_);
  next_ = state_;
}

/// What the last step left behind; its moves are in the counters since its commit.
void MigrationJob::count_stayed(ScenarioPass& pass) const {
  const auto asked = static_cast<std::int64_t>(std::exchange(pass.asked, 0));
  pass.stayed += static_cast<std::uint64_t>(
      asked - std::clamp<std::int64_t>(moved() - pass.moved_before, 0, asked));
}

std::int64_t MigrationJob::moved() const {
  const ScenarioRecord* record = cell_.control.scenarios.find(state_.scenario);
  if (record == nullptr) return 0;
  return sum_of(cell_.counters, record->key, state_.to, Counter::MovedIn) - state_.base;
}

std::uint64_t MigrationJob::done() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(moved(), 0));
}

Result<JobStep> MigrationJob::step(std::size_t rows) {
  next_ = state_;
  next_.moved_before = moved();
  last_page_ = false;
  summary_.reset();
  const ScenarioRecord* record = cell_.control.scenarios.find(state_.scenario);
  const CatalogScenario* home = record == nullptr ? nullptr : cell_.catalog.find(record->key);
  if (record != nullptr && record->state == ScenarioState::Archived)
    return end("the scenario was archived");
  if (home == nullptr || home->version(state_.to) == nullptr)
    return end("the version cannot be read any more");
  if (all_seen_) return end("");

  const auto live = cell_.store->live_runs({state_.after}, std::min(rows, kContactsMovedMax));
  if (!live) return tl::make_unexpected(live.error());
  const auto map = std::make_shared<const NodeMap>(state_.map);
  JobStep step;
  for (const Run& run : live->runs) {
    if (run.scenario != record->key || run.version >= state_.to) continue;
    step.inputs.emplace_back(CommandInput{
        .contact = run.contact, .command = MoveRun{.run = run.key, .to = state_.to, .map = map}});
  }
  next_.asked = step.inputs.size();
  next_.after = live->last.value;
  last_page_ = live->end;
  // With nothing to move the end need not wait for another step.
  return last_page_ && next_.asked == 0 ? end("") : Result<JobStep>{std::move(step)};
}

/// `why`: it ends early.
Result<JobStep> MigrationJob::end(const std::string& why) {
  summary_ = why.empty() ? fmt::format("{} moved to version {}, {} stayed", moved(), state_.to,
                                       state_.stayed)
                         : "it ended early: " + why;
  JobStep step{.changes = cell_.new_batch(), .ended = true};
  step.changes->rows().control.activity.push_back(
      cell_.activity("scenario.migrated", state_.scenario, state_.who, *summary_));
  return step;
}

void MigrationJob::committed() {
  count_stayed(next_);
  state_ = next_;
  all_seen_ = last_page_;
  if (!summary_) return;
  cell_.log(
      {"scenario.migrated",
       {{"scenario", state_.scenario}, {"version", count_value(state_.to)}, {"text", *summary_}}});
  builder_.rebuild();  // versions that no run is on any more are released
}
}  // namespace onward
