#include "engine/control/scenario_stats.h"

#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
StatsSide side_of(const NodeKinds& kinds, const ScenarioEntry& entry, const StatsBasis& basis,
                  bool test, Version version, const Scenario* scenario) {
  auto sums = sum_counters(basis.counters, entry.record->key, test, version);
  StatsSide side{.scenario = sums[NodeNumber{}]};
  if (scenario != nullptr) side.nodes.reserve(scenario->nodes.size());
  std::set<NodeNumber> listed;
  const auto list = [&](const NodeNames::Named& named) {
    if (!listed.insert(named.number).second) return;
    const NodeKind* kind = named.kind.empty() ? nullptr : find_kind(kinds, named.kind);
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
}  // namespace

Result<ScenarioStats> scenario_stats(const ScenarioBook& book, std::string_view id, Version version,
                                     const StatsBasis& basis,
                                     std::shared_ptr<const Scenario> scenario) {
  const auto found = book.known(id);
  if (!found) return tl::make_unexpected(found.error());
  const ScenarioEntry& entry = **found;
  const ScenarioRecord& record = *entry.record;
  if (version != 0 && !entry.versions.contains(version))
    return fail(
        ErrorKind::NotFound, "unknown_version",
        fmt::format("scenario \"{}\" has versions 1 to {}, not {}", id, record.newest, version));
  ScenarioStats stats{.id = record.id, .state = record.state, .as_of = basis.as_of};
  for (const auto& [number, text] : entry.versions) stats.versions.push_back(number);
  if (scenario == nullptr) scenario = entry.find_built(version == 0 ? record.newest : version);
  stats.live =
      side_of(book.reader().kinds(), entry, basis, /*test=*/false, version, scenario.get());
  stats.test = side_of(book.reader().kinds(), entry, basis, /*test=*/true, version, scenario.get());
  return stats;
}

Result<ScenarioVersions> scenario_versions(const ScenarioBook& book, std::string_view id,
                                           const Counters& counters) {
  const auto found = book.known(id);
  if (!found) return tl::make_unexpected(found.error());
  const ScenarioEntry& entry = **found;
  ScenarioVersions versions{.id = entry.record->id, .state = entry.record->state};
  for (auto row = entry.versions.rbegin(); row != entry.versions.rend(); ++row) {
    const auto& [number, text] = *row;
    VersionInfo info{.version = number,
                     .created = text->created,
                     .format = text->format,
                     .newest = number == entry.record->newest};
    if (const auto size = entry.sizes.find(number); size != entry.sizes.end())
      info.nodes = size->second;
    const CounterKey key{.scenario = entry.record->key, .version = number};
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

bool is_sending(const ScenarioBook& book, const ScenarioRecord& record, NodeNumber node,
                const Counters& counters) {
  const ScenarioEntry* entry = book.find_entry(record.id);
  const NodeNames::Named* named = entry == nullptr ? nullptr : entry->names->find(node);
  const NodeKind* kind = named == nullptr ? nullptr : find_kind(book.reader().kinds(), named->kind);
  if (kind == nullptr || !kind->sends) return false;
  const auto newest = entry->find_built(record.newest);
  return record.state == ScenarioState::Archived ||
         (newest != nullptr && newest->find(node) != nullptr) ||
         sum_of(counters, record.key, node, Counter::Visits) > 0 ||
         sum_of(counters, record.key, node, Counter::MovedIn) > 0;
}

std::vector<std::string> sending_nodes(const ScenarioBook& book, const ScenarioRecord& record) {
  std::vector<std::string> ids;
  for (const NodeNames::Named& named : book.find_entry(record.id)->names->all())
    if (const NodeKind* kind = find_kind(book.reader().kinds(), named.kind);
        kind != nullptr && kind->sends)
      ids.push_back(named.id);
  return ids;
}
}  // namespace onward
