// The promises about what operators set up: how long rows are kept, paused nodes, runs that move to
// another version, and secrets that stay secret.
#include <algorithm>

#include <fmt/format.h>

#include "engine/cell/scenario_pass.h"
#include "engine/control/switches.h"
#include "tests/chaos/operators.h"
#include "tests/chaos/promises.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

/// From its creation until a request is looked at: the longest window and its last attempt.
constexpr Duration kSettledWithin = 73h;
/// Beyond the time after which a row must be gone: rests between two looks.
constexpr Duration kLookSlack = 4h;

bool ended_by(const Delivery& row, Instant before) {
  return !row.pending() && row.settled.value_or(row.created) <= before;
}

bool holds_secret(std::string_view text) { return text.find(kSecretMark) != text.npos; }
bool holds_secret(const std::optional<Attempt>& attempt) {
  return attempt && (holds_secret(attempt->response) || holds_secret(attempt->error));
}
}  // namespace

/// Rows go for their age, with their scenario, or with their contact, and for nothing else.
void Promises::check_purged(const Commit& commit) const {
  if (commit.purged_deliveries.empty() && commit.purged_runs.empty()) return;
  const bool bodies = std::ranges::any_of(
      commit.control.admin, [](const AdminRecord& row) { return row.name == "keep/bodies"; });
  const bool runs = std::ranges::any_of(
      commit.control.admin, [](const AdminRecord& row) { return row.name == "keep/runs"; });
  if (!bodies && !runs) {
    for (const Commit::PurgedRun& purged : commit.purged_runs) {
      const auto known = shadow_.runs.find(purged.run);
      const ScenarioRecord* record =
          known == shadow_.runs.end() ? nullptr : shadow_.scenario(known->second.row.scenario);
      if (record == nullptr || record->state != ScenarioState::Archived)
        broken(promise::kKept,
               fmt::format("run {} is gone and nobody purged it", purged.run.value));
    }
    return;
  }
  const std::optional<Duration> keep = bodies ? keep_bodies_ : keep_runs_;
  if (!keep) broken(promise::kKept, "rows go although they are to be kept for ever");
  for (const DeliveryKey key : commit.purged_deliveries) {
    const auto known = shadow_.deliveries.find(key);
    if (known == shadow_.deliveries.end() || !ended_by(known->second.row, commit.at - *keep))
      broken(promise::kKept, fmt::format("the request of delivery {} is gone too soon", key.value));
  }
  for (const Commit::PurgedRun& purged : commit.purged_runs) {
    const auto known = shadow_.runs.find(purged.run);
    if (known == shadow_.runs.end() || known->second.row.live() ||
        known->second.row.ended.value_or(known->second.row.started) > commit.at - *keep)
      broken(promise::kKept, fmt::format("run {} is gone too soon", purged.run.value));
    for (const PathStep& step : known->second.row.path)
      if (step.delivery && shadow_.pending.contains(*step.delivery))
        broken(promise::kKept,
               fmt::format("run {} is gone before its delivery has ended", purged.run.value));
  }
}

/// What has ended long enough ago is not stored any more. `calm`: see at_rest.
void Promises::check_kept(Duration calm) const {
  // A look that was planned before the clock was set back is late by as much.
  const Instant now = clock_.now() - clock_.set_back();
  // When the last one of a batch ended: it goes whole.
  const auto unit_ended = [this](const Delivery& row) -> std::optional<Instant> {
    std::vector<DeliveryKey> members{row.key};
    if (row.batch)
      if (const auto first = shadow_.deliveries.find(*row.batch); first != shadow_.deliveries.end())
        members.insert(members.end(), first->second.row.members.begin(),
                       first->second.row.members.end());
    Instant last{};
    for (const DeliveryKey key : members) {
      const Delivery& one = shadow_.deliveries.at(key).row;
      if (one.pending()) return std::nullopt;
      last = std::max({last, one.settled.value_or(one.created), one.created + kSettledWithin});
    }
    return last;
  };
  // Rows are looked at in their order: one that was made before the clock was set back keeps the
  // later ones until it is old itself.
  Instant made{};
  if (keep_bodies_ && calm > *keep_bodies_ / 4 + kLookSlack)
    for (const DeliveryKey key : shadow_.bodies) {
      const Delivery& row = shadow_.deliveries.at(key).row;
      made = std::max(made, row.created + kSettledWithin);
      auto ended = unit_ended(row);
      if (ended) ended = std::max(*ended, made);
      if (ended && *ended + *keep_bodies_ + *keep_bodies_ / 4 + kLookSlack < now)
        broken(promise::kKept,
               fmt::format("the request of delivery {}, which ended at {}, is still "
                           "stored",
                           key.value, format_instant(*ended)));
    }
  if (!keep_runs_ || calm <= *keep_runs_ / 4 + kLookSlack) return;
  made = {};
  for (const RunKey key : shadow_.ended) {
    const Run& run = shadow_.runs.at(key).row;
    made = std::max(made, run.started + kSettledWithin);
    // A look that finds no ended run is followed by one when those made since are old.
    std::optional<Instant> last = std::max(run.ended.value_or(run.started) + kSettledWithin, made);
    for (const PathStep& step : run.path) {
      if (!step.delivery || !last) continue;
      const auto ended = unit_ended(shadow_.deliveries.at(*step.delivery).row);
      last = ended ? std::optional{std::max(*last, *ended)} : std::nullopt;
    }
    if (last && *last + *keep_runs_ + *keep_runs_ / 4 + kLookSlack < now)
      broken(promise::kKept, fmt::format("run {}, which ended at {}, is still stored", key.value,
                                         format_instant(*last)));
  }
}

