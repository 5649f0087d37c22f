#include "engine/core/journey/run_walk.h"

#include <algorithm>
#include <cassert>
#include <memory>
#include <utility>

#include "engine/core/base/time_zone.h"

namespace onward {
namespace {
constexpr std::string_view kExitReason = "exit";
constexpr std::string_view kArchivedReason = "archived";

/// Whether `node` is among the first steps of the run's path.
bool visited(const Run& run, std::size_t steps, NodeNumber node) {
  const auto end = run.path.begin() + static_cast<std::ptrdiff_t>(steps);
  return std::ranges::find(run.path.begin(), end, node, &PathStep::node) != end;
}

/// A hold whose time has come.
bool already_due(const Outcome& outcome, Instant now) {
  const auto* hold = std::get_if<Hold>(&outcome.next);
  return hold != nullptr && hold->until && *hold->until <= now;
}
}  // namespace

void append_note(std::string& note, std::string_view text) {
  if (!note.empty()) note += "; ";
  note += text;
}

RunContext RunWalk::context_of(RunRef run) const {
  RunContext context{.run = run, .home = scope_.catalog.find(run->scenario)};
  if (context.home != nullptr) context.scenario = context.home->version(run->version);
  if (context.scenario != nullptr) context.node = context.scenario->find(run->place());
  return context;
}

// ---- rules and what a run waits for ----

bool RunWalk::matches(const RunContext& context, const Segment& segment, const Event* event) {
  const SegmentResult result = segment.decide(subject(context, event));
  if (result.too_much_work) note_too_much_work(context);
  return result.truth == Truth::Yes;
}

void RunWalk::note_too_much_work(const RunContext& context) {
  const RunRef run = context.run;
  changes_.counters(*run).add(Counter::TooMuchWork, 1);
  if (run->path.empty()) return;
  if (run->path.back().note.find(kTooMuchWork) != std::string::npos) return;  // notes do not grow
  append_note(changes_.edit(run).path.back().note,
              std::string{kTooMuchWork} + ": rules or waits could not be told");
}

const ExitRule* RunWalk::first_matching_rule(const RunContext& context,
                                             const std::vector<ExitRule>& rules,
                                             const RunStimulus& by) {
  for (const ExitRule& rule : rules) {
    const bool by_event = !rule.events.empty();
    if (by_event && (by.event == nullptr || !matches_event(rule.events, by.event->type))) continue;
    if (!by_event && by.changed != nullptr && !by.changed->intersects(rule.segment.reads()))
      continue;
    if (matches(context, rule.segment, by_event ? by.event : nullptr)) return &rule;
  }
  return nullptr;
}

bool RunWalk::exits_by_rules(const RunContext& context, const RunStimulus& by) {
  const Scenario& scenario = *context.scenario;
  if (!context.run->goal && first_matching_rule(context, scenario.goal, by) != nullptr &&
      !context.stopped()) {
    changes_.edit(context.run).goal = scope_.now.at;
    changes_.counters(*context.run).add(Counter::Goal, 1);
  }
  const ExitRule* rule = first_matching_rule(context, scenario.exit, by);
  if (rule == nullptr) return false;
  exit_by(context, *rule, by.event);
  return true;
}

void RunWalk::exit_by(const RunContext& context, const ExitRule& rule, const Event* event) {
  Run& run = changes_.edit(context.run);
  if (!run.path.empty())
    append_note(run.path.back().note, rule.events.empty()
                                          ? "exit: " + rule.segment.explain(subject(context))
                                          : "exit: event " + (event == nullptr ? "" : event->type));
  changes_.transition(context.run, RunState::Exited, kExitReason);
}

std::optional<Instant> RunWalk::next_recheck(const RunContext& context) {
  std::optional<Instant> next;
  const SegmentSubject about = subject(context);
  const auto look_at = [&](const std::vector<ExitRule>& rules) {
    for (const ExitRule& rule : rules)
      if (rule.events.empty()) next = earlier(next, rule.segment.evaluate(about).valid_until);
  };
  look_at(context.scenario->exit);
  if (!context.run->goal) look_at(context.scenario->goal);
  if (const auto* listen = std::get_if<SegmentListen>(&context.node->node->listens()))
    next = earlier(
        next, listen->segment.evaluate(subject(context, context.run->event.get())).valid_until);
  return next;
}

void RunWalk::check_again(const RunContext& context) {
  changes_.edit(context.run).recheck_at.reset();  // its timer was this input
  if (context.node == nullptr || exits_by_rules(context)) return;
  const auto* listen = std::get_if<SegmentListen>(&context.node->node->listens());
  if (listen != nullptr && matches(context, listen->segment, context.run->event.get()))
    return wake(context, {.kind = WakeCause::Kind::Segment});
  changes_.set_recheck(context.run, next_recheck(context));
}

// ---- waits ----

void RunWalk::wake_by(const RunContext& context, const RunStimulus& by) {
  const Node& node = *context.node->node;
  const bool changed = by.changed != nullptr && !by.changed->empty();
  if (const auto* listen = std::get_if<EventListen>(&node.listens())) {
    if (by.event != nullptr && matches_event(listen->events, by.event->type) &&
        matches(context, listen->where, by.event))
      return wake(context, {.kind = WakeCause::Kind::Event, .event = by.event});
  } else if (changed) {
    const auto* level = std::get_if<SegmentListen>(&node.listens());
    if (level != nullptr && by.changed->intersects(level->segment.reads()) &&
        matches(context, level->segment, context.run->event.get()))
      return wake(context, {.kind = WakeCause::Kind::Segment});
    if (node.follows_zone() && by.changed->contains(kZoneField)) return follow_zone(context);
  }
  if (changed) changes_.set_recheck(context.run, next_recheck(context));
}

void RunWalk::wake(const RunContext& context, const WakeCause& cause) {
  if (context.stopped())
    return changes_.transition(context.run, RunState::Stopped, kArchivedReason);
  changes_.transition(context.run, RunState::Running);
  if (context.node == nullptr)
    return changes_.transition(context.run, RunState::Parked, "version_missing");
  apply_and_continue(context, context.node->node->wake(visit_of(context), cause));
}

/// A run that waits waits for the same time on the contact's new clocks, or enters its node once
/// more, uncounted.
void RunWalk::follow_zone(const RunContext& context) {
  const RunRef run = context.run;
  if (context.stopped()) return changes_.transition(run, RunState::Stopped, kArchivedReason);
  const std::optional<std::string>& zone_before = contact_.zone_before();
  if (context.node->node->keeps_local_time() && run->wake_at && zone_before) {
    const std::string& otherwise = context.scenario->timezone;
    const LocalTime time = to_local(*run->wake_at, zone_before->empty() ? otherwise : *zone_before);
    const Instant due =
        to_instant(time.date, time.time_of_day, clock_zone(scope_.state.contact, otherwise));
    if (due <= scope_.now.at) return wake(context, {.kind = WakeCause::Kind::Time});
    return changes_.set_wake(run, due);
  }
  changes_.transition(run, RunState::Running);
  apply_and_continue(context, context.node->node->enter(visit_of(context)));
}

void RunWalk::resume(const RunContext& context) {
  const RunRef run = context.run;
  if (context.stopped()) return changes_.transition(run, RunState::Stopped, kArchivedReason);
  if (context.node == nullptr) return;
  const bool arrived = !run->pending_arrival;
  changes_.transition(run, RunState::Running);
  if (arrived) return enter_again(context, scope_.now.at);
  changes_.edit(run).path.pop_back();
  walk(context, context.index());
}

void RunWalk::enter_again(const RunContext& context, Instant arrived) {
  ++scope_.visits;  // not of the statistics, but of what one input may ask for
  Visit visit = visit_of(context);
  visit.arrived = arrived;
  apply_and_continue(context, context.node->node->enter(visit));
}

// ---- from node to node ----

void RunWalk::walk(const RunContext& from, std::size_t at) {
  const Scenario& scenario = *from.scenario;
  const std::size_t visited_before = from.run->path.size();
  while (at != kEnd) {
    const RunContext context = from.at(scenario.nodes[at]);
    const ScenarioNode& node = *context.node;
    if (scope_.at_limit()) {
      changes_.edit(context.run).path.push_back({.node = node.number, .at = scope_.now.at});
      return changes_.park_before_arrival(context.run);
    }
    // A version is acyclic, so that only what the run met before this walk could come again.
    assert(!visited(*context.run, visited_before, node.number));
    assert(context.run->path.size() - visited_before < scenario.nodes.size());
    arrive(context);
    const bool trigger = node.kind->family == NodeFamily::Trigger;
    Outcome outcome = trigger ? leave_by("next") : node.node->enter(visit_of(context));
    const bool patched = outcome.patch.has_value();
    const std::optional<std::size_t> next = apply_outcome(context, std::move(outcome));
    if (!next) return;
    // At once: before the next node, not when the change is dispatched.
    if ((trigger || patched) && exits_by_rules(context)) return;
    at = *next;
  }
  changes_.transition(from.run, RunState::Done);
}

void RunWalk::arrive(const RunContext& context) {
  const NodeNumber node = context.node->number;
  ++scope_.visits;
  changes_.edit(context.run).path.push_back({.node = node, .at = scope_.now.at});
  const CounterWriter counted = changes_.counters(*context.run, node);
  counted.add(Counter::Visits, 1);
  if (changes_.record_visit(*context.run, node)) counted.add(Counter::UniqueContacts, 1);
}

void RunWalk::apply_and_continue(const RunContext& context, Outcome outcome) {
  if (const auto next = apply_outcome(context, std::move(outcome))) walk(context, *next);
}

std::optional<std::size_t> RunWalk::apply_outcome(const RunContext& context, Outcome outcome) {
  const RunRef run = context.run;
  if (already_due(outcome, scope_.now.at)) wake_now(context, outcome);
  if (outcome.request) create_delivery(context, std::move(*outcome.request));
  if (outcome.patch) patch_contact(context, *outcome.patch, outcome.note);
  const CounterWriter counted = changes_.counters(*run, context.node->number);
  if (outcome.unknown) counted.add(Counter::Unknown, 1);
  if (outcome.too_much_work) counted.add(Counter::TooMuchWork, 1);
  PathStep& step = changes_.edit(run).path.back();
  if (!outcome.note.empty()) step.note = std::move(outcome.note);

  if (const auto* leave = std::get_if<Leave>(&outcome.next)) {
    step.port = leave->port;
    counted.add(leave->port, 1);
    return context.node->target(leave->port);
  }
  if (const auto* hold = std::get_if<Hold>(&outcome.next)) {
    changes_.transition(run, RunState::Waiting);
    changes_.set_wake(run, hold->until);
    changes_.set_recheck(run, earlier(hold->recheck, next_recheck(context)));
    return std::nullopt;
  }
  changes_.transition(run, RunState::Parked, std::get<Park>(outcome.next).reason);
  return std::nullopt;
}

/// The hold of `outcome` is already due, so the node is woken at once. If it holds in the past
/// again, the run is parked: to wake it again might never end.
void RunWalk::wake_now(const RunContext& context, Outcome& outcome) {
  Outcome woken = context.node->node->wake(visit_of(context), {});
  if (!outcome.patch) outcome.patch = std::move(woken.patch);
  if (!outcome.request) outcome.request = std::move(woken.request);
  outcome.unknown = outcome.unknown || woken.unknown;
  outcome.too_much_work = outcome.too_much_work || woken.too_much_work;
  if (!woken.note.empty()) outcome.note = std::move(woken.note);
  if (already_due(woken, scope_.now.at))
    outcome.next = Park{"held_in_the_past"};
  else
    outcome.next = std::move(woken.next);
}

void RunWalk::patch_contact(const RunContext& context, const ContactPatch& patch,
                            std::string& note) {
  if (contact_.fits(patch)) return contact_.patch(patch, PatchOrigin::Node);
  changes_.counters(*context.run, context.node->number).add(Counter::ContactFull, 1);
  append_note(note, std::string{kContactFull} +
                        ": nothing was changed, since the contact would take more than " +
                        std::to_string(scope_.catalog.contact_bytes_max()) + " bytes");
}

/// The delivery of a visit; one that may not be sent is created as failed.
void RunWalk::create_delivery(const RunContext& context, RequestDraft draft) {
  const Run& run = *context.run;
  const DeliveryPolicy* policy = context.node->node->delivery_policy();
  assert(policy != nullptr);
  const Instant now = scope_.now.at;
  Delivery delivery{
      .key = changes_.next_delivery(),
      .endpoint = {.scenario = run.scenario, .node = context.node->number, .version = run.version},
      .test = run.test,
      .contact = run.contact,
      .run = run.key,
      .created = now,
      .deadline = now + policy->retry.window};
  const bool refused = !draft.refusal.empty();
  if (refused) {
    delivery.state = DeliveryState::Failed;
    delivery.reason = std::move(draft.refusal);
    delivery.settled = now;
  } else {
    delivery.due = now;
  }
  const CounterWriter counted = changes_.counters(run, context.node->number);
  counted.add(Counter::Requests, 1);
  counted.add(refused ? Counter::Failed : Counter::Pending, 1);
  changes_.edit(context.run).path.back().delivery = delivery.key;
  changes_.add_delivery({.delivery = std::move(delivery),
                         .request = std::make_shared<const Request>(std::move(draft.request)),
                         .policy = policy});
}

Visit RunWalk::visit_of(const RunContext& context) {
  const Scenario& scenario = *context.scenario;
  delivery_id_.clear();
  if (context.node->node->delivery_policy() != nullptr)
    delivery_id_ = format_delivery(scope_.catalog.epoch(), changes_.next_delivery());
  return {.contact = scope_.state.contact,
          .engagement = scope_.state.engagement,
          .event = context.run->event.get(),
          .now = scope_.now,
          .arrived = scope_.now.at,
          .run = context.run->key,
          .scenario = scenario.id,
          .scenario_title = scenario.title,
          .timezone = scenario.timezone,
          .node = context.node->number,
          .delivery_id = delivery_id_,
          .account_id = scope_.catalog.account_id(),
          .work = &scope_.conditions.of(context.run->scenario),
          .room = &scope_.rendering};
}
}  // namespace onward
