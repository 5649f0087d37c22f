#include "engine/core/catalog.h"

#include <algorithm>
#include <array>
#include <utility>

namespace onward {
namespace {
constexpr std::array kStates{ScenarioState::Draft, ScenarioState::Scheduled, ScenarioState::Active,
                             ScenarioState::OnHold, ScenarioState::Archived};
}

std::string_view to_string(ScenarioState state) {
  switch (state) {
    case ScenarioState::Draft:
      return "draft";
    case ScenarioState::Scheduled:
      return "scheduled";
    case ScenarioState::Active:
      return "active";
    case ScenarioState::OnHold:
      return "on_hold";
    case ScenarioState::Archived:
      return "archived";
  }
  return "";
}

std::optional<ScenarioState> parse_scenario_state(std::string_view text) {
  for (const ScenarioState state : kStates)
    if (text == to_string(state)) return state;
  return std::nullopt;
}

const Scenario* CatalogScenario::version(Version v) const {
  const auto found = versions.find(v);
  return found == versions.end() ? nullptr : found->second.get();
}

Catalog::Catalog(std::vector<std::shared_ptr<const CatalogScenario>> scenarios, std::string epoch,
                 std::int64_t account_id)
    : scenarios_{std::move(scenarios)}, epoch_{std::move(epoch)}, account_id_{account_id} {
  std::ranges::sort(scenarios_, {}, [](const auto& scenario) { return scenario->id; });
  for (const auto& scenario : scenarios_) {
    by_key_.emplace(scenario->key.value, scenario.get());
    if (scenario->state != ScenarioState::Active) continue;
    const Scenario& current = scenario->current();
    for (std::size_t i = 0; i < current.nodes.size(); ++i) {
      const ScenarioNode& node = current.nodes[i];
      if (node.kind->family != NodeFamily::Trigger) continue;
      if (const auto* listen = std::get_if<EventListen>(&node.node->listens()))
        for (const std::string& event : listen->events)
          triggers_[event].push_back({scenario.get(), i});
    }
  }
}

const CatalogScenario* Catalog::find(ScenarioKey key) const {
  const auto found = by_key_.find(key.value);
  return found == by_key_.end() ? nullptr : found->second;
}

const CatalogScenario* Catalog::find(std::string_view id) const {
  const auto found = std::ranges::lower_bound(
      scenarios_, id, {}, [](const auto& scenario) { return std::string_view{scenario->id}; });
  return found == scenarios_.end() || (*found)->id != id ? nullptr : found->get();
}

std::span<const EventTrigger> Catalog::triggers(std::string_view event) const {
  const auto found = triggers_.find(std::string{event});
  if (found == triggers_.end()) return {};
  return found->second;
}

std::vector<ScenarioKey> Catalog::touched_by(std::string_view event) const {
  std::vector<ScenarioKey> touched;
  for (const std::string_view name :
       {event, kGroupJoinedEvent, kGroupLeftEvent, kContactUpdatedEvent})
    for (const EventTrigger& trigger : triggers(name)) touched.push_back(trigger.scenario->key);
  std::ranges::sort(touched);
  const auto same = std::ranges::unique(touched);
  touched.erase(same.begin(), same.end());
  return touched;
}
}  // namespace onward
