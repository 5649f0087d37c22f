// What is pending at an archived scenario is cancelled, a step at a time. Meanwhile none of it is
// sent.
#include <fmt/format.h>

#include "engine/runtime/delivery_walk.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/json_members.h"

namespace onward {
namespace {
constexpr std::string_view kCancel = "cancel/";

bool has_pending(const Counters& counters, NodePlace place) {
  const auto [scenario, node] = place;
  for (auto row = counters.lower_bound({.scenario = scenario, .node = node});
       row != counters.end() && row->first.scenario == scenario && row->first.node == node; ++row)
    if (row->second[Counter::Pending] > 0) return true;
  return false;
}
}  // namespace

std::string Engine::cancel_name(const std::string& scenario) {
  return std::string{kCancel} + scenario;
}

/// Node by node, oldest first; parked deliveries as well, and a batch with all its members at once.
class Engine::CancelPending final : public BackgroundJob {
 public:
  struct State {
    WalkPlace place;  ///< Among the nodes as the scenario's record has them.
    std::uint64_t cancelled = 0;
    std::string who;  ///< Asked for it: the name of a token.
  };
  CancelPending(Engine& engine, std::string scenario, State state)
      : engine_{engine}, scenario_{std::move(scenario)}, state_{std::move(state)}, next_{state_} {}

  std::string name() const override { return cancel_name(scenario_); }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override {
    state_ = next_;
    const ScenarioRecord* record = engine_.book_.find(scenario_);
    if (ended_ && record != nullptr) engine_.hold_nodes(*record, false);
  }
  std::optional<std::string> cursor() const override {
    return to_json(ValueMap{{"node", static_cast<std::int64_t>(next_.place.node)},
                            {"after", static_cast<std::int64_t>(next_.place.after.value)},
                            {"done", static_cast<std::int64_t>(next_.cancelled)},
                            {"who", next_.who}});
  }
  std::uint64_t done() const override { return state_.cancelled; }

  static std::optional<State> read(std::string_view cursor) {
    const auto row = parse_json(cursor);
    if (!row) return std::nullopt;
    return State{.place = {.node = static_cast<std::size_t>(int_member(*row, "node")),
                           .after = {static_cast<std::uint64_t>(int_member(*row, "after"))}},
                 .cancelled = static_cast<std::uint64_t>(int_member(*row, "done")),
                 .who = text_member(*row, "who")};
  }

 private:
  Engine& engine_;
  const std::string scenario_;
  State state_, next_;  ///< As committed, and as the step leaves it.
  bool ended_ = false;
};

Result<JobStep> Engine::CancelPending::step(std::size_t rows) {
  next_ = state_;
  JobStep step{.changes = engine_.new_batch()};
  const ScenarioRecord* record = engine_.book_.find(scenario_);
  const WalkRange range{.nodes = record == nullptr ? 0 : record->nodes.size(),
                        .node_at = [&](std::size_t i) -> std::optional<NodePlace> {
                          const NodePlace node{record->key, record->nodes[i].second};
                          return has_pending(engine_.counters_, node) ? std::optional{node}
                                                                      : std::nullopt;
                        },
                        .state = DeliveryState::Pending};
  const auto ended = walk_deliveries(
      *engine_.store_, range, rows, next_.place, [&](const LoadedDelivery& one) -> Result<bool> {
        const auto room = engine_.has_room_for(*step.changes, one.delivery);
        if (!room || !*room) return room;
        const auto done =
            engine_.act_on_unit(*step.changes, ByHand::Cancel, one.delivery, "archived");
        if (!done) return tl::make_unexpected(done.error());
        next_.cancelled += done->changed;
        return true;
      });
  if (!ended) return tl::make_unexpected(ended.error());
  step.ended = ended_ = *ended;
  return step;
}

bool Engine::cancelling(ScenarioKey scenario) const {
  const ScenarioRecord* record = book_.find(scenario);
  return record != nullptr && jobs_.find(cancel_name(record->id)) != nullptr;
}

/// While what is pending at a scenario's nodes is cancelled, none of it is sent.
void Engine::hold_nodes(const ScenarioRecord& record, bool held) {
  for (const auto& [id, number] : record.nodes)
    dispatcher_.hold(record.key, number, held || is_paused(switches_, {record.key, number}));
  if (held) withdraw(dispatcher_.recall(record.key));
}

AdminRecord Engine::first_cancel_row(const std::string& scenario, const std::string& who) {
  return *row_of(CancelPending{*this, scenario, {.who = who}});
}

/// The first step is done at once, which is all of it where little is pending.
Status Engine::begin_cancel(const std::string& scenario, const std::string& who) {
  hold_nodes(*book_.find(scenario), true);
  const BackgroundJob& job =
      jobs_.add(std::make_unique<CancelPending>(*this, scenario, CancelPending::State{.who = who}));
  Status done = jobs_.run_first(job, job_step());
  if (!done && done.error().kind == ErrorKind::Unavailable) return {};  // again when there is room
  return done;
}

void Engine::restore_cancel(const AdminRecord& row) {
  if (row.kind != AdminKind::Pass || row.removed || !row.name.starts_with(kCancel)) return;
  const std::string scenario = row.name.substr(kCancel.size());
  // How far it came is not needed: with a row that cannot be read it begins with the first node.
  jobs_.add(std::make_unique<CancelPending>(
      *this, scenario, CancelPending::read(row.content).value_or(CancelPending::State{})));
  if (const ScenarioRecord* record = book_.find(scenario)) hold_nodes(*record, true);
}
}  // namespace onward
