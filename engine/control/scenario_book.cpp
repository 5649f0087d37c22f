#include "engine/control/scenario_book.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/core/source/suggestion.h"

namespace onward {
ScenarioBook::ScenarioBook(const NodeKinds& kinds, const ControlSnapshot& snapshot,
                           std::shared_ptr<VersionTexts> texts, LogSink log)
    : reader_{kinds, std::move(texts), std::move(log)} {
  std::map<ScenarioKey, ScenarioEntry> entries;
  for (const ScenarioRecord& record : snapshot.scenarios) {
    ScenarioEntry& entry = entries[record.key];
    ids_[record.key] = record.id;
    entry.record =
        std::make_shared<const ScenarioRecord>(record.deleted ? without_nodes(record) : record);
    entry.names = std::make_shared<const NodeNames>(entry.record->nodes, entry.record->kinds);
  }
  for (const VersionRecord& version : snapshot.versions)
    if (const auto entry = entries.find(version.scenario);
        entry != entries.end() && !entry->second.record->deleted)
      entry->second.versions[version.version] = std::make_shared<const VersionRecord>(version);
  for (auto& [key, entry] : entries) replace(std::move(entry));
}

void ScenarioBook::replace(ScenarioEntry entry) {
  const std::string& id = entry.record->id;
  entries_[id] = std::make_shared<const ScenarioEntry>(std::move(entry));
}

const ScenarioEntry* ScenarioBook::find_entry(std::string_view id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.get();
}

Result<const ScenarioEntry*> ScenarioBook::known(std::string_view id) const {
  const ScenarioEntry* found = find_entry(id);
  if (found != nullptr && !found->record->deleted) return found;
  std::vector<std::string> ids;
  for (const auto& [name, entry] : entries_)
    if (!entry->record->deleted) ids.push_back(name);
  return fail(ErrorKind::NotFound, "unknown_scenario",
              fmt::format("there is no scenario \"{}\"{}", clipped(id),
                          did_you_mean(nearest_name(id, ids))));
}

void ScenarioBook::adopt(BookChange change) {
  for (ScenarioRecord& record : change.scenarios) {
    const ScenarioEntry* known = find_entry(record.id);
    // Nothing can ask for a deleted scenario: of it only the id stays, which is never used again.
    ScenarioEntry entry = known == nullptr || record.deleted ? ScenarioEntry{} : *known;
    ids_[record.key] = record.id;
    if (change.names) entry.names = change.names;
    if (entry.names == nullptr) entry.names = std::make_shared<const NodeNames>();
    entry.record = std::make_shared<const ScenarioRecord>(std::move(record));
    replace(std::move(entry));
  }
  for (VersionRecord& version : change.versions) {
    ScenarioEntry entry = *find_entry(ids_.at(version.scenario));
    if (change.built) entry.keep(version.version, change.built);
    const Version number = version.version;
    std::string{}.swap(version.text);
    entry.versions[number] = std::make_shared<const VersionRecord>(std::move(version));
    replace(std::move(entry));
  }
}

void ScenarioBook::adopt(const VersionName& name, std::shared_ptr<const Scenario> scenario) {
  const ScenarioEntry* known = find_entry(name.scenario);
  if (known == nullptr || known->record->deleted || known->built.contains(name.version)) return;
  ScenarioEntry entry = *known;
  if (scenario == nullptr) {
    entry.sizes[name.version] = 0;
    entry.unreadable.insert(name.version);
  } else {
    entry.keep(name.version, std::move(scenario));
  }
  replace(std::move(entry));
}

ScenarioKey ScenarioBook::next_key() const {
  return {ids_.empty() ? 1 : ids_.rbegin()->first.value + 1};
}

void ScenarioBook::adopt_sizes(std::string_view id, const std::map<Version, std::size_t>& sizes) {
  const ScenarioEntry* known = find_entry(id);
  if (known == nullptr || sizes.empty()) return;
  ScenarioEntry entry = *known;
  entry.sizes.insert(sizes.begin(), sizes.end());
  replace(std::move(entry));
}

// ---- versions in memory ----

std::shared_ptr<const Scenario> ScenarioBook::built(const VersionName& name) const {
  const ScenarioEntry* entry = find_entry(name.scenario);
  return entry == nullptr ? nullptr : entry->find_built(name.version);
}

bool ScenarioBook::is_unreadable(const VersionName& name) const {
  const ScenarioEntry* entry = find_entry(name.scenario);
  return entry == nullptr || !entry->versions.contains(name.version) ||
         entry->unreadable.contains(name.version);
}

std::shared_ptr<const Scenario> ScenarioBook::load(const VersionName& name) const {
  if (auto known = built(name)) return known;
  return is_unreadable(name) ? nullptr : reader_.build(*find_entry(name.scenario), name.version);
}

VersionsInUse versions_in_use(const Counters& counters) {
  VersionsInUse used;
  for (const auto& [key, row] : counters)
    if (row[Counter::Inside] != 0 || row[Counter::Pending] != 0)
      used.emplace(key.scenario, key.version);
  return used;
}

std::vector<VersionName> ScenarioBook::missing(const VersionsInUse& used) const {
  std::vector<VersionName> names;
  const auto look = [&](const std::string& id, const ScenarioEntry& entry, Version version) {
    if (!entry.built.contains(version) && !entry.unreadable.contains(version) &&
        entry.versions.contains(version))
      names.push_back({.scenario = id, .version = version});
  };
  for (const auto& [id, entry] : entries_)
    if (entry->needs_newest()) look(id, *entry, entry->record->newest);
  for (const auto& [key, version] : used) {
    const auto id = ids_.find(key);
    const ScenarioEntry* entry = id == ids_.end() ? nullptr : find_entry(id->second);
    if (entry != nullptr && !entry->record->deleted &&
        !(version == entry->record->newest && entry->needs_newest()))
      look(id->second, *entry, version);
  }
  return names;
}

std::optional<VersionName> ScenarioBook::unread(std::string_view id) const {
  const ScenarioEntry* entry = find_entry(id);
  if (entry == nullptr || entry->record->deleted) return std::nullopt;
  VersionName name{.scenario = entry->record->id, .version = entry->record->newest};
  if (entry->built.contains(name.version) || is_unreadable(name)) return std::nullopt;
  return name;
}

std::optional<VersionName> ScenarioBook::untitled(std::string_view id) const {
  const ScenarioEntry* entry = find_entry(id);
  if (entry == nullptr || entry->title || entry->needs_newest()) return std::nullopt;
  return unread(id);
}

std::optional<VersionName> ScenarioBook::untitled() const {
  for (const auto& [id, entry] : entries_)
    if (auto name = untitled(id)) return name;
  return std::nullopt;
}

std::shared_ptr<const Scenario> ScenarioBook::newest(std::string_view id) const {
  const auto entry = known(id);
  return entry ? (*entry)->newest() : nullptr;
}

Catalog ScenarioBook::catalog(const VersionsInUse& used, const std::string& epoch,
                              std::int64_t account_id) {
  std::vector<std::shared_ptr<const CatalogScenario>> scenarios;
  for (auto& [id, place] : entries_) {
    const ScenarioRecord& record = *place->record;
    if (record.deleted) continue;
    auto made =
        std::make_shared<CatalogScenario>(CatalogScenario{.key = record.key,
                                                          .id = id,
                                                          .state = record.state,
                                                          .newest = record.newest,
                                                          .test_emails = record.test_emails});
    std::ranges::sort(made->test_emails);
    for (const auto& [version, scenario] : place->built)
      if ((version == record.newest && place->needs_newest()) ||
          used.contains({record.key, version}))
        made->versions.emplace(version, scenario);
    if (made->versions.size() != place->built.size()) {
      ScenarioEntry smaller = *place;
      smaller.built = made->versions;
      place = std::make_shared<const ScenarioEntry>(std::move(smaller));
    }
    // A newest version that cannot be read starts nothing; what is under way on others goes on.
    if (made->version(record.newest) == nullptr && made->state == ScenarioState::Active)
      made->state = ScenarioState::OnHold;
    scenarios.push_back(std::move(made));
  }
  return {std::move(scenarios), epoch, account_id};
}

// ---- what is there ----

const ScenarioRecord* ScenarioBook::find(std::string_view id) const {
  const ScenarioEntry* found = find_entry(id);
  return found == nullptr ? nullptr : found->record.get();
}

const ScenarioRecord* ScenarioBook::find(ScenarioKey key) const {
  const auto id = ids_.find(key);
  return id == ids_.end() ? nullptr : find(id->second);
}

std::vector<const ScenarioRecord*> ScenarioBook::records() const {
  std::vector<const ScenarioRecord*> found;
  for (const auto& [id, entry] : entries_)
    if (!entry->record->deleted) found.push_back(entry->record.get());
  return found;
}

std::shared_ptr<const NodeNames> ScenarioBook::names(std::string_view id) const {
  const ScenarioEntry* found = find_entry(id);
  return found == nullptr ? nullptr : found->names;
}

std::shared_ptr<const NodeNames> ScenarioBook::names(ScenarioKey key) const {
  const auto id = ids_.find(key);
  return id == ids_.end() ? nullptr : names(id->second);
}

Result<ScenarioInfo> ScenarioBook::info(std::string_view id) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  return (*entry)->info();
}

