#include "engine/core/journey/advance.h"

#include <iterator>
#include <type_traits>

#include "engine/core/contact/vocabulary.h"
#include "engine/core/journey/cascade.h"

namespace onward {
namespace {
constexpr std::string_view kExitReason = "exit";
}  // namespace

// ---- inputs ----

void Cascade::take(const EventInput& input) {
  if (!state_.contact.id && input.who.id) take_id(*input.who.id);
  const EventName* name = find_event(input.event.type);
  if (name != nullptr && name->effect == EventEffect::SetsSubscribedAt &&
      state_.contact.get(Field::SubscribedAt) == nullptr) {
    const std::pair<Field, Value> subscribed{Field::SubscribedAt, input.event.at};
    patch_contact(input.patch, input.history, /*by_node=*/false, &subscribed);
  } else {
    patch_contact(input.patch, input.history);
  }
  remember(input.event.type);
  bool full = false;
  if (state_.engagement.take(input.event, mailing_bytes_max(catalog_.contact_bytes_max()), &full)) {
    changes_.engagement_changed = true;
    changed(input.event.type);
  }
  if (full) changes_.warnings.emplace_back(kContactFull);
  // Not owned, until a run outlives the input: see `finish`.
  borrowed_ = &input.event;
  const std::shared_ptr<const Event> event{std::shared_ptr<void>{}, borrowed_};
  happen(input.history ? nullptr : event, input.history);
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
  if (const auto* listen = std::get_if<SegmentListen>(&place.node->node->listens())) {
    const SegmentResult result =
        listen->segment.decide(subject(*place.home, place.scenario->timezone, run->event.get()));
    if (result.truth == Truth::Yes) return wake(*run, {.kind = WakeCause::Kind::Segment});
    if (result.too_much_work) note_too_much_work(*run);
  }
  set_recheck(*run, recheck_of(*run, *place.scenario, *place.node));
}

void Cascade::take(const CommandInput& input) {
  std::visit(
      [&](const auto& command) {
        using T = std::decay_t<decltype(command)>;
        if constexpr (std::is_same_v<T, Forget>) {
          for (Run& run : state_.live) end(run, RunState::Exited, kForgotten);
          remember_identity();
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
        } else if constexpr (std::is_same_v<T, ParkRun>) {
          Run* run = live_run(command.run);
          if (run != nullptr && run->state == RunState::Waiting) {
            leave_hold(*run);
            park_run(*run, command.reason);
          }
        } else if constexpr (std::is_same_v<T, MoveRun>) {
          if (Run* run = live_run(command.run)) move(*run, command);
        } else {
          arm(command);
        }
      },
      input.command);
  work_off_caused();
}

/// Ended runs leave the state.
Changes Cascade::finish() {
  std::shared_ptr<const Event> kept;
  if (!marked_.empty()) looks_ += state_.live.size();
  for (Run& run : state_.live) {
    if (!marked_.contains(run.key)) continue;
    if (!run.live()) {
      changes_.ended.push_back(std::move(run));
      continue;
    }
    if (run.event == nullptr || run.event.get() != borrowed_) continue;
    if (kept == nullptr) kept = std::make_shared<const Event>(*borrowed_);
    run.event = kept;
  }
  for (const Run& run : changes_.ended) marked_.erase(run.key);
  std::erase_if(changes_.live, [&](RunKey key) { return !marked_.contains(key); });
  if (!changes_.ended.empty())
    std::erase_if(state_.live, [](const Run& run) { return !run.live(); });
  changes_.steps = work_.spent() + looks_ * kLookSteps;
  return std::move(changes_);
}

// ---- the contact ----

void Cascade::take_id(const ExternalId& id) {
  remember_identity();
  remember("id");
  remember("updated_at");
  state_.contact.id = id;
  state_.contact.updated_at = now_.at;
  changes_.contact_changed = true;
  changed("id");
  changed("updated_at");
}

void Cascade::changed(std::string_view name) {
  if (!state_.live.empty()) for_rules_.add(name);
  if (before_) for_edges_.add(name);
}

void Cascade::remember_identity() {
  const Contact& contact = state_.contact;
  if (!changes_.identity_before)
    changes_.identity_before = {contact.id ? contact.id->text : "", contact.email()};
}

void Cascade::remember(std::string_view name) {
  if (!before_ && !catalog_.watching(name).empty())
    before_ = Person{state_.contact, state_.engagement};
}

void Cascade::remember(const ContactPatch& patch) {
  if (!catalog_.watches()) return;
  const auto same = [](const Value* present, const Value& value) {
    return present == nullptr ? value.is_null() : *present == value;
  };
  for (const auto& [field, value] : patch.fields)
    if (!same(state_.contact.get(field), value)) remember(info_of(field).name);
  for (const auto& [name, value] : patch.custom)
    if (!same(state_.contact.get_custom(name), value)) remember("custom." + name);
  if (patch.groups || !patch.groups_add.empty() || !patch.groups_remove.empty()) remember("groups");
  remember("updated_at");
}

void Cascade::patch_contact(const ContactPatch& patch, bool quiet, bool by_node,
                            const std::pair<Field, Value>* also) {
  Contact& contact = state_.contact;
  const bool is_new = contact.created_at == Instant{};
  if (is_new) {
    remember("created_at");
    remember("updated_at");
    contact.created_at = contact.updated_at = now_.at;
    changes_.contact_changed = true;
    changed("created_at");
    changed("updated_at");
  }
  if (patch.empty() && also == nullptr) return;
  remember(patch);
  if (also != nullptr) remember(info_of(also->first).name);
  if (std::ranges::find(patch.fields, Field::Email, &std::pair<Field, Value>::first) !=
      patch.fields.end())
    remember_identity();
  if (!zone_before_ && !state_.live.empty()) zone_before_ = clock_zone(contact, {});
  const PatchEffect effect = apply_patch(contact, patch, now_.at, also);
  if (!effect.ignored.empty()) changes_.warnings.emplace_back(kContactFull);
  if (!effect.any()) return;
  changes_.contact_changed = true;
  for (const std::string& name : effect.changed) changed(name);
  changed("updated_at");
  if (by_node) caused_.push_back({nullptr, depth_ + 1});
  if (quiet) return;
  for (const std::string& group : effect.joined)
    cause(kGroupJoinedEvent, ValueMap{{"group", group}});
  for (const std::string& group : effect.left) cause(kGroupLeftEvent, ValueMap{{"group", group}});
  if (is_new || !heard(kContactUpdatedEvent)) return;
  ValueList fields;
  for (const std::string& field : effect.changed) fields.emplace_back(field);
  cause(kContactUpdatedEvent, ValueMap{{"fields", std::move(fields)}});
}

bool Cascade::heard(std::string_view type) const {
  return !state_.live.empty() || !catalog_.triggers(type).empty();
}

/// Queues an event that a change of the contact causes, where anybody could hear it.
void Cascade::cause(std::string_view type, Value data) {
  if (!heard(type)) return;
  caused_.push_back({std::make_shared<const Event>(
                         Event{.type = std::string{type}, .at = now_.at, .data = std::move(data)}),
                     depth_ + 1});
}

void Cascade::work_off_caused() {
  while (worked_off_ < caused_.size()) {
    const Caused next = std::move(caused_[worked_off_++]);
    depth_ = next.depth;
    happen(next.event);
  }
}

void Cascade::happen(const std::shared_ptr<const Event>& event, bool quiet) {
  const ChangedNames names = std::exchange(for_rules_, {});
  entered_.clear();
  // A run that this event starts must not be ended or woken by it: those under way come first.
  const bool concerns_runs =
      !names.empty() || (event != nullptr && !state_.live.empty() && runs_listen_to(event->type));
  if (concerns_runs && look_at_runs()) {
    bind_runs(event.get(), names);
    wake_runs(event.get(), names);
  }
  zone_before_.reset();
  if (event != nullptr)
    for (const CatalogTrigger& trigger : catalog_.triggers(event->type))
      if (std::ranges::find(entered_, trigger.scenario) == entered_.end() &&
          try_start(trigger, event))
        entered_.push_back(trigger.scenario);
  cross_edges(quiet);
}

bool Cascade::look_at_runs() {
  if (looks_ >= kInputLooksMax) {
    if (!state_.live.empty() &&
        std::ranges::find(changes_.warnings, kTooMuchWork) == changes_.warnings.end())
      changes_.warnings.emplace_back(kTooMuchWork);
    return false;
  }
  looks_ += state_.live.size();
  return true;
}

bool Cascade::runs_listen_to(const std::string& type) {
  if (const auto known = listens_to_.find(type); known != listens_to_.end()) return known->second;
  if (!look_at_runs()) return false;
  const auto listens = [&](const Run& run) {
    if (!run.live()) return false;
    const Place place = place_of(run);
    if (place.scenario == nullptr) return false;
    const auto bound = [&](const std::vector<ExitRule>& rules) {
      return std::ranges::any_of(rules,
                                 [&](const ExitRule& rule) { return listed(rule.events, type); });
    };
    if (bound(place.scenario->goal) || bound(place.scenario->exit)) return true;
    const auto* listen =
        place.node == nullptr ? nullptr : std::get_if<EventListen>(&place.node->node->listens());
    return listen != nullptr && listed(listen->events, type);
  };
  return listens_to_[type] = std::ranges::any_of(state_.live, listens);
}

/// Goals and exit rules of live runs.
void Cascade::bind_runs(const Event* event, const ChangedNames& names) {
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
    const auto is_yes = [&](const Segment& segment, const Event* about) {
      const SegmentResult result =
          segment.decide(subject(*place.home, place.scenario->timezone, about));
      if (result.too_much_work) note_too_much_work(run);
      return result.truth == Truth::Yes;
    };
    if (const auto* listen = std::get_if<EventListen>(&node.listens())) {
      if (event != nullptr && listed(listen->events, event->type) && is_yes(listen->where, event))
        wake(run, {.kind = WakeCause::Kind::Event, .event = event});
      else if (!names.empty())
        set_recheck(run, recheck_of(run, *place.scenario, *place.node));
    } else if (names.empty()) {
      continue;
    } else if (const auto* level = std::get_if<SegmentListen>(&node.listens());
               level != nullptr && names.meets(level->segment.reads()) &&
               is_yes(level->segment, run.event.get())) {
      wake(run, {.kind = WakeCause::Kind::Segment});
    } else if (node.follows_zone() && names.holds(kZoneField)) {
      follow_zone(run, place);
    } else {
      set_recheck(run, recheck_of(run, *place.scenario, *place.node));
    }
  }
}