/// The store has the requests and the ended runs that it should have, and no others.
void Promises::check_stored(Store& rows) const {
  std::set<DeliveryKey> bodies;
  for (DeliveryKey after;;) {
    const auto found = rows.stored_bodies(after, 500);
    if (!found) broken(promise::kSurvives, found.error().message);
    for (const Delivery& row : found->deliveries) bodies.insert(row.key);
    after = found->last;
    if (found->end) break;
  }
  std::set<RunKey> ended;
  for (RunKey after;;) {
    const auto found = rows.ended_runs({}, after, 500);
    if (!found) broken(promise::kSurvives, found.error().message);
    for (const Run& row : found->runs) ended.insert(row.key);
    after = found->last;
    if (found->end) break;
  }
  const auto compare = [](const auto& stored, const auto& wanted, std::string_view what) {
    for (const auto key : stored)
      if (!wanted.contains(key))
        broken(promise::kKept, fmt::format("{} {} is stored, and was taken away", what, key.value));
    for (const auto key : wanted)
      if (!stored.contains(key))
        broken(promise::kDurable, fmt::format("{} {} is not stored", what, key.value));
  };
  compare(bodies, shadow_.bodies, "the request of delivery");
  compare(ended, shadow_.ended, "ended run");
}

/// What is pending at a paused node is parked.
void Promises::check_paused() {
  quiet_nodes_.clear();
  for (const auto& [key, record] : shadow_.scenarios)
    for (const auto& [node, number] : record.nodes)
      if (const auto found = shadow_.switches.find(record.id + "/" + node);
          found != shadow_.switches.end() && found->second)
        quiet_nodes_.insert({key, number});
  for (const DeliveryKey key : shadow_.pending) {
    const Delivery& row = shadow_.deliveries.at(key).row;
    if (!row.parked && quiet_nodes_.contains({row.endpoint.scenario, row.endpoint.node}))
      broken(promise::kPaused,
             fmt::format("delivery {} is not parked although its node \"{}\" is paused", key.value,
                         shadow_.name_of(row.endpoint.scenario, row.endpoint.node)));
  }
}

/// Before the commit is applied: runs move only by an order, and to the node that it says; at the
/// end of a migration who stayed was counted.
void Promises::check_moves(const Commit& commit) const {
  for (const Run& run : commit.runs) {
    const auto known = shadow_.runs.find(run.key);
    if (known == shadow_.runs.end() || known->second.row.version == run.version) continue;
    const Run& before = known->second.row;
    const ScenarioRecord* record = shadow_.scenario(run.scenario);
    const auto order = record == nullptr ? shadow_.moves.end() : shadow_.moves.find(record->id);
    if (order == shadow_.moves.end() || order->second.to != run.version)
      broken(promise::kMigrated, fmt::format("run {} moved to version {} without an order",
                                             run.key.value, run.version));
    const auto mapped = order->second.map.find(before.place());
    const bool goes = mapped != order->second.map.end() && mapped->second != before.place();
    if (!goes || run.path.size() <= before.path.size()) continue;  // or a rule ended it
    if (run.path.at(before.path.size()).node != mapped->second)
      broken(promise::kMigrated, fmt::format("run {} did not move to \"{}\"", run.key.value,
                                             shadow_.name_of(run.scenario, mapped->second)));
  }
  for (const AdminRecord& row : commit.control.admin) {
    if (row.kind != AdminKind::Pass || !row.removed || !row.name.starts_with("migrate/")) continue;
    const auto order = shadow_.moves.find(row.name.substr(row.name.find('/') + 1));
    const bool early = std::ranges::any_of(commit.control.activity, [](const Activity& activity) {
      return activity.what == "scenario.migrated" && activity.text.starts_with("it ended early");
    });
    AdminRecord last = row;
    last.removed = false;
    const auto pass = read_pass(last);
    if (order == shadow_.moves.end() || !pass || early) continue;
    std::uint64_t left = 0;
    for (const RunKey key : order->second.runs) {
      const Run& run = shadow_.runs.at(key).row;
      if (run.live() && run.version < order->second.to) ++left;
    }
    if (left > pass->stayed)
      broken(promise::kMigrated,
             fmt::format("{} runs of {} are on an older version after the migration, {} were told",
                         left, order->first, pass->stayed));
  }
}

/// No row holds a secret's value.
void Promises::check_secret(const Commit& commit) const {
  bool found =
      std::ranges::any_of(commit.control.admin,
                          [](const AdminRecord& row) { return holds_secret(row.content); }) ||
      std::ranges::any_of(commit.control.activity,
                          [](const Activity& row) { return holds_secret(row.text); }) ||
      std::ranges::any_of(commit.attempts,
                          [](const AttemptRow& row) { return holds_secret(row.attempt); }) ||
      std::ranges::any_of(commit.deliveries,
                          [](const Delivery& row) { return holds_secret(row.last); });
  for (const RequestRow& row : commit.requests) {
    if (row.request == nullptr) continue;
    found |= holds_secret(row.request->body) || holds_secret(row.request->url);
    for (const auto& [name, value] : row.request->headers) found |= holds_secret(value);
  }
  if (found) broken(promise::kSecrets, "a row holds the secret in clear");
}

/// A batch of which all is known to have ended is not sent again.
void Promises::check_batch(const Delivery& first) const {
  if (first.members.empty()) return;
  for (const DeliveryKey key : first.members) {
    const auto member = shadow_.deliveries.find(key);
    if (member == shadow_.deliveries.end() || member->second.row.pending() ||
        member->second.changed_in > disk_->durable())
      return;
  }
  broken(promise::kBatchOnce,
         fmt::format("batch {} is sent although all of it has ended", first.key.value));
}
}  // namespace onward::chaos
