#include "engine/cell/scenario_pass.h"

#include <utility>

#include "engine/core/base/json_members.h"

namespace onward {
namespace {
constexpr std::string_view kMigrate = "migrate/";
constexpr std::string_view kPurge = "purge/";

Value number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
}  // namespace

std::string pass_name(ScenarioPass::Kind kind, const std::string& scenario) {
  switch (kind) {
    case ScenarioPass::Kind::Migrate:
      return std::string{kMigrate} + scenario;
    case ScenarioPass::Kind::Purge:
      return std::string{kPurge} + scenario;
  }
  return scenario;
}
std::string ScenarioPass::name() const { return pass_name(kind, scenario); }

std::string to_row(const ScenarioPass& pass) {
  ValueList map;
  for (const auto& [from, to] : pass.map)
    map.push_back(ValueList{number(from.value), number(to.value)});
  return to_json(ValueMap{{"to", number(pass.to)},
                          {"map", std::move(map)},
                          {"base", pass.base},
                          {"ended", pass.ended},
                          {"after", number(pass.after)},
                          {"done", number(pass.done)},
                          {"stayed", number(pass.stayed)},
                          {"asked", number(pass.asked)},
                          {"moved_before", pass.moved_before},
                          {"who", pass.who}});
}

AdminRecord record_of(const ScenarioPass& pass) {
  return {.kind = AdminKind::Pass, .name = pass.name(), .content = to_row(pass)};
}

std::int64_t sum_of(const Counters& counters, ScenarioKey scenario, Version version,
                    Counter counter) {
  std::int64_t sum = 0;
  for (auto row = counters.lower_bound({.scenario = scenario});
       row != counters.end() && row->first.scenario == scenario; ++row)
    if (version == 0 || row->first.version == version)
      if (!row->first.node) sum += row->second[counter];
  return sum;
}

std::optional<ScenarioPass> read_pass(const AdminRecord& record) {
  if (record.kind != AdminKind::Pass || record.removed) return std::nullopt;
  ScenarioPass pass;
  if (record.name.starts_with(kMigrate)) {
    pass.scenario = record.name.substr(kMigrate.size());
  } else if (record.name.starts_with(kPurge)) {
    pass.kind = ScenarioPass::Kind::Purge;
    pass.scenario = record.name.substr(kPurge.size());
  } else {
    return std::nullopt;
  }
  const auto content = parse_json(record.content);
  if (!content) return std::nullopt;
  pass.to = static_cast<Version>(int_member(*content, "to"));
  if (const Value* map = content->find("map"); map != nullptr && map->list() != nullptr)
    for (const Value& pair : *map->list()) {
      const ValueList* two = pair.list();
      if (two == nullptr || two->size() != 2) return std::nullopt;
      const auto* from = (*two)[0].get_if<std::int64_t>();
      const auto* to = (*two)[1].get_if<std::int64_t>();
      if (from == nullptr || to == nullptr) return std::nullopt;
      pass.map[{static_cast<std::uint32_t>(*from)}] = {static_cast<std::uint32_t>(*to)};
    }
  pass.base = int_member(*content, "base");
  pass.ended = flag_member(*content, "ended");
  pass.after = static_cast<std::uint64_t>(int_member(*content, "after"));
  pass.done = static_cast<std::uint64_t>(int_member(*content, "done"));
  pass.stayed = static_cast<std::uint64_t>(int_member(*content, "stayed"));
  pass.asked = static_cast<std::uint64_t>(int_member(*content, "asked"));
  pass.moved_before = int_member(*content, "moved_before");
  pass.who = text_member(*content, "who");  // not in records of earlier versions
  return pass;
}
}  // namespace onward
