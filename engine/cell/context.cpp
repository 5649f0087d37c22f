#include "engine/cell/context.h"

#include <utility>

namespace onward {
Batch CellContext::new_batch() const {
  return Batch{*store,  catalog, counters,           control.switches,
               numbers, now(),   options.dedupe_for, certain()};
}

Activity CellContext::activity(std::string what, const std::string& scenario,
                               const std::string& who, std::string text) const {
  return {.at = now(),
          .what = std::move(what),
          .scenario = scenario,
          .who = who.empty() ? "engine" : who,
          .text = std::move(text)};
}

const DeliveryPolicy* CellContext::policy_at(const EndpointKey& endpoint) const {
  const CatalogScenario* home = catalog.find(endpoint.scenario);
  const Scenario* scenario = home == nullptr ? nullptr : home->version(endpoint.version);
  const ScenarioNode* node = scenario == nullptr ? nullptr : scenario->find(endpoint.node);
  return node == nullptr ? nullptr : node->node->delivery_policy();
}

const RetryPolicy& CellContext::policy_of(const Delivery& delivery) const {
  static const RetryPolicy kFallback = default_retry_policy();
  const DeliveryPolicy* policy = policy_at(delivery.endpoint);
  return policy == nullptr ? kFallback : policy->retry;
}

std::string CellContext::scenario_id(ScenarioKey scenario) const {
  const ScenarioRecord* record = control.scenarios.find(scenario);
  return record == nullptr ? std::string{} : record->id;
}

std::optional<std::string> CellContext::node_name(NodePlace place) const {
  const auto names = control.scenarios.names(place.first);
  const NodeNames::Named* named = names == nullptr ? nullptr : names->find(place.second);
  return named == nullptr ? std::nullopt : std::optional{named->id};
}
}  // namespace onward
