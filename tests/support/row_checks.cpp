#include "tests/support/row_checks.h"

#include <map>
#include <set>
#include <stdexcept>
#include <tuple>
#include <vector>

#include <fmt/format.h>

namespace onward {
namespace {
constexpr std::size_t kRowsMax = 1'000'000;

std::vector<Run> live_runs(Store& store) {
  const auto found = store.live_runs({}, kRowsMax);
  if (!found) throw std::runtime_error(found.error().message);
  return found->runs;
}

std::vector<Run> ended_runs(Stage& stage, Store& store) {
  std::vector<Run> all;
  for (const ScenarioInfo& info : stage.engine().control().scenarios.list()) {
    const ScenarioRecord* record = stage.engine().control().scenarios.find(info.id);
    const auto found = store.ended_runs(record->key, {}, kRowsMax);
    if (!found) throw std::runtime_error(found.error().message);
    all.insert(all.end(), found->runs.begin(), found->runs.end());
  }
  return all;
}
}  // namespace

std::string counter_fault(Stage& stage, Store& store) {
  if (std::string broken = stage.broken(); !broken.empty()) return broken;
  std::map<std::tuple<ScenarioKey, NodeNumber, Version, bool>, std::map<Counter, std::int64_t>> own;
  for (const Run& run : live_runs(store)) {
    auto& whole = own[{run.scenario, NodeNumber{}, run.version, run.test}];
    ++whole[Counter::Inside];
    if (run.state == RunState::Parked)
      ++whole[Counter::Parked];
    else
      ++own[{run.scenario, run.place(), run.version, run.test}][Counter::Waiting];
  }
  for (const Run& run : ended_runs(stage, store)) {
    auto& whole = own[{run.scenario, NodeNumber{}, run.version, run.test}];
    ++whole[run.state == RunState::Done     ? Counter::Done
            : run.state == RunState::Exited ? Counter::Exited
                                            : Counter::Stopped];
  }
  for (const Delivery& delivery : stage.deliveries()) {
    auto& node = own[{delivery.endpoint.scenario, delivery.endpoint.node, delivery.endpoint.version,
                      delivery.test}];
    ++node[Counter::Requests];
    if (delivery.parked) ++node[Counter::PendingParked];
    ++node[delivery.state == DeliveryState::Accepted  ? Counter::Accepted
           : delivery.state == DeliveryState::Failed  ? Counter::Failed
           : delivery.state == DeliveryState::Pending ? Counter::Pending
                                                      : Counter::Cancelled];
  }
  for (const auto& [key, row] : stage.engine().context().counters) {
    const ScenarioRecord* record = stage.engine().control().scenarios.find(key.scenario);
    auto& mine = own[{key.scenario, key.node, key.version, key.test}];
    for (const Counter counter :
         {Counter::Inside, Counter::Parked, Counter::Waiting, Counter::Done, Counter::Exited,
          Counter::Stopped, Counter::Requests, Counter::Accepted, Counter::Failed, Counter::Pending,
          Counter::Cancelled}) {
      const bool of_ended =
          counter == Counter::Done || counter == Counter::Exited || counter == Counter::Stopped;
      if (of_ended && record != nullptr && record->state == ScenarioState::Archived)
        continue;  // its runs may be purged
      if (of_ended && stage.options().keep_runs && row[counter] >= mine[counter])
        continue;  // old ones were dropped
      if (row[counter] != mine[counter])
        return fmt::format("scenario {} node {} version {} test {}: counter {} is {}, rows say {}",
                           key.scenario.value, key.node.value, key.version, key.test,
                           static_cast<int>(counter), row[counter], mine[counter]);
    }
  }
  return {};
}

std::string timer_fault(Stage& stage, Store& store) {
  std::set<Timer> expected, found;
  for (const Run& run : live_runs(store)) {
    if (run.state != RunState::Waiting && (run.wake_at || run.recheck_at))
      return "a parked run has a time";
    if (run.wake_at) expected.insert({*run.wake_at, run.contact, {TimerKind::Wait, run.key.value}});
    if (run.recheck_at)
      expected.insert({*run.recheck_at, run.contact, {TimerKind::RunRecheck, run.key.value}});
  }
  const auto timers = store.timers_due(Instant::max(), kRowsMax);
  if (!timers) return timers.error().message;
  for (const Timer& timer : *timers) {
    if (timer.at <= stage.clock().now())
      return fmt::format("a timer of kind {} is overdue", static_cast<int>(timer.key.kind));
    if (timer.key.kind == TimerKind::Wait || timer.key.kind == TimerKind::RunRecheck)
      found.insert(timer);
  }
  for (const Timer& timer : expected)
    if (!found.contains(timer))
      return fmt::format("the timer of kind {} of run {} is missing",
                         static_cast<int>(timer.key.kind), timer.key.subject);
  for (const Timer& timer : found)
    if (!expected.contains(timer))
      return fmt::format("a timer of kind {} of run {} has no use",
                         static_cast<int>(timer.key.kind), timer.key.subject);
  return {};
}
}  // namespace onward
