#include "engine/cell/batch.h"

#include <string>
#include <utility>
#include <variant>

#include "engine/cell/work_item.h"
#include "engine/core/contact/contact_size.h"
#include "engine/store/unreadable.h"

namespace onward {
Batch::Batch(CellStore& store, const Catalog& catalog, const Counters& counters,
             const Switches& switches, const Numbers& numbers, Instant now, Duration dedupe_for,
             bool certain)
    : catalog_{catalog},
      counters_{counters},
      numbers_{numbers},
      now_{now},
      dedupe_for_{dedupe_for},
      lookups_{store, now},
      contacts_{store, catalog},
      deliveries_{store, switches, now, certain} {}

Status Batch::prefetch(std::span<const Work> work) {
  note_names(work);
  if (const auto known = look_up(SIZE_MAX); !known) return tl::make_unexpected(known.error());
  return load(work);
}

/// Repeats, conflicts and events that are too old take no effect.
bool Batch::refuse_event(const EventInput& input, WorkAnswer& answer) {
  EventAnswer& event = answer.event;
  if (!input.history && input.event.at < now_ - dedupe_for_) {
    event = {.kind = EventAnswer::Kind::Rejected,
             .code = "too_old",
             .message =
                 "the event is older than events are remembered, so a repeat could not be "
                 "told from it; send it with ?mode=history to update the contact only"};
    return true;
  }
  if (input.id.empty()) return false;
  switch (lookups_.remember(input)) {
    case BatchLookups::Sighting::New:
      return false;
    case BatchLookups::Sighting::Duplicate:
      event.kind = EventAnswer::Kind::Duplicate;
      break;
    case BatchLookups::Sighting::Conflict:
      event = {.kind = EventAnswer::Kind::Conflict,
               .code = "id_reused",
               .message = "an event with this id was accepted before with another body"};
  }
  return true;
}

/// As if the input had never come: nothing is remembered of it.
void Batch::refuse_full(const Input& input, WorkAnswer& answer) {
  if (answer.created) {
    contacts_.drop(answer.contact);
    numbers_.contact = contact_before_;
  }
  if (const auto* event = std::get_if<EventInput>(&input); event != nullptr && !event->id.empty())
    lookups_.forget(*event);
  answer = {};
  answer.event = {
      .kind = EventAnswer::Kind::Rejected,
      .code = std::string{kContactFull},
      .message = "the contact would take more than " +
                 std::to_string(catalog_.contact_bytes_max()) +
                 " bytes as it is stored; shorten or clear fields, groups or mailings of it"};
}

Status Batch::take(const Work& work) {
  const Input& input = *work.input;
  WorkAnswer unasked;
  WorkAnswer& answer = work.answer == nullptr ? unasked : *work.answer;
  answer = {};
  if (const auto* event = std::get_if<EventInput>(&input); event && refuse_event(*event, answer))
    return {};

  ContactKey contact = contact_key_of(input);
  const ContactRef* who = contact_ref_of(input);
  BatchLookups::Match match;
  if (who != nullptr) {
    match = lookups_.resolve(*who);
    if (match.ambiguous) answer.event.warnings.emplace_back("ambiguous_contact");
    if (!match.contact && !work.create) {
      answer.found = false;
      return {};
    }
    answer.created = !match.contact;
    contact_before_ = numbers_.contact;
    contact = match.contact ? *match.contact : numbers_.next_contact();
  }
  answer.contact = contact;
  BatchContacts::Working& working = contacts_.open(contact);
  if (answer.created) {
    working.state.contact.key = contact;
    working.created = true;
  } else if (Status loaded = contacts_.complete(contact, working, input); !loaded) {
    return loaded;
  }
  if (who != nullptr && !answer.created && !working.forgotten) {
    const std::string_view id = match.by_id ? std::string_view{who->id->text} : "";
    if (!working.state.contact.key || !goes_by(working.state.contact, id, who->email))
      return tl::make_unexpected(damaged_name_error());
  }
  // A timer or command of a contact that is gone, perhaps by an earlier input of this batch.
  if (!working.state.contact.key || working.forgotten) {
    answer.found = false;
    if (!working.forgotten) contacts_.drop(contact);
    if (const auto* timer = std::get_if<TimerInput>(&input)) contacts_.clear_timer(*timer);
    return {};
  }
  if (const ContactPatch* patch = contact_patch_of(input);
      patch != nullptr && !patch->empty() && !contacts_.fits_with(working, input, *patch)) {
    refuse_full(input, answer);
    return {};
  }
  const Now now{.at = now_, .seq = numbers_.next_sequence()};
  auto advanced = contacts_.advance(working, input, now);
  if (!advanced) return tl::make_unexpected(std::move(advanced.error()));
  Changes changes = std::move(*advanced);
  if (changes.forgotten)
    if (Status done = deliveries_.forget(contact); !done) return done;
  adopt(working, changes);
  answer.changed = changes.contact_changed;
  for (std::string& warning : changes.warnings) answer.event.warnings.push_back(std::move(warning));
  if (work.want_state)
    answer.state = {.contact = working.state.contact,
                    .engagement = working.state.engagement,
                    .created = answer.created,
                    .warnings = answer.event.warnings};
  for (NewDelivery& made : changes.deliveries) deliveries_.add(made);
  return {};
}

/// Takes over all but deliveries.
void Batch::adopt(BatchContacts::Working& working, Changes& changes) {
  steps_ += changes.steps;
  contacts_.adopt(working, changes);
  if (changes.identity_before) lookups_.rename(*changes.identity_before, working.state.contact);
  for (const CounterChange& change : changes.counters) deliveries_.counters().add(change);
}

Status Batch::take_aside(const Input& input, std::string_view reason, Parks parks) {
  const auto* timer = std::get_if<TimerInput>(&input);
  if (timer == nullptr) return {};
  contacts_.clear_timer(*timer);
  const RunKey run = run_of(work_item(input));
  if (!run || parks == Parks::Nothing) return {};
  const Input park = CommandInput{.contact = timer->contact,
                                  .command = ParkRun{.run = run, .reason = std::string{reason}}};
  return take({.input = &park});
}

Commit Batch::finish() {
  Commit commit = std::move(commit_);
  commit.at = now_;
  commit.last_seq = numbers_.sequence;
  commit.last_contact = numbers_.contact;
  lookups_.finish(commit);
  contacts_.finish(commit);
  deliveries_.finish(commit);
  commit.counters = deliveries_.counters().added_to(counters_);
  return commit;
}
}  // namespace onward
