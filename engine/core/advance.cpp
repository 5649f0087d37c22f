#include "engine/core/advance.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <iterator>
#include <type_traits>

#include "engine/core/date_trigger.h"
#include "engine/core/template.h"
#include "engine/core/vocabulary.h"

namespace onward {
namespace {
constexpr std::string_view kCascadeReason = "cascade";
constexpr std::string_view kExitReason = "exit";
constexpr std::string_view kMovedPort = "moved";
/// Between the first and the last place on earth where clocks show a time.
constexpr Duration kZonesApart = std::chrono::hours{26};

/// Names of what changed: fields, "groups", kinds of events that feed the statistics.
class ChangedNames {
 public:
  void add(std::string_view name) {
    if (!holds(name)) names_.emplace_back(name);
  }
  bool empty() const { return names_.empty(); }
  bool holds(std::string_view name) const {
    return std::ranges::find(names_, name) != names_.end();
  }
  bool meets(const ReadSet& reads) const {
    return std::ranges::any_of(names_, [&](const std::string& name) {
      return reads.fields.contains(name) || reads.events.contains(name) ||
             (reads.time && name == kZoneField);
    });
  }
  auto begin() const { return names_.begin(); }
  auto end() const { return names_.end(); }

 private:
  std::vector<std::string> names_;  // few
};

std::optional<Instant> earlier(const std::optional<Instant>& a, const std::optional<Instant>& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

bool listed(const std::vector<std::string>& events, std::string_view type) {
  return std::ranges::any_of(
      events, [&](const std::string& event) { return event == type || event == kAnyEvent; });
}

/// One input's whole cascade over one contact.
class Cascade {
 public:
  Cascade(const Catalog& catalog, ContactState& state, const Now& now, const LedgerLoaded& loaded)
      : catalog_{catalog}, state_{state}, now_{now}, loaded_{loaded} {
    if (catalog_.watches()) before_ = {state.contact, state.engagement};
  }

  void take(const EventInput& input);
  void take(const PatchInput& input);
  void take(const TimerInput& input);
  void take(const CommandInput& input);
  Changes finish();

 private:
  struct Caused {
    std::shared_ptr<const Event> event;  ///< Null: a node changed the contact.
    int depth = 0;
  };
  struct Place {
    const CatalogScenario* home = nullptr;
    const Scenario* scenario = nullptr;  ///< The run's version; null where it cannot be read.
    const ScenarioNode* node = nullptr;
  };
  struct Person {
    Contact contact;
    Engagement engagement;
  };

  void take_id(const ExternalId& id);
  void patch_contact(const ContactPatch& patch, bool quiet, bool by_node = false);
  void changed(std::string_view name);
  void cause(std::string_view type, Value data);
  void work_off_caused();
  /// An event, or with null only a change of the contact, reaches runs and triggers.
  void happen(const std::shared_ptr<const Event>& event, bool quiet = false);
  void bind_runs(const Event* event, const ChangedNames& names);
  void wake_runs(const Event* event, const ChangedNames& names);
  void cross_edges(bool quiet);

  /// Rules of the run's version that hold: by `event`, or by the contact as it is. With `names`
  /// only rules about what changed are asked. True: the run has ended.
  bool rules_end(Run& run, const Scenario& scenario, const Event* event, const ChangedNames* names);
  bool exit_by(Run& run, const Scenario& scenario, const ExitRule* rule, const Event* event);
  const ExitRule* holding(const std::vector<ExitRule>& rules, const Scenario& scenario,
                          const Event* event, const ChangedNames* names) const;
  std::optional<Instant> recheck_of(const Run& run, const Scenario& scenario,
                                    const ScenarioNode& node) const;
  void set_recheck(Run& run, std::optional<Instant> at);

  void take_wait(const TimerInput& input);
  void take_run_recheck(const TimerInput& input);
  void take_segment_recheck(const TimerInput& input, const CatalogTrigger& trigger,
                            const SegmentListen& listen);
  void take_date(const TimerInput& input, const CatalogTrigger& trigger, const DateListen& listen);
  std::optional<CatalogTrigger> trigger_of(std::uint64_t subject) const;
  void arm(const ArmTrigger& command);
  std::optional<Instant> due_of(const CatalogTrigger& trigger, const Person& person,
                                Instant after) const;
  bool fired_already(const CatalogTrigger& trigger, const Person& before, Instant due);
  void move_timer(TimerKey key, const std::optional<Instant>& from,
                  const std::optional<Instant>& to);
  /// The last that is said of a timer stands.
  void set_timer(const Timer& timer);
  void clear_timer(const Timer& timer);

  bool try_start(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event);
  void enter(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event,
             std::string_view refusal = {});
  void start(const CatalogScenario& scenario, std::size_t trigger, EntryKey key, bool test,
             const std::shared_ptr<const Event>& event);
  void move(Run& run, const MoveRun& command);

  void walk(Run& run, const CatalogScenario& home, const Scenario& scenario, std::size_t at);
  void arrive(Run& run, const ScenarioNode& node);
  /// Applies what a node decided. True: the run left, to `next`.
  bool settle_outcome(Run& run, const CatalogScenario& home, const Scenario& scenario,
                      const ScenarioNode& node, Outcome outcome, std::size_t& next);
  void ask_for(Run& run, const CatalogScenario& home, const ScenarioNode& node, RequestDraft draft);
  void wake(Run& run, const WakeCause& cause);
  void enter_again(Run& run, const Place& place);
  void leave_hold(Run& run);
  void end(Run& run, RunState state, std::string_view reason);
  void park_run(Run& run, std::string_view reason);
  void resume(Run& run);

  Place place_of(const Run& run) const;
  Visit visit_of(const Run& run, const Scenario& scenario, const ScenarioNode& node,
                 std::string_view delivery_id) const;
  SegmentSubject subject(std::string_view timezone, const Event* event = nullptr) const;
  LedgerRow& ledger_row(ScenarioKey scenario, const EntryKey& key, bool test);
  void mark(const LedgerRow& row);
  CounterRow& counters(const Run& run, NodeNumber node = {});
  void mark(const Run& run);
  Run* live_run(RunKey key);
  DeliveryKey next_delivery() const { return {numbered(now_.seq, deliveries_)}; }

  const Catalog& catalog_;
  ContactState& state_;
  const Now& now_;
  const LedgerLoaded& loaded_;
  Person before_;                                ///< As edges saw the contact last.
  ChangedNames for_rules_;                       ///< Changes that runs have not seen yet,
  ChangedNames for_edges_;                       ///< and those that triggers have not.
  std::vector<const CatalogScenario*> entered_;  ///< By what happens now; each once.
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
  if (state_.engagement.take(input.event)) {
    changes_.engagement_changed = true;
    changed(input.event.type);
  }
  happen(input.history ? nullptr : std::make_shared<const Event>(input.event), input.history);
  work_off_caused();
}

void Cascade::take(const PatchInput& input) {
  if (!state_.contact.id && input.who.id) take_id(*input.who.id);
  patch_contact(input.patch, input.quiet);
  happen(nullptr, input.quiet);
  work_off_caused();
}

void Cascade::take(const TimerInput& input) {
  clear_timer({input.due, input.contact, input.timer});
  if (input.timer.kind == TimerKind::Wait) {
    take_wait(input);
  } else if (input.timer.kind == TimerKind::RunRecheck) {
    take_run_recheck(input);
  } else if (const auto trigger = trigger_of(input.timer.subject)) {
    const Listen& listens = trigger->at().node->listens();
    if (const auto* segment = std::get_if<SegmentListen>(&listens);
        segment != nullptr && input.timer.kind == TimerKind::SegmentRecheck)
      take_segment_recheck(input, *trigger, *segment);
    else if (const auto* date = std::get_if<DateListen>(&listens);
             date != nullptr && input.timer.kind == TimerKind::Date)
      take_date(input, *trigger, *date);
  }
  work_off_caused();
}

void Cascade::take_wait(const TimerInput& input) {
  Run* run = live_run({input.timer.subject});
  const bool due = run != nullptr && run->state == RunState::Waiting && run->wake_at &&
                   (*run->wake_at <= now_.at || *run->wake_at == input.due);
  if (due) wake(*run, {.kind = WakeCause::Kind::Time});
}

/// Time may have changed what the run is bound by or waits for.
void Cascade::take_run_recheck(const TimerInput& input) {
  Run* run = live_run({input.timer.subject});
  if (run == nullptr || run->state != RunState::Waiting || run->recheck_at != input.due) return;
  run->recheck_at.reset();
  mark(*run);
  const Place place = place_of(*run);
  if (place.node == nullptr || rules_end(*run, *place.scenario, nullptr, nullptr)) return;
  if (const auto* listen = std::get_if<SegmentListen>(&place.node->node->listens());
      listen != nullptr &&
      listen->segment.evaluate(subject(place.scenario->timezone, run->event.get())).truth ==
          Truth::Yes)
    return wake(*run, {.kind = WakeCause::Kind::Segment});
  set_recheck(*run, recheck_of(*run, *place.scenario, *place.node));
}

/// Where time alone turned the answer to yes, that is the edge: the moment before it was another.
void Cascade::take_segment_recheck(const TimerInput& input, const CatalogTrigger& trigger,
                                   const SegmentListen& listen) {
  SegmentSubject then = subject(trigger.scenario->current().timezone);
  const SegmentResult present = listen.segment.evaluate(then);
  if (present.valid_until) set_timer({*present.valid_until, input.contact, input.timer});
  then.now = input.due - Duration{1};
  if (present.truth == Truth::Yes && listen.segment.evaluate(then).truth != Truth::Yes)
    enter(trigger, nullptr);
}

void Cascade::take_date(const TimerInput& input, const CatalogTrigger& trigger,
                        const DateListen& listen) {
  const Person present{state_.contact, state_.engagement};
  // The field, the zone or the trigger may have changed since the timer was set.
  if (due_of(trigger, present, input.due - Duration{1}) != input.due) return;
  if (const auto next = due_of(trigger, present, input.due))
    set_timer({*next, input.contact, input.timer});
  if (listen.where.evaluate(subject(trigger.scenario->current().timezone)).truth != Truth::Yes)
    return;
  enter(trigger, nullptr, now_.at - input.due > kDateLateness ? "missed" : "");
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
        } else if constexpr (std::is_same_v<T, MoveRun>) {
          if (Run* run = live_run(command.run)) move(*run, command);
        } else {
          arm(command);
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
  changed("id");
  changed("updated_at");
}

void Cascade::changed(std::string_view name) {
  for_rules_.add(name);
  if (catalog_.watches()) for_edges_.add(name);
}

void Cascade::patch_contact(const ContactPatch& patch, bool quiet, bool by_node) {
  Contact& contact = state_.contact;
  const bool is_new = contact.created_at == Instant{};
  if (is_new) {
    contact.created_at = contact.updated_at = now_.at;
    changes_.contact_changed = true;
    changed("created_at");
    changed("updated_at");
  }
  if (patch.empty()) return;
  const PatchEffect effect = apply_patch(contact, patch, now_.at);
  if (!effect.ignored.empty()) changes_.warnings.emplace_back("contact_full");
  if (!effect.any()) return;
  changes_.contact_changed = true;
  for (const std::string& name : effect.changed) changed(name);
  changed("updated_at");
  if (by_node) caused_.push_back({nullptr, depth_ + 1});
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

void Cascade::happen(const std::shared_ptr<const Event>& event, bool quiet) {
  const ChangedNames names = std::exchange(for_rules_, {});
  entered_.clear();
  // A run that this event starts must not be ended or woken by it: those under way come first.
  bind_runs(event.get(), names);
  wake_runs(event.get(), names);
  if (event != nullptr)
    for (const CatalogTrigger& trigger : catalog_.triggers(event->type))
      if (std::ranges::find(entered_, trigger.scenario) == entered_.end() &&
          try_start(trigger, event))
        entered_.push_back(trigger.scenario);
  cross_edges(quiet);
}

/// Goals and exit rules of live runs.
void Cascade::bind_runs(const Event* event, const ChangedNames& names) {
  if (event == nullptr && names.empty()) return;
  // By position: ended runs stay until `finish`.
  for (std::size_t i = 0; i < state_.live.size(); ++i) {
    Run& run = state_.live[i];
    if (!run.live()) continue;
    if (const Scenario* scenario = place_of(run).scenario) rules_end(run, *scenario, event, &names);
  }
}

/// Waiting runs, oldest first.
void Cascade::wake_runs(const Event* event, const ChangedNames& names) {
  // By position: waking never adds a run.
  for (std::size_t i = 0; i < state_.live.size(); ++i) {
    Run& run = state_.live[i];
    if (run.state != RunState::Waiting) continue;
    const Place place = place_of(run);
    if (place.node == nullptr) continue;
    const Node& node = *place.node->node;
    if (const auto* listen = std::get_if<EventListen>(&node.listens())) {
      if (event == nullptr || !listed(listen->events, event->type)) continue;
      const SegmentSubject about = subject(place.scenario->timezone, event);
      if (listen->where.evaluate(about).truth == Truth::Yes)
        wake(run, {.kind = WakeCause::Kind::Event, .event = event});
    } else if (names.empty()) {
      continue;
    } else if (const auto* level = std::get_if<SegmentListen>(&node.listens());
               level != nullptr && names.meets(level->segment.reads()) &&
               level->segment.evaluate(subject(place.scenario->timezone, run.event.get())).truth ==
                   Truth::Yes) {
      wake(run, {.kind = WakeCause::Kind::Segment});
    } else if (node.follows_zone() && names.holds(kZoneField)) {
      enter_again(run, place);
    } else {
      set_recheck(run, recheck_of(run, *place.scenario, *place.node));
    }
  }
}

// ---- rules ----

const ExitRule* Cascade::holding(const std::vector<ExitRule>& rules, const Scenario& scenario,
                                 const Event* event, const ChangedNames* names) const {
  for (const ExitRule& rule : rules) {
    const bool by_event = !rule.events.empty();
    if (by_event && (event == nullptr || !listed(rule.events, event->type))) continue;
    if (!by_event && names != nullptr && !names->meets(rule.segment.reads())) continue;
    const SegmentSubject about = subject(scenario.timezone, by_event ? event : nullptr);
    if (rule.segment.evaluate(about).truth == Truth::Yes) return &rule;
  }
  return nullptr;
}

bool Cascade::rules_end(Run& run, const Scenario& scenario, const Event* event,
                        const ChangedNames* names) {
  if (!run.goal && holding(scenario.goal, scenario, event, names) != nullptr) {
    run.goal = now_.at;
    counters(run).add(Counter::Goal, 1);
    mark(run);
  }
  return exit_by(run, scenario, holding(scenario.exit, scenario, event, names), event);
}

bool Cascade::exit_by(Run& run, const Scenario& scenario, const ExitRule* rule,
                      const Event* event) {
  if (rule == nullptr) return false;
  if (!run.path.empty()) {
    std::string& note = run.path.back().note;
    if (!note.empty()) note += "; ";
    note += rule->events.empty() ? "exit: " + rule->segment.explain(subject(scenario.timezone))
                                 : "exit: event " + event->type;
  }
  end(run, RunState::Exited, kExitReason);
  return true;
}

/// When time alone may change what a run at `node` is bound by or waits for.
std::optional<Instant> Cascade::recheck_of(const Run& run, const Scenario& scenario,
                                           const ScenarioNode& node) const {
  std::optional<Instant> next;
  const SegmentSubject about = subject(scenario.timezone);
  for (const ExitRule& rule : scenario.exit)
    if (rule.events.empty()) next = earlier(next, rule.segment.evaluate(about).valid_until);
  if (const auto* listen = std::get_if<SegmentListen>(&node.node->listens()))
    next = earlier(
        next, listen->segment.evaluate(subject(scenario.timezone, run.event.get())).valid_until);
  return next;
}

void Cascade::set_recheck(Run& run, std::optional<Instant> at) {
  if (run.recheck_at == at) return;
  move_timer({.kind = TimerKind::RunRecheck, .subject = run.key.value}, run.recheck_at, at);
  run.recheck_at = at;
  mark(run);
}

// ---- triggers that look at the contact ----

/// Segments that changed from no to yes start runs; timers follow what changed.
void Cascade::cross_edges(bool quiet) {
  const ChangedNames names = std::exchange(for_edges_, {});
  if (names.empty()) return;
  std::vector<CatalogTrigger> watching, crossed;
  for (const std::string& name : names)
    for (const CatalogTrigger& trigger : catalog_.watching(name)) watching.push_back(trigger);
  const auto place = [](const CatalogTrigger& trigger) {
    return std::pair{std::string_view{trigger.scenario->id}, trigger.node};
  };
  std::ranges::sort(watching, {}, place);
  const auto same = std::ranges::unique(watching, {}, place);
  watching.erase(same.begin(), same.end());

  const Person before = std::exchange(before_, {state_.contact, state_.engagement});
  for (const CatalogTrigger& trigger : watching) {
    const ScenarioNode& node = trigger.at();
    const auto* listen = std::get_if<SegmentListen>(&node.node->listens());
    const TimerKind kind = listen == nullptr ? TimerKind::Date : TimerKind::SegmentRecheck;
    std::optional<Instant> due = due_of(trigger, before_, now_.at);
    if (listen == nullptr && due && fired_already(trigger, before, *due))
      due = due_of(trigger, before_, *due);
    move_timer({.kind = kind, .subject = trigger_subject(trigger.scenario->key, node.number)},
               due_of(trigger, before, now_.at), due);
    if (listen == nullptr || quiet) continue;
    SegmentSubject about = subject(trigger.scenario->current().timezone);
    if (listen->segment.evaluate(about).truth != Truth::Yes) continue;
    const SegmentSubject about_before{.contact = before.contact,
                                      .engagement = before.engagement,
                                      .now = now_.at,
                                      .timezone = about.timezone};
    if (listen->segment.evaluate(about_before).truth != Truth::Yes) crossed.push_back(trigger);
  }
  for (const CatalogTrigger& trigger : crossed) {
    if (std::ranges::find(entered_, trigger.scenario) != entered_.end()) continue;
    entered_.push_back(trigger.scenario);
    enter(trigger, nullptr);
  }
}

/// Whether the contact came in already for the day that a date trigger is due for next: clocks in
/// another zone show that time once more.
bool Cascade::fired_already(const CatalogTrigger& trigger, const Person& before, Instant due) {
  const auto& date = std::get<DateListen>(trigger.at().node->listens());
  if (contact_value(before.contact, before.engagement, date.field) !=
      contact_value(before_.contact, before_.engagement, date.field))
    return false;
  const LedgerRow& row =
      ledger_row(trigger.scenario->key, {}, !trigger.scenario->test_emails.empty());
  return row.visited.contains(trigger.at().number) && row.last_entry > due - kZonesApart;
}

/// When a trigger's timer for this person is due: nothing where time alone starts nothing.
std::optional<Instant> Cascade::due_of(const CatalogTrigger& trigger, const Person& person,
                                       Instant after) const {
  const std::string& timezone = trigger.scenario->current().timezone;
  const Listen& listens = trigger.at().node->listens();
  if (const auto* segment = std::get_if<SegmentListen>(&listens))
    return segment->segment
        .evaluate({.contact = person.contact,
                   .engagement = person.engagement,
                   .now = after,
                   .timezone = timezone})
        .valid_until;
  const auto& date = std::get<DateListen>(listens);
  const Value* zone = person.contact.get(Field::Timezone);
  return next_occurrence(date, contact_value(person.contact, person.engagement, date.field),
                         zone != nullptr && zone->text() ? *zone->text() : timezone, after);
}

void Cascade::move_timer(TimerKey key, const std::optional<Instant>& from,
                         const std::optional<Instant>& to) {
  if (from == to) return;
  if (from) clear_timer({*from, state_.contact.key, key});
  if (to) set_timer({*to, state_.contact.key, key});
}

void Cascade::set_timer(const Timer& timer) {
  std::erase(changes_.timers_cleared, timer);
  changes_.timers_set.push_back(timer);
}

void Cascade::clear_timer(const Timer& timer) {
  std::erase(changes_.timers_set, timer);
  changes_.timers_cleared.push_back(timer);
}

/// The trigger of an active scenario's current version that a timer is of.
std::optional<CatalogTrigger> Cascade::trigger_of(std::uint64_t subject) const {
  const CatalogScenario* scenario =
      catalog_.find(ScenarioKey{static_cast<std::uint32_t>(subject >> 32)});
  if (scenario == nullptr || scenario->state != ScenarioState::Active) return std::nullopt;
  const ScenarioNode* node =
      scenario->current().find(NodeNumber{static_cast<std::uint32_t>(subject)});
  if (node == nullptr || node->kind->family != NodeFamily::Trigger) return std::nullopt;
  return CatalogTrigger{.scenario = scenario,
                        .node = static_cast<std::size_t>(node - scenario->current().nodes.data())};
}

void Cascade::arm(const ArmTrigger& command) {
  const std::uint64_t subject_of = trigger_subject(command.scenario, command.node);
  const auto trigger = trigger_of(subject_of);
  if (!trigger) return;
  const Listen& listens = trigger->at().node->listens();
  const auto* segment = std::get_if<SegmentListen>(&listens);
  const auto* date = std::get_if<DateListen>(&listens);
  if (segment == nullptr && date == nullptr) return;
  if (date != nullptr || !segment->at)
    move_timer({.kind = date == nullptr ? TimerKind::SegmentRecheck : TimerKind::Date,
                .subject = subject_of},
               std::nullopt, due_of(*trigger, {state_.contact, state_.engagement}, now_.at));
  if (segment == nullptr || !command.enter) return;
  const std::string& timezone = trigger->scenario->current().timezone;
  if (segment->segment.evaluate(subject(timezone)).truth != Truth::Yes) return;
  const LedgerRow& row = ledger_row(command.scenario, {}, !trigger->scenario->test_emails.empty());
  if (!row.visited.contains(command.node) || row.last_entry < command.since)
    enter(*trigger, nullptr);
}

// ---- entries ----

/// Whether the trigger matched: then no other trigger of the scenario is asked, entered or refused.
bool Cascade::try_start(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event) {
  const auto& listen = std::get<EventListen>(trigger.at().node->listens());
  const SegmentSubject about = subject(trigger.scenario->current().timezone, event.get());
  if (listen.where.evaluate(about).truth != Truth::Yes) return false;
  enter(trigger, event);
  return true;
}

/// Starts a run, or counts why not; `refusal` is a reason that is known before.
void Cascade::enter(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event,
                    std::string_view refusal) {
  const CatalogScenario& scenario = *trigger.scenario;
  const Scenario& current = scenario.current();
  const bool test = !scenario.test_emails.empty();
  const auto refuse = [&](std::string_view reason) {
    const bool counted_as_test = test && reason != "test_mode";
    changes_.counters
        .at({.scenario = scenario.key, .version = scenario.newest, .test = counted_as_test})
        .add(reason, 1);
  };
  if (test &&
      std::ranges::find(scenario.test_emails, state_.contact.email()) == scenario.test_emails.end())
    return refuse("test_mode");

  // Past the bounds of one input nobody enters; those under way are parked (see walk).
  if (visits_ >= kCascadeVisits || depth_ > kCascadeDepth) return refuse(kCascadeReason);

  // From here on the contact is told as well, in its journey.
  const auto refuse_contact = [&](std::string_view reason) {
    refuse(reason);
    LedgerRow& row = ledger_row(scenario.key, {}, test);
    auto known = std::ranges::find(row.refusals, reason, &Refusal::reason);
    if (known == row.refusals.end())
      known = row.refusals.insert(row.refusals.end(), {.reason = std::string{reason}});
    ++known->count;
    known->last = now_.at;
    mark(row);
  };
  if (!refusal.empty()) return refuse_contact(refusal);
  EntryKey key;
  if (!current.reentry.key_path.empty()) {
    const Value* value =
        event == nullptr ? nullptr : event->data.find_path(current.reentry.key_path);
    key = entry_key(value == nullptr ? std::string{} : to_text(*value));
  }
  std::uint32_t live = 0;
  for (const Run& run : state_.live)
    live += run.live() && run.scenario == scenario.key && run.test == test &&
            (run.entry_key == key || current.reentry.mode == ReentryMode::Parallel);
  if (!test) {
    const LedgerRow& row = ledger_row(scenario.key, key, test);
    const Entry entry = decide_entry(current.reentry, row.entries, row.last_entry, live, now_.at);
    if (const std::string_view reason = refusal_of(entry); !reason.empty())
      return refuse_contact(reason);
    if (entry == Entry::EnterAndEndLive)
      for (Run& run : state_.live)
        if (run.live() && run.scenario == scenario.key && run.entry_key == key && !run.test)
          end(run, RunState::Exited, "restarted");
  } else if (live >= kParallelRuns) {
    return refuse_contact(refusal_of(Entry::TooMany));
  }
  start(scenario, trigger.node, std::move(key), test, event);
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
    const bool patched = outcome.patch.has_value();
    if (!settle_outcome(run, home, scenario, node, std::move(outcome), at)) return;
    // At once: before the next node, not when the change is worked off.
    if (trigger
            ? exit_by(run, scenario, holding(scenario.exit, scenario, nullptr, nullptr), nullptr)
            : patched && rules_end(run, scenario, nullptr, nullptr))
      return;
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
  if (outcome.patch) patch_contact(*outcome.patch, /*quiet=*/false, /*by_node=*/true);
  if (outcome.unknown) counters(run, node.number).add(Counter::Unknown, 1);
  PathStep& step = run.path.back();
  if (!outcome.note.empty()) step.note = std::move(outcome.note);

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
      set_timer({*hold->until, run.contact, {.kind = TimerKind::Wait, .subject = run.key.value}});
    set_recheck(run, earlier(hold->recheck, recheck_of(run, scenario, node)));
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
    clear_timer({*run.wake_at, run.contact, {.kind = TimerKind::Wait, .subject = run.key.value}});
  run.wake_at.reset();
  set_recheck(run, std::nullopt);
}

/// A held run enters its node once more, uncounted.
void Cascade::enter_again(Run& run, const Place& place) {
  leave_hold(run);
  mark(run);
  Outcome outcome = place.node->node->enter(visit_of(run, *place.scenario, *place.node, {}));
  std::size_t next = kEnd;
  if (settle_outcome(run, *place.home, *place.scenario, *place.node, std::move(outcome), next))
    walk(run, *place.home, *place.scenario, next);
}

/// Waits go on from the time already waited. Where the other version has no such node, or the run
/// was there before, it stays where it is.
void Cascade::move(Run& run, const MoveRun& command) {
  const CatalogScenario* home = catalog_.find(run.scenario);
  if (home == nullptr || home->state == ScenarioState::Archived || run.version == command.to ||
      run.path.empty())
    return;
  const Scenario* scenario = home->version(command.to);
  const ScenarioNode* node = scenario == nullptr ? nullptr : scenario->find(command.node);
  const bool stays = command.node == run.place();
  const auto been = [&](const PathStep& step) { return step.node == command.node; };
  if (node == nullptr || node->kind->family == NodeFamily::Trigger ||
      (!stays && std::ranges::any_of(run.path, been)))
    return;
  const bool parked = run.state == RunState::Parked;
  mark(run);
  if (parked)
    counters(run).add(Counter::Parked, -1);
  else
    leave_hold(run);
  // A run that was kept from arriving was never counted at the node.
  const bool arrived_there = !parked || run.reason != kCascadeReason;
  if (arrived_there) counters(run, run.place()).add(Counter::MovedOut, 1);
  counters(run).add(Counter::MovedOut, 1);
  counters(run).add(Counter::Inside, -1);
  run.version = command.to;
  counters(run).add(Counter::MovedIn, 1);
  counters(run).add(Counter::Inside, 1);
  const Instant arrived = run.path.back().at;
  // The rules of the other version bind the run at once, before it goes on.
  if (stays) {
    if (arrived_there) counters(run, run.place()).add(Counter::MovedIn, 1);
    if (parked)
      counters(run).add(Counter::Parked, 1);
    else
      counters(run, run.place()).add(Counter::Waiting, 1);
    if (rules_end(run, *scenario, nullptr, nullptr) || parked) return;
    counters(run, run.place()).add(Counter::Waiting, -1);
  } else {
    run.path.back().port = kMovedPort;
    run.state = RunState::Waiting;
    run.reason.clear();
    if (rules_end(run, *scenario, nullptr, nullptr)) return;
    if (node->kind->family != NodeFamily::Wait)
      return walk(run, *home, *scenario, static_cast<std::size_t>(node - scenario->nodes.data()));
    arrive(run, *node);
  }
  Visit visit = visit_of(run, *scenario, *node, {});
  if (node->kind->family == NodeFamily::Wait) visit.now.at = arrived;
  std::size_t next = kEnd;
  if (settle_outcome(run, *home, *scenario, *node, node->node->enter(visit), next))
    walk(run, *home, *scenario, next);
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

SegmentSubject Cascade::subject(std::string_view timezone, const Event* event) const {
  return {.contact = state_.contact,
          .engagement = state_.engagement,
          .event = event,
          .now = now_.at,
          .timezone = timezone};
}

/// The row, made where there is none.
LedgerRow& Cascade::ledger_row(ScenarioKey scenario, const EntryKey& key, bool test) {
  const auto row = std::ranges::find_if(state_.ledger, [&](const LedgerRow& candidate) {
    return candidate.scenario == scenario && candidate.test == test && candidate.key == key;
  });
  if (row != state_.ledger.end()) return *row;
  if (loaded_ && !loaded_(scenario, key)) changes_.missing.emplace_back(scenario, key);
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

Changes advance(const Catalog& catalog, ContactState& state, const Input& input, const Now& now,
                const LedgerLoaded& loaded) {
  Cascade cascade{catalog, state, now, loaded};
  std::visit([&](const auto& of) { cascade.take(of); }, input);
  return cascade.finish();
}
}  // namespace onward
