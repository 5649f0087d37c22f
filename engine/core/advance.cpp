#include "engine/core/advance.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <iterator>
#include <type_traits>

#include "engine/core/vocabulary.h"

namespace onward {
namespace {
constexpr std::string_view kCascadeReason = "cascade";

/// One input's whole cascade over one contact.
class Cascade {
 public:
  Cascade(const Catalog& catalog, ContactState& state, const Now& now)
      : catalog_{catalog}, state_{state}, now_{now} {}

  void take(const EventInput& input);
  void take(const PatchInput& input);
  void take(const TimerInput& input);
  void take(const CommandInput& input);
  Changes finish();

 private:
  struct Caused {
    std::shared_ptr<const Event> event;
    int depth = 0;
  };

  void take_id(const ExternalId& id);
  void patch_contact(const ContactPatch& patch, bool quiet);
  void cause(std::string_view type, Value data);
  void work_off_caused();
  void happen(const std::shared_ptr<const Event>& event);
  void wake_by_event(const Event& event);
  bool try_start(const EventTrigger& trigger, const std::shared_ptr<const Event>& event);
  void start(const CatalogScenario& scenario, std::size_t trigger, EntryKey key, bool test,
             const std::shared_ptr<const Event>& event);

  void walk(Run& run, const CatalogScenario& home, const Scenario& scenario, std::size_t at);
  void arrive(Run& run, const ScenarioNode& node);
  /// Applies what a node decided. True: the run left, to `next`.
  bool settle_outcome(Run& run, const CatalogScenario& home, const Scenario& scenario,
                      const ScenarioNode& node, Outcome outcome, std::size_t& next);
  void ask_for(Run& run, const CatalogScenario& home, const ScenarioNode& node, RequestDraft draft);
  void wake(Run& run, const WakeCause& cause);
  void leave_hold(Run& run);
  void end(Run& run, RunState state, std::string_view reason);
  void park_run(Run& run, std::string_view reason);
  void resume(Run& run);

  struct Place {
    const CatalogScenario* home = nullptr;
    const Scenario* scenario = nullptr;  ///< The run's version; null where it cannot be read.
    const ScenarioNode* node = nullptr;
  };
  Place place_of(const Run& run) const;
  Visit visit_of(const Run& run, const Scenario& scenario, const ScenarioNode& node,
                 std::string_view delivery_id) const;
  LedgerRow& ledger_row(ScenarioKey scenario, const EntryKey& key, bool test);
  void mark(const LedgerRow& row);
  CounterRow& counters(const Run& run, NodeNumber node = {});
  void mark(const Run& run);
  Run* live_run(RunKey key);
  DeliveryKey next_delivery() const { return {numbered(now_.seq, deliveries_)}; }

