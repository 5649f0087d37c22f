#pragma once
// One contact and `advance` alone: scenarios as their authors write them, one input after another,
// and nothing of engine, store or thread.
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/authoring/load.h"
#include "engine/core/base/value.h"
#include "engine/core/journey/advance.h"
#include "nodes/nodes.h"

namespace onward {
class OneContact {
 public:
  /// Applies `text`, where there is one.
  explicit OneContact(std::string_view text = {}, const NodeKinds& kinds = node_kinds())
      : kinds_{kinds} {
    state.contact.key = {1};
    state.contact.id = ExternalId{"ada", true};
    state.contact.created_at = now;
    if (!text.empty()) apply(text);
  }

  /// Makes `text` the newest version of its scenario, which is active.
  void apply(std::string_view text) {
    Loaded loaded = load_scenario(text, kinds_);
    if (!loaded.scenario)
      throw std::runtime_error(loaded.diagnostics.empty() ? "no scenario"
                                                          : loaded.diagnostics.front().message);
    const std::string id = loaded.scenario->id;
    Known& known = scenarios_[id];
    if (known.key.value == 0) known.key = {static_cast<std::uint32_t>(scenarios_.size())};
    loaded.scenario->number_nodes(known.numbers);
    known.versions[++known.newest] = std::move(loaded.scenario);
    std::vector<std::shared_ptr<const CatalogScenario>> all;
    for (const auto& [name, one] : scenarios_)
      all.push_back(
          std::make_shared<CatalogScenario>(CatalogScenario{.key = one.key,
                                                            .id = name,
                                                            .state = ScenarioState::Active,
                                                            .newest = one.newest,
                                                            .versions = one.versions}));
    catalog_ = Catalog{std::move(all), "000000000000", 1};
  }

  Changes take(const Input& input) {
    ++seq_;
    Changes changes = advance(catalog_, state, input, {.at = now, .seq = seq_});
    CounterDeltas deltas;
    for (const CounterChange& change : changes.counters) deltas.add(change);
    for (auto& [key, row] : deltas.added_to(counters)) counters[key] = std::move(row);
    ended.insert(ended.end(), changes.ended.begin(), changes.ended.end());
    return changes;
  }
  Changes event(std::string_view type, Value data = ValueMap{}) {
    return take(
        EventInput{.event = {.type = std::string{type}, .at = now, .data = std::move(data)}});
  }
  Changes command(Command command) {
    return take(CommandInput{.contact = state.contact.key, .command = std::move(command)});
  }
  Changes join(std::vector<std::string> groups) {
    return take(PatchInput{.patch = {.groups_add = std::move(groups)}});
  }
  /// The timer of a waiting run, at the instant for which it was set.
  Changes wake(const Run& run) {
    const Instant due = run.wake_at.value();
    now = std::max(now, due);
    return take(TimerInput{.contact = state.contact.key,
                           .timer = {.kind = TimerKind::Wait, .subject = run.key.value},
                           .due = due});
  }

  NodeNumber number(std::string_view scenario, std::string_view node) const {
    for (const auto& [id, number] : scenarios_.at(std::string{scenario}).numbers)
      if (id == node) return number;
    throw std::runtime_error("no node " + std::string{node});
  }
  /// "t s n1": the nodes of a run of `scenario`.
  std::string path(std::string_view scenario, const Run& run) const {
    std::string text;
    for (const PathStep& step : run.path)
      for (const auto& [id, number] : scenarios_.at(std::string{scenario}).numbers)
        if (number == step.node) text += (text.empty() ? "" : " ") + id;
    return text;
  }
  /// The first broken promise of the numbers; empty where all hold.
  std::string broken() const { return check_counters(counters); }

  ContactState state;
  std::vector<Run> ended;
  Counters counters;
  Instant now = *parse_instant("2026-05-01T09:00:00Z");

 private:
  struct Known {
    ScenarioKey key;
    Version newest = 0;
    std::vector<std::pair<std::string, NodeNumber>> numbers;
    std::map<Version, std::shared_ptr<const Scenario>> versions;
  };
  const NodeKinds& kinds_;
  std::map<std::string, Known> scenarios_;
  Catalog catalog_;
  Sequence seq_ = 0;
};
}  // namespace onward
