#include "engine/runtime/scenario_book.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/authoring/load.h"
#include "engine/core/base/clipped.h"
#include "engine/runtime/guarded.h"
#include "engine/runtime/poison.h"
#include "engine/store/packed_text.h"

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

/// What only the server can know: the id it was sent under, and kinds of earlier versions.
void check_against(const NodeNames* names, std::string_view id, const Scenario& scenario,
                   std::vector<Diagnostic>& diagnostics) {
  if (scenario.id != id)
    diagnostics.push_back({.at = {1, 1},
                           .code = "id_mismatch",
                           .message = fmt::format("the file says \"scenario: {}\", but it was "
                                                  "sent as \"{}\"",
                                                  scenario.id, id)});
  if (names == nullptr) return;
  std::size_t ids = names->all().size();
  const ScenarioNode* beyond = nullptr;
  for (const ScenarioNode& node : scenario.nodes) {
    const NodeNames::Named* known = names->find(node.id);
    if (known == nullptr && ++ids > kNodeNamesMax && beyond == nullptr) beyond = &node;
    if (known == nullptr || known->kind.empty() || known->kind == node.kind->name) continue;
    diagnostics.push_back({.at = node.at,
                           .code = "kind_changed",
                           .message = fmt::format(
                               "node \"{}\" was a {} in an earlier version and cannot become a {}: "
                               "numbers follow the id; choose a new id",
                               node.id, known->kind, node.kind->name)});
  }
  if (beyond != nullptr)
    diagnostics.push_back(
        {.at = beyond->at,
         .code = "too_many_node_ids",
         .message = fmt::format("all versions of \"{}\" together may have {} node ids, and with "
                                "this one they have {}, of which \"{}\" is the first too many; "
                                "use ids of earlier versions again, or duplicate the scenario",
                                scenario.id, kNodeNamesMax, ids, beyond->id)});
}

/// A draft never ran, so nothing refers to its nodes once it is deleted.
ScenarioRecord without_nodes(ScenarioRecord record) {
  record.nodes = {};
  record.kinds = {};
  return record;
}

void begin(ScenarioRecord& record, Instant now) {
  record.state = ScenarioState::Active;
  if (!record.activated) record.activated = now;
  record.ever_ran = true;
}

std::vector<std::string> names_in(const Node& node, SecretKind kind) {
  return kind == SecretKind::Secret ? node.secrets() : node.credentials();
}

/// Adds the origins to which `scenario` sends a secret or a credential; false: it does not name it.
bool add_origins(std::set<std::string>& origins, const Scenario& scenario, SecretKind kind,
                 std::string_view name) {
  bool named = false;
  for (const ScenarioNode& node : scenario.nodes) {
    const std::vector<std::string> names = names_in(*node.node, kind);
    if (std::ranges::find(names, name) == names.end()) continue;
    named = true;
    if (const DeliveryPolicy* policy = node.node->delivery_policy()) origins.insert(policy->origin);
  }
  return named;
}

/// Whether two contexts let a file name the same things, and send them to the same hosts.
bool same_names(const AuthorContext& one, const AuthorContext& other) {
  return one.secrets == other.secrets && one.credentials == other.credentials;
}
}  // namespace

// ---- names ----

NodeNames::NodeNames(const std::vector<std::pair<std::string, NodeNumber>>& nodes,
                     const std::vector<std::pair<std::string, std::string>>& kinds) {
  all_.reserve(nodes.size());
  for (const auto& [id, number] : nodes) all_.push_back({.id = id, .number = number});
  std::ranges::sort(all_, {}, &Named::number);
  by_id_.reserve(all_.size());
  for (std::size_t i = 0; i < all_.size(); ++i) by_id_.emplace(all_[i].id, i);
  for (const auto& [id, kind] : kinds)
    if (const auto known = by_id_.find(id); known != by_id_.end()) all_[known->second].kind = kind;
}

const NodeNames::Named* NodeNames::find(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &all_[found->second];
}

const NodeNames::Named* NodeNames::find(NodeNumber number) const {
  const auto found = std::ranges::lower_bound(all_, number, {}, &Named::number);
  return found == all_.end() || found->number != number ? nullptr : &*found;
}