// ---- rules ----

const ExitRule* Cascade::holding(Run& run, const std::vector<ExitRule>& rules,
                                 const Scenario& scenario, const Event* event,
                                 const ChangedNames* names) {
  const CatalogScenario* home = rules.empty() ? nullptr : catalog_.find(run.scenario);
  if (home == nullptr) return nullptr;
  for (const ExitRule& rule : rules) {
    const bool by_event = !rule.events.empty();
    if (by_event && (event == nullptr || !listed(rule.events, event->type))) continue;
    if (!by_event && names != nullptr && !names->meets(rule.segment.reads())) continue;
    const SegmentResult result =
        rule.segment.decide(subject(*home, scenario.timezone, by_event ? event : nullptr));
    if (result.truth == Truth::Yes) return &rule;
    if (result.too_much_work) note_too_much_work(run);
  }
  return nullptr;
}

bool Cascade::rules_end(Run& run, const Scenario& scenario, const Event* event,
                        const ChangedNames* names) {
  // Nothing is reached any more in a scenario that is archived.
  const auto runs_on = [&] {
    const CatalogScenario* home = catalog_.find(run.scenario);
    return home != nullptr && home->state != ScenarioState::Archived;
  };
  if (!run.goal && holding(run, scenario.goal, scenario, event, names) != nullptr && runs_on()) {
    run.goal = now_.at;
    counters(run).add(Counter::Goal, 1);
    mark(run);
  }
  return exit_by(run, scenario, holding(run, scenario.exit, scenario, event, names), event);
}

