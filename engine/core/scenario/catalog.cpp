#include "engine/core/scenario/catalog.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/core/base/enum_words.h"
#include "engine/core/base/sorted.h"

namespace onward {
namespace {
constexpr EnumWords<ScenarioState, 5> kScenarioStates{{{ScenarioState::Draft, "draft"},
                                                       {ScenarioState::Scheduled, "scheduled"},
                                                       {ScenarioState::Active, "active"},
                                                       {ScenarioState::OnHold, "on_hold"},
                                                       {ScenarioState::Archived, "archived"}}};
}  // namespace

std::string_view to_string(ScenarioState state) { return kScenarioStates.of(state); }
std::optional<ScenarioState> parse_scenario_state(std::string_view text) {
  return kScenarioStates.find(text);
}
std::span<const std::string_view> scenario_state_words() { return kScenarioStates.all(); }

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
    for (std::size_t i = 0; i < current.nodes.size(); ++i)
      if (current.nodes[i].kind->family == NodeFamily::Trigger) add_trigger({scenario.get(), i});
  }
  // Those that listen for any event stand in every list, each in its place.
  const auto any = triggers(kAnyEvent);
  const auto place = [](const CatalogTrigger& trigger) {
    return std::pair{std::string_view{trigger.scenario->id}, trigger.node};
  };
  for (auto& [event, listed] : triggers_) {
    if (event == kAnyEvent) continue;
    listed.insert(listed.end(), any.begin(), any.end());
    sort_unique(listed, place);
  }
  for (const auto& [event, listed] : triggers_) touched_.emplace(event, find_touched(event));
  touched_by_others_ = find_touched(kAnyEvent);
  touched_by_changes_ = find_touched({});
}

void Catalog::add_trigger(const CatalogTrigger& trigger) {
  const Listen& listens = trigger.at().node->listens();
  if (const auto* listen = std::get_if<EventListen>(&listens)) {
    const bool keyed = !trigger.scenario->current().reentry.key_path.empty();
    for (const std::string& event : listen->events) {
      triggers_[event].push_back(trigger);
      keyed_by_change_ |= keyed && (event == kGroupJoinedEvent || event == kGroupLeftEvent ||
                                    event == kContactUpdatedEvent || event == kAnyEvent);
    }
  } else if (const auto* segment = std::get_if<SegmentListen>(&listens)) {
    if (segment->at) return;  // asked of everybody at its time, not on changes
    const ReadSet& reads = segment->segment.reads();
    for (const std::string& field : reads.fields) watching_[field].push_back(trigger);
    for (const std::string& event : reads.events) watching_[event].push_back(trigger);
    if (reads.time && !reads.fields.contains(kZoneField))
      watching_[std::string{kZoneField}].push_back(trigger);
  } else if (const auto* date = std::get_if<DateListen>(&listens)) {
    watching_[date->field].push_back(trigger);
    if (date->field != kZoneField) watching_[std::string{kZoneField}].push_back(trigger);
  }
}

std::span<const CatalogTrigger> Catalog::watching(std::string_view name) const {
  const auto found = watching_.find(name);
  if (found == watching_.end()) return {};
  return found->second;
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

std::span<const CatalogTrigger> Catalog::triggers(std::string_view event) const {
  auto found = triggers_.find(event);
  if (found == triggers_.end() && !event.empty()) found = triggers_.find(kAnyEvent);
  if (found == triggers_.end()) return {};
  return found->second;
}

std::span<const ScenarioKey> Catalog::touched_by(std::string_view event) const {
  if (event.empty()) return touched_by_changes_;
  const auto found = touched_.find(event);
  return found == touched_.end() ? touched_by_others_ : found->second;
}

std::vector<ScenarioKey> Catalog::find_touched(std::string_view event) const {
  std::vector<ScenarioKey> touched;
  for (const std::string_view name :
       {event, kGroupJoinedEvent, kGroupLeftEvent, kContactUpdatedEvent})
    for (const CatalogTrigger& trigger : triggers(name)) touched.push_back(trigger.scenario->key);
  sort_unique(touched);
  return touched;
}
}  // namespace onward
