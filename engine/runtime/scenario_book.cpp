#include "engine/runtime/scenario_book.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/authoring/load.h"
#include "engine/core/clipped.h"
#include "engine/runtime/guarded.h"
#include "engine/runtime/poison.h"

namespace onward {
namespace {
tl::unexpected<Error> archived(std::string_view id) {
  return fail(
      ErrorKind::Conflict, "archived",
      fmt::format("scenario \"{}\" is archived and never runs again; duplicate it instead", id));
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::ranges::any_of(
      diagnostics, [](const Diagnostic& found) { return found.severity == Severity::Error; });
}

const std::string* kind_of(const ScenarioRecord& record, std::string_view node) {
  const auto found =
      std::ranges::find(record.kinds, node, &std::pair<std::string, std::string>::first);
  return found == record.kinds.end() ? nullptr : &found->second;
}

/// What only the server can know: the id it was sent under, and kinds of earlier versions.
void check_against(const ScenarioRecord* record, std::string_view id, const Scenario& scenario,
                   std::vector<Diagnostic>& diagnostics) {
  if (scenario.id != id)
    diagnostics.push_back({.at = {1, 1},
                           .code = "id_mismatch",
                           .message = fmt::format("the file says \"scenario: {}\", but it was "
                                                  "sent as \"{}\"",
                                                  scenario.id, id)});
  if (record == nullptr) return;
  for (const ScenarioNode& node : scenario.nodes) {
    const std::string* kind = kind_of(*record, node.id);
    if (kind == nullptr || *kind == node.kind->name) continue;
    diagnostics.push_back({.at = node.at,
                           .code = "kind_changed",
                           .message = fmt::format(
                               "node \"{}\" was a {} in an earlier version and cannot become a {}: "
                               "numbers follow the id; choose a new id",
                               node.id, *kind, node.kind->name)});
  }
}

void begin(ScenarioRecord& record, Instant now) {
  record.state = ScenarioState::Active;
  if (!record.activated) record.activated = now;
  record.ever_ran = true;
}

void remember_nodes(ScenarioRecord& record, Scenario& scenario) {
  scenario.number_nodes(record.nodes);
  for (const ScenarioNode& node : scenario.nodes)
    if (kind_of(record, node.id) == nullptr)
      record.kinds.emplace_back(node.id, std::string{node.kind->name});
}
}  // namespace

ScenarioBook::ScenarioBook(const NodeKinds& kinds, const Snapshot& snapshot, LogSink log)
    : kinds_{kinds}, log_{std::move(log)} {
  for (const ScenarioRecord& record : snapshot.scenarios) {
    entries_[record.id].record = record;
    ids_[record.key] = record.id;
  }
  for (const VersionRecord& version : snapshot.versions)
    if (const auto id = ids_.find(version.scenario); id != ids_.end())
      entries_[id->second].versions[version.version] = version;
}

Result<const ScenarioBook::Entry*> ScenarioBook::known(std::string_view id) const {
  const auto found = entries_.find(id);
  if (found != entries_.end() && !found->second.record.deleted) return &found->second;
  std::vector<std::string> ids;
  for (const auto& [name, entry] : entries_)
    if (!entry.record.deleted) ids.push_back(name);
  const std::string nearest = nearest_name(id, ids);
  return fail(ErrorKind::NotFound, "unknown_scenario",
              fmt::format("there is no scenario \"{}\"{}", clipped(id),
                          nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
}

// ---- commands ----

Result<ScenarioBook::Applied> ScenarioBook::apply(const std::string& id, const std::string& text,
                                                  RulesFormat format, Instant now) const {
  const auto found = entries_.find(id);
  const Entry* entry = found == entries_.end() ? nullptr : &found->second;
  if (entry != nullptr && entry->record.deleted)
    return fail(ErrorKind::Conflict, "id_used",
                fmt::format("the id \"{}\" belonged to a draft that was deleted; ids are never "
                            "used again",
                            id));
  if (entry != nullptr && entry->record.state == ScenarioState::Archived) return archived(id);
  Applied applied;
  const VersionRecord* same = nullptr;
  if (entry != nullptr)
    if (const VersionRecord& newest = entry->versions.at(entry->record.newest); newest.text == text)
      same = &newest;
  AuthorContext context = context_;
  context.custom_fields = fields_.get();
  context.format = same == nullptr ? format : same->format;
  const WorkGuard guard{working_, work_item_of_text(text), id};
  if (guard.is_poison())
    return fail(ErrorKind::Conflict, std::string{kPoison}, poison_message("this very text"));
  Loaded loaded = load_scenario(text, kinds_, context);
  applied.answer.diagnostics = std::move(loaded.diagnostics);
  if (loaded.scenario)
    check_against(entry == nullptr ? nullptr : &entry->record, id, *loaded.scenario,
                  applied.answer.diagnostics);
  if (loaded.scenario == nullptr || has_errors(applied.answer.diagnostics)) {
    applied.answer.refused = true;
    return applied;
  }
  applied.answer.created = entry == nullptr;
  if (same != nullptr) {
    applied.answer.scenario = info_of(*entry, false);
    return applied;
  }

  ScenarioRecord record =
      entry == nullptr ? ScenarioRecord{.id = id, .created = now} : entry->record;
  if (!record.key) record.key = {ids_.empty() ? 1 : ids_.rbegin()->first.value + 1};
  ++record.newest;
  remember_nodes(record, *loaded.scenario);
  // Who starts later from now on lets nobody in until then; an earlier start, or an end that is
  // over, is due at once (see `due`).
  const auto& start = loaded.scenario->start_at;
  if (record.state == ScenarioState::Active && record.test_emails.empty() && start && *start > now)
    record.state = ScenarioState::Scheduled;
  applied.answer.changed = true;
  applied.change.built = std::move(loaded.scenario);
  applied.change.versions.push_back({.scenario = record.key,
                                     .version = record.newest,
                                     .text = text,
                                     .created = now,
                                     .format = format});
  applied.change.scenarios.push_back(std::move(record));
  return applied;
}

Result<BookChange> ScenarioBook::activate(
    std::string_view id, const std::optional<std::vector<std::string>>& test_emails,
    Instant now) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = (*entry)->record;
  if (record.state == ScenarioState::Archived) return archived(id);
  const auto newest = version(**entry, record.newest);
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

/// The next thing that its times ask for, given the state it is in.
std::optional<ScenarioNext> ScenarioBook::next_of(const Entry& entry) const {
  const ScenarioRecord& record = entry.record;
  const auto built = entry.built.find(record.newest);
  if (record.deleted || built == entry.built.end()) return std::nullopt;
  const Scenario& scenario = *built->second;
  switch (record.state) {
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

std::optional<Instant> ScenarioBook::next_due() const {
  std::optional<Instant> next;
  for (const auto& [id, entry] : entries_)
    if (const auto found = next_of(entry); found && (!next || found->at < *next)) next = found->at;
  return next;
}

std::optional<BookChange> ScenarioBook::due(Instant now) const {
  for (const auto& [id, entry] : entries_) {
    const auto next = next_of(entry);
    if (!next || next->at > now) continue;
    ScenarioRecord record = entry.record;
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

Result<BookChange> ScenarioBook::hold(std::string_view id) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = (*entry)->record;
  if (record.state == ScenarioState::Archived) return archived(id);
  if (record.state == ScenarioState::Draft)
    return fail(
        ErrorKind::Conflict, "not_active",
        fmt::format("scenario \"{}\" is a draft: it starts no runs that could be held", id));
  record.state = ScenarioState::OnHold;
  return BookChange{.scenarios = {std::move(record)}};
}

Result<BookChange> ScenarioBook::archive(std::string_view id, Instant now) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = (*entry)->record;
  if (record.state == ScenarioState::Archived) return BookChange{};
  record.state = ScenarioState::Archived;
  record.archived = now;
  return BookChange{.scenarios = {std::move(record)}};
}

Result<ScenarioBook::Applied> ScenarioBook::duplicate(std::string_view id,
                                                      const std::string& new_id,
                                                      Instant now) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  if (!valid_id(new_id))
    return fail(
        ErrorKind::Invalid, "invalid_id",
        fmt::format("\"{}\" is no id: letters, digits, - and _, at most 64", clipped(new_id)));
  if (entries_.contains(new_id))
    return fail(ErrorKind::Conflict, "id_used",
                fmt::format("there is, or was, a scenario \"{}\"; choose another id", new_id));
  const Entry& original = **entry;
  const VersionRecord& newest = original.versions.at(original.record.newest);
  auto text = with_scenario_id(newest.text, new_id);
  if (!text) return tl::make_unexpected(text.error());
  return apply(new_id, *text, newest.format, now);
}

Result<BookChange> ScenarioBook::remove_draft(std::string_view id) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = (*entry)->record;
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
  return BookChange{.scenarios = {std::move(record)}};
}

void ScenarioBook::adopt(const BookChange& change) {
  for (const ScenarioRecord& record : change.scenarios) {
    entries_[record.id].record = record;
    ids_[record.key] = record.id;
  }
  for (const VersionRecord& version : change.versions) {
    Entry& entry = entries_.find(ids_.at(version.scenario))->second;
    entry.versions[version.version] = version;
    if (change.built) entry.built[version.version] = change.built;
  }
}

// ---- the catalog ----

std::shared_ptr<const Scenario> ScenarioBook::version(const Entry& entry, Version version) const {
  const auto built = entry.built.find(version);
  return built == entry.built.end() ? build(entry, version) : built->second;
}

std::shared_ptr<const Scenario> ScenarioBook::build(const Entry& entry, Version version) const {
  const auto record = entry.versions.find(version);
  if (record == entry.versions.end()) return nullptr;
  const std::string& text = record->second.text;
  const auto unreadable = [&](std::string_view why) {
    log_({"scenario.unreadable",
          {{"scenario", entry.record.id}, {"version", count_value(version)}, {"first", why}},
          LogLevel::Error});
    return nullptr;
  };
  const RulesFormat format = record->second.format;
  if (format > kNewestFormat)
    return unreadable(
        fmt::format("it was checked by the rules of format {}, and this program knows "
                    "formats 1 to {}; use a newer Onward",
                    format, kNewestFormat));
  const WorkGuard guard{working_, work_item_of_text(text), entry.record.id};
  if (guard.is_poison()) return unreadable(poison_message("this text"));
  auto loaded = guarded("scenario.build", log_, [&] {
    Loaded made = load_scenario(text, kinds_, {.check_tests = false, .format = format});
    std::vector<std::pair<std::string, NodeNumber>> numbers = entry.record.nodes;
    if (made.scenario) made.scenario->number_nodes(numbers);
    return made;
  });
  if (!loaded) return unreadable(loaded.error().message);
  if (!loaded->scenario)
    return unreadable(loaded->diagnostics.empty() ? std::string_view{}
                                                  : loaded->diagnostics.front().message);
  log_outdated(entry, record->second, loaded->diagnostics);
  return std::move(loaded->scenario);
}

void ScenarioBook::log_outdated(const Entry& entry, const VersionRecord& version,
                                const std::vector<Diagnostic>& found) const {
  const auto is_outdated = [](const Diagnostic& one) { return one.error_since != 0; };
  const auto first = std::ranges::find_if(found, is_outdated);
  if (first == found.end() || !entry.outdated.insert(version.version).second) return;
  log_({"scenario.outdated",
        {{"scenario", entry.record.id},
         {"version", count_value(version.version)},
         {"format", count_value(version.format)},
         {"warnings", static_cast<std::int64_t>(std::ranges::count_if(found, is_outdated))},
         {"line", std::int64_t{first->at.line}},
         {"first", first->message}},
        LogLevel::Warning});
}

Catalog ScenarioBook::catalog(const Counters& counters, const std::string& epoch,
                              std::int64_t account_id) {
  std::set<std::pair<ScenarioKey, Version>> in_use;
  for (const auto& [key, row] : counters)
    if (row[Counter::Inside] != 0 || row[Counter::Pending] != 0)
      in_use.emplace(key.scenario, key.version);

  std::vector<std::shared_ptr<const CatalogScenario>> scenarios;
  for (auto& [id, entry] : entries_) {
    const ScenarioRecord& record = entry.record;
    if (record.deleted) continue;
    auto made =
        std::make_shared<CatalogScenario>(CatalogScenario{.key = record.key,
                                                          .id = id,
                                                          .state = record.state,
                                                          .newest = record.newest,
                                                          .test_emails = record.test_emails});
    std::map<Version, std::shared_ptr<const Scenario>> kept;
    for (const auto& [version, text] : entry.versions) {
      if (version != record.newest && !in_use.contains({record.key, version})) continue;
      const auto built = entry.built.find(version);
      auto scenario = built == entry.built.end() ? build(entry, version) : built->second;
      if (scenario) kept.emplace(version, std::move(scenario));
    }
    entry.built = kept;
    made->versions = std::move(kept);
    // A newest version that cannot be read starts nothing; what is under way on others goes on.
    if (made->version(record.newest) == nullptr && made->state == ScenarioState::Active)
      made->state = ScenarioState::OnHold;
    scenarios.push_back(std::move(made));
  }
  return {std::move(scenarios), epoch, account_id};
}

// ---- reading ----

const ScenarioRecord* ScenarioBook::find(std::string_view id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.record;
}

const ScenarioRecord* ScenarioBook::find(ScenarioKey key) const {
  const auto id = ids_.find(key);
  return id == ids_.end() ? nullptr : find(id->second);
}

ScenarioInfo ScenarioBook::info_of(const Entry& entry, bool with_text) const {
  const ScenarioRecord& record = entry.record;
  ScenarioInfo info{.id = record.id,
                    .state = record.state,
                    .version = record.newest,
                    .test_emails = record.test_emails,
                    .created = record.created,
                    .activated = record.activated,
                    .archived = record.archived};
  info.purged = record.purged;
  info.changed = record.created;
  for (const auto& [version, text] : entry.versions) {
    info.versions.emplace_back(version, text.created);
    info.changed = std::max(info.changed, text.created);
    if (version == record.newest) info.format = text.format;
  }
  for (const auto& moment : {record.activated, record.archived, record.purged})
    if (moment) info.changed = std::max(info.changed, *moment);
  info.next = next_of(entry);
  if (const auto built = entry.built.find(record.newest); built != entry.built.end())
    info.title = built->second->title;
  if (with_text) info.text = entry.versions.at(record.newest).text;
  return info;
}

Result<ScenarioInfo> ScenarioBook::info(std::string_view id, bool with_text) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  return info_of(**entry, with_text);
}

std::vector<ScenarioInfo> ScenarioBook::list() const {
  std::vector<ScenarioInfo> infos;
  for (const auto& [id, entry] : entries_)
    if (!entry.record.deleted) infos.push_back(info_of(entry, false));
  return infos;
}

StatsSide ScenarioBook::side(const Entry& entry, const Counters& counters, bool test,
                             Version version) const {
  auto sums = sum_counters(counters, entry.record.key, test, version);
  StatsSide side{.scenario = sums[NodeNumber{}]};
  const auto scenario = this->version(entry, version == 0 ? entry.record.newest : version);
  std::set<NodeNumber> listed;
  const auto list = [&](const std::string& id, NodeNumber number) {
    if (!listed.insert(number).second) return;
    const std::string* kind_name = kind_of(entry.record, id);
    const NodeKind* kind = kind_name == nullptr ? nullptr : find_kind(kinds_, *kind_name);
    NodeStats node{
        .id = id, .kind = kind_name == nullptr ? "" : *kind_name, .counts = sums[number]};
    if (kind != nullptr) {
      node.sends = kind->sends;
      // A version's node knows its own ports; of one that is gone the kind says which there were.
      if (const ScenarioNode* own = scenario == nullptr ? nullptr : scenario->find(number))
        for (const Port& port : own->ports) node.ports.push_back(port.name);
      else
        for (const std::string_view port : kind->ports) node.ports.emplace_back(port);
    }
    side.nodes.push_back(std::move(node));
  };
  if (scenario != nullptr)
    for (const ScenarioNode& node : scenario->nodes) list(node.id, node.number);
  for (const auto& [id, number] : entry.record.nodes)
    if (const auto row = sums.find(number);
        row != sums.end() &&
        (row->second[Counter::Visits] != 0 || row->second[Counter::MovedIn] != 0))
      list(id, number);
  return side;
}

Result<ScenarioStats> ScenarioBook::stats(std::string_view id, Version version,
                                          const Counters& counters, Instant now) const {
  const auto found = known(id);
  if (!found) return tl::make_unexpected(found.error());
  const Entry& entry = **found;
  if (version != 0 && !entry.versions.contains(version))
    return fail(ErrorKind::NotFound, "unknown_version",
                fmt::format("scenario \"{}\" has versions 1 to {}, not {}", id, entry.record.newest,
                            version));
  ScenarioStats stats{.id = entry.record.id, .state = entry.record.state, .as_of = now};
  for (const auto& [number, text] : entry.versions) stats.versions.push_back(number);
  stats.live = side(entry, counters, /*test=*/false, version);
  stats.test = side(entry, counters, /*test=*/true, version);
  return stats;
}

// ---- secrets ----

std::vector<ScenarioBook::User> ScenarioBook::users_of(SecretKind kind, std::string_view name,
                                                       const Counters& counters) const {
  std::set<std::pair<ScenarioKey, Version>> pending;
  for (const auto& [key, row] : counters)
    if (row[Counter::Pending] != 0) pending.emplace(key.scenario, key.version);
  std::vector<User> users;
  for (const auto& [id, entry] : entries_) {
    const ScenarioRecord& record = entry.record;
    if (record.deleted) continue;
    const bool archived = record.state == ScenarioState::Archived;
    bool names = false, live = false;
    for (const auto& [version, built] : entry.built) {
      const auto named = kind == SecretKind::Secret ? built->secrets() : built->credentials();
      if (std::ranges::find(named, name) == named.end()) continue;
      const bool asked = pending.contains({record.key, version});
      names = names || !archived || asked;
      live = live || asked || (!archived && record.state != ScenarioState::Draft);
    }
    if (names) users.push_back({id, live});
  }
  return users;
}

std::vector<std::string> ScenarioBook::unknown_secrets(std::string_view id) const {
  std::vector<std::string> unknown;
  const auto scenario = newest(id);
  if (!scenario) return unknown;
  const auto check = [&](std::string_view what, const std::vector<std::string>& names,
                         const auto& known) {
    for (const std::string& name : names)
      if (known && !known->contains(name)) unknown.push_back(fmt::format("{} \"{}\"", what, name));
  };
  check("secret", scenario->secrets(), context_.secrets);
  check("credential", scenario->credentials(), context_.credentials);
  return unknown;
}

std::shared_ptr<const Scenario> ScenarioBook::newest(std::string_view id) const {
  const auto entry = known(id);
  if (!entry) return nullptr;
  const auto built = (*entry)->built.find((*entry)->record.newest);
  return built == (*entry)->built.end() ? nullptr : built->second;
}
}  // namespace onward