// ---- the book ----

ScenarioBook::ScenarioBook(const NodeKinds& kinds, const Snapshot& snapshot,
                           std::shared_ptr<VersionTexts> texts, LogSink log)
    : kinds_{kinds}, texts_{std::move(texts)}, log_{std::move(log)} {
  std::map<ScenarioKey, Entry> entries;
  for (const ScenarioRecord& record : snapshot.scenarios) {
    Entry& entry = entries[record.key];
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

void ScenarioBook::replace(Entry entry) {
  const std::string& id = entry.record->id;
  entries_[id] = std::make_shared<const Entry>(std::move(entry));
}

const ScenarioBook::Entry* ScenarioBook::entry_of(std::string_view id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.get();
}

void ScenarioBook::know_fields(std::shared_ptr<const CustomFields> fields) {
  fields_ = std::move(fields);
  ++rules_;
}

void ScenarioBook::know(AuthorContext context) {
  if (!same_names(*context_, context)) ++rules_;
  context_ = std::make_shared<const AuthorContext>(std::move(context));
}

Result<const ScenarioBook::Entry*> ScenarioBook::known(std::string_view id) const {
  const Entry* found = entry_of(id);
  if (found != nullptr && !found->record->deleted) return found;
  std::vector<std::string> ids;
  for (const auto& [name, entry] : entries_)
    if (!entry->record->deleted) ids.push_back(name);
  const std::string nearest = nearest_name(id, ids);
  return fail(ErrorKind::NotFound, "unknown_scenario",
              fmt::format("there is no scenario \"{}\"{}", clipped(id),
                          nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
}

// ---- commands ----

Status ScenarioBook::may_apply(std::string_view id) const {
  const Entry* entry = entry_of(id);
  if (entry == nullptr) return {};
  if (entry->record->deleted)
    return fail(ErrorKind::Conflict, "id_used",
                fmt::format("the id \"{}\" belonged to a draft that was deleted; ids are never "
                            "used again",
                            id));
  if (entry->record->state == ScenarioState::Archived) return archived(id);
  return {};
}

Result<Loaded> ScenarioBook::read(std::string_view id, std::string_view text, RulesFormat format,
                                  bool stored) const {
  AuthorContext context = *context_;
  context.custom_fields = fields_.get();
  context.stored = stored;
  context.format = format;
  const WorkGuard guard{working_, work_item_of_text(text), id};
  if (guard.is_poison())
    return fail(ErrorKind::Conflict, std::string{kPoison}, poison_message("this very text"));
  Loaded loaded = load_scenario(text, kinds_, context);
  if (loaded.scenario != nullptr && !id.empty()) {
    const Entry* entry = entry_of(id);
    check_against(entry == nullptr ? nullptr : entry->names.get(), id, *loaded.scenario,
                  loaded.diagnostics);
  }
  return loaded;
}

Result<std::vector<Diagnostic>> ScenarioBook::validate(const std::string& id,
                                                       const std::string& text) const {
  auto loaded = read(id, text, kNewestFormat, /*stored=*/false);
  if (!loaded) return tl::make_unexpected(std::move(loaded.error()));
  return std::move(loaded->diagnostics);
}

Result<Authored> ScenarioBook::author(std::string id, std::string text, RulesFormat format,
                                      bool of_stored) const {
  if (Status free = may_apply(id); !free) return tl::make_unexpected(std::move(free.error()));
  const Entry* entry = entry_of(id);
  Authored made{.id = std::move(id), .text = std::move(text), .format = format, .rules = rules_};
  if (entry != nullptr) {
    made.key = entry->record->key;
    made.newest = entry->record->newest;
    // One that cannot be read is another one: to apply anew is the way out for its author.
    const auto stored = text_of(*entry, made.newest);
    made.unchanged = stored && *stored == made.text;
    if (made.unchanged) made.format = entry->versions.at(made.newest)->format;
  }
  auto loaded = read(made.id, made.text, made.format, made.unchanged || of_stored);
  if (!loaded) return tl::make_unexpected(std::move(loaded.error()));
  made.diagnostics = std::move(loaded->diagnostics);
  made.refused = loaded->scenario == nullptr || has_errors(made.diagnostics);
  if (made.refused) return made;
  if (made.unchanged) {
    made.names = entry->names;
    const auto known = entry->built.find(made.newest);
    if (known != entry->built.end()) made.built = known->second;
    return made;
  }
  if (entry != nullptr) {
    made.nodes = entry->record->nodes;
    made.kinds = entry->record->kinds;
  }
  loaded->scenario->number_nodes(made.nodes);
  for (const ScenarioNode& node : loaded->scenario->nodes)
    if (entry == nullptr || entry->names->find(node.id) == nullptr)
      made.kinds.emplace_back(node.id, std::string{node.kind->name});
  made.names = std::make_shared<const NodeNames>(made.nodes, made.kinds);
  made.built = std::move(loaded->scenario);
  if (made.text.size() > kTextPart) made.packed = pack_text(made.text);
  return made;
}

bool ScenarioBook::is_current(const Authored& made) const {
  const auto newest = [this](std::string_view id) {
    const Entry* entry = entry_of(id);
    return entry == nullptr ? std::pair{ScenarioKey{}, Version{0}}
                            : std::pair{entry->record->key, entry->record->newest};
  };
  return made.rules == rules_ && newest(made.id) == std::pair{made.key, made.newest} &&
         (made.copy_of.empty() || newest(made.copy_of).second == made.copied);
}

Result<ScenarioBook::Applied> ScenarioBook::apply(Authored made, Instant now) const {
  if (Status free = made.copy_of.empty() ? may_apply(made.id) : may_copy(made.copy_of, made.id);
      !free)
    return tl::make_unexpected(std::move(free.error()));
  const Entry* entry = entry_of(made.id);
  Applied applied;
  applied.answer.diagnostics = std::move(made.diagnostics);
  applied.answer.refused = made.refused;
  if (made.refused) return applied;
  applied.answer.created = entry == nullptr;
  if (made.unchanged) {
    applied.answer.scenario = info_of(*entry);
    return applied;
  }

  if (Status room = has_room(*made.built); !room)
    return tl::make_unexpected(std::move(room.error()));
  ScenarioRecord record =
      entry == nullptr ? ScenarioRecord{.id = made.id, .created = now} : *entry->record;
  if (!record.key) record.key = {ids_.empty() ? 1 : ids_.rbegin()->first.value + 1};
  ++record.newest;
  record.nodes = std::move(made.nodes);
  record.kinds = std::move(made.kinds);
  // Who starts later from now on lets nobody in until then; an earlier start, or an end that is
  // over, is due at once (see `due`).
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

Result<BookChange> ScenarioBook::activate(
    std::string_view id, const std::optional<std::vector<std::string>>& test_emails,
    Instant now) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = *(*entry)->record;
  if (record.state == ScenarioState::Archived) return archived(id);
  const auto newest = built({.scenario = record.id, .version = record.newest});
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
  const ScenarioRecord& record = *entry.record;
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
    if (const auto found = next_of(*entry); found && (!next || found->at < *next)) next = found->at;
  return next;
}

std::optional<BookChange> ScenarioBook::due(Instant now) const {
  for (const auto& [id, entry] : entries_) {
    const auto next = next_of(*entry);
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

Result<BookChange> ScenarioBook::hold(std::string_view id) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  ScenarioRecord record = *(*entry)->record;
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
  ScenarioRecord record = *(*entry)->record;
  if (record.state == ScenarioState::Archived) return BookChange{};
  record.state = ScenarioState::Archived;
  record.archived = now;
  return BookChange{.scenarios = {std::move(record)}};
}

Status ScenarioBook::may_copy(std::string_view id, const std::string& new_id) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  if (!valid_id(new_id))
    return fail(
        ErrorKind::Invalid, "invalid_id",
        fmt::format("\"{}\" is no id: letters, digits, - and _, at most 64", clipped(new_id)));
  if (entries_.contains(new_id))
    return fail(ErrorKind::Conflict, "id_used",
                fmt::format("there is, or was, a scenario \"{}\"; choose another id", new_id));
  return {};
}

Result<Authored> ScenarioBook::author_copy(std::string_view id, const std::string& new_id) const {
  if (Status free = may_copy(id, new_id); !free)
    return tl::make_unexpected(std::move(free.error()));
  const Entry& original = *entry_of(id);
  const Version newest = original.record->newest;
  auto text = text_of(original, newest);
  if (text) text = with_scenario_id(*text, new_id);
  if (!text) return tl::make_unexpected(text.error());
  auto made = author(new_id, std::move(*text), original.versions.at(newest)->format,
                     /*of_stored=*/true);
  if (!made) return made;
  made->copy_of = id;
  made->copied = newest;
  return made;
}

Result<BookChange> ScenarioBook::remove_draft(std::string_view id) const {
  const auto entry = known(id);
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

std::string ScenarioBook::kept_title(const Scenario& scenario) {
  return clipped(scenario.title, kArchivedTitleBytesMax);
}

void ScenarioBook::keep(Entry& entry, Version version, std::shared_ptr<const Scenario> scenario) {
  entry.sizes[version] = scenario->nodes.size();
  if (version == entry.record->newest) entry.title = kept_title(*scenario);
  entry.built[version] = std::move(scenario);
}

void ScenarioBook::adopt(BookChange change) {
  for (ScenarioRecord& record : change.scenarios) {
    const Entry* known = entry_of(record.id);
    // Nothing can ask for a deleted scenario: of it only the id stays, which is never used again.
    Entry entry = known == nullptr || record.deleted ? Entry{} : *known;
    ids_[record.key] = record.id;
    if (change.names) entry.names = change.names;
    if (entry.names == nullptr) entry.names = std::make_shared<const NodeNames>();
    entry.record = std::make_shared<const ScenarioRecord>(std::move(record));
    replace(std::move(entry));
  }
  for (VersionRecord& version : change.versions) {
    Entry entry = *entry_of(ids_.at(version.scenario));
    if (change.built) keep(entry, version.version, change.built);
    const Version number = version.version;
    std::string{}.swap(version.text);
    entry.versions[number] = std::make_shared<const VersionRecord>(std::move(version));
    replace(std::move(entry));
  }
}

Status ScenarioBook::has_room(const Scenario& added) const {
  std::size_t bytes = added.condition_bytes;
  for (const auto& [id, entry] : entries_)
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

// ---- the catalog ----

namespace {
/// Whether its newest version stays in memory though nobody is under way on it. An archived
/// scenario starts nothing, so memory does not hold the versions of years.
bool needs_newest(const ScenarioRecord& record) {
  return !record.deleted && record.state != ScenarioState::Archived;
}
}  // namespace

std::shared_ptr<const Scenario> ScenarioBook::built(const VersionName& name) const {
  const Entry* entry = entry_of(name.scenario);
  if (entry == nullptr) return nullptr;
  const auto found = entry->built.find(name.version);
  return found == entry->built.end() ? nullptr : found->second;
}

bool ScenarioBook::is_unreadable(const VersionName& name) const {
  const Entry* entry = entry_of(name.scenario);
  return entry == nullptr || !entry->versions.contains(name.version) ||
         entry->unreadable.contains(name.version);
}

std::shared_ptr<const Scenario> ScenarioBook::load(const VersionName& name) const {
  if (auto known = built(name)) return known;
  return is_unreadable(name) ? nullptr : build(*entry_of(name.scenario), name.version);
}

void ScenarioBook::adopt(const VersionName& name, std::shared_ptr<const Scenario> scenario) {
  const Entry* known = entry_of(name.scenario);
  if (known == nullptr || known->record->deleted || known->built.contains(name.version)) return;
  Entry entry = *known;
  if (scenario == nullptr) {
    entry.sizes[name.version] = 0;
    entry.unreadable.insert(name.version);
  } else {
    keep(entry, name.version, std::move(scenario));
  }
  replace(std::move(entry));
}

std::shared_ptr<const Scenario> ScenarioBook::build(const Entry& entry, Version version) const {
  const auto record = entry.versions.find(version);
  if (record == entry.versions.end()) return nullptr;
  const auto unreadable = [&](std::string_view why) {
    if (is_first(&Logged::unreadable, entry, version))
      log_({"scenario.unreadable",
            {{"scenario", entry.record->id}, {"version", count_value(version)}, {"first", why}},
            LogLevel::Error});
    return nullptr;
  };
  const RulesFormat format = record->second->format;
  if (format > kNewestFormat)
    return unreadable(
        fmt::format("it was checked by the rules of format {}, and this program knows "
                    "formats 1 to {}; use a newer Onward",
                    format, kNewestFormat));
  const auto text = text_of(entry, version);
  if (!text) return unreadable(text.error().message);
  const WorkGuard guard{working_, work_item_of_text(*text), entry.record->id};
  if (guard.is_poison()) return unreadable(poison_message("this text"));
  auto loaded = guarded("scenario.build", log_, [&] {
    Loaded made =
        load_scenario(*text, kinds_, {.check_tests = false, .stored = true, .format = format});
    std::vector<std::pair<std::string, NodeNumber>> numbers = entry.record->nodes;
    if (made.scenario) made.scenario->number_nodes(numbers);
    return made;
  });
  if (!loaded) return unreadable(loaded.error().message);
  if (!loaded->scenario)
    return unreadable(loaded->diagnostics.empty() ? std::string_view{}
                                                  : loaded->diagnostics.front().message);
  log_outdated(entry, *record->second, loaded->diagnostics);
  return std::move(loaded->scenario);
}

bool ScenarioBook::is_first(std::set<std::pair<ScenarioKey, Version>> Logged::*list,
                            const Entry& entry, Version version) const {
  const std::lock_guard lock{logged_->mutex};
  return ((*logged_).*list).emplace(entry.record->key, version).second;
}

void ScenarioBook::log_outdated(const Entry& entry, const VersionRecord& version,
                                const std::vector<Diagnostic>& found) const {
  const auto is_outdated = [](const Diagnostic& one) { return one.error_since != 0; };
  const auto first = std::ranges::find_if(found, is_outdated);
  if (first == found.end() || !is_first(&Logged::outdated, entry, version.version)) return;
  log_({"scenario.outdated",
        {{"scenario", entry.record->id},
         {"version", count_value(version.version)},
         {"format", count_value(version.format)},
         {"warnings", static_cast<std::int64_t>(std::ranges::count_if(found, is_outdated))},
         {"line", std::int64_t{first->at.line}},
         {"first", first->message}},
        LogLevel::Warning});
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
  const auto look = [&](const std::string& id, const Entry& entry, Version version) {
    if (!entry.built.contains(version) && !entry.unreadable.contains(version) &&
        entry.versions.contains(version))
      names.push_back({.scenario = id, .version = version});
  };
  for (const auto& [id, entry] : entries_)
    if (needs_newest(*entry->record)) look(id, *entry, entry->record->newest);
  for (const auto& [key, version] : used) {
    const auto id = ids_.find(key);
    const Entry* entry = id == ids_.end() ? nullptr : entry_of(id->second);
    if (entry != nullptr && !entry->record->deleted &&
        !(version == entry->record->newest && needs_newest(*entry->record)))
      look(id->second, *entry, version);
  }
  return names;
}

std::optional<VersionName> ScenarioBook::unread(std::string_view id) const {
  const Entry* entry = entry_of(id);
  if (entry == nullptr || entry->record->deleted) return std::nullopt;
  VersionName name{.scenario = entry->record->id, .version = entry->record->newest};
  if (entry->built.contains(name.version) || is_unreadable(name)) return std::nullopt;
  return name;
}

std::optional<VersionName> ScenarioBook::untitled(std::string_view id) const {
  const Entry* entry = entry_of(id);
  if (entry == nullptr || entry->title || needs_newest(*entry->record)) return std::nullopt;
  return unread(id);
}

std::optional<VersionName> ScenarioBook::untitled() const {
  for (const auto& [id, entry] : entries_)
    if (auto name = untitled(id)) return name;
  return std::nullopt;
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
      if ((version == record.newest && needs_newest(record)) ||
          used.contains({record.key, version}))
        made->versions.emplace(version, scenario);
    if (made->versions.size() != place->built.size()) {
      Entry smaller = *place;
      smaller.built = made->versions;
      place = std::make_shared<const Entry>(std::move(smaller));
    }
    // A newest version that cannot be read starts nothing; what is under way on others goes on.
    if (made->version(record.newest) == nullptr && made->state == ScenarioState::Active)
      made->state = ScenarioState::OnHold;
    scenarios.push_back(std::move(made));
  }
  return {std::move(scenarios), epoch, account_id};
}

// ---- reading ----

const ScenarioRecord* ScenarioBook::find(std::string_view id) const {
  const Entry* found = entry_of(id);
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
  const Entry* found = entry_of(id);
  return found == nullptr ? nullptr : found->names;
}

std::shared_ptr<const NodeNames> ScenarioBook::names(ScenarioKey key) const {
  const auto id = ids_.find(key);
  return id == ids_.end() ? nullptr : names(id->second);
}

ScenarioInfo ScenarioBook::info_of(const Entry& entry) const {
  const ScenarioRecord& record = *entry.record;
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
    info.versions.emplace_back(version, text->created);
    info.changed = std::max(info.changed, text->created);
    if (version == record.newest) info.format = text->format;
  }
  for (const auto& moment : {record.activated, record.archived, record.purged})
    if (moment) info.changed = std::max(info.changed, *moment);
  info.next = next_of(entry);
  if (const auto built = entry.built.find(record.newest); built != entry.built.end())
    info.title = built->second->title;
  else if (entry.title)
    info.title = *entry.title;
  return info;
}

Result<ScenarioInfo> ScenarioBook::info(std::string_view id) const {
  const auto entry = known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  return info_of(**entry);
}

Result<std::string> ScenarioBook::text_of(const Entry& entry, Version version) const {
  if (!entry.versions.contains(version)) return text_missing();
  return texts_->read(entry.record->key, version);
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

std::vector<ScenarioInfo> ScenarioBook::list() const {
  std::vector<ScenarioInfo> infos;
  for (const auto& [id, entry] : entries_)
    if (!entry->record->deleted) infos.push_back(info_of(*entry));
  return infos;
}

StatsSide ScenarioBook::side(const Entry& entry, const StatsBasis& basis, bool test,
                             Version version, const Scenario* scenario) const {
  auto sums = sum_counters(basis.counters, entry.record->key, test, version);
  StatsSide side{.scenario = sums[NodeNumber{}]};
  if (scenario != nullptr) side.nodes.reserve(scenario->nodes.size());
  std::set<NodeNumber> listed;
  const auto list = [&](const NodeNames::Named& named) {
    if (!listed.insert(named.number).second) return;
    const NodeKind* kind = named.kind.empty() ? nullptr : find_kind(kinds_, named.kind);
    NodeStats node{.id = named.id, .kind = named.kind, .counts = sums[named.number]};
    node.paused = basis.paused.contains(named.number);
    if (kind != nullptr) {
      node.sends = kind->sends;
      // A version's node knows its own ports; of one that is gone the kind says which there were.
      if (const ScenarioNode* own = scenario == nullptr ? nullptr : scenario->find(named.number))
        for (const Port& port : own->ports) node.ports.push_back(port.name);
      else
        for (const std::string_view port : kind->ports) node.ports.emplace_back(port);
    }
    side.nodes.push_back(std::move(node));
  };
  if (scenario != nullptr)
    for (const ScenarioNode& node : scenario->nodes)
      if (const NodeNames::Named* named = entry.names->find(node.number)) list(*named);
  for (const NodeNames::Named& named : entry.names->all())
    if (const auto row = sums.find(named.number);
        row != sums.end() &&
        (row->second[Counter::Visits] != 0 || row->second[Counter::MovedIn] != 0))
      list(named);
  return side;
}

Result<ScenarioStats> ScenarioBook::stats(std::string_view id, Version version,
                                          const StatsBasis& basis,
                                          std::shared_ptr<const Scenario> scenario) const {
  const auto found = known(id);
  if (!found) return tl::make_unexpected(found.error());
  const Entry& entry = **found;
  const ScenarioRecord& record = *entry.record;
  if (version != 0 && !entry.versions.contains(version))
    return fail(
        ErrorKind::NotFound, "unknown_version",
        fmt::format("scenario \"{}\" has versions 1 to {}, not {}", id, record.newest, version));
  ScenarioStats stats{.id = record.id, .state = record.state, .as_of = basis.as_of};
  for (const auto& [number, text] : entry.versions) stats.versions.push_back(number);
  if (scenario == nullptr)
    scenario = built({.scenario = record.id, .version = version == 0 ? record.newest : version});
  stats.live = side(entry, basis, /*test=*/false, version, scenario.get());
  stats.test = side(entry, basis, /*test=*/true, version, scenario.get());
  return stats;
}

bool ScenarioBook::is_sending(const ScenarioRecord& record, NodeNumber node,
                              const Counters& counters) const {
  const Entry* entry = entry_of(record.id);
  const NodeNames::Named* named = entry == nullptr ? nullptr : entry->names->find(node);
  const NodeKind* kind = named == nullptr ? nullptr : find_kind(kinds_, named->kind);
  if (kind == nullptr || !kind->sends) return false;
  const auto newest = built({.scenario = record.id, .version = record.newest});
  return record.state == ScenarioState::Archived ||
         (newest != nullptr && newest->find(node) != nullptr) ||
         sum_of(counters, record.key, node, Counter::Visits) > 0 ||
         sum_of(counters, record.key, node, Counter::MovedIn) > 0;
}

std::vector<std::string> ScenarioBook::sending_nodes(const ScenarioRecord& record) const {
  std::vector<std::string> ids;
  for (const NodeNames::Named& named : entry_of(record.id)->names->all())
    if (const NodeKind* kind = find_kind(kinds_, named.kind); kind != nullptr && kind->sends)
      ids.push_back(named.id);
  return ids;
}

// ---- secrets ----

std::vector<ScenarioBook::User> ScenarioBook::users_of(SecretKind kind, std::string_view name,
                                                       const Counters& counters) const {
  std::set<std::pair<ScenarioKey, Version>> pending;
  for (const auto& [key, row] : counters)
    if (row[Counter::Pending] != 0) pending.emplace(key.scenario, key.version);
  std::vector<User> users;
  for (const auto& [id, entry] : entries_) {
    const ScenarioRecord& record = *entry->record;
    if (record.deleted) continue;
    const bool archived = record.state == ScenarioState::Archived;
    bool names = false;
    User user{.id = id};
    for (const auto& [version, built] : entry->built) {
      std::set<std::string> origins;
      if (!add_origins(origins, *built, kind, name)) continue;
      const bool asked = pending.contains({record.key, version});
      if (archived && !asked) continue;
      names = true;
      user.live = user.live || asked || record.state != ScenarioState::Draft;
      user.origins.merge(origins);
    }
    if (names) users.push_back(std::move(user));
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
  check("secret", scenario->secrets(), context_->secrets);
  check("credential", scenario->credentials(), context_->credentials);
  return unknown;
}

std::vector<std::string> ScenarioBook::refused_hosts(std::string_view id) const {
  std::vector<std::string> refused;
  const auto scenario = newest(id);
  if (!scenario) return refused;
  for (const ScenarioNode& node : scenario->nodes) {
    const DeliveryPolicy* policy = node.node->delivery_policy();
    if (policy == nullptr) continue;
    const auto check = [&](SecretKind kind, const std::optional<SecretNames>& known) {
      if (!known) return;
      for (const std::string& name : names_in(*node.node, kind))
        if (const auto found = known->find(name);
            found != known->end() && !found->second.permits(policy->origin))
          refused.push_back(
              fmt::format("node \"{}\": {}", node.id,
                          refused_host_text(to_string(kind), name, found->second, policy->origin)));
    };
    check(SecretKind::Secret, context_->secrets);
    check(SecretKind::Credential, context_->credentials);
  }
  return refused;
}

std::shared_ptr<const Scenario> ScenarioBook::newest(std::string_view id) const {
  const auto entry = known(id);
  if (!entry) return nullptr;
  const auto built = (*entry)->built.find((*entry)->record->newest);
  return built == (*entry)->built.end() ? nullptr : built->second;
}
}  // namespace onward
