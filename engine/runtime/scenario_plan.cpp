// What applying a text would do, and who could go over to it: the careful half of the book.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/authoring/yaml_reader.h"
#include "engine/runtime/scenario_book.h"

namespace onward {
namespace {
/// Sentences about nodes where somebody would be stranded; more tell nothing new.
constexpr std::size_t kStrandedMax = 50;

/// 1204 as "1,204".
std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string people(std::int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", grouped(count), count == 1 ? one : many);
}

std::string id_of(const ScenarioRecord& record, NodeNumber number) {
  const auto found =
      std::ranges::find(record.nodes, number, &std::pair<std::string, NodeNumber>::second);
  return found == record.nodes.end() ? std::string{} : found->first;
}

/// The pairs that an author gave, by number. `to` is the version to go to.
Result<NodeMap> read_map(const ScenarioRecord& record, const Scenario& to,
                         const MigrationRequest& request) {
  NodeMap map;
  for (const auto& [old_id, new_id] : request.map) {
    const auto from =
        std::ranges::find(record.nodes, old_id, &std::pair<std::string, NodeNumber>::first);
    if (from == record.nodes.end()) {
      std::vector<std::string> known;
      for (const auto& [id, number] : record.nodes) known.push_back(id);
      const std::string nearest = nearest_name(old_id, known);
      return fail(
          ErrorKind::Invalid, "unknown_node",
          fmt::format("the map names \"{}\", which no version of \"{}\" has{}", old_id, record.id,
                      nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
    }
    const ScenarioNode* target = to.find(new_id);
    if (target == nullptr) {
      std::vector<std::string> known;
      for (const ScenarioNode& node : to.nodes) known.push_back(node.id);
      const std::string nearest = nearest_name(new_id, known);
      return fail(
          ErrorKind::Invalid, "unknown_node",
          fmt::format("the map leads \"{}\" to \"{}\", which is no node of the new version{}",
                      old_id, new_id,
                      nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
    }
    if (!map.emplace(from->second, target->number).second)
      return fail(ErrorKind::Invalid, "duplicate_node",
                  fmt::format("the map names \"{}\" twice", old_id));
  }
  return map;
}

/// Who waits at which node of which version, live and test together.
std::map<std::pair<Version, NodeNumber>, std::int64_t> waiting(const Counters& counters,
                                                               ScenarioKey scenario) {
  std::map<std::pair<Version, NodeNumber>, std::int64_t> places;
  for (auto row = counters.lower_bound({.scenario = scenario});
       row != counters.end() && row->first.scenario == scenario; ++row)
    if (row->first.node && row->second[Counter::Waiting] > 0)
      places[{row->first.version, row->first.node}] += row->second[Counter::Waiting];
  return places;
}

std::int64_t sum_of(const Counters& counters, ScenarioKey scenario, Version but, Counter counter) {
  std::int64_t sum = 0;
  for (auto row = counters.lower_bound({.scenario = scenario});
       row != counters.end() && row->first.scenario == scenario; ++row)
    if (!row->first.node && row->first.version != but) sum += row->second[counter];
  return sum;
}

std::string describe(const Reentry& reentry) {
  std::string text{to_string(reentry.mode)};
  if (reentry.min_gap) text += ", min_gap " + format_duration(*reentry.min_gap);
  if (!reentry.key_path.empty()) text += ", key event." + reentry.key_path;
  return text;
}

void add_notes(ScenarioPlan& plan, const Scenario& to, const Scenario* from, std::int64_t entered,
               std::int64_t parked, Instant now) {
  std::vector<std::string>& notes = plan.notes;
  if (plan.inside > 0)
    notes.push_back(
        fmt::format("{} under way {} on the version where {} began; --migrate moves "
                    "those who can go over",
                    people(plan.inside, "run", "runs"), plan.inside == 1 ? "finishes" : "finish",
                    plan.inside == 1 ? "it" : "they"));
  if (parked > 0)
    notes.push_back(
        fmt::format("{} of them {} parked", grouped(parked), parked == 1 ? "is" : "are"));
  for (const ScenarioPlan::Inserted& added : plan.inserted)
    if (added.past > 0)
      notes.push_back(fmt::format("\"{}\": {} past this point and will never see it", added.node,
                                  people(added.past, "contact is", "contacts are")));
  for (const ScenarioPlan::Inserted& added : plan.inserted)
    if (added.ahead > 0)
      notes.push_back(
          fmt::format("\"{}\": {} before this point, and will only see it with --migrate",
                      added.node, people(added.ahead, "contact is", "contacts are")));
  for (const ScenarioPlan::Place& place : plan.places)
    if (!place.kept)
      notes.push_back(fmt::format("\"{}\" goes; {} there now", place.node,
                                  people(place.waiting, "contact waits", "contacts wait")));
  if (from != nullptr && !(from->reentry == to.reentry)) {
    notes.push_back(fmt::format("re-entry changes from {} to {}", describe(from->reentry),
                                describe(to.reentry)));
    if (from->reentry.mode == ReentryMode::Never && entered > 0)
      notes.push_back(fmt::format("{} entered before may do so again",
                                  people(entered, "contact who has", "contacts who have")));
  }
  if (to.start_at && *to.start_at > now && (from == nullptr || from->start_at != to.start_at))
    notes.push_back("it starts by itself at " + format_instant(*to.start_at));
  const char* end = to.at_end == AtEnd::Hold ? "goes on hold" : "is archived";
  if (to.end_at && *to.end_at <= now)
    notes.push_back(
        plan.state == ScenarioState::Draft
            ? fmt::format("its end, {}, is past: it cannot be activated",
                          format_instant(*to.end_at))
            : fmt::format("its end, {}, is past: it {} at once", format_instant(*to.end_at), end));
  else if (to.end_at && (from == nullptr || from->end_at != to.end_at || from->at_end != to.at_end))
    notes.push_back(fmt::format("it {} by itself at {}", end, format_instant(*to.end_at)));
}

/// Names each node of both versions that newer rules read in another way, though its text may be
/// the same. `text` is the newer version's.
void add_meaning_notes(ScenarioPlan& plan, const Tree& text, const Scenario& from,
                       const Scenario& to, RulesFormat from_format, RulesFormat to_format) {
  const Tree::Entry* nodes = text.find("nodes");
  if (nodes == nullptr || from_format >= to_format) return;
  std::set<std::string_view> before;
  for (const ScenarioNode& node : from.nodes) before.insert(node.id);
  std::map<std::string_view, const Tree*> settings;
  for (const Tree::Entry& entry : nodes->value.entries) settings.emplace(entry.key, &entry.value);
  for (const ScenarioNode& node : to.nodes) {
    const auto written = settings.find(node.id);
    if (!before.contains(node.id) || written == settings.end()) continue;
    for (const MeaningChange& change : node.kind->changes)
      if (change.since > from_format && change.since <= to_format &&
          change.concerns(*written->second))
        plan.notes.push_back(
            fmt::format("\"{}\" changes its meaning: {}", node.id, change.sentence));
  }
}
}  // namespace

std::vector<std::string> ScenarioBook::stranded(const Entry& entry,
                                                const std::shared_ptr<const Scenario>& to,
                                                Version newest, const NodeMap& map,
                                                const Counters& counters) const {
  std::vector<std::string> sentences;
  const Migration migration{to, map};
  for (const auto& [place, count] : waiting(counters, entry.record.key)) {
    const auto& [number, node] = place;
    if (number == newest || sentences.size() == kStrandedMax) continue;
    const std::string id = id_of(entry.record, node);
    const std::string who = people(count, "contact waits", "contacts wait");
    const auto from = version(entry, number);
    if (from == nullptr) {
      sentences.push_back(fmt::format("{} at \"{}\" of version {}, which cannot be read any more",
                                      who, id, number));
      continue;
    }
    const auto reason = migration.refusal(*from, node);
    if (!reason) continue;
    const bool gone = to->find(migration.target(node)) == nullptr;
    sentences.push_back(fmt::format(
        "{} at \"{}\" of version {}: {}{}", who, id, number, *reason,
        gone ? fmt::format("; name where they go on, --map {}=NODE", id) : std::string{}));
  }
  return sentences;
}

Result<NodeMap> ScenarioBook::migration(const std::string& id, const Applied& applied,
                                        const MigrationRequest& request,
                                        const Counters& counters) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return NodeMap{};
  const Entry& entry = found->second;
  const bool changed = applied.answer.changed;
  const ScenarioRecord& record = changed ? applied.change.scenarios.back() : entry.record;
  const auto to = changed ? applied.change.built : version(entry, record.newest);
  if (to == nullptr)
    return fail(ErrorKind::Conflict, "version_missing",
                fmt::format("version {} of \"{}\" cannot be read any more", record.newest, id));
  auto map = read_map(record, *to, request);
  if (!map) return map;
  const auto sentences = stranded(entry, to, record.newest, *map, counters);
  if (sentences.empty()) return map;
  std::string message = "nothing was changed, since the migration would strand somebody:";
  for (const std::string& sentence : sentences) message += "\n" + sentence;
  return fail(ErrorKind::Conflict, "would_strand", std::move(message));
}

Result<ScenarioPlan> ScenarioBook::plan(const std::string& id, const std::string& text,
                                        const MigrationRequest& request, const Counters& counters,
                                        Instant now) const {
  const auto applied = apply(id, text, now);
  if (!applied) return tl::make_unexpected(applied.error());
  const ApplyAnswer& answer = applied->answer;
  ScenarioPlan plan{.id = id, .created = answer.created, .changed = answer.changed};
  plan.refused = answer.refused;
  plan.diagnostics = answer.diagnostics;
  const auto found = entries_.find(id);
  const Entry* entry = found == entries_.end() ? nullptr : &found->second;
  plan.created = entry == nullptr;
  if (entry != nullptr) {
    plan.state = entry->record.state;
    plan.from = plan.to = entry->record.newest;
  }
  if (answer.changed) ++plan.to;

  Diagnostics ignored;
  const auto after = read_yaml(text, ignored);
  const auto before = entry == nullptr
                          ? std::optional<Tree>{Tree{}}
                          : read_yaml(entry->versions.at(entry->record.newest).text, ignored);
  if (before && after) plan.diff = diff_scenarios(*before, *after, kinds_);
  if (entry == nullptr || plan.refused) return plan;

  const ScenarioRecord& record = answer.changed ? applied->change.scenarios.back() : entry->record;
  plan.state = record.state;
  const auto from = version(*entry, entry->record.newest);
  const auto to = answer.changed ? applied->change.built : from;
  if (to == nullptr) return plan;
  const auto map = read_map(record, *to, request);
  if (!map) return tl::make_unexpected(map.error());
  plan.inside = sum_of(counters, record.key, plan.to, Counter::Inside);

  std::map<NodeNumber, std::int64_t> at;
  for (const auto& [place, count] : waiting(counters, record.key)) at[place.second] += count;
  for (const auto& [node, count] : at)
    plan.places.push_back(
        {.node = id_of(record, node), .waiting = count, .kept = to->find(node) != nullptr});
  for (const NodeChange& change : plan.diff.nodes) {
    if (change.kind != ChangeKind::Added) continue;
    const ScenarioNode* node = to->find(change.id);
    if (node == nullptr) continue;
    ScenarioPlan::Inserted added{.node = change.id};
    const auto ahead = nodes_ahead(*to, node->number);
    const auto behind = nodes_behind(*to, node->number);
    for (const auto& [number, count] : at) {
      if (number != node->number && ahead.contains(number)) added.past += count;
      if (behind.contains(number)) added.ahead += count;
    }
    plan.inserted.push_back(std::move(added));
  }
  add_notes(plan, *to, from.get(), sum_of(counters, record.key, 0, Counter::Entered),
            sum_of(counters, record.key, plan.to, Counter::Parked), now);
  if (answer.changed && after && from != nullptr)
    add_meaning_notes(plan, *after, *from, *to, entry->versions.at(entry->record.newest).format,
                      applied->change.versions.front().format);
  plan.stranded = stranded(*entry, to, plan.to, *map, counters);
  return plan;
}

// ---- versions ----

Result<ScenarioVersions> ScenarioBook::versions(std::string_view id,
                                                const Counters& counters) const {
  const auto found = known(id);
  if (!found) return tl::make_unexpected(found.error());
  const Entry& entry = **found;
  ScenarioVersions versions{.id = entry.record.id, .state = entry.record.state};
  for (auto row = entry.versions.rbegin(); row != entry.versions.rend(); ++row) {
    const auto& [number, text] = *row;
    VersionInfo info{.version = number,
                     .created = text.created,
                     .format = text.format,
                     .newest = number == entry.record.newest};
    const auto [size, unknown] = entry.sizes.try_emplace(number);
    if (unknown)
      if (const auto scenario = version(entry, number)) size->second = scenario->nodes.size();
    info.nodes = size->second;
    const CounterKey key{.scenario = entry.record.key, .version = number};
    if (const auto live = counters.find(key); live != counters.end()) {
      info.entered = live->second[Counter::Entered];
      info.inside = live->second[Counter::Inside];
    }
    CounterKey test = key;
    test.test = true;
    if (const auto tests = counters.find(test); tests != counters.end())
      info.test_inside = tests->second[Counter::Inside];
    versions.versions.push_back(std::move(info));
  }
  return versions;
}

Result<VersionText> ScenarioBook::text(std::string_view id, Version version) const {
  const auto found = known(id);
  if (!found) return tl::make_unexpected(found.error());
  const Entry& entry = **found;
  const auto row = entry.versions.find(version);
  if (row == entry.versions.end())
    return fail(ErrorKind::NotFound, "unknown_version",
                fmt::format("scenario \"{}\" has versions 1 to {}, not {}", id, entry.record.newest,
                            version));
  return VersionText{.id = entry.record.id,
                     .version = version,
                     .created = row->second.created,
                     .format = row->second.format,
                     .text = row->second.text};
}
}  // namespace onward
