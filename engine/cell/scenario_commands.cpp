#include "engine/cell/scenario_commands.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/cell/cancel_job.h"
#include "engine/cell/delivery_actions.h"
#include "engine/cell/migration_job.h"
#include "engine/cell/purge_job.h"
#include "engine/cell/small_jobs.h"
#include "engine/control/scenario_decisions.h"
#include "engine/control/secret_users.h"
#include "engine/core/base/clipped.h"

namespace onward {
namespace {
constexpr std::size_t kActivationWarningsMax = 100;
/// Nodes that a refusal names.
constexpr std::size_t kRefusalsShown = 5;

/// Bytes of addresses that a line of the log repeats.
constexpr std::size_t kLoggedAddressBytes = 400;

/// "test mode for jane@example.org, joe@example.org and 3 more"
std::string test_mode_text(const std::optional<std::vector<std::string>>& emails) {
  if (!emails || emails->empty()) return {};
  std::string text;
  std::size_t named = 0;
  for (const std::string& email : *emails) {
    if (named > 0 && text.size() + email.size() > kLoggedAddressBytes) break;
    if (named++ > 0) text += ", ";
    text += clipped(email, kLoggedAddressBytes);
  }
  if (named < emails->size()) text += fmt::format(" and {} more", emails->size() - named);
  return "test mode for " + text;
}

std::int64_t pending_of(const Counters& counters, ScenarioKey scenario) {
  std::int64_t sum = 0;
  for (auto row = counters.lower_bound({.scenario = scenario});
       row != counters.end() && row->first.scenario == scenario; ++row)
    sum += row->second[Counter::Pending];
  return sum;
}
}  // namespace

void log_changes(const CellContext& cell, const std::vector<Activity>& changes) {
  for (const Activity& change : changes)
    cell.log({change.what, {{"scenario", change.scenario}, {"by", change.who}}});
}

tl::unexpected<Error> ScenarioCommands::changing(const std::string& id) {
  return fail(
      ErrorKind::Busy, "busy",
      fmt::format("what \"{}\" is checked against keeps changing; try again in a moment", id));
}

Result<ApplyAnswer> ScenarioCommands::apply(const std::string& id, const std::string& text,
                                            const MigrationRequest& migration,
                                            const std::string& who) {
  auto made = author_text(cell_.control.scenarios, id, text);
  if (!made) return tl::make_unexpected(std::move(made.error()));
  std::optional<Moves> moves;
  if (migration.wanted && !made->refused) {
    auto found = moves_to(cell_.control.scenarios, *made, migration, parts_.views.census(id));
    if (!found) return tl::make_unexpected(std::move(found.error()));
    moves = std::move(*found);
  }
  auto answer = apply(*made, moves ? &*moves : nullptr, who);
  if (!answer) return tl::make_unexpected(std::move(answer.error()));
  if (!*answer) return changing(id);
  return std::move(**answer);
}

/// Commits `change` with `rows`; then what the scenario is. Nothing is written where nothing is
/// changed.
Result<ScenarioInfo> ScenarioCommands::commit(const std::string& id, BookChange change,
                                              std::vector<AdminRecord> rows) {
  const std::vector<Activity> activity = change.activity;
  if (!change.scenarios.empty() || !change.versions.empty() || !rows.empty())
    if (Status done = parts_.control.commit(Change{std::move(change), std::move(rows)}); !done)
      return tl::make_unexpected(done.error());
  log_changes(cell_, activity);
  return parts_.views.info(id);
}

Result<bool> ScenarioCommands::store_text_part(const Authored& made, TextKey text,
                                               std::uint16_t number) {
  const std::size_t from = number * kTextPart;
  Commit commit = cell_.new_commit();
  commit.control.text_parts.push_back(
      {.text = text, .number = number, .bytes = made.packed.substr(from, kTextPart)});
  if (Status written = parts_.writer.commit(commit); !written)
    return tl::make_unexpected(std::move(written.error()));
  return from + kTextPart < made.packed.size();
}

void ScenarioCommands::drop_text(TextKey text, std::size_t bytes) {
  parts_.jobs.add(drop_text_job(cell_, text, bytes));
}

/// The pass that takes runs under way to the version that `made` makes; one to version 0 where
/// nobody is under way on another one. Nothing: `moves` must be made again.
Result<std::optional<ScenarioPass>> ScenarioCommands::plan_migration(const Authored& made,
                                                                     const Moves& moves) const {
  using Answer = std::optional<ScenarioPass>;
  const ScenarioRecord* record = cell_.control.scenarios.find(made.id);
  if (record == nullptr) return Answer{ScenarioPass{}};
  const RunCensus now = census_of(cell_.counters, record->key);
  auto map = migration_to(cell_.control.scenarios, made, moves, now);
  if (!map) return tl::make_unexpected(std::move(map.error()));
  if (!*map) return Answer{};
  const Version to = record->newest + (made.unchanged ? 0 : 1);
  if (now.sum(&RunCensus::Sums::inside, /*but=*/to) == 0) return Answer{ScenarioPass{}};
  return Answer{ScenarioPass{.scenario = made.id,
                             .to = to,
                             .map = std::move(**map),
                             .base = sum_of(cell_.counters, record->key, to, Counter::MovedIn)}};
}

Result<std::optional<ApplyAnswer>> ScenarioCommands::apply(Authored& made, const Moves* moves,
                                                           const std::string& who) {
  using Answer = std::optional<ApplyAnswer>;
  const std::string id = made.id;
  if (parts_.jobs.find(pass_name(ScenarioPass::Kind::Migrate, id)) != nullptr)
    return fail(ErrorKind::Conflict, "migrating",
                fmt::format("runs of \"{}\" are still going over to its newest version; apply "
                            "again when they have",
                            id));
  if (!is_current(cell_.control.scenarios, made)) return Answer{};
  std::optional<ScenarioPass> pass;
  if (moves != nullptr && !made.refused) {
    auto planned = plan_migration(made, *moves);
    if (!planned) return tl::make_unexpected(std::move(planned.error()));
    if (!*planned) return Answer{};
    pass = std::move(**planned);
    pass->who = who;
    if (!pass->to) pass.reset();  // nobody is under way elsewhere
  }
  auto applied = apply_text(cell_.control.scenarios, std::move(made), cell_.now());
  if (!applied) return tl::make_unexpected(std::move(applied.error()));
  if (applied->answer.refused) return Answer{std::move(applied->answer)};
  return commit_applied(id, std::move(applied->answer), std::move(applied->change), std::move(pass),
                        who);
}

Result<std::optional<ApplyAnswer>> ScenarioCommands::commit_applied(
    const std::string& id, ApplyAnswer answer, BookChange change, std::optional<ScenarioPass> pass,
    const std::string& who) {
  using Answer = std::optional<ApplyAnswer>;
  answer.migrating = pass.has_value();
  if (answer.changed)
    change.activity.push_back(cell_.activity(
        "scenario.applied", id, who, fmt::format("version {}", change.versions.front().version)));
  std::vector<AdminRecord> rows = parts_.pauses.first_rows(id, change);
  if (pass) rows.push_back(record_of(*pass));
  if (!change.scenarios.empty() || !change.versions.empty() || !rows.empty())
    if (Status done = parts_.control.commit(Change{std::move(change), std::move(rows)}); !done)
      return tl::make_unexpected(done.error());
  if (pass)
    parts_.jobs.add(std::make_unique<MigrationJob>(cell_, parts_.builder, std::move(*pass)));
  // It is applied, whatever its times cause: a fault there is the store's, and ends the cell.
  if (Status done = take_transitions(); !done) fault_ = done.error();
  auto info = cell_.control.scenarios.info(id);
  if (!info) return tl::make_unexpected(std::move(info.error()));
  answer.scenario = std::move(*info);
  if (answer.changed)
    cell_.log({"scenario.applied",
               {{"scenario", id},
                {"version", count_value(answer.scenario.version)},
                {"by", who.empty() ? "engine" : who}}});
  return Answer{std::move(answer)};
}

Result<ScenarioInfo> ScenarioCommands::duplicate(const std::string& id, const std::string& new_id,
                                                 const std::string& who) {
  auto made = author_duplicate(cell_.control.scenarios, id, new_id);
  if (!made) return tl::make_unexpected(std::move(made.error()));
  auto answer = duplicate(*made, who);
  if (!answer) return tl::make_unexpected(std::move(answer.error()));
  if (!*answer) return changing(id);
  return std::move(**answer);
}

Result<std::optional<ScenarioInfo>> ScenarioCommands::duplicate(Authored& made,
                                                                const std::string& who) {
  using Answer = std::optional<ScenarioInfo>;
  if (!is_current(cell_.control.scenarios, made)) return Answer{};
  const std::string id = made.copy_of, new_id = made.id;
  auto applied = apply_text(cell_.control.scenarios, std::move(made), cell_.now());
  if (!applied) return tl::make_unexpected(std::move(applied.error()));
  if (applied->answer.refused) {
    const std::vector<Diagnostic>& found = applied->answer.diagnostics;
    const auto first = std::ranges::find(found, Severity::Error, &Diagnostic::severity);
    return fail(ErrorKind::Conflict, "not_valid_any_more",
                fmt::format("scenario \"{}\" was accepted earlier, but its text would be refused "
                            "now: {}. Apply a corrected file under the new id",
                            id, first == found.end() ? "" : first->message));
  }
  applied->change.activity.push_back(
      cell_.activity("scenario.duplicated", new_id, who, fmt::format("from \"{}\"", id)));
  std::vector<AdminRecord> rows = parts_.pauses.first_rows(new_id, applied->change);
  auto copy = commit(new_id, std::move(applied->change), std::move(rows));
  if (!copy) return tl::make_unexpected(std::move(copy.error()));
  return Answer{std::move(*copy)};
}

Result<ScenarioInfo> ScenarioCommands::activate(
    const std::string& id, const std::optional<std::vector<std::string>>& test_emails,
    const std::string& who) {
  if (Status ready = check_secrets_of(id); !ready) return tl::make_unexpected(ready.error());
  auto change = activate_scenario(cell_.control.scenarios, id, test_emails, cell_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  const bool waits =
      !change->scenarios.empty() && change->scenarios.front().state == ScenarioState::Scheduled;
  change->activity.push_back(cell_.activity(waits ? "scenario.scheduled" : "scenario.activated", id,
                                            who, test_mode_text(test_emails)));
  auto info = commit(id, std::move(*change));
  if (info) info->warnings = refusals_of(id);
  return info;
}

/// The nodes of the newest version whose requests this server's policy refuses.
std::vector<std::string> ScenarioCommands::refusals_of(const std::string& id) const {
  std::vector<std::string> found;
  const ScenarioRecord* record = cell_.control.scenarios.find(id);
  const CatalogScenario* home = record == nullptr ? nullptr : cell_.catalog.find(record->key);
  const Scenario* newest = home == nullptr ? nullptr : home->version(record->newest);
  if (newest == nullptr) return found;
  for (const ScenarioNode& node : newest->nodes) {
    const DeliveryPolicy* policy = node.node->delivery_policy();
    if (policy == nullptr || found.size() == kActivationWarningsMax) continue;
    if (const std::string why = cell_.refused_origin(policy->origin); !why.empty())
      found.push_back(
          fmt::format("node \"{}\": this server will not call its URL: {}. Until that "
                      "is allowed its requests stay pending",
                      node.id, why));
  }
  return found;
}

Status ScenarioCommands::check_secrets_of(const std::string& id) const {
  if (cell_.options.any_secret) return {};
  const std::vector<std::string> unknown = unknown_secrets(cell_.control.scenarios, id);
  if (!unknown.empty())
    return fail(
        ErrorKind::Conflict, "unknown_secret",
        fmt::format("scenario \"{}\" needs what the server does not have any more: {}. Set it, "
                    "or apply a file that does without",
                    id, fmt::join(unknown, ", ")));
  std::vector<std::string> refused = refused_hosts(cell_.control.scenarios, id);
  if (refused.empty()) return {};
  if (refused.size() > kRefusalsShown) refused.resize(kRefusalsShown);
  return fail(ErrorKind::Conflict, std::string{kSecretHostRefused},
              fmt::format("scenario \"{}\": {}. Apply a file with another URL, or ask an admin to "
                          "allow the host: onward secret set NAME --keep --host HOST",
                          id, fmt::join(refused, "; ")));
}

Result<ScenarioInfo> ScenarioCommands::hold(const std::string& id, const std::string& who) {
  auto change = hold_scenario(cell_.control.scenarios, id);
  if (!change) return tl::make_unexpected(std::move(change.error()));
  change->activity.push_back(cell_.activity("scenario.held", id, who));
  return commit(id, std::move(*change));
}

Result<ScenarioInfo> ScenarioCommands::archive(const std::string& id, bool with_pending,
                                               const std::string& who) {
  auto change = archive_scenario(cell_.control.scenarios, id, cell_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  change->activity.push_back(cell_.activity("scenario.archived", id, who,
                                            with_pending ? "pending requests cancelled" : ""));
  if (!with_pending) return commit(id, std::move(*change));
  auto job = std::make_unique<CancelJob>(cell_, parts_.outbox, id, CancelJob::State{.who = who});
  auto info = commit(id, std::move(*change), {*row_of(*job)});
  if (!info) return info;
  hold_nodes(cell_, parts_.outbox, *cell_.control.scenarios.find(id), true);
  // The first step is done at once, which is all of it where little is pending.
  const Job& added = parts_.jobs.add(std::move(job));
  if (Status done = parts_.runner.run_first(added); !done) return tl::make_unexpected(done.error());
  return parts_.views.info(id);
}

Result<ScenarioInfo> ScenarioCommands::remove_draft(const std::string& id, const std::string& who) {
  auto change = delete_draft(cell_.control.scenarios, id);
  if (!change) return tl::make_unexpected(std::move(change.error()));
  auto info = cell_.control.scenarios.info(id);
  change->activity.push_back(cell_.activity("scenario.deleted", id, who));
  const std::vector<Activity> activity = change->activity;
  if (Status done = parts_.control.commit(Change{std::move(*change)}); !done)
    return tl::make_unexpected(done.error());
  log_changes(cell_, activity);
  return info;
}

Result<ScenarioInfo> ScenarioCommands::purge(const std::string& id, const std::string& who) {
  auto info = cell_.control.scenarios.info(id);
  if (!info) return info;
  if (info->state != ScenarioState::Archived)
    return fail(ErrorKind::Conflict, "not_archived",
                fmt::format("scenario \"{}\" is {}; only an archived one can be purged", id,
                            to_string(info->state)));
  const ScenarioRecord& record = *cell_.control.scenarios.find(id);
  if (record.purged || is_purging(cell_, parts_.jobs, record.key)) return parts_.views.info(id);
  if (const std::int64_t pending = pending_of(cell_.counters, record.key); pending > 0)
    return fail(ErrorKind::Conflict, "requests_pending",
                fmt::format("{} of its requests {} still pending: wait for {}, or take {} back by "
                            "archiving it again with cancel_pending (onward archive {} "
                            "--cancel-pending)",
                            pending, pending == 1 ? "is" : "are", pending == 1 ? "it" : "them",
                            pending == 1 ? "it" : "them", id));
  ScenarioPass pass{.kind = ScenarioPass::Kind::Purge,
                    .scenario = id,
                    .base = sum_of(cell_.counters, record.key, 0, Counter::Stopped),
                    .who = who};
  std::vector<Activity> begun{cell_.activity("scenario.purging", id, who)};
  if (Status done = parts_.writer.commit({record_of(pass)}, begun); !done)
    return tl::make_unexpected(done.error());
  log_changes(cell_, begun);
  parts_.jobs.add(std::make_unique<PurgeJob>(cell_, std::move(pass)));
  return parts_.views.info(id);
}

Status ScenarioCommands::take_transitions() {
  const auto is_due = [this] {
    const auto& due = parts_.builder.next_transition();
    return !parts_.writer.read_only() && cell_.certain() && due && *due <= cell_.now();
  };
  while (is_due()) {
    auto change = due_change(cell_.control.scenarios, cell_.now());
    if (!change) {
      parts_.builder.look_for_transitions();
      return {};
    }
    const Activity what = change->activity.front();
    const Status done = parts_.control.commit(Change{std::move(*change)});
    if (!done) return ignore_transient(done);  // again when there is room
    cell_.log({what.what, {{"scenario", what.scenario}, {"by", "engine"}, {"why", what.text}}});
  }
  return {};
}

void ScenarioCommands::restore(const std::vector<AdminRecord>& rows) {
  for (const AdminRecord& row : rows) {
    if (row.kind != AdminKind::Pass || row.removed) continue;
    if (auto pass = read_pass(row)) {
      if (pass->kind == ScenarioPass::Kind::Migrate)
        parts_.jobs.add(std::make_unique<MigrationJob>(cell_, parts_.builder, std::move(*pass)));
      else
        parts_.jobs.add(std::make_unique<PurgeJob>(cell_, std::move(*pass)));
    }
    const auto scenario = cancelled_scenario(row.name);
    if (!scenario) continue;
    // How far it came is not needed: with a row that cannot be read it begins with the first node.
    parts_.jobs.add(
        std::make_unique<CancelJob>(cell_, parts_.outbox, *scenario,
                                    CancelJob::read(row.content).value_or(CancelJob::State{})));
    if (const ScenarioRecord* record = cell_.control.scenarios.find(*scenario))
      hold_nodes(cell_, parts_.outbox, *record, true);
  }
}
}  // namespace onward
