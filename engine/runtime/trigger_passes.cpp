#include "engine/runtime/trigger_passes.h"

#include <algorithm>

#include "engine/core/base/value.h"
#include "engine/runtime/json_members.h"

namespace onward {
namespace {
constexpr std::string_view kArm = "arm/";      // + scenario id
constexpr std::string_view kCheck = "check/";  // + scenario id / node id

std::string check_name(const CatalogTrigger& trigger) {
  return std::string{kCheck} + trigger.scenario->id + "/" + trigger.at().id;
}

AdminRecord done_row(const std::string& name, const std::string& check) {
  return {.kind = AdminKind::Pass, .name = name, .content = to_json(ValueMap{{"check", check}})};
}

/// Calls `take` for each trigger of an active scenario that asks everybody at a set time.
template <class Take>
void each_check(const Catalog& catalog, Take take) {
  for (const auto& scenario : catalog.scenarios()) {
    if (scenario->state != ScenarioState::Active) continue;
    const auto& nodes = scenario->current().nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto* listen = std::get_if<SegmentListen>(&nodes[i].node->listens());
      if (nodes[i].kind->family == NodeFamily::Trigger && listen != nullptr && listen->at)
        take(CatalogTrigger{.scenario = scenario.get(), .node = i}, *listen->at);
    }
  }
}
}  // namespace

TriggerPasses::TriggerPasses(const std::vector<AdminRecord>& admin) { adopt(admin); }

AdminRecord TriggerPasses::row_of(const std::string& name, const Pass& pass) {
  ValueList nodes;
  for (const auto& [node, enter] : pass.nodes)
    nodes.push_back(ValueList{static_cast<std::int64_t>(node.value), enter});
  ValueMap content{{"scenario", static_cast<std::int64_t>(pass.scenario.value)},
                   {"version", static_cast<std::int64_t>(pass.version)},
                   {"next", static_cast<std::int64_t>(pass.next.value)},
                   {"last", static_cast<std::int64_t>(pass.last.value)},
                   {"nodes", std::move(nodes)}};
  if (pass.done > 0) content.emplace_back("done", static_cast<std::int64_t>(pass.done));
  if (!pass.check.empty()) content.emplace_back("check", pass.check);
  return {.kind = AdminKind::Pass, .name = name, .content = to_json(std::move(content))};
}

std::optional<TriggerPasses::Pass> TriggerPasses::read(std::string_view content) {
  const auto value = parse_json(content);
  if (!value) return std::nullopt;
  Pass pass{.scenario = {static_cast<std::uint32_t>(int_member(*value, "scenario"))},
            .version = static_cast<Version>(int_member(*value, "version")),
            .next = {static_cast<std::uint64_t>(int_member(*value, "next"))},
            .last = {static_cast<std::uint64_t>(int_member(*value, "last"))},
            .done = static_cast<std::size_t>(int_member(*value, "done"))};
  if (const Value* check = value->find("check"); check != nullptr && check->text())
    pass.check = *check->text();
  const Value* nodes = value->find("nodes");
  if (nodes == nullptr || !nodes->list()) return pass;
  for (const Value& item : *nodes->list()) {
    const auto* pair = item.list();
    if (pair == nullptr || pair->size() != 2) continue;
    const auto* number = (*pair)[0].get_if<std::int64_t>();
    const bool* enter = (*pair)[1].get_if<bool>();
    if (number != nullptr && enter != nullptr)
      pass.nodes.emplace_back(NodeNumber{static_cast<std::uint32_t>(*number)}, *enter);
  }
  return pass;
}

void TriggerPasses::adopt(std::span<const AdminRecord> rows) {
  for (const AdminRecord& row : rows) {
    if (row.kind != AdminKind::Pass) continue;
    const bool check = row.name.starts_with(kCheck);
    if (!check && !row.name.starts_with(kArm)) continue;  // somebody else's
    passes_.erase(row.name);
    if (row.removed) {
      checked_.erase(row.name);
      continue;
    }
    auto pass = read(row.content);
    if (!pass) continue;
    if (check) checked_[row.name] = pass->check;
    if (!pass->nodes.empty()) passes_.emplace(row.name, std::move(*pass));
  }
}

