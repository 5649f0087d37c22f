#include "engine/cell/node_pauses.h"

#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "engine/cell/background_job.h"
#include "engine/cell/delivery_actions.h"
#include "engine/core/base/json_members.h"

namespace onward {
namespace {
/// Rows of the jobs that pause and resume: "pause/welcome/send".
constexpr std::string_view kPause = "pause/";

/// Parks what is pending at a paused node, or lets what is parked go on, oldest first. What was
/// made after the pause is parked already. A step that is done once more does no harm.
class NodePauseJob final : public BackgroundJob {
 public:
  /// `node`: "welcome/send", as its record is named.
  NodePauseJob(CellContext& cell, NodePlace place, std::string node, NodeSwitch state)
      : cell_{cell}, place_{place}, node_{std::move(node)}, state_{state} {}

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
    return JobStep{.changes = cell_.new_batch(), .ended = true};
  }
  bool stands() const {
    const auto found = cell_.control.switches.find(place_);
    return found != cell_.control.switches.end() && found->second.paused == state_.paused &&
           found->second.since == state_.since;
  }

  CellContext& cell_;
  const NodePlace place_;
  const std::string node_;
  const NodeSwitch state_;
  DeliveryKey after_, next_;  ///< As committed, and as the step leaves it.
  bool ended_ = false;
};

Result<JobStep> NodePauseJob::step(std::size_t rows) {
  if (!stands()) return end();
  const auto keys =
      cell_.store->deliveries_of(place_.first, place_.second, DeliveryState::Pending, after_, rows);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = cell_.store->deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  JobStep step{.changes = cell_.new_batch(), .ended = keys->size() < rows};
  for (const auto& one : *loaded) {
    if (!one || !one->delivery.pending() || one->delivery.parked == state_.paused) continue;
    if (state_.paused)
      step.changes->deliveries().park(one->delivery, state_.since);
    else
      step.changes->deliveries().unpark(one->delivery);
  }
  ended_ = step.ended;
  next_ = keys->empty() ? after_ : keys->back();
  if (ended_ && !state_.paused)
    step.changes->rows().control.admin.push_back(
        {.kind = AdminKind::Switch, .name = node_, .removed = true});
  return step;
}

void NodePauseJob::committed() {
  after_ = next_;
  if (ended_ && !state_.paused && stands()) cell_.control.switches.erase(place_);
}

bool NodePauseJob::resume(std::string_view cursor) {
  const auto row = parse_json(cursor);
  if (!row || text_member(*row, "switch") != to_text(state_)) return false;
  after_ = next_ = {static_cast<std::uint64_t>(int_member(*row, "after"))};
  return flag_member(*row, "ended");
}
}  // namespace

AdminRecord record_of(const std::string& name, const NodeSwitch& node) {
  return {.kind = AdminKind::Switch, .name = name, .content = to_text(node)};
}

void NodePauses::restore(const std::vector<AdminRecord>& rows) {
  for (const AdminRecord& row : rows) follow(row);
  // How far the jobs of these came.
  for (const AdminRecord& row : rows) {
    if (row.kind != AdminKind::Pass || row.removed || !row.name.starts_with(kPause)) continue;
    auto* job = dynamic_cast<NodePauseJob*>(jobs_.find(row.name));
    if (job != nullptr && job->resume(row.content)) jobs_.remove(row.name);
  }
}

void NodePauses::follow(const AdminRecord& record) {
  if (record.kind != AdminKind::Switch || record.removed) return;
  const std::size_t slash = record.name.find('/');
  const ScenarioRecord* scenario = cell_.control.scenarios.find(record.name.substr(0, slash));
  // One that cannot be read: somebody may have paused the node, so nothing is sent until a person
  // resumes it.
  const NodeSwitch node =
      parse_switch(record.content).value_or(NodeSwitch{.paused = true, .since = cell_.now()});
  if (scenario == nullptr || slash == std::string::npos) return;
  const auto names = cell_.control.scenarios.names(scenario->key);
  if (const NodeNames::Named* named = names->find(std::string_view{record.name}.substr(slash + 1)))
    follow({scenario->key, named->number}, record.name, node);
}

/// The switches of nodes that are new in a version: what the author gave them to begin with.
std::vector<AdminRecord> NodePauses::first_rows(const std::string& scenario,
                                                const BookChange& change) const {
  std::vector<AdminRecord> rows;
  if (!change.built) return rows;
  const auto known = cell_.control.scenarios.names(scenario);
  for (const ScenarioNode& node : change.built->nodes) {
    const DeliveryPolicy* policy = node.node->delivery_policy();
    if (policy == nullptr || policy->active) continue;
    if (known == nullptr || known->find(node.id) == nullptr)
      rows.push_back(record_of(scenario + "/" + node.id, {.since = cell_.now()}));
  }
  return rows;
}

/// Memory follows a record: what is out is called back, and the rest is left to a job.
void NodePauses::follow(NodePlace place, const std::string& node, const NodeSwitch& state) {
  cell_.control.switches[place] = state;
  outbox_.hold(place, state.paused || is_cancelling(cell_, jobs_, place.first));
  // Called back at once: were it left to the job, one that is resumed before its turn would be
  // neither waiting nor on its way.
  if (state.paused) outbox_.call_back(place);
  jobs_.add(std::make_unique<NodePauseJob>(cell_, place, node, state));
}
}  // namespace onward
