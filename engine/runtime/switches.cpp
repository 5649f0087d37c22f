// The engine's switches of nodes: pausing parks what is pending, a chunk at a time; resuming takes
// it out again. The record is written first, so that a restart goes on where a crash came between.
#include "engine/runtime/switches.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "engine/core/diagnostic.h"
#include "engine/runtime/engine.h"

namespace onward {
namespace {
/// Deliveries that one step looks at.
constexpr std::size_t kSwitchChunk = 500;
constexpr std::string_view kPaused = "paused ";
constexpr std::string_view kResuming = "resuming ";

AdminRecord record_of(const std::string& name, const NodeSwitch& node) {
  return {.kind = AdminKind::Switch, .name = name, .content = to_text(node)};
}
}  // namespace

std::string to_text(const NodeSwitch& node) {
  return std::string{node.paused ? kPaused : kResuming} + format_instant(node.since);
}

std::optional<NodeSwitch> parse_switch(std::string_view text) {
  const bool paused = text.starts_with(kPaused);
  if (!paused && !text.starts_with(kResuming)) return std::nullopt;
  text.remove_prefix(paused ? kPaused.size() : kResuming.size());
  const auto since = parse_instant(text);
  if (!since) return std::nullopt;
  return NodeSwitch{.paused = paused, .since = *since};
}

/// "scenario/node", as its record is named; nothing where there is no such node.
std::optional<std::string> Engine::name_of(NodePlace place) const {
  const auto names = book_.names(place.first);
  const NodeNames::Named* named = names == nullptr ? nullptr : names->find(place.second);
  return named == nullptr ? std::nullopt : std::optional{named->id};
}

void Engine::restore_switches(const Snapshot& snapshot) {
  for (const AdminRecord& row : snapshot.admin) follow_switch(row);
}

void Engine::follow_switch(const AdminRecord& record) {
  if (record.kind != AdminKind::Switch || record.removed) return;
  const std::size_t slash = record.name.find('/');
  const ScenarioRecord* scenario = book_.find(record.name.substr(0, slash));
  // One that cannot be read: somebody may have paused the node, so nothing is sent until a person
  // resumes it.
  const NodeSwitch node =
      parse_switch(record.content).value_or(NodeSwitch{.paused = true, .since = clock_.now()});
  if (scenario == nullptr || slash == std::string::npos) return;
  const auto names = book_.names(scenario->key);
  if (const NodeNames::Named* named = names->find(std::string_view{record.name}.substr(slash + 1)))
    follow_switch({scenario->key, named->number}, node);
}

/// The switches of nodes that are new in a version: what the author gave them to begin with.
std::vector<AdminRecord> Engine::first_switches(const std::string& scenario,
                                                const BookChange& change) const {
  std::vector<AdminRecord> rows;
  if (!change.built) return rows;
  const auto known = book_.names(scenario);
  for (const ScenarioNode& node : change.built->nodes) {
    const DeliveryPolicy* policy = node.node->delivery_policy();
    if (policy == nullptr || policy->active) continue;
    if (known == nullptr || known->find(node.id) == nullptr)
      rows.push_back(record_of(scenario + "/" + node.id, {.since = clock_.now()}));
  }
  return rows;
}

/// Memory follows a record: what is out is called back, and the rest is left to a chore.
void Engine::follow_switch(NodePlace place, const NodeSwitch& node) {
  switches_[place] = node;
  dispatcher_.hold(place.first, place.second, node.paused || cancelling(place.first));
  if (node.paused) {
    // Called back at once: were it left to the chore, one that is resumed before its turn would
    // be neither waiting nor on its way.
    withdraw(dispatcher_.recall(place.first, place.second));
    chores_.push_back({.step = [place, after = DeliveryKey{}](Engine& engine) mutable {
      return engine.park_some(place, after);
    }});
  } else {
    chores_.push_back(
        {.step = [place, since = node.since, after = DeliveryKey{}](Engine& engine) mutable {
          return engine.unpark_some(place, since, after);
        }});
  }
}

Result<SwitchAnswer> Engine::switch_node(const std::string& scenario, const std::string& node,
                                         bool pause, const std::string& who) {
  if (const auto known = book_.info(scenario); !known) return tl::make_unexpected(known.error());
  const ScenarioRecord* record = book_.find(scenario);
  std::optional<NodePlace> place;
  for (const auto& [id, number] : record->nodes)
    if (id == node) place = NodePlace{record->key, number};
  if (!place ||
      (!switches_.contains(*place) && !book_.is_sending(*record, place->second, counters_))) {
    const std::string nearest = nearest_name(node, book_.sending_nodes(*record));
    return fail(
        ErrorKind::NotFound, place ? "not_sending" : "unknown_node",
        fmt::format("scenario \"{}\" has no node \"{}\" that sends webhooks{}", scenario, node,
                    nearest.empty() || nearest == node
                        ? ""
                        : fmt::format("; did you mean \"{}\"?", nearest)));
  }

  SwitchAnswer answer{.scenario = scenario, .node = node, .paused = pause};
  answer.pending = sum_of(counters_, record->key, place->second, Counter::Pending);
  const auto found = switches_.find(*place);
  const bool changes =
      pause ? !is_paused(switches_, *place) : found != switches_.end() && found->second.paused;
  if (!changes) return answer;
  const NodeSwitch now{.paused = pause, .since = clock_.now()};
  Commit commit{.at = clock_.now(), .last_seq = last_seq_, .last_contact = last_contact_};
  commit.admin.push_back(record_of(scenario + "/" + node, now));
  commit.activity.push_back(activity_of(pause ? "node.paused" : "node.resumed", scenario, who,
                                        fmt::format("{} pending", answer.pending)));
  commit.activity.back().node = node;
  if (Status done = commit_rows(commit); !done) return tl::make_unexpected(done.error());
  follow_switch(*place, now);
  return answer;
}

/// Parks what is pending, oldest first; members of a batch as they come. What was made after the
/// pause is parked already. Beginning anew does no harm: what is parked stays parked.
Result<bool> Engine::park_some(NodePlace place, DeliveryKey& after) {
  const auto state = switches_.find(place);
  if (state == switches_.end() || !state->second.paused) return true;
  const auto keys =
      store_->deliveries_of(place.first, place.second, DeliveryState::Pending, after, kSwitchChunk);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = store_->deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  Batch batch = new_batch();
  for (const auto& one : *loaded)
    if (one && one->delivery.pending() && !one->delivery.parked)
      batch.park(one->delivery, state->second.since);
  if (Status done = commit_and_adopt(batch); !done) return tl::make_unexpected(done.error());
  if (!keys->empty()) after = keys->back();
  return keys->size() < kSwitchChunk;
}

/// Lets parked ones go on, oldest first. Beginning anew does no harm: what is free stays free.
Result<bool> Engine::unpark_some(NodePlace place, Instant since, DeliveryKey& after) {
  const auto state = switches_.find(place);
  // One that was paused and resumed once more has a chore of its own, which begins anew.
  if (state == switches_.end() || state->second.paused || state->second.since != since) return true;
  const auto keys =
      store_->deliveries_of(place.first, place.second, DeliveryState::Pending, after, kSwitchChunk);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = store_->deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  Batch batch = new_batch();
  for (const auto& one : *loaded)
    if (one && one->delivery.pending() && one->delivery.parked) batch.unpark(one->delivery);
  const bool last = keys->size() < kSwitchChunk;
  const auto node = name_of(place);
  if (last && node) {
    AdminRecord record{.kind = AdminKind::Switch,
                       .name = book_.find(place.first)->id + "/" + *node};
    record.removed = true;
    batch.rows().admin.push_back(std::move(record));
  }
  if (Status done = commit_and_adopt(batch); !done) return tl::make_unexpected(done.error());
  if (!last)
    after = keys->back();
  else
    switches_.erase(place);
  return last;
}
}  // namespace onward
