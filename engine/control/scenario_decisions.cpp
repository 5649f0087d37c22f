#include "engine/control/scenario_decisions.h"

#include <utility>

#include <fmt/format.h>

#include "engine/core/scenario/scenario.h"

namespace onward {
namespace {
void begin(ScenarioRecord& record, Instant now) {
  record.state = ScenarioState::Active;
  if (!record.activated) record.activated = now;
  record.ever_ran = true;
}

/// Whether the conditions of one more version fit beside those in memory.
Status has_room(const ScenarioBook& book, const Scenario& added) {
  std::size_t bytes = added.condition_bytes;
  for (const auto& [id, entry] : book.entries())
    for (const auto& [version, scenario] : entry->built)
      // Its own newest version gives way to it, so that a scenario can always become smaller.
      if (id != added.id || version != entry->record->newest) bytes += scenario->condition_bytes;
  if (bytes <= kServerConditionBytesMax || added.condition_bytes == 0) return {};
  return fail(ErrorKind::Conflict, "conditions_full",
              fmt::format("the compiled conditions of all versions in use may take {} MiB, and "
                          "with this one they take {}; archive scenarios, or use fewer regular "
                          "expressions",
                          kServerConditionBytesMax >> 20, (bytes >> 20) + 1));
}
}  // namespace

Result<AppliedText> apply_text(const ScenarioBook& book, Authored made, Instant now) {
  if (Status free =
          made.copy_of.empty() ? may_apply(book, made.id) : may_copy(book, made.copy_of, made.id);
      !free)
    return tl::make_unexpected(std::move(free.error()));
  const ScenarioEntry* entry = book.find_entry(made.id);
  AppliedText applied;
  applied.answer.diagnostics = std::move(made.diagnostics);
  applied.answer.refused = made.refused;
  if (made.refused) return applied;
  applied.answer.created = entry == nullptr;
  if (made.unchanged) {
    applied.answer.scenario = entry->info();
    return applied;
  }

  if (Status room = has_room(book, *made.built); !room)
    return tl::make_unexpected(std::move(room.error()));
  ScenarioRecord record =
      entry == nullptr ? ScenarioRecord{.id = made.id, .created = now} : *entry->record;
  if (!record.key) record.key = book.next_key();
  ++record.newest;
  record.nodes = std::move(made.nodes);
  record.kinds = std::move(made.kinds);
  // Who starts later from now on lets nobody in until then; an earlier start, or an end that is
  // over, is due at once (see `due_change`).
  const auto& start = made.built->start_at;
  if (record.state == ScenarioState::Active && record.test_emails.empty() && start && *start > now)
    record.state = ScenarioState::Scheduled;
  applied.answer.changed = true;
  applied.change.built = std::move(made.built);
  applied.change.names = std::move(made.names);
  applied.change.versions.push_back({.scenario = record.key,
                                     .version = record.newest,
                                     .text = std::move(made.text),
                                     .created = now,
                                     .format = made.format,
                                     .apart = made.apart});
  applied.change.scenarios.push_back(std::move(record));
  return applied;
}

Result<BookChange> activate_scenario(const ScenarioBook& book, std::string_view id,
                                     const std::optional<std::vector<std::string>>& test_emails,
                                     Instant now) {
  const auto entry = book.known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = *(*entry)->record;
  if (record.state == ScenarioState::Archived) return archived_error(id);
  const auto newest = (*entry)->newest();
  if (newest && newest->end_at && *newest->end_at <= now)
    return fail(
        ErrorKind::Conflict, "ended",
        fmt::format("scenario \"{}\" ended at {} (its end_at); apply a version with a later "
                    "end_at, or without one",
                    id, format_instant(*newest->end_at)));
  record.test_emails.clear();
  if (test_emails)
    for (const std::string& email : *test_emails) record.test_emails.push_back(normal_email(email));
  // Tests need not wait for the start: their numbers are apart.
  if (newest && newest->start_at && *newest->start_at > now && record.test_emails.empty()) {
    record.state = ScenarioState::Scheduled;
    return BookChange{.scenarios = {std::move(record)}};
  }
  begin(record, now);
  return BookChange{.scenarios = {std::move(record)}};
}

// ---- times ----

std::optional<Instant> next_due(const ScenarioBook& book) {
  std::optional<Instant> next;
  for (const auto& [id, entry] : book.entries())
    if (const auto found = entry->next(); found && (!next || found->at < *next)) next = found->at;
  return next;
}

std::optional<BookChange> due_change(const ScenarioBook& book, Instant now) {
  for (const auto& [id, entry] : book.entries()) {
    const auto next = entry->next();
    if (!next || next->at > now) continue;
    ScenarioRecord record = *entry->record;
    Activity activity{.at = now, .scenario = id, .who = "engine"};
    if (next->what == "start") {
      begin(record, now);
      activity.what = "scenario.activated";
      activity.text = next->at == Instant{} ? std::string{"its start_at is gone"}
                                            : "its start_at, " + format_instant(next->at);
    } else if (next->what == "hold") {
      record.state = ScenarioState::OnHold;
      activity.what = "scenario.held";
      activity.text = "its end_at, " + format_instant(next->at);
    } else {
      record.state = ScenarioState::Archived;
      record.archived = now;
      activity.what = "scenario.archived";
      activity.text = "its end_at, " + format_instant(next->at);
    }
    return BookChange{.scenarios = {std::move(record)}, .activity = {std::move(activity)}};
  }
  return std::nullopt;
}

// ---- ends ----

Result<BookChange> hold_scenario(const ScenarioBook& book, std::string_view id) {
  const auto entry = book.known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = *(*entry)->record;
  if (record.state == ScenarioState::Archived) return archived_error(id);
  if (record.state == ScenarioState::Draft)
    return fail(
        ErrorKind::Conflict, "not_active",
        fmt::format("scenario \"{}\" is a draft: it starts no runs that could be held", id));
  record.state = ScenarioState::OnHold;
  return BookChange{.scenarios = {std::move(record)}};
}

Result<BookChange> archive_scenario(const ScenarioBook& book, std::string_view id, Instant now) {
  const auto entry = book.known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = *(*entry)->record;
  if (record.state == ScenarioState::Archived) return BookChange{};
  record.state = ScenarioState::Archived;
  record.archived = now;
  return BookChange{.scenarios = {std::move(record)}};
}

Result<BookChange> delete_draft(const ScenarioBook& book, std::string_view id) {
  const auto entry = book.known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = *(*entry)->record;
  if (record.ever_ran)
    return fail(ErrorKind::Conflict, "has_run",
                fmt::format("scenario \"{}\" has been active, so its numbers stay readable; {}", id,
                            record.state == ScenarioState::Archived
                                ? "purge takes its runs and what its requests said"
                                : "archive it instead"));
  if (record.state == ScenarioState::Scheduled)
    return fail(ErrorKind::Conflict, "scheduled",
                fmt::format("scenario \"{}\" is scheduled to start; hold it first", id));
  if (record.state == ScenarioState::Archived)
    return fail(
        ErrorKind::Conflict, "archived",
        fmt::format("scenario \"{}\" is archived and no draft any more; nothing of it takes "
                    "room but its text",
                    id));
  record.deleted = true;
  return BookChange{.scenarios = {without_nodes(std::move(record))}};
}
}  // namespace onward
