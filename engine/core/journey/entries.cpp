#include "engine/core/journey/entries.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/core/base/sorted.h"
#include "engine/core/scenario/date_trigger.h"
#include "engine/core/template/template.h"

namespace onward {
namespace {
constexpr std::string_view kTestMode = "test_mode";
/// Between the first and the last place on earth where clocks show a time.
constexpr Duration kZonesApart = std::chrono::hours{26};

/// Runs of a version that had a key count as one where the newest has none.
bool is_of_key(const Run& run, const Reentry& reentry, const EntryKey& key) {
  return reentry.key_path.empty() || run.entry_key == key;
}

std::uint64_t entry_subject(const CatalogTrigger& trigger) {
  return trigger_subject(trigger.scenario->key, trigger.at().number);
}
}  // namespace

// ---- triggers ----

void Entries::start_runs(const std::shared_ptr<const Event>& event, bool quiet) {
  entered_.clear();
  if (event != nullptr)
    for (const CatalogTrigger& trigger : scope_.catalog.triggers(event->type))
      if (std::ranges::find(entered_, trigger.scenario) == entered_.end() &&
          start_by_event(trigger, event))
        entered_.push_back(trigger.scenario);
  fire_segment_changes(quiet);
}

/// Whether the trigger matched, or took too much work: then no other trigger of the scenario is
/// asked, entered or refused.
bool Entries::start_by_event(const CatalogTrigger& trigger,
                             const std::shared_ptr<const Event>& event) {
  const auto& listen = std::get<EventListen>(trigger.at().node->listens());
  const SegmentResult result = listen.where.decide(subject(trigger, event.get()));
  if (result.truth != Truth::Yes && !result.too_much_work) return false;
  enter(trigger, event, result.too_much_work ? kTooMuchWork : std::string_view{});
  return true;
}

void Entries::fire_segment_changes(bool quiet) {
  const auto changes = contact_.take_changes_for_triggers();
  if (!changes) return;
  const ContactView before{changes->before.contact, changes->before.engagement};
  std::vector<CatalogTrigger> watching;
  for (const std::string& field : changes->fields)
    for (const CatalogTrigger& trigger : scope_.catalog.watching(field))
      watching.push_back(trigger);
  const auto place = [](const CatalogTrigger& trigger) {
    return std::pair{std::string_view{trigger.scenario->id}, trigger.node};
  };
  sort_unique(watching, place);

  std::vector<std::pair<CatalogTrigger, std::string_view>> firing;  // and why it is refused
  for (const CatalogTrigger& trigger : watching) {
    move_timer_of(trigger, before);
    const auto* listen = std::get_if<SegmentListen>(&trigger.at().node->listens());
    if (listen == nullptr || quiet) continue;
    if (const auto refusal = crossed(trigger, *listen, before))
      firing.emplace_back(trigger, *refusal);
  }
  for (const auto& [trigger, refusal] : firing) {
    if (std::ranges::find(entered_, trigger.scenario) != entered_.end()) continue;
    entered_.push_back(trigger.scenario);
    enter(trigger, nullptr, refusal);
  }
}

/// The timer of a trigger follows a change of the contact.
void Entries::move_timer_of(const CatalogTrigger& trigger, const ContactView& before) {
  const ContactView after = contact_.current_view();
  const Instant now = scope_.now.at;
  const bool date = std::holds_alternative<DateListen>(trigger.at().node->listens());
  std::optional<Instant> due = next_due(trigger, after, now);
  if (date && due && has_fired_for(trigger, before, *due)) due = next_due(trigger, after, *due);
  changes_.move_timer({.kind = date ? TimerKind::Date : TimerKind::SegmentRecheck,
                       .subject = entry_subject(trigger)},
                      next_due(trigger, before, now), due);
}

/// Whether the segment of a trigger changed from no to yes: then why the entry is refused, "" if it
/// is not.
std::optional<std::string_view> Entries::crossed(const CatalogTrigger& trigger,
                                                 const SegmentListen& listen,
                                                 const ContactView& before) {
  const SegmentSubject about = subject(trigger);
  const SegmentResult after = listen.segment.decide(about);
  if (after.too_much_work) return kTooMuchWork;
  if (after.truth != Truth::Yes) return std::nullopt;
  const SegmentResult earlier = listen.segment.decide({.contact = before.contact,
                                                       .engagement = before.engagement,
                                                       .now = about.now,
                                                       .timezone = about.timezone,
                                                       .work = about.work});
  if (earlier.truth == Truth::Yes) return std::nullopt;
  // Unknown because the steps ran out: never a change, whatever the earlier result was.
  return earlier.too_much_work ? kTooMuchWork : std::string_view{};
}

/// Whether the contact came in already for the day that a date trigger is due for next: clocks in
/// another zone show that time once more.
bool Entries::has_fired_for(const CatalogTrigger& trigger, const ContactView& before, Instant due) {
  const auto& date = std::get<DateListen>(trigger.at().node->listens());
  const ContactView view = contact_.current_view();
  if (contact_value(before.contact, before.engagement, date.field) !=
      contact_value(view.contact, view.engagement, date.field))
    return false;
  const LedgerRow* row = changes_.find_row(trigger.scenario->key, {}, in_test(*trigger.scenario));
  return row != nullptr && row->visited.contains(trigger.at().number) &&
         row->last_entry > due - kZonesApart;
}

/// When a trigger's timer for this contact is due: nothing where time alone starts nothing.
std::optional<Instant> Entries::next_due(const CatalogTrigger& trigger, const ContactView& view,
                                         Instant after) {
  const std::string& timezone = trigger.scenario->current().timezone;
  const Listen& listens = trigger.at().node->listens();
  if (const auto* segment = std::get_if<SegmentListen>(&listens))
    return segment->segment
        .evaluate({.contact = view.contact,
                   .engagement = view.engagement,
                   .now = after,
                   .timezone = timezone,
                   .work = &scope_.conditions.of(trigger.scenario->key)})
        .valid_until;
  const auto& date = std::get<DateListen>(listens);
  return next_occurrence(date, contact_value(view.contact, view.engagement, date.field),
                         clock_zone(view.contact, timezone), after);
}

// ---- timers and the job of an activation ----

std::optional<CatalogTrigger> Entries::trigger_of(std::uint64_t subject) const {
  const CatalogScenario* scenario =
      scope_.catalog.find(ScenarioKey{static_cast<std::uint32_t>(subject >> 32)});
  if (scenario == nullptr || scenario->state != ScenarioState::Active) return std::nullopt;
  const ScenarioNode* node =
      scenario->current().find(NodeNumber{static_cast<std::uint32_t>(subject)});
  if (node == nullptr || node->kind->family != NodeFamily::Trigger) return std::nullopt;
  return CatalogTrigger{.scenario = scenario,
                        .node = static_cast<std::size_t>(node - scenario->current().nodes.data())};
}

void Entries::handle(const TimerInput& input) {
  const auto trigger = trigger_of(input.timer.subject);
  if (!trigger) return;
  const Listen& listens = trigger->at().node->listens();
  if (input.timer.kind == TimerKind::SegmentRecheck) {
    if (const auto* segment = std::get_if<SegmentListen>(&listens))
      handle_segment_recheck(input, *trigger, *segment);
  } else if (input.timer.kind == TimerKind::Date) {
    if (const auto* date = std::get_if<DateListen>(&listens)) handle_date(input, *trigger, *date);
  }
}

/// If time alone changed the result to yes, the trigger fires: the moment before it was another.
void Entries::handle_segment_recheck(const TimerInput& input, const CatalogTrigger& trigger,
                                     const SegmentListen& listen) {
  SegmentSubject then = subject(trigger);
  const SegmentResult present = listen.segment.evaluate(then);
  if (present.valid_until) changes_.set_timer({*present.valid_until, input.contact, input.timer});
  then.now = input.due - Duration{1};
  if (present.too_much_work) return enter(trigger, nullptr, kTooMuchWork);
  if (present.truth != Truth::Yes) return;
  const SegmentResult past = listen.segment.decide(then);
  if (past.truth != Truth::Yes)
    enter(trigger, nullptr, past.too_much_work ? kTooMuchWork : std::string_view{});
}

void Entries::handle_date(const TimerInput& input, const CatalogTrigger& trigger,
                          const DateListen& listen) {
  const ContactView view = contact_.current_view();
  // The field, the zone or the trigger may have changed since the timer was set.
  if (next_due(trigger, view, input.due - Duration{1}) != input.due) return;
  if (const auto next = next_due(trigger, view, input.due))
    changes_.set_timer({*next, input.contact, input.timer});
  const SegmentResult result = listen.where.decide(subject(trigger));
  if (result.too_much_work) return enter(trigger, nullptr, kTooMuchWork);
  if (result.truth != Truth::Yes) return;
  enter(trigger, nullptr, scope_.now.at - input.due > kDateLateness ? "missed" : "");
}

void Entries::install(const ArmTrigger& command) {
  const auto trigger = trigger_of(trigger_subject(command.scenario, command.node));
  if (!trigger) return;
  const Listen& listens = trigger->at().node->listens();
  const auto* segment = std::get_if<SegmentListen>(&listens);
  const auto* date = std::get_if<DateListen>(&listens);
  if (segment == nullptr && date == nullptr) return;
  const ContactView view = contact_.current_view();
  std::optional<Instant> due = next_due(*trigger, view, scope_.now.at);
  // Another time of day makes no second day of it.
  if (date != nullptr && due && has_fired_for(*trigger, view, *due))
    due = next_due(*trigger, view, *due);
  if (date != nullptr || !segment->at)
    changes_.move_timer({.kind = date == nullptr ? TimerKind::SegmentRecheck : TimerKind::Date,
                         .subject = entry_subject(*trigger)},
                        std::nullopt, due);
  if (segment == nullptr || !command.enter) return;
  const SegmentResult result = segment->segment.decide(subject(*trigger));
  if (result.too_much_work) return enter(*trigger, nullptr, kTooMuchWork);
  if (result.truth != Truth::Yes) return;
  const LedgerRow* row = changes_.find_row(command.scenario, {}, in_test(*trigger->scenario));
  if (row == nullptr || !row->visited.contains(command.node) || row->last_entry < command.since)
    enter(*trigger, nullptr);
}

// ---- entries ----

/// Starts a run, or counts why not; `refusal` is a reason that is known before.
void Entries::enter(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event,
                    std::string_view refusal) {
  const CatalogScenario& scenario = *trigger.scenario;
  const Reentry& reentry = scenario.current().reentry;
  // Sorted: records of earlier releases may list any number of addresses.
  if (in_test(scenario) &&
      !std::ranges::binary_search(scenario.test_emails, scope_.state.contact.email()))
    return count_refusal(scenario, /*test=*/false, kTestMode);
  if (scope_.at_limit()) return count_refusal(scenario, in_test(scenario), kCascadeReason);

  // From here on a refusal shows in the contact's journey as well.
  if (!refusal.empty()) return refuse(scenario, refusal);
  EntryKey key;
  if (!reentry.key_path.empty()) {
    const Value* value = event == nullptr ? nullptr : event->data.find_path(reentry.key_path);
    key = entry_key(value == nullptr ? std::string{} : to_text(*value));
  }
  const Entry entry = decide(scenario, key);
  if (const std::string_view reason = refusal_of(entry); !reason.empty())
    return refuse(scenario, reason);
  if (entry == Entry::EnterAndEndLive) end_live_runs(scenario, key);
  start(trigger, std::move(key), event);
}

void Entries::count_refusal(const CatalogScenario& scenario, bool test, std::string_view reason) {
  changes_
      .counters(CounterKey{
          .scenario = scenario.key, .node = {}, .version = scenario.newest, .test = test})
      .add(reason, 1);
}

void Entries::refuse(const CatalogScenario& scenario, std::string_view reason) {
  count_refusal(scenario, in_test(scenario), reason);
  changes_.record_refusal(scenario.key, in_test(scenario), reason);
}

Entries::LiveRuns Entries::count_live(const CatalogScenario& scenario, const EntryKey& key) {
  const Reentry& reentry = scenario.current().reentry;
  LiveRuns live;
  for (const Run& run : scope_.state.live) {
    if (!run.live() || run.test != in_test(scenario)) continue;
    ++live.of_contact;
    if (run.scenario != scenario.key) continue;
    ++live.of_scenario;
    live.of_key += is_of_key(run, reentry, key) || reentry.mode == ReentryMode::Parallel;
  }
  scope_.looks += scope_.state.live.size();
  return live;
}

/// Contacts under test enter as often as they like, up to a number of runs at once.
Entry Entries::decide(const CatalogScenario& scenario, const EntryKey& key) {
  const LiveRuns live = count_live(scenario, key);
  if (in_test(scenario)) return live.of_key >= kParallelRuns ? Entry::TooMany : Entry::Enter;
  const LedgerRow* row = changes_.find_row(scenario.key, key, /*test=*/false);
  const Entry entry =
      decide_entry(scenario.current().reentry, row == nullptr ? 0 : row->entries,
                   row == nullptr ? Instant{} : row->last_entry, live.of_key, scope_.now.at);
  const bool full = live.of_scenario >= kScenarioRuns || live.of_contact >= kContactRuns;
  return entry == Entry::Enter && full ? Entry::TooMany : entry;
}

void Entries::end_live_runs(const CatalogScenario& scenario, const EntryKey& key) {
  for (std::size_t i = 0; i < changes_.run_count(); ++i) {
    const RunRef run = changes_.run_at(i);
    if (run->live() && run->scenario == scenario.key && !run->test &&
        is_of_key(*run, scenario.current().reentry, key))
      changes_.transition(run, RunState::Exited, "restarted");
  }
}

void Entries::start(const CatalogTrigger& trigger, EntryKey key,
                    const std::shared_ptr<const Event>& event) {
  const CatalogScenario& scenario = *trigger.scenario;
  const bool test = in_test(scenario);
  changes_.record_entry(scenario.key, {}, test);
  if (!key.empty()) changes_.record_entry(scenario.key, key, test);
  Run run{.scenario = scenario.key,
          .version = scenario.newest,
          .entry_key = std::move(key),
          .test = test,
          .event = event};
  const RunContext context{.run = changes_.add_run(std::move(run)),
                           .home = &scenario,
                           .scenario = &scenario.current(),
                           .node = nullptr};
  walk_.walk(context, trigger.node);
}
}  // namespace onward
