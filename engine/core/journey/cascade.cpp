#include "engine/core/journey/cascade.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/core/contact/vocabulary.h"

namespace onward {
Cascade::Cascade(const Catalog& catalog, ContactState& state, const Now& now,
                 const LedgerSource& ledger)
    : scope_{.catalog = catalog, .state = state, .now = now},
      contact_{scope_, state, changes_},
      edits_{scope_, state, ledger, changes_},
      walk_{scope_, contact_, edits_},
      entries_{scope_, contact_, edits_, walk_} {}

// ---- inputs ----

void Cascade::handle(const EventInput& input) {
  const Contact& contact = scope_.state.contact;
  const PatchOrigin origin = input.history ? PatchOrigin::QuietInput : PatchOrigin::Input;
  if (!contact.id && input.who.id) contact_.assign_id(*input.who.id);
  const EventName* name = find_event(input.event.type);
  if (name != nullptr && name->effect == EventEffect::SetsSubscribedAt &&
      contact.get(Field::SubscribedAt) == nullptr) {
    const std::pair<Field, Value> subscribed{Field::SubscribedAt, input.event.at};
    contact_.patch(input.patch, origin, &subscribed);
  } else {
    contact_.patch(input.patch, origin);
  }
  contact_.add_statistic(input.event);
  // Not owned, until a run outlives the input: see `ChangeSet::finish`.
  borrowed_ = &input.event;
  const std::shared_ptr<const Event> event{std::shared_ptr<void>{}, borrowed_};
  dispatch(input.history ? nullptr : event, input.history);
  drain_derived_events();
}

void Cascade::handle(const PatchInput& input) {
  if (!scope_.state.contact.id && input.who.id) contact_.assign_id(*input.who.id);
  contact_.patch(input.patch, input.quiet ? PatchOrigin::QuietInput : PatchOrigin::Input);
  dispatch(nullptr, input.quiet);
  drain_derived_events();
}

void Cascade::handle(const TimerInput& input) {
  edits_.clear_timer({input.due, input.contact, input.timer});
  if (input.timer.kind == TimerKind::Wait || input.timer.kind == TimerKind::RunRecheck) {
    // The run may have gone on since the timer was set.
    const auto run = edits_.live_run({input.timer.subject});
    if (!run || (*run)->state != RunState::Waiting) return;
    const std::optional<Instant> wake_at = (*run)->wake_at;
    if (input.timer.kind == TimerKind::RunRecheck) {
      if ((*run)->recheck_at == input.due) walk_.check_again(walk_.context_of(*run));
    } else if (wake_at && (*wake_at <= scope_.now.at || *wake_at == input.due)) {
      walk_.wake(walk_.context_of(*run), {.kind = WakeCause::Kind::Time});
    }
  } else {
    entries_.handle(input);
  }
  drain_derived_events();
}

void Cascade::handle(const CommandInput& input) {
  std::visit([&](const auto& command) { apply(command); }, input.command);
  drain_derived_events();
}

void Cascade::apply(const Forget&) {
  for (std::size_t i = 0; i < edits_.run_count(); ++i)
    edits_.transition(edits_.run_at(i), RunState::Exited, kForgotten);
  contact_.erase();
}

void Cascade::apply(const EndRun& command) {
  const auto run = edits_.live_run(command.run);
  if (!run) return;
  const bool stopped = walk_.context_of(*run).stopped();
  edits_.transition(*run, stopped ? RunState::Stopped : RunState::Exited, command.reason);
}

void Cascade::apply(const ResumeRun& command) {
  const auto run = edits_.live_run(command.run);
  if (run && (*run)->state == RunState::Parked) walk_.resume(walk_.context_of(*run));
}

void Cascade::apply(const ParkRun& command) {
  const auto run = edits_.live_run(command.run);
  if (run && (*run)->state == RunState::Waiting)
    edits_.transition(*run, RunState::Parked, command.reason);
}

void Cascade::apply(const MoveRun& command) {
  if (const auto run = edits_.live_run(command.run)) walk_.migrate(walk_.context_of(*run), command);
}

void Cascade::apply(const ArmTrigger& command) { entries_.install(command); }

Changes Cascade::finish() {
  edits_.finish(borrowed_);
  changes_.steps = scope_.conditions.spent() + scope_.looks * kLookSteps;
  return std::move(changes_);
}

// ---- what the input causes ----

void Cascade::drain_derived_events() {
  while (scope_.derived.has_next()) dispatch(scope_.derived.pop());
}

void Cascade::dispatch(const std::shared_ptr<const Event>& event, bool quiet) {
  const ChangedFields changed = contact_.take_changes_for_runs();
  const bool concerns_runs = !changed.empty() || (event != nullptr && edits_.run_count() > 0 &&
                                                  runs_listen_to(event->type));
  // A run that this event starts must not be ended or woken by it: those under way come first.
  if (concerns_runs && look_at_runs()) {
    const RunStimulus by{.event = event.get(), .changed = &changed};
    apply_run_rules(by);
    wake_waiting_runs(by);
  }
  contact_.forget_zone_before();
  entries_.start_runs(event, quiet);
}

/// Goals and exit rules of live runs.
void Cascade::apply_run_rules(const RunStimulus& by) {
  for (std::size_t i = 0; i < edits_.run_count(); ++i) {
    const RunRef run = edits_.run_at(i);
    if (!run->live()) continue;
    const RunContext context = walk_.context_of(run);
    if (context.scenario != nullptr) walk_.exits_by_rules(context, by);
  }
}

/// Oldest first.
void Cascade::wake_waiting_runs(const RunStimulus& by) {
  for (std::size_t i = 0; i < edits_.run_count(); ++i) {
    const RunRef run = edits_.run_at(i);
    if (run->state != RunState::Waiting) continue;
    const RunContext context = walk_.context_of(run);
    if (context.node != nullptr) walk_.wake_by(context, by);
  }
}

bool Cascade::look_at_runs() {
  if (scope_.looks >= kInputLooksMax) {
    if (edits_.run_count() > 0) edits_.warn_once(kTooMuchWork);
    return false;
  }
  scope_.looks += edits_.run_count();
  return true;
}

bool Cascade::runs_listen_to(const std::string& type) {
  if (listened_revision_ != edits_.runs_revision()) listened_.clear();
  listened_revision_ = edits_.runs_revision();
  if (const auto known = listened_.find(type); known != listened_.end()) return known->second;
  if (!look_at_runs()) return false;
  bool any = false;
  for (std::size_t i = 0; i < edits_.run_count() && !any; ++i)
    any = listens_to(edits_.run_at(i), type);
  return listened_[type] = any;
}

bool Cascade::listens_to(RunRef run, const std::string& type) const {
  if (!run->live()) return false;
  const RunContext context = walk_.context_of(run);
  if (context.scenario == nullptr) return false;
  const auto bound = [&](const std::vector<ExitRule>& rules) {
    return std::ranges::any_of(
        rules, [&](const ExitRule& rule) { return matches_event(rule.events, type); });
  };
  if (bound(context.scenario->goal) || bound(context.scenario->exit)) return true;
  if (context.node == nullptr) return false;
  const auto* listen = std::get_if<EventListen>(&context.node->node->listens());
  return listen != nullptr && matches_event(listen->events, type);
}
}  // namespace onward