std::vector<ScenarioInfo> ScenarioBook::list() const {
  std::vector<ScenarioInfo> infos;
  for (const auto& [id, entry] : entries_)
    if (!entry->record->deleted) infos.push_back(entry->info());
  return infos;
}

ScenarioBook::Held ScenarioBook::held() const {
  Held held;
  for (const auto& [id, entry] : entries_) {
    held.built += entry->built.size();
    for (const auto& [version, record] : entry->versions)
      held.text_bytes +=
          record->text.capacity() < sizeof(std::string) ? 0 : record->text.capacity();
  }
  return held;
}

std::vector<Version> ScenarioBook::unsized(std::string_view id) const {
  std::vector<Version> unknown;
  if (const ScenarioEntry* entry = find_entry(id))
    for (const auto& [version, text] : entry->versions)
      if (!entry->sizes.contains(version)) unknown.push_back(version);
  return unknown;
}

std::size_t ScenarioBook::size_of(const VersionName& name) const {
  const auto scenario = load(name);
  return scenario == nullptr ? 0 : scenario->nodes.size();
}

Result<VersionText> ScenarioBook::version(std::string_view id, Version version) const {
  const auto found = known(id);
  if (!found) return tl::make_unexpected(found.error());
  const ScenarioEntry& entry = **found;
  const auto row = entry.versions.find(version);
  if (row == entry.versions.end())
    return fail(ErrorKind::NotFound, "unknown_version",
                fmt::format("scenario \"{}\" has versions 1 to {}, not {}", id,
                            entry.record->newest, version));
  return VersionText{.id = entry.record->id,
                     .version = version,
                     .created = row->second->created,
                     .format = row->second->format};
}

Result<std::string> ScenarioBook::text(std::string_view id, Version version) const {
  const auto found = this->version(id, version);
  if (!found) return tl::make_unexpected(found.error());
  return reader_.text_of(*find_entry(id), version);
}
}  // namespace onward