  const Catalog& catalog_;
  ContactState& state_;
  const Now& now_;
  Changes changes_;
  std::deque<Caused> caused_;
  std::vector<RunKey> changed_runs_;
  int depth_ = 0;
  int visits_ = 0;
  std::uint32_t runs_ = 0;
  std::uint32_t deliveries_ = 0;
};

// ---- inputs ----

void Cascade::take(const EventInput& input) {
  if (!state_.contact.id && input.who.id) take_id(*input.who.id);
  const EventName* name = find_event(input.event.type);
  if (name != nullptr && name->effect == EventEffect::SetsSubscribedAt &&
      state_.contact.get(Field::SubscribedAt) == nullptr) {
    ContactPatch patch = input.patch;
    patch.fields.emplace_back(Field::SubscribedAt, input.event.at);
    patch_contact(patch, input.history);
  } else {
    patch_contact(input.patch, input.history);
  }
  if (state_.engagement.take(input.event)) changes_.engagement_changed = true;
  if (input.history) return;
  happen(std::make_shared<const Event>(input.event));
  work_off_caused();
}

void Cascade::take(const PatchInput& input) {
  if (!state_.contact.id && input.who.id) take_id(*input.who.id);
  patch_contact(input.patch, input.quiet);
  work_off_caused();
}

void Cascade::take(const TimerInput& input) {
  changes_.timers_cleared.push_back({input.due, input.contact, input.timer});
  if (input.timer.kind != TimerKind::Wait) return;
  Run* run = live_run({input.timer.subject});
  const bool due = run != nullptr && run->state == RunState::Waiting && run->wake_at &&
                   (*run->wake_at <= now_.at || *run->wake_at == input.due);
  if (!due) return;
  wake(*run, {.kind = WakeCause::Kind::Time});
  work_off_caused();
}

void Cascade::take(const CommandInput& input) {
  std::visit(
      [&](const auto& command) {
        using T = std::decay_t<decltype(command)>;
        if constexpr (std::is_same_v<T, Forget>) {
          for (Run& run : state_.live) end(run, RunState::Exited, "forgotten");
          state_.contact = Contact{.key = state_.contact.key};
          state_.engagement = {};
          changes_.forgotten = true;
        } else if constexpr (std::is_same_v<T, EndRun>) {
          if (Run* run = live_run(command.run)) {
            const CatalogScenario* home = catalog_.find(run->scenario);
            const bool stopped = home == nullptr || home->state == ScenarioState::Archived;
            end(*run, stopped ? RunState::Stopped : RunState::Exited, command.reason);
          }
        } else if constexpr (std::is_same_v<T, ResumeRun>) {
          Run* run = live_run(command.run);
          if (run != nullptr && run->state == RunState::Parked) resume(*run);
        }
      },
      input.command);
  work_off_caused();
}

/// Moves out what changed. Ended runs leave the state.
Changes Cascade::finish() {
  for (Run& run : state_.live)
    if (std::ranges::find(changed_runs_, run.key) != changed_runs_.end()) {
      if (run.live())
        changes_.runs.push_back(run);
      else
        changes_.runs.push_back(std::move(run));
    }
  std::erase_if(state_.live, [](const Run& run) { return !run.live(); });
  return std::move(changes_);
}

// ---- the contact ----

void Cascade::take_id(const ExternalId& id) {
  state_.contact.id = id;
  state_.contact.updated_at = now_.at;
  changes_.contact_changed = true;
}

void Cascade::patch_contact(const ContactPatch& patch, bool quiet) {
  Contact& contact = state_.contact;
  const bool is_new = contact.created_at == Instant{};
  if (is_new) {
    contact.created_at = contact.updated_at = now_.at;
    changes_.contact_changed = true;
  }
  if (patch.empty()) return;
  const PatchEffect effect = apply_patch(contact, patch, now_.at);
  if (!effect.ignored.empty()) changes_.warnings.emplace_back("contact_full");
  if (!effect.any()) return;
  changes_.contact_changed = true;
  if (quiet) return;
  for (const std::string& group : effect.joined)
    cause(kGroupJoinedEvent, ValueMap{{"group", group}});
  for (const std::string& group : effect.left) cause(kGroupLeftEvent, ValueMap{{"group", group}});
  if (is_new) return;
  ValueList fields;
  for (const std::string& field : effect.changed) fields.emplace_back(field);
  cause(kContactUpdatedEvent, ValueMap{{"fields", std::move(fields)}});
}

/// Queues an event that a change of the contact causes, where anybody could hear it.
void Cascade::cause(std::string_view type, Value data) {
  if (catalog_.triggers(type).empty() && state_.live.empty()) return;
  caused_.push_back({std::make_shared<const Event>(
                         Event{.type = std::string{type}, .at = now_.at, .data = std::move(data)}),
                     depth_ + 1});
}

void Cascade::work_off_caused() {
  while (!caused_.empty()) {
    const Caused next = std::move(caused_.front());
    caused_.pop_front();
    depth_ = next.depth;
    happen(next.event);
  }
}

void Cascade::happen(const std::shared_ptr<const Event>& event) {
  // A run that this event starts must not be woken by it: waiting runs come first.
  wake_by_event(*event);
  const CatalogScenario* started = nullptr;
  for (const EventTrigger& trigger : catalog_.triggers(event->type))
    if (trigger.scenario != started && try_start(trigger, event)) started = trigger.scenario;
}

void Cascade::wake_by_event(const Event& event) {
  // By position: waking never adds a run, and ended ones stay until `finish`.
  for (std::size_t i = 0; i < state_.live.size(); ++i) {
    Run& run = state_.live[i];
    if (run.state != RunState::Waiting) continue;
    const auto [home, scenario, node] = place_of(run);
    const auto* listen =
        node == nullptr ? nullptr : std::get_if<EventListen>(&node->node->listens());
    if (listen == nullptr || std::ranges::find(listen->events, event.type) == listen->events.end())
      continue;
    const SegmentSubject subject{.contact = state_.contact,
                                 .engagement = state_.engagement,
                                 .event = &event,
                                 .now = now_.at,
                                 .timezone = scenario->timezone};
    if (listen->where.evaluate(subject).truth == Truth::Yes)
      wake(run, {.kind = WakeCause::Kind::Event, .event = &event});
  }
}

// ---- entries ----

/// Whether the trigger matched: then no other trigger of the scenario is asked, entered or refused.
bool Cascade::try_start(const EventTrigger& trigger, const std::shared_ptr<const Event>& event) {
  const CatalogScenario& scenario = *trigger.scenario;
  const Scenario& current = scenario.current();
  const auto& listen = std::get<EventListen>(current.nodes[trigger.node].node->listens());
  const SegmentSubject subject{.contact = state_.contact,
                               .engagement = state_.engagement,
                               .event = event.get(),
                               .now = now_.at,
                               .timezone = current.timezone};
  if (listen.where.evaluate(subject).truth != Truth::Yes) return false;

  const bool test = !scenario.test_emails.empty();
  const auto refuse = [&](std::string_view reason) {
    const bool counted_as_test = test && reason != "test_mode";
    changes_.counters
        .at({.scenario = scenario.key, .version = scenario.newest, .test = counted_as_test})
        .add(reason, 1);
    return true;
  };
  if (test &&
      std::ranges::find(scenario.test_emails, state_.contact.email()) == scenario.test_emails.end())
    return refuse("test_mode");

  // Past the bounds of one input nobody enters; those under way are parked (see walk).
  if (visits_ >= kCascadeVisits || depth_ > kCascadeDepth) return refuse(kCascadeReason);

  EntryKey key;
  if (!current.reentry.key_path.empty()) {
    const Value* value = event->data.find_path(current.reentry.key_path);
    key = entry_key(value == nullptr ? std::string{} : to_text(*value));
  }
  std::uint32_t live = 0;
  for (const Run& run : state_.live)
    live += run.live() && run.scenario == scenario.key && run.test == test &&
            (run.entry_key == key || current.reentry.mode == ReentryMode::Parallel);
  if (!test) {
    const LedgerRow& row = ledger_row(scenario.key, key, test);
    const Entry entry = decide_entry(current.reentry, row.entries, row.last_entry, live, now_.at);
    if (const std::string_view refusal = refusal_of(entry); !refusal.empty())
      return refuse(refusal);
    if (entry == Entry::EnterAndEndLive)
      for (Run& run : state_.live)
        if (run.live() && run.scenario == scenario.key && run.entry_key == key && !run.test)
          end(run, RunState::Exited, "restarted");
  } else if (live >= kParallelRuns) {
    return refuse(refusal_of(Entry::TooMany));
  }
  start(scenario, trigger.node, std::move(key), test, event);
  return true;
}

void Cascade::start(const CatalogScenario& scenario, std::size_t trigger, EntryKey key, bool test,
                    const std::shared_ptr<const Event>& event) {
  assert(runs_ < kOrdinals);
  const auto enter = [&](const EntryKey& of) {
    LedgerRow& row = ledger_row(scenario.key, of, test);
    ++row.entries;
    row.last_entry = now_.at;
    mark(row);
  };
  enter({});
  if (!key.empty()) enter(key);

  Run run{.key = {numbered(now_.seq, runs_++)},
          .scenario = scenario.key,
          .version = scenario.newest,
          .entry_key = std::move(key),
          .test = test,
          .contact = state_.contact.key,
          .started = now_.at,
          .event = event};
  counters(run).add(Counter::Entered, 1);
  counters(run).add(Counter::Inside, 1);
  state_.live.push_back(std::move(run));
  walk(state_.live.back(), scenario, scenario.current(), trigger);
}

// ---- the walk ----

void Cascade::walk(Run& run, const CatalogScenario& home, const Scenario& scenario,
                   std::size_t at) {
  mark(run);
  while (at != kEnd) {
    const ScenarioNode& node = scenario.nodes[at];
    if (visits_ >= kCascadeVisits || depth_ > kCascadeDepth) {
      // Not yet arrived, so not yet counted: `resume` arrives.
      run.path.push_back({.node = node.number, .at = now_.at});
      park_run(run, kCascadeReason);
      return;
    }
    arrive(run, node);
    const bool trigger = node.kind->family == NodeFamily::Trigger;
    std::string delivery_id;
    if (node.node->delivery_policy() != nullptr)
      delivery_id = format_delivery(catalog_.epoch(), next_delivery());
    Outcome outcome =
        trigger ? leave_by("next") : node.node->enter(visit_of(run, scenario, node, delivery_id));
    if (!settle_outcome(run, home, scenario, node, std::move(outcome), at)) return;
  }
  end(run, RunState::Done, "");
}

void Cascade::arrive(Run& run, const ScenarioNode& node) {
  ++visits_;
  // A node is entered at most once in a run, since versions are acyclic.
  assert(
      std::ranges::none_of(run.path, [&](const auto& step) { return step.node == node.number; }));
  run.path.push_back({.node = node.number, .at = now_.at});
  CounterRow& counted = counters(run, node.number);
  counted.add(Counter::Visits, 1);
  if (LedgerRow& row = ledger_row(run.scenario, {}, run.test); row.visited.insert(node.number)) {
    counted.add(Counter::UniqueContacts, 1);
    mark(row);
  }
}

bool Cascade::settle_outcome(Run& run, const CatalogScenario& home, const Scenario& scenario,
                             const ScenarioNode& node, Outcome outcome, std::size_t& next) {
  // A hold whose time has come is no hold. Asked once: a node that insists is parked.
  if (const auto* hold = std::get_if<Hold>(&outcome.next);
      hold != nullptr && hold->until && *hold->until <= now_.at) {
    Outcome woken = node.node->wake(visit_of(run, scenario, node, {}), {});
    if (!outcome.patch) outcome.patch = std::move(woken.patch);
    outcome.next =
        std::holds_alternative<Hold>(woken.next) ? Park{"held_in_the_past"} : std::move(woken.next);
  }
  if (outcome.request) ask_for(run, home, node, std::move(*outcome.request));
  if (outcome.patch) patch_contact(*outcome.patch, /*quiet=*/false);
  if (outcome.unknown) counters(run, node.number).add(Counter::Unknown, 1);
  PathStep& step = run.path.back();
  step.note = std::move(outcome.note);

  if (const auto* leave = std::get_if<Leave>(&outcome.next)) {
    step.port = leave->port;
    counters(run, node.number).add(leave->port, 1);
    next = node.target(leave->port);
    return true;
  }
  if (const auto* hold = std::get_if<Hold>(&outcome.next)) {
    run.state = RunState::Waiting;
    run.wake_at = hold->until;
    counters(run, node.number).add(Counter::Waiting, 1);
    if (hold->until)
      changes_.timers_set.push_back(
          {*hold->until, run.contact, {.kind = TimerKind::Wait, .subject = run.key.value}});
    return false;
  }
  park_run(run, std::get<Park>(outcome.next).reason);
  return false;
}

/// Makes the delivery of a visit; one that may not be sent is born failed.
void Cascade::ask_for(Run& run, const CatalogScenario& home, const ScenarioNode& node,
                      RequestDraft draft) {
  const DeliveryPolicy* policy = node.node->delivery_policy();
  assert(policy != nullptr && deliveries_ < kOrdinals);
  Delivery delivery{.key = next_delivery(),
                    .endpoint = {.scenario = home.key, .node = node.number, .version = run.version},
                    .test = run.test,
                    .contact = run.contact,
                    .run = run.key,
                    .created = now_.at,
                    .deadline = now_.at + policy->retry.window};
  ++deliveries_;
  const bool refused = !draft.refusal.empty();
  if (refused) {
    delivery.state = DeliveryState::Failed;
    delivery.reason = std::move(draft.refusal);
    delivery.settled = now_.at;
  } else {
    delivery.due = now_.at;
  }
  CounterRow& counted = counters(run, node.number);
  counted.add(Counter::Requests, 1);
  counted.add(refused ? Counter::Failed : Counter::Pending, 1);
  run.path.back().delivery = delivery.key;
  changes_.deliveries.push_back(
      {.delivery = std::move(delivery),
       .request = std::make_shared<const Request>(std::move(draft.request)),
       .policy = policy});
}

void Cascade::wake(Run& run, const WakeCause& cause) {
  const auto [home, scenario, node] = place_of(run);
  if (home == nullptr || home->state == ScenarioState::Archived) {
    end(run, RunState::Stopped, "archived");
    return;
  }
  leave_hold(run);
  mark(run);
  if (node == nullptr) {
    park_run(run, "version_missing");
    return;
  }
  Outcome outcome = node->node->wake(visit_of(run, *scenario, *node, {}), cause);
  std::size_t next = kEnd;
  if (settle_outcome(run, *home, *scenario, *node, std::move(outcome), next))
    walk(run, *home, *scenario, next);
}

/// A parked run arrives where it was kept from arriving, or enters its node again, uncounted.
void Cascade::resume(Run& run) {
  const auto [home, scenario, node] = place_of(run);
  if (home == nullptr || home->state == ScenarioState::Archived) {
    end(run, RunState::Stopped, "archived");
    return;
  }
  if (node == nullptr) return;
  counters(run).add(Counter::Parked, -1);
  run.state = RunState::Waiting;
  const bool arrived = run.reason != kCascadeReason;
  run.reason.clear();
  std::size_t at = static_cast<std::size_t>(node - scenario->nodes.data());
  if (arrived) {
    mark(run);
    Outcome outcome = node->node->enter(visit_of(run, *scenario, *node, {}));
    if (!settle_outcome(run, *home, *scenario, *node, std::move(outcome), at)) return;
  } else {
    run.path.pop_back();
  }
  walk(run, *home, *scenario, at);
}

void Cascade::leave_hold(Run& run) {
  if (run.state != RunState::Waiting) return;
  counters(run, run.place()).add(Counter::Waiting, -1);
  if (run.wake_at)
    changes_.timers_cleared.push_back(
        {*run.wake_at, run.contact, {.kind = TimerKind::Wait, .subject = run.key.value}});
  run.wake_at.reset();
}

void Cascade::end(Run& run, RunState state, std::string_view reason) {
  mark(run);
  // A run that ends in the middle of its walk is Waiting in name only; it holds where it has no
  // port.
  const bool held = !run.path.empty() && run.path.back().port.empty();
  if (run.state == RunState::Parked)
    counters(run).add(Counter::Parked, -1);
  else if (held)
    leave_hold(run);
  run.state = state;
  run.reason = reason;
  run.ended = now_.at;
  run.event.reset();
  CounterRow& counted = counters(run);
  counted.add(Counter::Inside, -1);
  switch (state) {
    case RunState::Done:
      counted.add(Counter::Done, 1);
      break;
    case RunState::Exited:
      counted.add(Counter::Exited, 1);
      break;
    case RunState::Stopped:
      counted.add(Counter::Stopped, 1);
      break;
    case RunState::Waiting:
    case RunState::Parked:
      assert(false);
  }
}

void Cascade::park_run(Run& run, std::string_view reason) {
  mark(run);
  run.state = RunState::Parked;
  run.reason = reason;
  counters(run).add(Counter::Parked, 1);
}

// ---- small things ----

Cascade::Place Cascade::place_of(const Run& run) const {
  Place place{.home = catalog_.find(run.scenario)};
  if (place.home != nullptr) place.scenario = place.home->version(run.version);
  if (place.scenario != nullptr) place.node = place.scenario->find(run.place());
  return place;
}

Visit Cascade::visit_of(const Run& run, const Scenario& scenario, const ScenarioNode& node,
                        std::string_view delivery_id) const {
  return {.contact = state_.contact,
          .engagement = state_.engagement,
          .event = run.event.get(),
          .now = now_,
          .run = run.key,
          .scenario = scenario.id,
          .scenario_title = scenario.title,
          .timezone = scenario.timezone,
          .node = node.number,
          .delivery_id = delivery_id,
          .account_id = catalog_.account_id()};
}

/// The row, made where there is none.
LedgerRow& Cascade::ledger_row(ScenarioKey scenario, const EntryKey& key, bool test) {
  const auto row = std::ranges::find_if(state_.ledger, [&](const LedgerRow& candidate) {
    return candidate.scenario == scenario && candidate.test == test && candidate.key == key;
  });
  if (row != state_.ledger.end()) return *row;
  return state_.ledger.emplace_back(LedgerRow{.scenario = scenario, .key = key, .test = test});
}

void Cascade::mark(const LedgerRow& row) {
  const auto index = static_cast<std::size_t>(&row - state_.ledger.data());
  if (std::ranges::find(changes_.ledger, index) == changes_.ledger.end())
    changes_.ledger.push_back(index);
}

CounterRow& Cascade::counters(const Run& run, NodeNumber node) {
  return changes_.counters.at(
      {.scenario = run.scenario, .node = node, .version = run.version, .test = run.test});
}

void Cascade::mark(const Run& run) {
  if (std::ranges::find(changed_runs_, run.key) == changed_runs_.end())
    changed_runs_.push_back(run.key);
}

Run* Cascade::live_run(RunKey key) {
  const auto run = std::ranges::find(state_.live, key, &Run::key);
  return run == state_.live.end() || !run->live() ? nullptr : &*run;
}
}  // namespace

Changes advance(const Catalog& catalog, ContactState& state, const Input& input, const Now& now) {
  Cascade cascade{catalog, state, now};
  std::visit([&](const auto& of) { cascade.take(of); }, input);
  return cascade.finish();
}
}  // namespace onward
