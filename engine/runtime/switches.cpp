// The engine's switches of nodes: pausing parks what is pending, a step at a time; resuming takes
// it out again. The record is written first, so that a restart goes on where a crash came between.
#include "engine/runtime/switches.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "engine/core/source/diagnostic.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/json_members.h"

namespace onward {
namespace {
/// Rows of the jobs that pause and resume: "pause/welcome/send".
constexpr std::string_view kPause = "pause/";
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
    follow_switch({scenario->key, named->number}, record.name, node);
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

/// Parks what is pending at a paused node, or lets what is parked go on, oldest first. What was
/// made after the pause is parked already. A step that is done once more does no harm.
class Engine::NodePause final : public BackgroundJob {
 public:
  /// `node`: "welcome/send", as its record is named.
  NodePause(Engine& engine, NodePlace place, std::string node, NodeSwitch state)
      : engine_{engine}, place_{place}, node_{std::move(node)}, state_{state} {}

  std::string name() const override { return std::string{kPause} + node_; }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override;
  std::optional<std::string> cursor() const override {
    return to_json(ValueMap{{"switch", to_text(state_)},
                            {"after", static_cast<std::int64_t>(next_.value)},
                            {"ended", ended_}});
  }
  /// Of a paused node: a restart then knows that all of it is parked.
  bool keeps_row() const override { return state_.paused; }
  /// Takes over how far a row of the same pause came; whether nothing is left.
  bool resume(std::string_view cursor);

 private:
  Result<JobStep> end() {
    ended_ = true;
    return JobStep{.changes = engine_.new_batch(), .ended = true};
  }
  bool stands() const {
    const auto found = engine_.switches_.find(place_);
    return found != engine_.switches_.end() && found->second.paused == state_.paused &&
           found->second.since == state_.since;
  }

  Engine& engine_;
  const NodePlace place_;
  const std::string node_;
  const NodeSwitch state_;
  DeliveryKey after_, next_;  ///< As committed, and as the step leaves it.
  bool ended_ = false;
};

Result<JobStep> Engine::NodePause::step(std::size_t rows) {
  if (!stands()) return end();
  const auto keys = engine_.store_->deliveries_of(place_.first, place_.second,
                                                  DeliveryState::Pending, after_, rows);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = engine_.store_->deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  JobStep step{.changes = engine_.new_batch(), .ended = keys->size() < rows};
  for (const auto& one : *loaded) {
    if (!one || !one->delivery.pending() || one->delivery.parked == state_.paused) continue;
    if (state_.paused)
      step.changes->park(one->delivery, state_.since);
    else
      step.changes->unpark(one->delivery);
  }
  ended_ = step.ended;
  next_ = keys->empty() ? after_ : keys->back();
  if (ended_ && !state_.paused)
    step.changes->rows().admin.push_back(
        {.kind = AdminKind::Switch, .name = node_, .removed = true});
  return step;
}

void Engine::NodePause::committed() {
  after_ = next_;
  if (ended_ && !state_.paused && stands()) engine_.switches_.erase(place_);
}

bool Engine::NodePause::resume(std::string_view cursor) {
  const auto row = parse_json(cursor);
  if (!row || text_member(*row, "switch") != to_text(state_)) return false;
  after_ = next_ = {static_cast<std::uint64_t>(int_member(*row, "after"))};
  return flag_member(*row, "ended");
}

/// Memory follows a record: what is out is called back, and the rest is left to a job.
void Engine::follow_switch(NodePlace place, const std::string& node, const NodeSwitch& state) {
  switches_[place] = state;
  dispatcher_.hold(place.first, place.second, state.paused || cancelling(place.first));
  // Called back at once: were it left to the job, one that is resumed before its turn would be
  // neither waiting nor on its way.
  if (state.paused) withdraw(dispatcher_.recall(place.first, place.second));
  jobs_.add(std::make_unique<NodePause>(*this, place, node, state));
}

/// After the switches are there.
void Engine::restore_pause(const AdminRecord& row) {
  if (row.kind != AdminKind::Pass || row.removed || !row.name.starts_with(kPause)) return;
  auto* job = dynamic_cast<NodePause*>(jobs_.find(row.name));
  if (job != nullptr && job->resume(row.content)) jobs_.remove(row.name);
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
  follow_switch(*place, scenario + "/" + node, now);
  return answer;
}
}  // namespace onward
