// The way of a run: from node to node, into holds and out of them, over to another version, to its
// end.
#include <cassert>
#include <utility>

#include "engine/core/base/time_zone.h"
#include "engine/core/journey/cascade.h"

namespace onward {
namespace {
constexpr std::string_view kMovedPort = "moved";
constexpr std::string_view kNotMoved = "not_moved";

/// For the path of a run that stays: "not moved to version 2: …".
std::string note_of(const MoveRefusal& refusal, const Scenario& version, Version to) {
  using Why = MoveRefusal::Why;
  std::string note = "not moved to version " + std::to_string(to) + ": ";
  switch (refusal.why) {
    case Why::NoSuchNode:
      return note + "it does not have this node";
    case Why::IsTrigger:
      return note + "no run arrives at a trigger";
    case Why::AlreadyVisited: {
      const ScenarioNode* node = version.find(refusal.node);
      return note + "it leads to \"" + (node == nullptr ? std::string{} : node->id) +
             "\", which this run has already visited";
    }
  }
  return note;
}

/// Whether `node` is among the first steps of the run's path.
bool visited(const Run& run, std::size_t steps, NodeNumber node) {
  const auto end = run.path.begin() + static_cast<std::ptrdiff_t>(steps);
  return std::ranges::find(run.path.begin(), end, node, &PathStep::node) != end;
}
}  // namespace

void Cascade::walk(Run& run, const CatalogScenario& home, const Scenario& scenario,
                   std::size_t at) {
  mark(run);
  const std::size_t came = run.path.size();
  while (at != kEnd) {
    const ScenarioNode& node = scenario.nodes[at];
    if (visits_ >= kCascadeVisits || depth_ > kCascadeDepth) {
      // Not yet arrived, so not yet counted: `resume` arrives.
      run.path.push_back({.node = node.number, .at = now_.at});
      park_run(run, kCascadeReason);
      return;
    }
    // A version is acyclic, so that only what the run met before this walk could come again.
    assert(!visited(run, came, node.number));
    assert(run.path.size() - came < scenario.nodes.size());
    arrive(run, node);
    const bool trigger = node.kind->family == NodeFamily::Trigger;
    Outcome outcome = trigger ? leave_by("next") : node.node->enter(visit_of(run, scenario, node));
    const bool patched = outcome.patch.has_value();
    if (!settle_outcome(run, home, scenario, node, std::move(outcome), at)) return;
    // At once: before the next node, not when the change is worked off.
    if ((trigger || patched) && rules_end(run, scenario, nullptr, nullptr)) return;
  }
  end(run, RunState::Done, "");
}

void Cascade::arrive(Run& run, const ScenarioNode& node) {
  ++visits_;
  run.path.push_back({.node = node.number, .at = now_.at});
  const Tally counted = counters(run, node.number);
  counted.add(Counter::Visits, 1);
  if (LedgerRow& row = ledger_row(run.scenario, {}, run.test); row.visited.insert(node.number)) {
    counted.add(Counter::UniqueContacts, 1);
    mark(row);
  }
}

bool Cascade::settle_outcome(Run& run, const CatalogScenario& home, const Scenario& scenario,
                             const ScenarioNode& node, Outcome outcome, std::size_t& next) {
  // A hold whose time has come is no hold. Asked once: a node that insists is parked.
  const auto is_over = [&](const Outcome& of) {
    const auto* hold = std::get_if<Hold>(&of.next);
    return hold != nullptr && hold->until && *hold->until <= now_.at;
  };
  if (is_over(outcome)) {
    Outcome woken = node.node->wake(visit_of(run, scenario, node), {});
    if (!outcome.patch) outcome.patch = std::move(woken.patch);
    if (!outcome.request) outcome.request = std::move(woken.request);
    outcome.unknown = outcome.unknown || woken.unknown;
    outcome.too_much_work = outcome.too_much_work || woken.too_much_work;
    if (!woken.note.empty()) outcome.note = std::move(woken.note);
    if (is_over(woken))
      outcome.next = Park{"held_in_the_past"};
    else
      outcome.next = std::move(woken.next);
  }
  if (outcome.request) ask_for(run, home, node, std::move(*outcome.request));
  if (outcome.patch) {
    if (fits(*outcome.patch)) {
      patch_contact(*outcome.patch, /*quiet=*/false, /*by_node=*/true);
    } else {
      outcome.patch.reset();
      counters(run, node.number).add(Counter::ContactFull, 1);
      if (!outcome.note.empty()) outcome.note += "; ";
      outcome.note += kContactFull;
      outcome.note += ": nothing was changed, since the contact would take more than " +
                      std::to_string(catalog_.contact_bytes_max()) + " bytes";
    }
  }
  if (outcome.unknown) counters(run, node.number).add(Counter::Unknown, 1);
  if (outcome.too_much_work) counters(run, node.number).add(Counter::TooMuchWork, 1);
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
  const Tally counted = counters(run, node.number);
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
  Outcome outcome = node->node->wake(visit_of(run, *scenario, *node), cause);
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
    ++visits_;  // not of the statistics, but of what one input may ask for: see `ask_for`
    Outcome outcome = node->node->enter(visit_of(run, *scenario, *node));
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

/// A held run waits for the same time on the contact's new clocks, or enters its node once more,
/// uncounted.
void Cascade::follow_zone(Run& run, const Place& place) {
  if (place.home->state == ScenarioState::Archived) {
    end(run, RunState::Stopped, "archived");
    return;
  }
  if (place.node->node->keeps_local_time() && run.wake_at && zone_before_) {
    const std::string& otherwise = place.scenario->timezone;
    const LocalTime time =
        to_local(*run.wake_at, zone_before_->empty() ? otherwise : *zone_before_);
    const Instant due =
        to_instant(time.date, time.time_of_day, clock_zone(state_.contact, otherwise));
    if (due <= now_.at) return wake(run, {.kind = WakeCause::Kind::Time});
    move_timer({.kind = TimerKind::Wait, .subject = run.key.value}, run.wake_at, due);
    run.wake_at = due;
    mark(run);
    return;
  }
  leave_hold(run);
  mark(run);
  Outcome outcome = place.node->node->enter(visit_of(run, *place.scenario, *place.node));
  std::size_t next = kEnd;
  if (settle_outcome(run, *place.home, *place.scenario, *place.node, std::move(outcome), next))
    walk(run, *place.home, *place.scenario, next);
}

/// Waits go on from the time already waited. A run that cannot move stays as it is.
void Cascade::move(Run& run, const MoveRun& command) {
  const CatalogScenario* home = catalog_.find(run.scenario);
  if (home == nullptr || home->state == ScenarioState::Archived || run.version == command.to ||
      run.path.empty())
    return;
  const Scenario* scenario = home->version(command.to);
  if (scenario == nullptr) return;
  const NodeNumber target = command.map ? target_of(*command.map, run.place()) : run.place();
  // Asked now, not when the command was planned: an input in between may have moved the run on.
  if (const auto refusal = move_refusal(run, *scenario, target))
    return refuse_move(run, note_of(*refusal, *scenario, command.to));
  const ScenarioNode& node = *scenario->find(target);
  const bool stays = target == run.place();
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
    if (node.kind->family != NodeFamily::Wait)
      return walk(run, *home, *scenario, static_cast<std::size_t>(&node - scenario->nodes.data()));
    arrive(run, node);
  }
  ++visits_;  // as in `resume`
  Visit visit = visit_of(run, *scenario, node);
  visit.arrived = arrived;
  std::size_t next = kEnd;
  if (settle_outcome(run, *home, *scenario, node, node.node->enter(visit), next))
    walk(run, *home, *scenario, next);
}

/// Counts it and tells it in the run's path: once, however often the same command comes.
void Cascade::refuse_move(Run& run, const std::string& why) {
  std::string& note = run.path.back().note;
  if (note.ends_with(why)) return;
  // The refusal of an earlier version is of no interest any more, and notes do not grow.
  if (const std::size_t earlier = note.rfind("not moved to version "); earlier != note.npos)
    note.erase(earlier >= 2 ? earlier - 2 : earlier);
  if (!note.empty()) note += "; ";
  note += why;
  counters(run).add(kNotMoved, 1);
  mark(run);
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
  const Tally counted = counters(run);
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
}  // namespace onward
