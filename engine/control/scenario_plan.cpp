#include "engine/control/scenario_plan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/authoring/yaml_reader.h"
#include "engine/control/scenario_decisions.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
/// Sentences about nodes where somebody would be stranded; more tell nothing new.
constexpr std::size_t kStrandedMax = 50;
/// Places that `migration_to` judges itself, since they came up after `moves_to` was called.
constexpr std::size_t kLateVerdictsMax = 20;

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

std::string id_of(const NodeNames& names, NodeNumber number) {
  const NodeNames::Named* found = names.find(number);
  return found == nullptr ? std::string{} : found->id;
}

/// The pairs that an author gave, by number. `to` is the version to go to, `names` are all names.
Result<NodeMap> read_map(const std::string& scenario, const NodeNames& names, const Scenario& to,
                         const MigrationRequest& request) {
  NodeMap map;
  for (const auto& [old_id, new_id] : request.map) {
    const NodeNames::Named* from = names.find(old_id);
    if (from == nullptr) {
      std::vector<std::string> known;
      for (const NodeNames::Named& named : names.all()) known.push_back(named.id);
      return fail(ErrorKind::Invalid, "unknown_node",
                  fmt::format("the map names \"{}\", which no version of \"{}\" has{}", old_id,
                              scenario, did_you_mean(nearest_name(old_id, known))));
    }
    const NodeNames::Named* named = names.find(new_id);
    const ScenarioNode* target = named == nullptr ? nullptr : to.find(named->number);
    if (target == nullptr) {
      std::vector<std::string> known;
      for (const ScenarioNode& node : to.nodes) known.push_back(node.id);
      return fail(
          ErrorKind::Invalid, "unknown_node",
          fmt::format("the map leads \"{}\" to \"{}\", which is no node of the new version{}",
                      old_id, new_id, did_you_mean(nearest_name(new_id, known))));
    }
    if (!map.emplace(from->number, target->number).second)
      return fail(ErrorKind::Invalid, "duplicate_node",
                  fmt::format("the map names \"{}\" twice", old_id));
  }
  return map;
}

Version target_version(const Authored& made) {
  return made.unchanged ? made.newest : made.newest + 1;
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

/// How many are before and behind each node that the version adds. `at`: how many wait where.
void add_inserted(ScenarioPlan& plan, const Scenario& to, const NodeNames& names,
                  const std::map<NodeNumber, std::int64_t>& at) {
  std::map<NodeNumber, ScenarioPlan::Inserted> added;
  std::vector<NodeNumber> order;
  for (const NodeChange& change : plan.diff.nodes) {
    if (change.kind != ChangeKind::Added) continue;
    const NodeNames::Named* named = names.find(change.id);
    if (named == nullptr || to.find(named->number) == nullptr) continue;
    if (added.emplace(named->number, ScenarioPlan::Inserted{.node = change.id}).second)
      order.push_back(named->number);
  }
  if (added.empty()) return;
  // By the places where somebody is: these are few, and what is added may be everything.
  for (const auto& [place, count] : at) {
    for (const NodeNumber number : nodes_behind(to, place))
      if (const auto found = added.find(number); found != added.end()) found->second.past += count;
    for (const NodeNumber number : nodes_ahead(to, place))
      if (const auto found = added.find(number); found != added.end() && number != place)
        found->second.ahead += count;
  }
  for (const NodeNumber number : order) plan.inserted.push_back(std::move(added.at(number)));
}

/// Why runs that wait at `node` of `version` cannot go over, as a sentence without its subject;
/// empty where they can.
std::string verdict(const ScenarioEntry& entry, const Migration& migration, const Scenario& to,
                    Version version, NodeNumber node) {
  const auto from = entry.find_built(version);
  if (from == nullptr) return ", which cannot be read any more";
  const auto reason = migration.refusal(*from, node);
  if (!reason) return {};
  const bool gone = to.find(migration.target(node)) == nullptr;
  return fmt::format(
      ": {}{}", *reason,
      gone ? fmt::format("; name where they go on, --map {}=NODE", id_of(*entry.names, node))
           : std::string{});
}

/// Who cannot go over, a sentence for each node.
std::vector<std::string> stranded(const ScenarioEntry& entry, Version newest, const Moves& moves,
                                  const RunCensus& census) {
  std::vector<std::string> sentences;
  for (const auto& [place, count] : census.waiting) {
    const auto& [number, node] = place;
    const auto verdict = moves.verdicts.find(place);
    if (number == newest || verdict == moves.verdicts.end() || verdict->second.empty()) continue;
    if (sentences.size() == kStrandedMax) break;
    sentences.push_back(fmt::format("{} at \"{}\" of version {}{}",
                                    people(count, "contact waits", "contacts wait"),
                                    id_of(*entry.names, node), number, verdict->second));
  }
  return sentences;
}
}  // namespace

RunCensus census_of(const Counters& counters, ScenarioKey scenario) {
  RunCensus census;
  for (auto row = counters.lower_bound({.scenario = scenario});
       row != counters.end() && row->first.scenario == scenario; ++row) {
    const auto& [key, counts] = *row;
    if (key.node) {
      if (counts[Counter::Waiting] > 0)
        census.waiting[{key.version, key.node}] += counts[Counter::Waiting];
      continue;
    }
    RunCensus::Sums& sums = census.versions[key.version];
    sums.entered += counts[Counter::Entered];
    sums.inside += counts[Counter::Inside];
    sums.parked += counts[Counter::Parked];
  }
  return census;
}

