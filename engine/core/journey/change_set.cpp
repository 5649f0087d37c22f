#include "engine/core/journey/change_set.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

namespace onward {
namespace {
constexpr std::size_t kUsualCounterChanges = 24;  // of one input
constexpr std::size_t kUsualPath = 4;
}  // namespace

ChangeSet::ChangeSet(InputScope& scope, ContactState& state, const LedgerSource& ledger,
                     Changes& changes)
    : scope_{scope}, state_{state}, ledger_{ledger}, changes_{changes} {
  changes_.counters.reserve(kUsualCounterChanges);
}

// ---- runs ----

std::optional<RunRef> ChangeSet::live_run(RunKey key) {
  const auto run = std::ranges::find(state_.live, key, &Run::key);
  if (run == state_.live.end() || !run->live()) return std::nullopt;
  return RunRef{*run};
}

RunRef ChangeSet::add_run(Run run) {
  assert(runs_ < kOrdinals);  // each has a visit at least, and visits are bounded
  run.key = {numbered(scope_.now.seq, runs_++)};
  run.contact = state_.contact.key;
  run.started = scope_.now.at;
  run.state = RunState::Running;
  run.path.reserve(kUsualPath);
  const CounterWriter counted = counters(run);
  counted.add(Counter::Entered, 1);
  counted.add(Counter::Inside, 1);
  RunRef added{state_.live.emplace_back(std::move(run))};
  edit(added);
  return added;
}

Run& ChangeSet::edit(RunRef run) {
  // Most edits are of one run in a row.
  if (run->key != dirty_last_ && dirty_.insert(run->key).second) changes_.live.push_back(run->key);
  dirty_last_ = run->key;
  ++runs_revision_;
  return *run.run_;
}

void ChangeSet::transition(RunRef ref, RunState to, std::string_view reason) {
  Run& run = edit(ref);
  if (run.state == RunState::Waiting) {
    counters(run, run.place()).add(Counter::Waiting, -1);
    set_wake(ref, std::nullopt);
    set_recheck(ref, std::nullopt);
  } else if (run.state == RunState::Parked) {
    counters(run).add(Counter::Parked, -1);
    run.pending_arrival = false;
  }
  run.state = to;
  run.reason = reason;
  const auto end = [&](Counter counter) {
    run.ended = scope_.now.at;
    run.event.reset();
    const CounterWriter counted = counters(run);
    counted.add(Counter::Inside, -1);
    counted.add(counter, 1);
  };
  switch (to) {
    case RunState::Running:
      break;
    case RunState::Waiting:
      counters(run, run.place()).add(Counter::Waiting, 1);
      break;
    case RunState::Parked:
      counters(run).add(Counter::Parked, 1);
      break;
    case RunState::Done:
      end(Counter::Done);
      break;
    case RunState::Exited:
      end(Counter::Exited);
      break;
    case RunState::Stopped:
      end(Counter::Stopped);
      break;
  }
}

void ChangeSet::park_before_arrival(RunRef run) {
  transition(run, RunState::Parked, kCascadeReason);
  edit(run).pending_arrival = true;
}

void ChangeSet::change_version(RunRef ref, Version to) {
  Run& run = edit(ref);
  const CounterWriter before = counters(run);
  before.add(Counter::MovedOut, 1);
  before.add(Counter::Inside, -1);
  run.version = to;
  const CounterWriter after = counters(run);
  after.add(Counter::MovedIn, 1);
  after.add(Counter::Inside, 1);
}

void ChangeSet::set_wake(RunRef run, std::optional<Instant> at) {
  if (run->wake_at == at) return;
  move_timer({.kind = TimerKind::Wait, .subject = run->key.value}, run->wake_at, at);
  edit(run).wake_at = at;
}

void ChangeSet::set_recheck(RunRef run, std::optional<Instant> at) {
  if (run->recheck_at == at) return;
  move_timer({.kind = TimerKind::RunRecheck, .subject = run->key.value}, run->recheck_at, at);
  edit(run).recheck_at = at;
}

// ---- the ledger ----

std::optional<std::size_t> ChangeSet::position_of(ScenarioKey scenario, const EntryKey& key,
                                                  bool test) const {
  for (std::size_t i = 0; i < state_.ledger.size(); ++i) {
    const LedgerRow& row = state_.ledger[i];
    if (row.scenario == scenario && row.test == test && row.key == key) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> ChangeSet::load_row(ScenarioKey scenario, const EntryKey& key,
                                               bool test) {
  if (const auto position = position_of(scenario, key, test)) return position;
  if (!ledger_) return std::nullopt;
  std::vector<LedgerRow> rows = ledger_(scenario, key);
  if (rows.empty()) return std::nullopt;
  state_.ledger.insert(state_.ledger.end(), std::make_move_iterator(rows.begin()),
                       std::make_move_iterator(rows.end()));
  return position_of(scenario, key, test);
}

std::size_t ChangeSet::need_row(ScenarioKey scenario, const EntryKey& key, bool test) {
  if (const auto position = load_row(scenario, key, test)) return *position;
  state_.ledger.push_back({.scenario = scenario, .key = key, .test = test});
  return state_.ledger.size() - 1;
}

LedgerRow& ChangeSet::edit_row(std::size_t position) {
  if (std::ranges::find(changes_.ledger, position) == changes_.ledger.end())
    changes_.ledger.push_back(position);
  return state_.ledger[position];
}

const LedgerRow* ChangeSet::find_row(ScenarioKey scenario, const EntryKey& key, bool test) {
  const auto position = load_row(scenario, key, test);
  return position ? &state_.ledger[*position] : nullptr;
}

void ChangeSet::record_entry(ScenarioKey scenario, const EntryKey& key, bool test) {
  LedgerRow& row = edit_row(need_row(scenario, key, test));
  ++row.entries;
  row.last_entry = scope_.now.at;
}

void ChangeSet::record_refusal(ScenarioKey scenario, bool test, std::string_view reason) {
  LedgerRow& row = edit_row(need_row(scenario, {}, test));
  auto known = std::ranges::find(row.refusals, reason, &Refusal::reason);
  if (known == row.refusals.end())
    known = row.refusals.insert(row.refusals.end(), {.reason = std::string{reason}});
  ++known->count;
  known->last = scope_.now.at;
}

bool ChangeSet::record_visit(const Run& run, NodeNumber node) {
  const std::size_t position = need_row(run.scenario, {}, run.test);
  // A visit that is not the first changes nothing, so that the row is not written again.
  return !state_.ledger[position].visited.contains(node) && edit_row(position).visited.insert(node);
}

// ---- counters, timers, deliveries ----

CounterWriter ChangeSet::counters(const Run& run, NodeNumber node) {
  return counters(
      CounterKey{.scenario = run.scenario, .node = node, .version = run.version, .test = run.test});
}

void ChangeSet::set_timer(const Timer& timer) {
  std::erase(changes_.timers_cleared, timer);
  changes_.timers_set.push_back(timer);
}

void ChangeSet::clear_timer(const Timer& timer) {
  std::erase(changes_.timers_set, timer);
  changes_.timers_cleared.push_back(timer);
}

void ChangeSet::move_timer(TimerKey key, const std::optional<Instant>& from,
                           const std::optional<Instant>& to) {
  if (from == to) return;
  if (from) clear_timer({*from, state_.contact.key, key});
  if (to) set_timer({*to, state_.contact.key, key});
}

DeliveryKey ChangeSet::next_delivery() const {
  return {numbered(scope_.now.seq, static_cast<std::uint32_t>(changes_.deliveries.size()))};
}

void ChangeSet::add_delivery(NewDelivery delivery) {
  assert(changes_.deliveries.size() < kOrdinals);  // one a visit, and visits are bounded
  changes_.deliveries.push_back(std::move(delivery));
}

void ChangeSet::warn_once(std::string_view warning) {
  if (std::ranges::find(changes_.warnings, warning) == changes_.warnings.end())
    changes_.warnings.emplace_back(warning);
}

void ChangeSet::finish(const Event* borrowed) {
  std::shared_ptr<const Event> kept;
  if (!dirty_.empty()) scope_.looks += state_.live.size();
  for (Run& run : state_.live) {
    if (!dirty_.contains(run.key)) continue;
    assert(run.state != RunState::Running);  // each walk ends in another state
    if (!run.live()) {
      changes_.ended.push_back(std::move(run));
      continue;
    }
    if (run.event == nullptr || run.event.get() != borrowed) continue;
    if (kept == nullptr) kept = std::make_shared<const Event>(*borrowed);
    run.event = kept;
  }
  for (const Run& run : changes_.ended) dirty_.erase(run.key);
  std::erase_if(changes_.live, [&](RunKey key) { return !dirty_.contains(key); });
  if (!changes_.ended.empty())
    std::erase_if(state_.live, [](const Run& run) { return !run.live(); });
}
}  // namespace onward
