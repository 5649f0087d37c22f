#include "tests/support/stage.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
template <class T>
T must(Result<T> result, std::string_view what) {
  if (!result)
    throw std::runtime_error(
        fmt::format("{}: {} ({})", what, result.error().message, result.error().code));
  return std::move(*result);
}
void must(const Status& status, std::string_view what) {
  if (!status) throw std::runtime_error(fmt::format("{}: {}", what, status.error().message));
}
}  // namespace

void FakeSink::submit(std::vector<DeliveryTask> given) {
  for (DeliveryTask& task : given) tasks.push_back(std::move(task));
}

void FakeSink::withdraw(std::vector<DeliveryKey> deliveries) {
  for (const DeliveryKey key : deliveries) {
    std::erase_if(tasks, [&](const DeliveryTask& task) { return task.delivery == key; });
    withdrawn.push_back(key);
  }
}

void FakeSink::expedite(std::vector<DeliveryKey> deliveries) {
  expedited.insert(expedited.end(), deliveries.begin(), deliveries.end());
}

Stage::Stage(std::string_view scenario, std::unique_ptr<Store> store, RuntimeOptions options,
             const NodeKinds* kinds)
    : kinds_{kinds == nullptr ? &node_kinds() : kinds}, options_{std::move(options)} {
  kept_ = store ? std::shared_ptr<Store>{std::move(store)}
                : std::shared_ptr<Store>{make_memory_store()};
  open(std::make_unique<PassingStore>(kept_));
  if (!scenario.empty()) apply(scenario);
}

void Stage::open(std::unique_ptr<Store> store) {
  simulation_ = must(Simulation::open(std::move(store), *kinds_, clock_, sink_, options_), "open");
}

void Stage::restart() {
  simulation_.reset();
  sink_.tasks.clear();
  open(std::make_unique<PassingStore>(kept_));
}

void Stage::restart(const NodeKinds& kinds) {
  kinds_ = &kinds;
  restart();
}

void Stage::restart(const std::function<std::unique_ptr<Store>()>& reopen) {
  simulation_.reset();
  sink_.tasks.clear();
  kept_.reset();
  kept_ = std::shared_ptr<Store>{reopen()};
  open(std::make_unique<PassingStore>(kept_));
}

std::unique_ptr<ReadModel> Stage::reader() { return must(kept_->open_reader(), "reader"); }

void Stage::must_publish(Ready ready) {
  must(Publisher{engine().store(), sink_}.publish(std::move(ready)), "publish");
}

void Stage::work(std::vector<Task> jobs, std::vector<AttemptResult> results) {
  must(simulation_->work(std::move(jobs), std::move(results)), "work");
}

void Stage::apply(std::string_view text, bool activate) {
  const std::size_t key = text.find("scenario:");
  const std::size_t from = text.find_first_not_of(' ', key + 9);
  const std::size_t to = text.find_first_of(" \n", from);
  scenario_ = std::string{text.substr(from, to - from)};
  // Tests indent their scenarios with the code around them.
  const ApplyAnswer answer =
      must(engine().scenarios().apply(scenario_, std::string{text}), "apply");
  if (answer.refused) {
    std::string faults;
    for (const Diagnostic& found : answer.diagnostics)
      faults += fmt::format("{}:{} {}\n", found.at.line, found.at.column, found.message);
    throw std::runtime_error("refused:\n" + faults);
  }
  if (activate) must(engine().scenarios().activate(scenario_, std::nullopt), "activate");
}

void Stage::activate(const std::string& id, std::vector<std::string> test_emails) {
  must(engine().scenarios().activate(id, std::move(test_emails)), "activate");
}

EventInput Stage::input(std::string_view who, std::string_view type, std::string_view data,
                        std::string_view contact) const {
  Value object = must(parse_json(contact), "contact");
  if (!who.empty()) object.set("id", who);
  ContactInput read = must(parse_contact(object), "contact");
  EventInput input{
      .who = std::move(read.who),
      .patch = std::move(read.patch),
      .event = {
          .type = std::string{type}, .at = clock_.now(), .data = must(parse_json(data), "data")}};
  input.fingerprint = hash128(fmt::format("{} {} {}", type, data, contact));
  return input;
}