bool Cascade::exit_by(Run& run, const Scenario& scenario, const ExitRule* rule,
                      const Event* event) {
  if (rule == nullptr) return false;
  if (!run.path.empty()) {
    std::string& note = run.path.back().note;
    if (!note.empty()) note += "; ";
    const CatalogScenario* home = catalog_.find(run.scenario);
    note += rule->events.empty() && home != nullptr
                ? "exit: " + rule->segment.explain(subject(*home, scenario.timezone))
                : "exit: event " + (event == nullptr ? std::string{} : event->type);
  }
  end(run, RunState::Exited, kExitReason);
  return true;
}

/// When time alone may change what a run at `node` is bound by or waits for.
std::optional<Instant> Cascade::recheck_of(const Run& run, const Scenario& scenario,
                                           const ScenarioNode& node) {
  std::optional<Instant> next;
  const CatalogScenario* home = catalog_.find(run.scenario);
  if (home == nullptr) return next;
  const SegmentSubject about = subject(*home, scenario.timezone);
  const auto look_at = [&](const std::vector<ExitRule>& rules) {
    for (const ExitRule& rule : rules)
      if (rule.events.empty()) next = earlier(next, rule.segment.evaluate(about).valid_until);
  };
  look_at(scenario.exit);
  if (!run.goal) look_at(scenario.goal);
  if (const auto* listen = std::get_if<SegmentListen>(&node.node->listens()))
    next = earlier(
        next,
        listen->segment.evaluate(subject(*home, scenario.timezone, run.event.get())).valid_until);
  return next;
}

