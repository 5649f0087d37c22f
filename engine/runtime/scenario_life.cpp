// What happens to scenarios by themselves, and to all of their runs: starts and ends at their
// times, migrations and purges, a bounded piece between two batches.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/runtime/engine.h"

namespace onward {
namespace {
/// Contacts whose live runs one piece of a pass looks at.
constexpr std::size_t kContactsAtOnce = 200;
/// Ended runs that one piece of a purge looks at.
constexpr std::size_t kRunsAtOnce = 500;
/// Deliveries, of those runs, after which it leaves the rest to the next piece.
constexpr std::size_t kPurgedAtOnce = 500;

std::int64_t sum_of(const Counters& counters, ScenarioKey scenario, Version version,
                    Counter counter) {
  std::int64_t sum = 0;
  for (auto row = counters.lower_bound({.scenario = scenario});
       row != counters.end() && row->first.scenario == scenario; ++row)
    if (version == 0 || row->first.version == version)
      if (!row->first.node) sum += row->second[counter];
  return sum;
}

std::int64_t pending_of(const Counters& counters, ScenarioKey scenario) {
  std::int64_t sum = 0;
  for (auto row = counters.lower_bound({.scenario = scenario});
       row != counters.end() && row->first.scenario == scenario; ++row)
    sum += row->second[Counter::Pending];
  return sum;
}

/// `inputs` must outlive it.
std::vector<Work> work_of(const std::vector<Input>& inputs) {
  std::vector<Work> work;
  work.reserve(inputs.size());
  for (const Input& input : inputs) work.push_back({.input = &input});
  return work;
}
}  // namespace

// ---- times ----

Status Engine::take_transitions() {
  while (!unwritable_ && certain() && scenario_due_ && *scenario_due_ <= clock_.now()) {
    auto change = book_.due(clock_.now());
    if (!change) {
      scenario_due_ = book_.next_due();
      return {};
    }
    const Activity what = change->activity.front();
    Status done = commit_change(std::move(*change));
    if (!done && done.error().kind == ErrorKind::Unavailable) return {};  // when there is room
    if (!done) return done;
    log({what.what, {{"scenario", what.scenario}, {"by", "engine"}, {"why", what.text}}});
  }
  return {};
}

// ---- migrations and purges ----

std::optional<ScenarioProgress> Engine::progress_of(const ScenarioRecord& record) const {
  if (const auto moving = scenario_passes_.find(pass_name(ScenarioPass::Kind::Migrate, record.id));
      moving != scenario_passes_.end()) {
    const ScenarioPass& pass = moving->second;
    const std::int64_t moved = sum_of(counters_, record.key, pass.to, Counter::MovedIn) - pass.base;
    return ScenarioProgress{.what = "migrate",
                            .to = pass.to,
                            .done = static_cast<std::uint64_t>(std::max<std::int64_t>(moved, 0)),
                            .stayed = pass.stayed};
  }
  if (const auto purging = scenario_passes_.find(pass_name(ScenarioPass::Kind::Purge, record.id));
      purging != scenario_passes_.end()) {
    const ScenarioPass& pass = purging->second;
    const std::int64_t stopped = sum_of(counters_, record.key, 0, Counter::Stopped) - pass.base;
    return ScenarioProgress{
        .what = "purge",
        .done = pass.done,
        .stopped = static_cast<std::uint64_t>(std::max<std::int64_t>(stopped, 0))};
  }
  if (const BackgroundJob* cancel = jobs_.find(cancel_name(record.id)))
    return ScenarioProgress{.what = "cancel", .done = cancel->done()};
  return std::nullopt;
}

RunCensus Engine::census(const std::string& id) const {
  const ScenarioRecord* record = book_.find(id);
  return record == nullptr ? RunCensus{} : census_of(counters_, record->key);
}

/// The pass that takes runs under way to the version that `made` makes; one to version 0 where
/// nobody is under way on another one. Nothing: `moves` must be made again.
Result<std::optional<ScenarioPass>> Engine::plan_migration(const Authored& made,
                                                           const Moves& moves) const {
  using Answer = std::optional<ScenarioPass>;
  const ScenarioRecord* record = book_.find(made.id);
  if (record == nullptr) return Answer{ScenarioPass{}};
  const RunCensus now = census_of(counters_, record->key);
  auto map = book_.migration(made, moves, now);
  if (!map) return tl::make_unexpected(std::move(map.error()));
  if (!*map) return Answer{};
  const Version to = record->newest + (made.unchanged ? 0 : 1);
  if (now.sum(&RunCensus::Sums::inside, /*but=*/to) == 0) return Answer{ScenarioPass{}};
  return Answer{ScenarioPass{.scenario = made.id,
                             .to = to,
                             .map = std::move(**map),
                             .base = sum_of(counters_, record->key, to, Counter::MovedIn)}};
}

Status Engine::commit_admin(std::vector<AdminRecord> records, std::vector<Activity> activity) {
  return commit_rows({.at = clock_.now(),
                      .last_seq = last_seq_,
                      .last_contact = last_contact_,
                      .admin = std::move(records),
                      .activity = std::move(activity)});
}

/// One piece of one pass under way; passes take turns.
Status Engine::step_scenario_passes() {
  if (unwritable_ || scenario_passes_.empty()) return {};
  auto turn = scenario_passes_.upper_bound(scenario_pass_turn_);
  if (turn == scenario_passes_.end()) turn = scenario_passes_.begin();
  scenario_pass_turn_ = turn->first;
  const ScenarioPass pass = turn->second;
  Status done;
  switch (pass.kind) {
    case ScenarioPass::Kind::Migrate:
      done = step_migration(pass);
      break;
    case ScenarioPass::Kind::Purge:
      done = step_purge(pass);
      break;
  }
  if (!done && done.error().kind == ErrorKind::Unavailable) return {};  // again when there is room
  return done;
}

/// Works off commands of a pass. False: there was no room, and the piece is to be taken again.
Result<bool> Engine::work_off(const std::vector<Input>& inputs) {
  const std::vector<Work> work = work_of(inputs);
  for (std::size_t first = 0; first < work.size(); first += options_.batch_max) {
    const auto part =
        std::span{work}.subspan(first, std::min(options_.batch_max, work.size() - first));
    if (Status done = commit_batch(part, {}); !done) return tl::make_unexpected(done.error());
    if (unwritable_) return false;
  }
  return true;
}

Status Engine::step_migration(ScenarioPass pass) {
  const ScenarioRecord* record = book_.find(pass.scenario);
  const CatalogScenario* home = record == nullptr ? nullptr : catalog_.find(record->key);
  const auto version = home == nullptr ? nullptr : home->version(pass.to);
  if (record != nullptr && record->state == ScenarioState::Archived)
    return end_migration(pass, "the scenario was archived");
  if (version == nullptr) return end_migration(pass, "the version cannot be read any more");
  const auto map = std::make_shared<const NodeMap>(pass.map);
  const auto live = store_->live_runs({pass.after}, kContactsAtOnce);
  if (!live) return tl::make_unexpected(live.error());
  std::vector<Input> inputs;
  for (const Run& run : live->runs) {
    if (run.scenario != record->key || run.version >= pass.to) continue;
    inputs.emplace_back(CommandInput{
        .contact = run.contact, .command = MoveRun{.run = run.key, .to = pass.to, .map = map}});
  }
  const std::int64_t before = sum_of(counters_, record->key, pass.to, Counter::MovedIn);
  const auto taken = work_off(inputs);
  if (!taken) return tl::make_unexpected(taken.error());
  if (!*taken) return {};
  const std::int64_t moved = sum_of(counters_, record->key, pass.to, Counter::MovedIn) - before;
  pass.stayed += inputs.size() - static_cast<std::size_t>(std::clamp<std::int64_t>(
                                     moved, 0, static_cast<std::int64_t>(inputs.size())));
  pass.after = live->last.value;
  if (live->end) return end_migration(pass, "");
  if (Status done = commit_admin({record_of(pass)}, {}); !done) return done;
  scenario_passes_[pass.name()] = pass;
  return {};
}

Status Engine::end_migration(const ScenarioPass& pass, const std::string& why) {
  std::string text = "it ended early: " + why;
  if (const ScenarioRecord* record = book_.find(pass.scenario); record != nullptr && why.empty())
    text = fmt::format("{} moved to version {}, {} stayed",
                       sum_of(counters_, record->key, pass.to, Counter::MovedIn) - pass.base,
                       pass.to, pass.stayed);
  Activity activity{.at = clock_.now(),
                    .what = "scenario.migrated",
                    .scenario = pass.scenario,
                    .who = pass.who.empty() ? "engine" : pass.who,
                    .text = text};
  if (Status done = commit_admin({record_of(pass, /*removed=*/true)}, {std::move(activity)}); !done)
    return done;
  scenario_passes_.erase(pass.name());
  log({"scenario.migrated",
       {{"scenario", pass.scenario}, {"version", count_value(pass.to)}, {"text", text}}});
  rebuild_catalog();  // versions that nobody is on any more are let go
  return {};
}

Status Engine::step_purge(ScenarioPass pass) {
  const ScenarioRecord* record = book_.find(pass.scenario);
  if (record == nullptr) return end_purge(pass);
  if (!pass.ended) {
    const auto live = store_->live_runs({pass.after}, kContactsAtOnce);
    if (!live) return tl::make_unexpected(live.error());
    std::vector<Input> inputs;
    for (const Run& run : live->runs)
      if (run.scenario == record->key)
        inputs.emplace_back(CommandInput{.contact = run.contact,
                                         .command = EndRun{.run = run.key, .reason = "archived"}});
    const auto taken = work_off(inputs);
    if (!taken) return tl::make_unexpected(taken.error());
    if (!*taken) return {};
    pass.after = live->end ? 0 : live->last.value;
    pass.ended = live->end;
    if (Status done = commit_admin({record_of(pass)}, {}); !done) return done;
    scenario_passes_[pass.name()] = pass;
    return {};
  }
  const auto ended = store_->ended_runs(record->key, {pass.after}, kRunsAtOnce);
  if (!ended) return tl::make_unexpected(ended.error());
  Commit commit{.at = clock_.now(), .last_seq = last_seq_, .last_contact = last_contact_};
  for (const Run& run : ended->runs) {
    if (commit.purged_deliveries.size() >= kPurgedAtOnce) break;
    commit.purged_runs.push_back({.run = run.key, .contact = run.contact});
    for (const PathStep& step : run.path)
      if (step.delivery) commit.purged_deliveries.push_back(*step.delivery);
  }
  const bool all = commit.purged_runs.size() == ended->runs.size();
  pass.after = all ? ended->last.value : commit.purged_runs.back().run.value;
  pass.done += commit.purged_runs.size();
  commit.admin = {record_of(pass)};
  if (Status done = commit_rows(commit); !done) return done;
  scenario_passes_[pass.name()] = pass;
  return all && ended->end ? end_purge(pass) : Status{};
}

Status Engine::end_purge(const ScenarioPass& pass) {
  BookChange change;
  std::vector<AdminRecord> admin{record_of(pass, /*removed=*/true)};
  if (const ScenarioRecord* record = book_.find(pass.scenario)) {
    change.scenarios.push_back(*record);
    change.scenarios.back().purged = clock_.now();
    change.activity.push_back({.at = clock_.now(),
                               .what = "scenario.purged",
                               .scenario = pass.scenario,
                               .who = pass.who.empty() ? "engine" : pass.who,
                               .text = fmt::format("{} runs", pass.done)});
  }
  if (Status done = commit_change(change, std::move(admin)); !done) return done;
  scenario_passes_.erase(pass.name());
  log({"scenario.purged", {{"scenario", pass.scenario}, {"runs", count_value(pass.done)}}});
  return {};
}

// ---- calls ----

Result<ScenarioInfo> Engine::purge(const std::string& id, const std::string& who) {
  auto info = book_.info(id);
  if (!info) return info;
  if (info->state != ScenarioState::Archived)
    return fail(ErrorKind::Conflict, "not_archived",
                fmt::format("scenario \"{}\" is {}; only an archived one can be purged", id,
                            to_string(info->state)));
  const ScenarioRecord& record = *book_.find(id);
  if (record.purged || scenario_passes_.contains(pass_name(ScenarioPass::Kind::Purge, id)))
    return this->info(id);
  if (const std::int64_t pending = pending_of(counters_, record.key); pending > 0)
    return fail(ErrorKind::Conflict, "requests_pending",
                fmt::format("{} of its requests {} still pending: wait for {}, or take {} back by "
                            "archiving it again with cancel_pending (onward archive {} "
                            "--cancel-pending)",
                            pending, pending == 1 ? "is" : "are", pending == 1 ? "it" : "them",
                            pending == 1 ? "it" : "them", id));
  ScenarioPass pass{.kind = ScenarioPass::Kind::Purge,
                    .scenario = id,
                    .base = sum_of(counters_, record.key, 0, Counter::Stopped),
                    .who = who};
  std::vector<Activity> begun{activity_of("scenario.purging", id, who)};
  if (Status done = commit_admin({record_of(pass)}, begun); !done)
    return tl::make_unexpected(done.error());
  log_changes(begun);
  scenario_passes_[pass.name()] = pass;
  return this->info(id);
}

Result<ScenarioPlan> Engine::plan(const std::string& id, const std::string& text,
                                  const MigrationRequest& request) const {
  return book_.plan(id, text, request, census(id), clock_.now());
}

Result<ScenarioVersions> Engine::versions(const std::string& id) {
  std::map<Version, std::size_t> sizes;
  for (const Version version : book_.unsized(id)) sizes[version] = book_.size_of({id, version});
  return versions(id, sizes);
}

Result<ScenarioVersions> Engine::versions(const std::string& id,
                                          const std::map<Version, std::size_t>& sizes) {
  if (!sizes.empty()) {
    book_.adopt_sizes(id, sizes);
    ++generation_;
  }
  auto versions = book_.versions(id, counters_);
  if (versions) versions->progress = progress_of(*book_.find(id));
  return versions;
}

/// Adds what the counters know.
void Engine::complete(ScenarioInfo& info) const {
  const ScenarioRecord* record = book_.find(info.id);
  if (record == nullptr) return;
  if (const auto name = reads_elsewhere_ ? std::nullopt : book_.untitled(info.id))
    if (const auto read = book_.load(*name)) info.title = ScenarioBook::kept_title(*read);
  info.progress = progress_of(*record);
  for (auto row = counters_.lower_bound({.scenario = record->key});
       row != counters_.end() && row->first.scenario == record->key; ++row) {
    if (row->first.test) continue;
    info.entered += row->second[Counter::Entered];
    info.inside += row->second[Counter::Inside];
    info.pending += row->second[Counter::Pending];
    info.failed += row->second[Counter::Failed];
  }
}

Result<ScenarioInfo> Engine::info(const std::string& id) const {
  auto info = book_.info(id);
  if (info) complete(*info);
  return info;
}

std::vector<ScenarioInfo> Engine::scenarios() const {
  std::vector<ScenarioInfo> infos = book_.list();
  for (ScenarioInfo& info : infos) complete(info);
  return infos;
}
}  // namespace onward
