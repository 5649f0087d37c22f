// Who enters: triggers on events, on segments that change, and on dates.
#include <cassert>
#include <utility>

#include "engine/core/base/sorted.h"
#include "engine/core/journey/cascade.h"
#include "engine/core/scenario/date_trigger.h"
#include "engine/core/template/template.h"

namespace onward {
namespace {
/// Between the first and the last place on earth where clocks show a time.
constexpr Duration kZonesApart = std::chrono::hours{26};
}  // namespace

/// Where time alone turned the answer to yes, that is the edge: the moment before it was another.
void Cascade::take_segment_recheck(const TimerInput& input, const CatalogTrigger& trigger,
                                   const SegmentListen& listen) {
  SegmentSubject then = subject(*trigger.scenario, trigger.scenario->current().timezone);
  const SegmentResult present = listen.segment.evaluate(then);
  if (present.valid_until) set_timer({*present.valid_until, input.contact, input.timer});
  then.now = input.due - Duration{1};
  if (present.too_much_work) return enter(trigger, nullptr, kTooMuchWork);
  if (present.truth != Truth::Yes) return;
  const SegmentResult past = listen.segment.decide(then);
  if (past.truth != Truth::Yes)
    enter(trigger, nullptr, past.too_much_work ? kTooMuchWork : std::string_view{});
}

void Cascade::take_date(const TimerInput& input, const CatalogTrigger& trigger,
                        const DateListen& listen) {
  // The field, the zone or the trigger may have changed since the timer was set.
  if (due_of(trigger, present(), input.due - Duration{1}) != input.due) return;
  if (const auto next = due_of(trigger, present(), input.due))
    set_timer({*next, input.contact, input.timer});
  const SegmentResult result =
      listen.where.decide(subject(*trigger.scenario, trigger.scenario->current().timezone));
  if (result.too_much_work) return enter(trigger, nullptr, kTooMuchWork);
  if (result.truth != Truth::Yes) return;
  enter(trigger, nullptr, now_.at - input.due > kDateLateness ? "missed" : "");
}

// ---- triggers that look at the contact ----

/// Segments that changed from no to yes start runs; timers follow what changed.
void Cascade::cross_edges(bool quiet) {
  const ChangedNames names = std::exchange(for_edges_, {});
  if (names.empty()) return;  // what was remembered is as it was
  // A later change remembers anew, so that a node that is entered below makes an edge of its own.
  const Person person = *std::exchange(before_, std::nullopt);
  const PersonView before{person.contact, person.engagement};
  std::vector<CatalogTrigger> watching;
  std::vector<std::pair<CatalogTrigger, std::string_view>> crossed;  // and why not
  for (const std::string& name : names)
    for (const CatalogTrigger& trigger : catalog_.watching(name)) watching.push_back(trigger);
  const auto place = [](const CatalogTrigger& trigger) {
    return std::pair{std::string_view{trigger.scenario->id}, trigger.node};
  };
  sort_unique(watching, place);

  for (const CatalogTrigger& trigger : watching) {
    const ScenarioNode& node = trigger.at();
    const auto* listen = std::get_if<SegmentListen>(&node.node->listens());
    const TimerKind kind = listen == nullptr ? TimerKind::Date : TimerKind::SegmentRecheck;
    std::optional<Instant> due = due_of(trigger, present(), now_.at);
    if (listen == nullptr && due && fired_already(trigger, before, *due))
      due = due_of(trigger, present(), *due);
    move_timer({.kind = kind, .subject = trigger_subject(trigger.scenario->key, node.number)},
               due_of(trigger, before, now_.at), due);
    if (listen == nullptr || quiet) continue;
    const SegmentSubject about = subject(*trigger.scenario, trigger.scenario->current().timezone);
    const SegmentResult after = listen->segment.decide(about);
    if (after.too_much_work) crossed.emplace_back(trigger, kTooMuchWork);
    if (after.truth != Truth::Yes) continue;
    const SegmentResult earlier = listen->segment.decide({.contact = before.contact,
                                                          .engagement = before.engagement,
                                                          .now = now_.at,
                                                          .timezone = about.timezone,
                                                          .work = about.work});
    // Unknown because the steps ran out: never an edge, whatever the earlier result was.
    if (earlier.truth != Truth::Yes)
      crossed.emplace_back(trigger, earlier.too_much_work ? kTooMuchWork : std::string_view{});
  }
  for (const auto& [trigger, refusal] : crossed) {
    if (std::ranges::find(entered_, trigger.scenario) != entered_.end()) continue;
    entered_.push_back(trigger.scenario);
    enter(trigger, nullptr, refusal);
  }
}

/// Whether the contact came in already for the day that a date trigger is due for next: clocks in
/// another zone show that time once more.
bool Cascade::fired_already(const CatalogTrigger& trigger, const PersonView& before, Instant due) {
  const auto& date = std::get<DateListen>(trigger.at().node->listens());
  if (contact_value(before.contact, before.engagement, date.field) !=
      contact_value(state_.contact, state_.engagement, date.field))
    return false;
  const LedgerRow* row =
      find_row(trigger.scenario->key, {}, !trigger.scenario->test_emails.empty());
  return row != nullptr && row->visited.contains(trigger.at().number) &&
         row->last_entry > due - kZonesApart;
}

/// When a trigger's timer for this person is due: nothing where time alone starts nothing.
std::optional<Instant> Cascade::due_of(const CatalogTrigger& trigger, const PersonView& person,
                                       Instant after) {
  const std::string& timezone = trigger.scenario->current().timezone;
  const Listen& listens = trigger.at().node->listens();
  if (const auto* segment = std::get_if<SegmentListen>(&listens))
    return segment->segment
        .evaluate({.contact = person.contact,
                   .engagement = person.engagement,
                   .now = after,
                   .timezone = timezone,
                   .work = &work_.of(trigger.scenario->key)})
        .valid_until;
  const auto& date = std::get<DateListen>(listens);
  return next_occurrence(date, contact_value(person.contact, person.engagement, date.field),
                         clock_zone(person.contact, timezone), after);
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
  std::optional<Instant> due = due_of(*trigger, present(), now_.at);
  // Another time of day makes no second day of it.
  if (date != nullptr && due && fired_already(*trigger, present(), *due))
    due = due_of(*trigger, present(), *due);
  if (date != nullptr || !segment->at)
    move_timer({.kind = date == nullptr ? TimerKind::SegmentRecheck : TimerKind::Date,
                .subject = subject_of},
               std::nullopt, due);
  if (segment == nullptr || !command.enter) return;
  const std::string& timezone = trigger->scenario->current().timezone;
  const SegmentResult result = segment->segment.decide(subject(*trigger->scenario, timezone));
  if (result.too_much_work) return enter(*trigger, nullptr, kTooMuchWork);
  if (result.truth != Truth::Yes) return;
  const LedgerRow* row = find_row(command.scenario, {}, !trigger->scenario->test_emails.empty());
  if (row == nullptr || !row->visited.contains(command.node) || row->last_entry < command.since)
    enter(*trigger, nullptr);
}

// ---- entries ----

/// Whether the trigger matched, or could not be told: then no other trigger of the scenario is
/// asked, entered or refused.
bool Cascade::try_start(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event) {
  const auto& listen = std::get<EventListen>(trigger.at().node->listens());
  const SegmentResult result = listen.where.decide(
      subject(*trigger.scenario, trigger.scenario->current().timezone, event.get()));
  if (result.truth != Truth::Yes && !result.too_much_work) return false;
  enter(trigger, event, result.too_much_work ? kTooMuchWork : std::string_view{});
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
    Tally{changes_.counters,
          {.scenario = scenario.key, .version = scenario.newest, .test = counted_as_test}}
        .add(reason, 1);
  };
  // By halves: records of earlier releases may list any number of addresses.
  if (test && !std::ranges::binary_search(scenario.test_emails, state_.contact.email()))
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
  // Runs of a version that had a key are no others where there is none any more.
  const auto is_of_key = [&](const Run& run) {
    return current.reentry.key_path.empty() || run.entry_key == key;
  };
  std::uint32_t live = 0, of_scenario = 0, of_contact = 0;
  for (const Run& run : state_.live) {
    if (!run.live() || run.test != test) continue;
    ++of_contact;
    if (run.scenario != scenario.key) continue;
    ++of_scenario;
    live += is_of_key(run) || current.reentry.mode == ReentryMode::Parallel;
  }
  looks_ += state_.live.size();
  if (!test) {
    const LedgerRow* row = find_row(scenario.key, key, test);
    const Entry entry = row == nullptr ? decide_entry(current.reentry, 0, Instant{}, live, now_.at)
                                       : decide_entry(current.reentry, row->entries,
                                                      row->last_entry, live, now_.at);
    if (const std::string_view reason = refusal_of(entry); !reason.empty())
      return refuse_contact(reason);
    if (entry == Entry::Enter && (of_scenario >= kScenarioRuns || of_contact >= kContactRuns))
      return refuse_contact(refusal_of(Entry::TooMany));
    if (entry == Entry::EnterAndEndLive)
      for (Run& run : state_.live)
        if (run.live() && run.scenario == scenario.key && is_of_key(run) && !run.test)
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
  run.path.reserve(kUsualPath);
  counters(run).add(Counter::Entered, 1);
  counters(run).add(Counter::Inside, 1);
  state_.live.push_back(std::move(run));
  walk(state_.live.back(), scenario, scenario.current(), trigger);
}
}  // namespace onward