std::vector<AdminRecord> TriggerPasses::on_change(const ScenarioRecord* before,
                                                  const ScenarioRecord& after,
                                                  const Scenario& current, ContactKey last,
                                                  Instant now) const {
  std::vector<AdminRecord> rows;
  const std::string name = std::string{kArm} + after.id;
  if (after.state != ScenarioState::Active) {
    if (passes_.contains(name))
      rows.push_back({.kind = AdminKind::Pass, .name = name, .removed = true});
    return rows;
  }
  const bool was_active = before != nullptr && before->state == ScenarioState::Active;
  const bool held = before != nullptr && before->state == ScenarioState::OnHold;
  const bool leaves_test =
      before != nullptr && !before->test_emails.empty() && after.test_emails.empty();
  if (was_active && before->newest == after.newest && before->test_emails == after.test_emails)
    return rows;
  const bool first = (!was_active && !held) || leaves_test;

  Pass pass{.scenario = after.key, .version = after.newest, .next = {1}, .last = last};
  for (const ScenarioNode& node : current.nodes) {
    if (node.kind->family != NodeFamily::Trigger) continue;
    const Listen& listens = node.node->listens();
    if (std::holds_alternative<DateListen>(listens)) pass.nodes.emplace_back(node.number, false);
    const auto* segment = std::get_if<SegmentListen>(&listens);
    if (segment == nullptr) continue;
    if (segment->at) {
      // Its time came while the scenario took nobody in: it does not come again.
      if (!was_active && *segment->at <= now)
        rows.push_back(
            done_row(std::string{kCheck} + after.id + "/" + node.id, format_instant(*segment->at)));
      continue;
    }
    const bool enter = segment->backfill && first;
    if (enter || segment->segment.reads().time) pass.nodes.emplace_back(node.number, enter);
  }
  // A pass that was cut short by a new version goes on entering those who were to enter.
  if (const auto running = passes_.find(name); running != passes_.end())
    for (auto& [node, enter] : pass.nodes)
      enter |= std::ranges::find(running->second.nodes, std::pair{node, true}) !=
               running->second.nodes.end();
  if (!pass.nodes.empty() && last)
    rows.push_back(row_of(name, pass));
  else if (passes_.contains(name))
    rows.push_back({.kind = AdminKind::Pass, .name = name, .removed = true});
  return rows;
}

TriggerPasses::DueChecks TriggerPasses::due_checks(const Catalog& catalog, ContactKey last,
                                                   Instant now, std::size_t most) const {
  DueChecks due;
  each_check(catalog, [&](const CatalogTrigger& trigger, Instant at) {
    if (due.rows.size() >= most) return;
    const std::string name = check_name(trigger), time = format_instant(at);
    const auto known = checked_.find(name);
    if (at > now || (known != checked_.end() && known->second == time)) return;
    const bool missed = now - at > kDateLateness;
    if (missed) due.missed.push_back(trigger.scenario->key);
    const Pass pass{.scenario = trigger.scenario->key,
                    .version = trigger.scenario->newest,
                    .next = {1},
                    .last = last,
                    .nodes = {{trigger.at().number, true}},
                    .check = time};
    due.rows.push_back(missed || !last ? done_row(name, time) : row_of(name, pass));
  });
  return due;
}

std::optional<Instant> TriggerPasses::next_check(const Catalog& catalog) const {
  std::optional<Instant> next;
  each_check(catalog, [&](const CatalogTrigger& trigger, Instant at) {
    const auto known = checked_.find(check_name(trigger));
    if (known != checked_.end() && known->second == format_instant(at)) return;
    if (!next || at < *next) next = at;
  });
  return next;
}

std::optional<TriggerPasses::Step> TriggerPasses::next_step(const Catalog& catalog,
                                                            std::size_t inputs) {
  if (passes_.empty()) return std::nullopt;
  auto turn = passes_.upper_bound(turn_);
  if (turn == passes_.end()) turn = passes_.begin();
  const std::string& name = turn_ = turn->first;
  const Pass& pass = turn->second;
  Step step;
  const auto finish = [&] {
    step.row = pass.check.empty()
                   ? AdminRecord{.kind = AdminKind::Pass, .name = name, .removed = true}
                   : done_row(name, pass.check);
  };
  const CatalogScenario* scenario = catalog.find(pass.scenario);
  const bool stands = scenario != nullptr && scenario->state == ScenarioState::Active &&
                      (!pass.check.empty() || scenario->newest == pass.version);
  if (!stands) {
    finish();
    return step;
  }
  const Instant since = parse_instant(pass.check).value_or(Instant::min());
  Pass further = pass;
  while (further.next <= pass.last && step.inputs.size() < inputs) {
    if (further.done >= pass.nodes.size()) {
      ++further.next.value;
      further.done = 0;
      continue;
    }
    const auto& [node, enter] = pass.nodes[further.done++];
    step.inputs.emplace_back(CommandInput{
        .contact = further.next,
        .command =
            ArmTrigger{.scenario = pass.scenario, .node = node, .enter = enter, .since = since}});
  }
  if (further.done >= pass.nodes.size()) {
    ++further.next.value;
    further.done = 0;
  }
  if (further.next > pass.last)
    finish();
  else
    step.row = row_of(name, further);
  return step;
}
}  // namespace onward
