#include "engine/control/version_reader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/guard/guarded.h"

namespace onward {
namespace {
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

/// Whether two contexts let a file name the same things, and send them to the same hosts.
bool same_names(const AuthorContext& one, const AuthorContext& other) {
  return one.secrets == other.secrets && one.credentials == other.credentials;
}
}  // namespace

VersionReader::VersionReader(const NodeKinds& kinds, std::shared_ptr<VersionTexts> texts,
                             LogSink log)
    : kinds_{kinds}, texts_{std::move(texts)}, log_{std::move(log)} {}

void VersionReader::know_fields(std::shared_ptr<const CustomFields> fields) {
  fields_ = std::move(fields);
  ++rules_;
}

void VersionReader::know(AuthorContext context) {
  if (!same_names(*context_, context)) ++rules_;
  context_ = std::make_shared<const AuthorContext>(std::move(context));
}

Result<Loaded> VersionReader::read(std::string_view id, std::string_view text,
                                   const TextRules& rules) const {
  AuthorContext context = *context_;
  context.custom_fields = fields_.get();
  context.stored = rules.stored;
  context.format = rules.format;
  const WorkGuard guard{working_, work_item_of_text(text), id};
  if (guard.is_poison())
    return fail(ErrorKind::Conflict, std::string{kPoison}, poison_message("this very text"));
  Loaded loaded = load_scenario(text, kinds_, context);
  if (loaded.scenario != nullptr && !id.empty())
    check_against(rules.names, id, *loaded.scenario, loaded.diagnostics);
  return loaded;
}

Result<std::string> VersionReader::text_of(const ScenarioEntry& entry, Version version) const {
  if (!entry.versions.contains(version)) return text_missing();
  return texts_->read(entry.record->key, version);
}

std::shared_ptr<const Scenario> VersionReader::build(const ScenarioEntry& entry,
                                                     Version version) const {
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

bool VersionReader::is_first(std::set<std::pair<ScenarioKey, Version>> Logged::*list,
                             const ScenarioEntry& entry, Version version) const {
  const std::lock_guard lock{logged_->mutex};
  return ((*logged_).*list).emplace(entry.record->key, version).second;
}

void VersionReader::log_outdated(const ScenarioEntry& entry, const VersionRecord& version,
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
}  // namespace onward