std::int64_t RunCensus::sum(std::int64_t Sums::*of, Version but) const {
  std::int64_t sum = 0;
  for (const auto& [version, sums] : versions)
    if (version != but) sum += sums.*of;
  return sum;
}

Result<Moves> moves_to(const ScenarioBook& book, const Authored& made,
                       const MigrationRequest& request, const RunCensus& census) {
  Moves moves;
  const ScenarioEntry* entry = book.find_entry(made.id);
  if (entry == nullptr || made.built == nullptr) return moves;
  auto map = read_map(made.id, *made.names, *made.built, request);
  if (!map) return tl::make_unexpected(std::move(map.error()));
  moves.map = std::move(*map);
  const Migration migration{made.built, moves.map};
  for (const auto& [place, count] : census.waiting)
    if (place.first != target_version(made))
      moves.verdicts.emplace(place,
                             verdict(*entry, migration, *made.built, place.first, place.second));
  return moves;
}

Result<std::optional<NodeMap>> migration_to(const ScenarioBook& book, const Authored& made,
                                            const Moves& known, const RunCensus& census) {
  using Answer = std::optional<NodeMap>;
  const ScenarioEntry* entry = book.find_entry(made.id);
  if (entry == nullptr) return Answer{NodeMap{}};
  const Version newest = target_version(made);
  if (made.built == nullptr)
    return fail(ErrorKind::Conflict, "version_missing",
                fmt::format("version {} of \"{}\" cannot be read any more", newest, made.id));
  std::map<std::pair<Version, NodeNumber>, std::string> late;
  const Migration migration{made.built, known.map};
  for (const auto& [place, count] : census.waiting) {
    if (place.first == newest || known.verdicts.contains(place)) continue;
    if (late.size() == kLateVerdictsMax) return Answer{};
    late.emplace(place, verdict(*entry, migration, *made.built, place.first, place.second));
  }
  Moves all = known;
  all.verdicts.merge(late);
  const auto sentences = stranded(*entry, newest, all, census);
  if (sentences.empty()) return Answer{std::move(all.map)};
  std::string message = "nothing was changed, since the migration would strand somebody:";
  for (const std::string& sentence : sentences) message += "\n" + sentence;
  return fail(ErrorKind::Conflict, "would_strand", std::move(message));
}

Result<ScenarioPlan> plan_text(const ScenarioBook& book, const std::string& id,
                               const std::string& text, const MigrationRequest& request,
                               const RunCensus& census, Instant now) {
  auto made = author_text(book, id, text);
  if (!made) return tl::make_unexpected(made.error());
  const ScenarioEntry* entry = book.find_entry(id);
  ScenarioPlan plan{.id = id, .created = entry == nullptr};
  plan.changed = !made->refused && !made->unchanged;
  plan.refused = made->refused;
  plan.diagnostics = std::move(made->diagnostics);
  if (entry != nullptr) {
    plan.state = entry->record->state;
    plan.from = plan.to = made->newest;
  }
  if (plan.changed) ++plan.to;

  Diagnostics ignored;
  const auto after = read_yaml(text, ignored);
  auto before = std::optional<Tree>{Tree{}};
  if (entry != nullptr) {
    const auto stored = book.reader().text_of(*entry, made->newest);
    if (!stored) return tl::make_unexpected(stored.error());
    before = read_yaml(*stored, ignored);
  }
  if (before && after) plan.diff = diff_scenarios(*before, *after, book.reader().kinds());
  if (entry == nullptr || plan.refused || made->built == nullptr) return plan;

  const std::shared_ptr<const Scenario> to = made->built;
  const std::shared_ptr<const NodeNames> names = made->names;
  const auto from = entry->find_built(made->newest);
  const RulesFormat from_format = entry->versions.at(made->newest)->format;
  const RulesFormat to_format = made->format;
  const auto moves = moves_to(book, *made, request, census);
  if (!moves) return tl::make_unexpected(moves.error());
  if (plan.changed) {
    const auto applied = apply_text(book, std::move(*made), now);
    if (!applied) return tl::make_unexpected(applied.error());
    plan.state = applied->change.scenarios.back().state;
  }
  plan.inside = census.sum(&RunCensus::Sums::inside, plan.to);

  std::map<NodeNumber, std::int64_t> at;
  for (const auto& [place, count] : census.waiting) at[place.second] += count;
  for (const auto& [node, count] : at)
    plan.places.push_back(
        {.node = id_of(*names, node), .waiting = count, .kept = to->find(node) != nullptr});
  add_inserted(plan, *to, *names, at);
  add_notes(plan, *to, from.get(), census.sum(&RunCensus::Sums::entered),
            census.sum(&RunCensus::Sums::parked, plan.to), now);
  if (plan.changed && after && from != nullptr)
    add_meaning_notes(plan, *after, *from, *to, from_format, to_format);
  plan.stranded = stranded(*entry, plan.to, *moves, census);
  return plan;
}
}  // namespace onward
