#include "tests/chaos/shadow.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "engine/cell/scenario_pass.h"
#include "engine/control/switches.h"

namespace onward::chaos {
namespace {
constexpr std::string_view kCascade = "cascade";

std::optional<std::int64_t> number_in(std::string_view body) {
  constexpr std::string_view kName = "\"n\":";
  const std::size_t at = body.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t number = 0;
  const char* first = body.data() + at + kName.size();
  if (std::from_chars(first, body.data() + body.size(), number).ec != std::errc{})
    return std::nullopt;
  return number;
}

bool kept_out(const Run& run) { return run.state == RunState::Parked && run.reason == kCascade; }

/// Counters that rows of a version decide.
constexpr std::array kByVersion{Counter::Entered,      Counter::Inside,   Counter::Parked,
                                Counter::Waiting,      Counter::Done,     Counter::Exited,
                                Counter::Stopped,      Counter::Requests, Counter::Accepted,
                                Counter::Pending,      Counter::Failed,   Counter::Cancelled,
                                Counter::PendingParked};
/// And those that a run may have earned in a version which it has left since.
constexpr std::array kOverall{Counter::Visits, Counter::UniqueContacts, Counter::Goal};
}  // namespace

const ScenarioRecord* Shadow::scenario(ScenarioKey key) const {
  const auto found = scenarios.find(key);
  return found == scenarios.end() ? nullptr : &found->second;
}

std::string Shadow::name_of(ScenarioKey scenario, NodeNumber node) const {
  const ScenarioRecord* record = this->scenario(scenario);
  if (record == nullptr) return {};
  const auto found =
      std::ranges::find(record->nodes, node, &std::pair<std::string, NodeNumber>::second);
  return found == record->nodes.end() ? std::string{} : found->first;
}

std::string Shadow::kind_of(ScenarioKey scenario, NodeNumber node) const {
  const ScenarioRecord* record = this->scenario(scenario);
  const std::string name = name_of(scenario, node);
  if (record == nullptr || name.empty()) return {};
  const auto found =
      std::ranges::find(record->kinds, name, &std::pair<std::string, std::string>::first);
  return found == record->kinds.end() ? std::string{} : found->second;
}

void Shadow::count(const Run& run, std::int64_t sign) {
  CounterRow& whole = recount[{.scenario = run.scenario, .version = run.version, .test = run.test}];
  if (run.live()) whole.add(Counter::Inside, sign);
  if (run.state == RunState::Parked) whole.add(Counter::Parked, sign);
  if (run.state == RunState::Done) whole.add(Counter::Done, sign);
  if (run.state == RunState::Exited) whole.add(Counter::Exited, sign);
  if (run.state == RunState::Stopped) whole.add(Counter::Stopped, sign);
  if (run.state == RunState::Waiting)
    recount[{run.scenario, run.place(), run.version, run.test}].add(Counter::Waiting, sign);
}

void Shadow::count(const Delivery& delivery, std::int64_t sign) {
  const EndpointKey& at = delivery.endpoint;
  CounterRow& row = recount[{at.scenario, at.node, at.version, delivery.test}];
  row.add(Counter::Requests, sign);
  if (delivery.parked) row.add(Counter::PendingParked, sign);
  switch (delivery.state) {
    case DeliveryState::Pending:
      return row.add(Counter::Pending, sign);
    case DeliveryState::Accepted:
      return row.add(Counter::Accepted, sign);
    case DeliveryState::Failed:
      return row.add(Counter::Failed, sign);
    case DeliveryState::Cancelled:
      return row.add(Counter::Cancelled, sign);
  }
}

/// Counts the steps that are new. A run that was kept from arriving stands at its last step only in
/// name.
void Shadow::arrive(const Run& run, ShadowRun& known, const Run* before) {
  if (before != nullptr && kept_out(*before) && run.version != before->version)
    known.arrived = before->path.size();
  const std::size_t end = run.path.size() - (kept_out(run) && !run.path.empty() ? 1 : 0);
  for (; known.arrived < end; ++known.arrived) {
    const NodeNumber node = run.path[known.arrived].node;
    CounterRow& row = recount[{run.scenario, node, run.version, run.test}];
    row.add(Counter::Visits, 1);
    if (visited.emplace(run.scenario, node, run.test, run.contact).second)
      row.add(Counter::UniqueContacts, 1);
  }
}

void Shadow::take(const Run& run) {
  const auto [place, fresh] = runs.try_emplace(run.key);
  ShadowRun& known = place->second;
  if (fresh) {
    known.began = run.version;
    recount[{.scenario = run.scenario, .version = run.version, .test = run.test}].add(
        Counter::Entered, 1);
    if (!run.test) entries[{run.contact, run.scenario, run.entry_key}].at.push_back(run.started);
  } else {
    count(known.row, -1);
  }
  if (run.goal && (fresh || !known.row.goal))
    recount[{.scenario = run.scenario, .version = run.version, .test = run.test}].add(Counter::Goal,
                                                                                      1);
  arrive(run, known, fresh ? nullptr : &known.row);
  known.row = run;
  count(run, 1);
  if (run.live()) {
    live.insert(run.key);
  } else {
    live.erase(run.key);
    ended.insert(run.key);
  }
  if (run.test) return;
  auto& inside = entries[{run.contact, run.scenario, run.entry_key}].live;
  if (run.live())
    inside.insert(run.key);
  else
    inside.erase(run.key);
}

void Shadow::take(const Delivery& delivery) {
  const auto [place, fresh] = deliveries.try_emplace(delivery.key);
  ShadowDelivery& known = place->second;
  if (fresh)
    known.created_in = commits;
  else
    count(known.row, -1);
  known.row = delivery;
  known.changed_in = commits;
  count(delivery, 1);
  if (delivery.pending())
    pending.insert(delivery.key);
  else
    pending.erase(delivery.key);
}

void Shadow::take(const AdminRecord& record) {
  if (record.kind == AdminKind::Switch) {
    const auto state = record.removed ? std::nullopt : parse_switch(record.content);
    if (state)
      switches[record.name] = state->paused;
    else
      switches.erase(record.name);
  }
  constexpr std::string_view kMigrate = "migrate/";
  if (record.kind != AdminKind::Pass || !record.name.starts_with(kMigrate)) return;
  const std::string id = record.name.substr(kMigrate.size());
  const auto pass = read_pass(record);
  if (!pass) {
    moves.erase(id);
    return;
  }
  Moves& order = moves[id];
  if (order.to == pass->to && order.map == pass->map) return;
  order = {.to = pass->to, .map = pass->map};
  for (const RunKey key : live) {
    const Run& run = runs.at(key).row;
    const ScenarioRecord* home = scenario(run.scenario);
    if (home != nullptr && home->id == id && run.version < pass->to) order.runs.insert(key);
  }
}

void Shadow::take_away(const Commit& commit) {
  for (const DeliveryKey key : commit.purged_deliveries) bodies.erase(key);
  for (const Commit::PurgedRun& purged : commit.purged_runs) ended.erase(purged.run);
  for (const ContactKey contact : commit.forgotten) {
    forgotten.insert(contact);
    contacts.erase(contact);
    std::erase_if(bodies, [&](DeliveryKey key) {
      const auto known = deliveries.find(key);
      return known != deliveries.end() && known->second.row.contact == contact;
    });
  }
}

void Shadow::apply(const Commit& commit) {
  ++commits;
  for (const ScenarioRecord& row : commit.control.scenarios) scenarios[row.key] = row;
  for (const Contact& row : commit.contacts) {
    contacts[row.key] = row;
    if (row.id) ids[row.key] = row.id->text;
  }
  for (const Run& run : commit.runs) take(run);
  for (const Delivery& delivery : commit.deliveries) take(delivery);
  for (const RequestRow& row : commit.requests) {
    const auto found = deliveries.find(row.delivery);
    if (row.request == nullptr || found == deliveries.end()) continue;
    bodies.insert(row.delivery);
    found->second.body = hash128(row.request->body);
    const ScenarioRecord* home = scenario(found->second.row.endpoint.scenario);
    if (home == nullptr || home->id != kAudit) continue;
    if (const auto number = number_in(row.request->body)) ++effects[*number];
  }
  for (const Timer& timer : commit.timers_cleared) timers.erase(timer);
  timers.insert(commit.timers_set.begin(), commit.timers_set.end());
  for (const auto& [key, row] : commit.counters) counters[key] = row;
  for (const AdminRecord& record : commit.control.admin) take(record);
  take_away(commit);
}

namespace {
std::string differs(const Shadow& shadow, const CounterKey& key, Counter counter,
                    std::int64_t written, std::int64_t rows) {
  const ScenarioRecord* record = shadow.scenario(key.scenario);
  return fmt::format("scenario {} node \"{}\" version {}{}: counter {} is {}, the rows say {}",
                     record == nullptr ? "?" : record->id, shadow.name_of(key.scenario, key.node),
                     key.version, key.test ? " (test)" : "", static_cast<int>(counter), written,
                     rows);
}

std::int64_t at(const Counters& counters, const CounterKey& key, Counter counter) {
  const auto found = counters.find(key);
  return found == counters.end() ? 0 : found->second[counter];
}

std::string compare_scenario(const Shadow& shadow, ScenarioKey scenario) {
  std::set<CounterKey> keys;
  for (const Counters* counters : {&shadow.counters, &shadow.recount})
    for (auto row = counters->lower_bound({.scenario = scenario});
         row != counters->end() && row->first.scenario == scenario; ++row)
      keys.insert(row->first);
  std::map<std::tuple<NodeNumber, bool, Counter>, std::pair<std::int64_t, std::int64_t>> sums;
  for (const CounterKey& key : keys) {
    for (const Counter counter : kByVersion)
      if (const auto written = at(shadow.counters, key, counter),
          rows = at(shadow.recount, key, counter);
          written != rows)
        return differs(shadow, key, counter, written, rows);
    for (const Counter counter : kOverall) {
      auto& [written, rows] = sums[{key.node, key.test, counter}];
      written += at(shadow.counters, key, counter);
      rows += at(shadow.recount, key, counter);
    }
  }
  for (const auto& [place, sum] : sums)
    if (sum.first != sum.second) {
      const auto& [node, test, counter] = place;
      return differs(shadow, {.scenario = scenario, .node = node, .test = test}, counter, sum.first,
                     sum.second);
    }
  return {};
}
}  // namespace

std::string compare_numbers(const Shadow& shadow, const Commit* commit) {
  std::set<ScenarioKey> scenarios;
  if (commit == nullptr) {
    for (const auto& [key, record] : shadow.scenarios) scenarios.insert(key);
  } else {
    for (const auto& [key, row] : commit->counters) scenarios.insert(key.scenario);
    for (const Run& run : commit->runs) scenarios.insert(run.scenario);
    for (const Delivery& delivery : commit->deliveries)
      scenarios.insert(delivery.endpoint.scenario);
  }
  for (const ScenarioKey scenario : scenarios)
    if (std::string wrong = compare_scenario(shadow, scenario); !wrong.empty()) return wrong;
  return {};
}
}  // namespace onward::chaos
