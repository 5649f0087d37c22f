#include "engine/cell/cancel_job.h"

#include <utility>

#include "engine/cell/delivery_actions.h"
#include "engine/core/base/json_members.h"

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

std::string cancel_name(const std::string& scenario) { return std::string{kCancel} + scenario; }

CancelJob::CancelJob(CellContext& cell, Outbox& outbox, std::string scenario, State state)
    : cell_{cell},
      outbox_{outbox},
      scenario_{std::move(scenario)},
      state_{std::move(state)},
      next_{state_} {}

std::optional<std::string> cancelled_scenario(std::string_view name) {
  if (!name.starts_with(kCancel)) return std::nullopt;
  return std::string{name.substr(kCancel.size())};
}

void CancelJob::committed() {
  state_ = next_;
  const ScenarioRecord* record = cell_.control.scenarios.find(scenario_);
  if (ended_ && record != nullptr) hold_nodes(cell_, outbox_, *record, false);
}

std::optional<std::string> CancelJob::cursor() const {
  return to_json(ValueMap{{"node", static_cast<std::int64_t>(next_.place.node)},
                          {"after", static_cast<std::int64_t>(next_.place.after.value)},
                          {"done", static_cast<std::int64_t>(next_.cancelled)},
                          {"who", next_.who}});
}

std::optional<CancelJob::State> CancelJob::read(std::string_view cursor) {
  const auto row = parse_json(cursor);
  if (!row) return std::nullopt;
  return State{.place = {.node = static_cast<std::size_t>(int_member(*row, "node")),
                         .after = {static_cast<std::uint64_t>(int_member(*row, "after"))}},
               .cancelled = static_cast<std::uint64_t>(int_member(*row, "done")),
               .who = text_member(*row, "who")};
}

Result<JobStep> CancelJob::step(std::size_t rows) {
  next_ = state_;
  JobStep step{.changes = cell_.new_batch()};
  const ScenarioRecord* record = cell_.control.scenarios.find(scenario_);
  const WalkRange range{.nodes = record == nullptr ? 0 : record->nodes.size(),
                        .node_at = [&](std::size_t i) -> std::optional<NodePlace> {
                          const NodePlace node{record->key, record->nodes[i].second};
                          return has_pending(cell_.counters, node) ? std::optional{node}
                                                                   : std::nullopt;
                        },
                        .state = DeliveryState::Pending};
  const auto ended = walk_deliveries(
      *cell_.store, range, rows, next_.place, [&](const LoadedDelivery& one) -> Result<bool> {
        const auto room = has_room_for(cell_, step.changes->deliveries(), one.delivery);
        if (!room || !*room) return room;
        const auto done = act_on_batch_of(cell_, step.changes->deliveries(), ByHand::Cancel,
                                          one.delivery, "archived");
        if (!done) return tl::make_unexpected(done.error());
        next_.cancelled += done->changed;
        return true;
      });
  if (!ended) return tl::make_unexpected(ended.error());
  step.ended = ended_ = *ended;
  return step;
}

/// While what is pending at a scenario's nodes is cancelled, none of it is sent.
void hold_nodes(CellContext& cell, Outbox& outbox, const ScenarioRecord& record, bool held) {
  for (const auto& [id, number] : record.nodes)
    outbox.hold({record.key, number},
                held || is_paused(cell.control.switches, {record.key, number}));
  if (held) outbox.call_back(record.key);
}
}  // namespace onward
