#include "engine/cell/backfill_job.h"

#include "engine/core/base/json_members.h"
#include "engine/core/base/value.h"
#include "engine/core/scenario/catalog.h"

namespace onward {
std::string Backfill::to_row() const {
  ValueList pairs;
  for (const auto& [node, enter] : nodes)
    pairs.push_back(ValueList{static_cast<std::int64_t>(node.value), enter});
  ValueMap content{{"scenario", static_cast<std::int64_t>(scenario.value)},
                   {"version", static_cast<std::int64_t>(version)},
                   {"next", static_cast<std::int64_t>(next.value)},
                   {"last", static_cast<std::int64_t>(last.value)},
                   {"nodes", std::move(pairs)}};
  if (done > 0) content.emplace_back("done", static_cast<std::int64_t>(done));
  if (!check.empty()) content.emplace_back("check", check);
  return to_json(std::move(content));
}

std::optional<Backfill> Backfill::read(std::string_view row) {
  const auto value = parse_json(row);
  if (!value) return std::nullopt;
  Backfill state{.scenario = {static_cast<std::uint32_t>(int_member(*value, "scenario"))},
                 .version = static_cast<Version>(int_member(*value, "version")),
                 .next = {static_cast<std::uint64_t>(int_member(*value, "next"))},
                 .last = {static_cast<std::uint64_t>(int_member(*value, "last"))},
                 .done = static_cast<std::size_t>(int_member(*value, "done"))};
  if (const Value* check = value->find("check"); check != nullptr && check->text())
    state.check = *check->text();
  const Value* nodes = value->find("nodes");
  if (nodes == nullptr || !nodes->list()) return state;
  for (const Value& item : *nodes->list()) {
    const auto* pair = item.list();
    if (pair == nullptr || pair->size() != 2) continue;
    const auto* number = (*pair)[0].get_if<std::int64_t>();
    const bool* enter = (*pair)[1].get_if<bool>();
    if (number != nullptr && enter != nullptr)
      state.nodes.emplace_back(NodeNumber{static_cast<std::uint32_t>(*number)}, *enter);
  }
  return state;
}

std::string done_check(const std::string& time) { return to_json(ValueMap{{"check", time}}); }

std::optional<std::string> BackfillJob::cursor() const {
  return ended_ && !next_.check.empty() ? done_check(next_.check) : next_.to_row();
}

bool BackfillJob::is_wanted() const {
  const CatalogScenario* scenario = cell_.catalog.find(state_.scenario);
  return scenario != nullptr && scenario->state == ScenarioState::Active &&
         (!state_.check.empty() || scenario->newest == state_.version);
}

/// `rows`: commands. A contact with several triggers may be divided between steps.
Result<JobStep> BackfillJob::step(std::size_t rows) {
  next_ = state_;
  JobStep step;
  if (!is_wanted()) {
    step.ended = ended_ = true;
    return step;
  }
  const Instant since = parse_instant(state_.check).value_or(Instant::min());
  const auto skip_done = [this] {
    if (next_.done < next_.nodes.size()) return false;
    next_.next = cell_.numbers.numbering.next(next_.next);
    next_.done = 0;
    return true;
  };
  while (next_.next <= next_.last && step.inputs.size() < rows) {
    if (skip_done()) continue;
    const auto& [node, enter] = next_.nodes[next_.done++];
    step.inputs.emplace_back(CommandInput{
        .contact = next_.next,
        .command =
            ArmTrigger{.scenario = next_.scenario, .node = node, .enter = enter, .since = since}});
  }
  skip_done();
  step.ended = ended_ = next_.next > next_.last;
  return step;
}
}  // namespace onward
