#include "engine/cell/backfills.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "engine/cell/backfill_job.h"
#include "engine/core/scenario/catalog.h"

namespace onward {
namespace {
constexpr std::string_view kArm = "arm/";      // + scenario id
constexpr std::string_view kCheck = "check/";  // + scenario id / node id

std::string check_name(const CatalogTrigger& trigger) {
  return std::string{kCheck} + trigger.scenario->id + "/" + trigger.at().id;
}

AdminRecord row(const std::string& name, std::string content) {
  return {.kind = AdminKind::Pass, .name = name, .content = std::move(content)};
}

AdminRecord removal(const std::string& name) {
  return {.kind = AdminKind::Pass, .name = name, .removed = true};
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

const Scenario* Backfills::current_of(const ScenarioRecord& record) const {
  const CatalogScenario* known = cell_.catalog.find(record.key);
  return known == nullptr ? nullptr : known->version(record.newest);
}

std::vector<AdminRecord> Backfills::rows_for(const ScenarioRecord& after,
                                             const Scenario* built) const {
  const Scenario* current = built != nullptr ? built : current_of(after);
  if (current == nullptr) return {};
  const ScenarioRecord* before = cell_.control.scenarios.find(after.key);
  const ContactKey last = cell_.numbers.contact;
  const std::string name = std::string{kArm} + after.id;
  const auto* running = dynamic_cast<const BackfillJob*>(jobs_.find(name));
  std::vector<AdminRecord> rows;
  if (after.state != ScenarioState::Active) {
    if (running != nullptr) rows.push_back(removal(name));
    return rows;
  }
  const bool was_active = before != nullptr && before->state == ScenarioState::Active;
  const bool held = before != nullptr && before->state == ScenarioState::OnHold;
  const bool leaves_test =
      before != nullptr && !before->test_emails.empty() && after.test_emails.empty();
  if (was_active && before->newest == after.newest && before->test_emails == after.test_emails)
    return rows;
  const bool first = (!was_active && !held) || leaves_test;

  Backfill pass{.scenario = after.key,
                .version = after.newest,
                .next = cell_.numbers.numbering.next(ContactKey{}),
                .last = last};
  for (const ScenarioNode& node : current->nodes) {
    if (node.kind->family != NodeFamily::Trigger) continue;
    const Listen& listens = node.node->listens();
    if (std::holds_alternative<DateListen>(listens)) pass.nodes.emplace_back(node.number, false);
    const auto* segment = std::get_if<SegmentListen>(&listens);
    if (segment == nullptr) continue;
    if (segment->at) {
      // Its time came while the scenario admitted nobody: it does not come again.
      if (!was_active && *segment->at <= cell_.now())
        rows.push_back(row(std::string{kCheck} + after.id + "/" + node.id,
                           done_check(format_instant(*segment->at))));
      continue;
    }
    const bool enter = segment->backfill && first;
    if (enter || segment->segment.reads().time) pass.nodes.emplace_back(node.number, enter);
  }
  // One that was cut short by a new version still enters those who were to enter.
  if (running != nullptr)
    for (auto& [node, enter] : pass.nodes)
      enter |= std::ranges::find(running->state().nodes, std::pair{node, true}) !=
               running->state().nodes.end();
  if (!pass.nodes.empty() && last)
    rows.push_back(row(name, pass.to_row()));
  else if (running != nullptr)
    rows.push_back(removal(name));
  return rows;
}

void Backfills::follow(std::span<const AdminRecord> rows) {
  for (const AdminRecord& row : rows) {
    if (row.kind != AdminKind::Pass) continue;
    const bool check = row.name.starts_with(kCheck);
    if (!check && !row.name.starts_with(kArm)) continue;
    known_for_.reset();
    jobs_.remove(row.name);
    if (row.removed) {
      checked_.erase(row.name);
      continue;
    }
    auto state = Backfill::read(row.content);
    if (!state) continue;
    if (check) checked_[row.name] = state->check;
    if (!state->nodes.empty())
      jobs_.add(std::make_unique<BackfillJob>(cell_, row.name, std::move(*state)));
  }
}

Backfills::DueChecks Backfills::due_checks(Instant now, std::size_t rows_max) const {
  DueChecks due;
  const ContactKey last = cell_.numbers.contact;
  each_check(cell_.catalog, [&](const CatalogTrigger& trigger, Instant at) {
    if (due.rows.size() >= rows_max) return;
    const std::string name = check_name(trigger), time = format_instant(at);
    const auto known = checked_.find(name);
    if (at > now || (known != checked_.end() && known->second == time)) return;
    const bool missed = now - at > kDateLateness;
    if (missed) due.missed.push_back(trigger.scenario->key);
    const Backfill pass{.scenario = trigger.scenario->key,
                        .version = trigger.scenario->newest,
                        .next = cell_.numbers.numbering.next(ContactKey{}),
                        .last = last,
                        .nodes = {{trigger.at().number, true}},
                        .check = time};
    due.rows.push_back(row(name, missed || !last ? done_check(time) : pass.to_row()));
  });
  return due;
}

std::optional<Instant> Backfills::next_check() const {
  if (known_for_ == cell_.control.generation) return next_check_;
  known_for_ = cell_.control.generation;
  next_check_.reset();
  each_check(cell_.catalog, [&](const CatalogTrigger& trigger, Instant at) {
    const auto known = checked_.find(check_name(trigger));
    if (known != checked_.end() && known->second == format_instant(at)) return;
    if (!next_check_ || at < *next_check_) next_check_ = at;
  });
  return next_check_;
}
}  // namespace onward
