#include "engine/runtime/scenario_pass.h"

#include <utility>

#include "engine/core/value.h"

namespace onward {
namespace {
constexpr std::string_view kMigrate = "migrate/";
constexpr std::string_view kPurge = "purge/";
constexpr std::string_view kCancel = "cancel/";

Value number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::uint64_t number_in(const Value& value, std::string_view name) {
  const Value* member = value.find(name);
  const auto* found = member == nullptr ? nullptr : member->get_if<std::int64_t>();
  return found == nullptr ? 0 : static_cast<std::uint64_t>(*found);
}
}  // namespace

std::string pass_name(ScenarioPass::Kind kind, const std::string& scenario) {
  switch (kind) {
    case ScenarioPass::Kind::Migrate:
      return std::string{kMigrate} + scenario;
    case ScenarioPass::Kind::Purge:
      return std::string{kPurge} + scenario;
    case ScenarioPass::Kind::Cancel:
      return std::string{kCancel} + scenario;
  }
  return scenario;
}
std::string ScenarioPass::name() const { return pass_name(kind, scenario); }

AdminRecord record_of(const ScenarioPass& pass, bool removed) {
  ValueList map;
  for (const auto& [from, to] : pass.map)
    map.push_back(ValueList{number(from.value), number(to.value)});
  const Value content = ValueMap{
      {"to", number(pass.to)},     {"map", std::move(map)},         {"base", pass.base},
      {"ended", pass.ended},       {"after", number(pass.after)},   {"node", number(pass.node)},
      {"done", number(pass.done)}, {"stayed", number(pass.stayed)}, {"who", pass.who}};
  return {.kind = AdminKind::Pass,
          .name = pass.name(),
          .content = to_json(content),
          .removed = removed};
}

std::optional<ScenarioPass> read_pass(const AdminRecord& record) {
  if (record.kind != AdminKind::Pass || record.removed) return std::nullopt;
  ScenarioPass pass;
  if (record.name.starts_with(kMigrate)) {
    pass.scenario = record.name.substr(kMigrate.size());
  } else if (record.name.starts_with(kPurge)) {
    pass.kind = ScenarioPass::Kind::Purge;
    pass.scenario = record.name.substr(kPurge.size());
  } else if (record.name.starts_with(kCancel)) {
    pass.kind = ScenarioPass::Kind::Cancel;
    pass.scenario = record.name.substr(kCancel.size());
  } else {
    return std::nullopt;
  }
  const auto content = parse_json(record.content);
  if (!content) return std::nullopt;
  pass.to = static_cast<Version>(number_in(*content, "to"));
  if (const Value* map = content->find("map"); map != nullptr && map->list() != nullptr)
    for (const Value& pair : *map->list()) {
      const ValueList* two = pair.list();
      if (two == nullptr || two->size() != 2) return std::nullopt;
      const auto* from = (*two)[0].get_if<std::int64_t>();
      const auto* to = (*two)[1].get_if<std::int64_t>();
      if (from == nullptr || to == nullptr) return std::nullopt;
      pass.map[{static_cast<std::uint32_t>(*from)}] = {static_cast<std::uint32_t>(*to)};
    }
  pass.base = static_cast<std::int64_t>(number_in(*content, "base"));
  const Value* ended = content->find("ended");
  const bool* flag = ended == nullptr ? nullptr : ended->get_if<bool>();
  pass.ended = flag != nullptr && *flag;
  pass.after = number_in(*content, "after");
  pass.node = number_in(*content, "node");  // not in records of earlier versions
  pass.done = number_in(*content, "done");
  pass.stayed = number_in(*content, "stayed");
  const Value* who = content->find("who");  // not in records of earlier versions
  if (who != nullptr && who->text() != nullptr) pass.who = *who->text();
  return pass;
}
}  // namespace onward
