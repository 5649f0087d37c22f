#include "engine/control/scenario_entry.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"

namespace onward {
std::string kept_title(const Scenario& scenario) {
  return clipped(scenario.title, kArchivedTitleBytesMax);
}

ScenarioRecord without_nodes(ScenarioRecord record) {
  record.nodes = {};
  record.kinds = {};
  return record;
}

tl::unexpected<Error> archived_error(std::string_view id) {
  return fail(
      ErrorKind::Conflict, "archived",
      fmt::format("scenario \"{}\" is archived and never runs again; duplicate it instead", id));
}

std::shared_ptr<const Scenario> ScenarioEntry::find_built(Version version) const {
  const auto found = built.find(version);
  return found == built.end() ? nullptr : found->second;
}

bool ScenarioEntry::needs_newest() const {
  return !record->deleted && record->state != ScenarioState::Archived;
}

std::optional<ScenarioNext> ScenarioEntry::next() const {
  const auto current = newest();
  if (record->deleted || current == nullptr) return std::nullopt;
  const Scenario& scenario = *current;
  switch (record->state) {
    case ScenarioState::Draft:
    case ScenarioState::Archived:
      return std::nullopt;
    case ScenarioState::Scheduled:
      // A newer version may have taken the time away.
      return ScenarioNext{.what = "start", .at = scenario.start_at.value_or(Instant{})};
    case ScenarioState::Active:
      break;
    case ScenarioState::OnHold:
      if (scenario.at_end == AtEnd::Hold) return std::nullopt;
  }
  if (!scenario.end_at) return std::nullopt;
  return ScenarioNext{.what = scenario.at_end == AtEnd::Hold ? "hold" : "archive",
                      .at = *scenario.end_at};
}

ScenarioInfo ScenarioEntry::info() const {
  ScenarioInfo info{.id = record->id,
                    .state = record->state,
                    .version = record->newest,
                    .test_emails = record->test_emails,
                    .created = record->created,
                    .activated = record->activated,
                    .archived = record->archived};
  info.purged = record->purged;
  info.changed = record->created;
  for (const auto& [version, text] : versions) {
    info.versions.emplace_back(version, text->created);
    info.changed = std::max(info.changed, text->created);
    if (version == record->newest) info.format = text->format;
  }
  for (const auto& moment : {record->activated, record->archived, record->purged})
    if (moment) info.changed = std::max(info.changed, *moment);
  info.next = next();
  if (const auto scenario = newest())
    info.title = scenario->title;
  else if (title)
    info.title = *title;
  return info;
}

void ScenarioEntry::keep(Version version, std::shared_ptr<const Scenario> scenario) {
  sizes[version] = scenario->nodes.size();
  if (version == record->newest) title = kept_title(*scenario);
  built[version] = std::move(scenario);
}
}  // namespace onward