void Cascade::set_recheck(Run& run, std::optional<Instant> at) {
  if (run.recheck_at == at) return;
  move_timer({.kind = TimerKind::RunRecheck, .subject = run.key.value}, run.recheck_at, at);
  run.recheck_at = at;
  mark(run);
}

// ---- small things ----

Cascade::Place Cascade::place_of(const Run& run) const {
  Place place{.home = catalog_.find(run.scenario)};
  if (place.home != nullptr) place.scenario = place.home->version(run.version);
  if (place.scenario != nullptr) place.node = place.scenario->find(run.place());
  return place;
}

Visit Cascade::visit_of(const Run& run, const Scenario& scenario, const ScenarioNode& node) {
  delivery_id_.clear();
  if (node.node->delivery_policy() != nullptr)
    delivery_id_ = format_delivery(catalog_.epoch(), next_delivery());
  return {.contact = state_.contact,
          .engagement = state_.engagement,
          .event = run.event.get(),
          .now = now_,
          .arrived = now_.at,
          .run = run.key,
          .scenario = scenario.id,
          .scenario_title = scenario.title,
          .timezone = scenario.timezone,
          .node = node.number,
          .delivery_id = delivery_id_,
          .account_id = catalog_.account_id(),
          .work = &work_.of(run.scenario),
          .room = &room_};
}

SegmentSubject Cascade::subject(const CatalogScenario& home, std::string_view timezone,
                                const Event* event) {
  return {.contact = state_.contact,
          .engagement = state_.engagement,
          .event = event,
          .now = now_.at,
          .timezone = timezone,
          .work = &work_.of(home.key)};
}

void Cascade::note_too_much_work(Run& run) {
  counters(run).add(Counter::TooMuchWork, 1);
  if (run.path.empty()) return;
  std::string& note = run.path.back().note;
  if (note.find(kTooMuchWork) != std::string::npos) return;  // notes do not grow
  if (!note.empty()) note += "; ";
  note += kTooMuchWork;
  note += ": rules or waits could not be told";
  mark(run);
}

const LedgerRow* Cascade::find_row(ScenarioKey scenario, const EntryKey& key, bool test) {
  const auto find = [&] {
    const auto row = std::ranges::find_if(state_.ledger, [&](const LedgerRow& candidate) {
      return candidate.scenario == scenario && candidate.test == test && candidate.key == key;
    });
    return row == state_.ledger.end() ? nullptr : &*row;
  };
  if (const LedgerRow* row = find()) return row;
  if (!ledger_) return nullptr;
  std::vector<LedgerRow> rows = ledger_(scenario, key);
  state_.ledger.insert(state_.ledger.end(), std::make_move_iterator(rows.begin()),
                       std::make_move_iterator(rows.end()));
  return rows.empty() ? nullptr : find();
}

LedgerRow& Cascade::ledger_row(ScenarioKey scenario, const EntryKey& key, bool test) {
  if (const LedgerRow* row = find_row(scenario, key, test))
    return state_.ledger[static_cast<std::size_t>(row - state_.ledger.data())];
  return state_.ledger.emplace_back(LedgerRow{.scenario = scenario, .key = key, .test = test});
}

void Cascade::mark(const LedgerRow& row) {
  const auto index = static_cast<std::size_t>(&row - state_.ledger.data());
  if (std::ranges::find(changes_.ledger, index) == changes_.ledger.end())
    changes_.ledger.push_back(index);
}

Cascade::Tally Cascade::counters(const Run& run, NodeNumber node) {
  return {changes_.counters,
          {.scenario = run.scenario, .node = node, .version = run.version, .test = run.test}};
}

void Cascade::mark(const Run& run) {
  if (marked_.insert(run.key).second) changes_.live.push_back(run.key);
  listens_to_.clear();
}

Run* Cascade::live_run(RunKey key) {
  const auto run = std::ranges::find(state_.live, key, &Run::key);
  return run == state_.live.end() || !run->live() ? nullptr : &*run;
}

Changes advance(const Catalog& catalog, ContactState& state, const Input& input, const Now& now,
                const LedgerSource& ledger) {
  Cascade cascade{catalog, state, now, ledger};
  std::visit([&](const auto& of) { cascade.take(of); }, input);
  return cascade.finish();
}
}  // namespace onward