std::vector<EventAnswer> Stage::send(std::vector<EventInput> inputs) {
  return must(simulation_->send(std::move(inputs)), "send");
}

EventAnswer Stage::send(EventInput input) {
  std::vector<EventInput> inputs;
  inputs.push_back(std::move(input));
  return send(std::move(inputs)).at(0);
}

EventAnswer Stage::event(std::string_view who, std::string_view type, std::string_view data,
                         std::string_view contact) {
  return send(input(who, type, data, contact));
}

WorkAnswer Stage::command(ContactKey contact, Command command) {
  return must(simulation_->take(CommandInput{.contact = contact, .command = std::move(command)}),
              "command");
}

WorkAnswer Stage::patch(std::string_view who, std::string_view contact, bool quiet) {
  EventInput read = input(who, "", "{}", contact);
  return must(
      simulation_->take(
          PatchInput{.who = std::move(read.who), .patch = std::move(read.patch), .quiet = quiet},
          /*create=*/true),
      "patch");
}

void Stage::pass(Duration length) { must(simulation_->run_until(clock_.now() + length), "pass"); }

std::size_t Stage::reply(int status, std::optional<Duration> retry_after) {
  std::vector<DeliveryTask> tasks = std::exchange(sink_.tasks, {});
  std::vector<AttemptResult> results;
  for (const DeliveryTask& task : tasks)
    results.push_back({.delivery = task.delivery,
                       .number = task.number,
                       .started = clock_.now(),
                       .took = Duration{3},
                       .status = status,
                       .code = status == 0 ? "connect_refused" : "",
                       .retry_after = retry_after});
  work({}, std::move(results));
  return tasks.size();
}

std::string Stage::node_id(ScenarioKey scenario, NodeNumber node) const {
  for (const auto& [id, number] : simulation_->engine().control().scenarios.find(scenario)->nodes)
    if (number == node) return id;
  return "?";
}

std::vector<Run> Stage::runs_of(std::string_view who) {
  const auto key = must(engine().contacts().find_contact({.id = std::string{who}}), "find");
  if (!key) return {};
  auto reader = must(kept_->open_reader(), "reader");
  return must(reader->runs(*key, 1000, ""), "runs").runs;
}

std::string Stage::place_of(std::string_view who) {
  const std::vector<Run> runs = runs_of(who);
  if (runs.empty()) return "";
  const Run& run = runs.front();
  return run.live() ? node_id(run.scenario, run.place()) : std::string{to_string(run.state)};
}

std::string Stage::path_of(std::string_view who) {
  const std::vector<Run> runs = runs_of(who);
  std::string path;
  if (!runs.empty())
    for (const PathStep& step : runs.front().path)
      path += (path.empty() ? "" : " ") + node_id(runs.front().scenario, step.node);
  return path;
}

std::vector<Delivery> Stage::deliveries() {
  auto reader = must(kept_->open_reader(), "reader");
  std::vector<Delivery> all;
  for (const ScenarioInfo& info : engine().control().scenarios.list()) {
    const ScenarioRecord* record = engine().control().scenarios.find(info.id);
    for (const auto& [id, number] : record->nodes) {
      auto list = must(reader->deliveries(record->key, number, std::nullopt, 100'000, ""), "list");
      all.insert(all.end(), list.deliveries.begin(), list.deliveries.end());
    }
  }
  std::ranges::sort(all, {}, &Delivery::key);
  return all;
}

std::shared_ptr<const Request> Stage::request_of(DeliveryKey delivery) {
  auto reader = must(kept_->open_reader(), "reader");
  return must(reader->delivery(delivery), "delivery").value().request;
}

ContactAnswer Stage::contact(std::string_view who) {
  return must(engine().contacts().contact({.id = std::string{who}}), "contact");
}

CounterRow Stage::counts(std::string_view node, bool test) {
  const ScenarioStats stats = must(engine().views().stats(scenario_, 0), "stats");
  const StatsSide& side = test ? stats.test : stats.live;
  if (node.empty()) return side.scenario;
  const auto found = std::ranges::find(side.nodes, node, &NodeStats::id);
  if (found == side.nodes.end()) throw std::runtime_error("no node " + std::string{node});
  return found->counts;
}
}  // namespace onward
