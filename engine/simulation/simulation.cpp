#include "engine/simulation/simulation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/authoring/load.h"
#include "engine/store/passing_store.h"

namespace onward {
namespace {
/// Calls of the engine at one instant. More means that it asks to be woken and then does nothing,
/// which would go on for ever: a fault of ours, told instead of shown by hanging.
constexpr std::size_t kCallsAtOnce = 1'000'000;

class WatchedStore final : public PassingStore {
 public:
  WatchedStore(std::unique_ptr<Store> store, CommitListener listener)
      : PassingStore{std::move(store)}, listener_{std::move(listener)} {}

  Status commit(const Commit& commit) override {
    Status done = store_->commit(commit);
    if (done) listener_(commit);
    return done;
  }

 private:
  CommitListener listener_;
};

tl::unexpected<Error> stuck(Instant at) {
  return fail(ErrorKind::Io, "simulation_stuck",
              fmt::format("the simulation does not get past {}: the engine asks to be woken again "
                          "and again",
                          format_instant(at)));
}
}  // namespace

std::unique_ptr<Store> make_watched_store(std::unique_ptr<Store> store, CommitListener listener) {
  return std::make_unique<WatchedStore>(std::move(store), std::move(listener));
}

// ---- the receiver ----

void ScriptedReceiver::submit(std::vector<DeliveryTask> tasks) {
  tasks_.insert(tasks_.end(), std::make_move_iterator(tasks.begin()),
                std::make_move_iterator(tasks.end()));
}

void ScriptedReceiver::withdraw(std::vector<DeliveryKey> deliveries) {
  std::erase_if(tasks_, [&](const DeliveryTask& task) {
    return std::ranges::find(deliveries, task.delivery) != deliveries.end();
  });
}

void ScriptedReceiver::set_rules(std::vector<ReceiverRule> rules, const ScenarioBook& book) {
  std::erase_if(rules, [](const ReceiverRule& rule) { return rule.replies.empty(); });
  rules_ = std::move(rules);
  book_ = &book;
}

const ReceiverRule* ScriptedReceiver::rule_of(const EndpointKey& endpoint, Instant now) {
  if (rules_.empty()) return nullptr;
  const ScenarioRecord* record = book_->find(endpoint.scenario);
  if (record == nullptr) return nullptr;
  const auto node =
      std::ranges::find(record->nodes, endpoint.node, &std::pair<std::string, NodeNumber>::second);
  for (const ReceiverRule& rule : rules_) {
    if (!rule.scenario.empty() && rule.scenario != record->id) continue;
    if (!rule.node.empty() && (node == record->nodes.end() || rule.node != node->first)) continue;
    if (rule.until && now >= *rule.until) continue;
    return &rule;
  }
  return nullptr;
}

bool ScriptedReceiver::take(const DeliveryTask& task, Instant now) {
  const RetryPolicy& retry = task.policy->retry;
  AttemptResult& result = kept_.emplace_back(
      AttemptResult{.delivery = task.delivery, .number = task.number, .started = now});
  if (const ReceiverRule* rule = rule_of(task.endpoint, now)) {
    const std::size_t last = rule->replies.size() - 1;
    const ReceiverReply& reply = rule->replies[std::min<std::size_t>(task.number - 1, last)];
    result.status = reply.status;
    result.code = reply.code;
    return false;
  }
  result.status = retry.accept.empty() ? 200 : retry.accept.front();
  const Instant deadline = now + retry.window;
  kept_until_ = kept_.size() == 1 ? deadline : std::min(kept_until_, deadline);
  return task.number == 1 && !task.policy->batch;
}

std::vector<AttemptResult> ScriptedReceiver::answers(Instant now) {
  bool keep = true;
  for (const DeliveryTask& task : tasks_) keep = take(task, now) && keep;
  tasks_.clear();
  return keep && kept_.size() < together_ ? std::vector<AttemptResult>{} : kept_answers();
}

// ---- scenarios ----

Result<std::vector<std::string>> store_drafts(CellStore& store, std::span<const std::string> texts,
                                              const NodeKinds& kinds, Instant now) {
  Commit commit{.at = now};
  std::vector<std::string> ids;
  for (const std::string& text : texts) {
    const Loaded loaded = load_scenario(text, kinds);
    if (!loaded.scenario)
      return fail(ErrorKind::Invalid, "bad_scenario",
                  loaded.diagnostics.empty() ? "the scenario cannot be read"
                                             : loaded.diagnostics.front().message);
    const Scenario& scenario = *loaded.scenario;
    if (std::ranges::find(ids, scenario.id) != ids.end())
      return fail(ErrorKind::Invalid, "duplicate_id",
                  fmt::format("two files are the scenario \"{}\"", scenario.id));
    ScenarioRecord record{.key = {static_cast<std::uint32_t>(ids.size() + 1)},
                          .id = scenario.id,
                          .newest = 1,
                          .created = now};
    for (const ScenarioNode& node : scenario.nodes) {
      record.nodes.emplace_back(node.id, node.number);
      record.kinds.emplace_back(node.id, std::string{node.kind->name});
    }
    commit.control.versions.push_back(
        {.scenario = record.key, .version = 1, .text = text, .created = now});
    commit.control.scenarios.push_back(std::move(record));
    ids.push_back(scenario.id);
  }
  if (Status done = store.commit(commit); !done) return tl::make_unexpected(done.error());
  return ids;
}

// ---- the drive ----

Result<std::unique_ptr<Simulation>> Simulation::open(std::unique_ptr<Store> store,
                                                     const NodeKinds& kinds, VirtualClock& clock,
                                                     SimulatedReceiver& receiver,
                                                     const RuntimeOptions& options) {
  auto engine = Cell::open(std::move(store), kinds, receiver, clock, options);
  if (!engine) return tl::make_unexpected(std::move(engine.error()));
  std::unique_ptr<Simulation> made{new Simulation(std::move(*engine), clock, receiver)};
  if (Status done = made->work(); !done) return tl::make_unexpected(std::move(done.error()));
  return made;
}

Status Simulation::work(std::vector<Task> jobs, std::vector<AttemptResult> results) {
  Status done = onward::drive(*engine_, std::move(jobs), std::move(results));
  for (std::size_t calls = 0; done; ++calls) {
    std::vector<AttemptResult> answers = receiver_.answers(clock_.now());
    if (answers.empty()) return {};
    if (calls == kCallsAtOnce) return stuck(clock_.now());
    done = onward::drive(*engine_, {}, std::move(answers));
  }
  return done;
}

Status Simulation::run_until(Instant target) {
  if (const auto done = drive(target); !done) return tl::make_unexpected(done.error());
  if (clock_.now() >= target) return {};
  clock_.set(target);
  return work();
}

Result<bool> Simulation::run_out(Instant target) {
  while (true) {
    auto ended = drive(target);
    std::vector<AttemptResult> kept = receiver_.kept_answers();
    if (!ended || kept.empty()) return ended;
    if (Status done = work({}, std::move(kept)); !done)
      return tl::make_unexpected(std::move(done.error()));
  }
}

Result<bool> Simulation::drive(Instant target) {
  std::size_t calls = 0;
  while (true) {
    const auto next = engine_->next_wake();
    if (!next) return true;
    if (*next > std::max(target, clock_.now())) return false;
    // Nothing but the deadlines of what was accepted long ago.
    if (const auto until = receiver_.kept_until(); until && *next >= *until) {
      if (Status done = work({}, receiver_.kept_answers()); !done)
        return tl::make_unexpected(std::move(done.error()));
      continue;
    }
    if (*next > clock_.now()) {
      clock_.set(*next);
      calls = 0;
    } else if (++calls == kCallsAtOnce) {
      return stuck(clock_.now());
    }
    if (Status done = work(); !done) return tl::make_unexpected(std::move(done.error()));
  }
}

Result<std::vector<EventAnswer>> Simulation::send(std::vector<EventInput> events) {
  EventsTask job;
  job.inputs.reserve(events.size());
  for (EventInput& event : events) job.inputs.emplace_back(std::move(event));
  std::vector<EventAnswer> answers;
  job.done = [&answers](std::vector<EventAnswer> given) { answers = std::move(given); };
  std::vector<Task> jobs;
  jobs.emplace_back(std::move(job));
  if (Status done = work(std::move(jobs)); !done)
    return tl::make_unexpected(std::move(done.error()));
  return answers;
}

Result<WorkAnswer> Simulation::take(Input input, bool create) {
  std::optional<Result<WorkAnswer>> answer;
  std::vector<Task> jobs;
  jobs.emplace_back(ContactTask{
      .input = std::move(input), .create = create, .done = [&](Result<WorkAnswer> given) {
        answer = std::move(given);
      }});
  if (Status done = work(std::move(jobs)); !done)
    return tl::make_unexpected(std::move(done.error()));
  if (!answer) return fail(ErrorKind::Io, "no_answer", "the engine did not answer");
  return std::move(*answer);
}
}  // namespace onward
