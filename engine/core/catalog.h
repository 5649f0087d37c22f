#pragma once
// All that inputs are advanced against: the scenarios, their versions and indexes. Immutable,
// swapped whole; one snapshot serves a batch.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/core/ids.h"
#include "engine/core/scenario.h"

namespace onward {
enum class ScenarioState : std::uint8_t { Draft, Scheduled, Active, OnHold, Archived };
std::string_view to_string(ScenarioState state);
std::optional<ScenarioState> parse_scenario_state(std::string_view text);

/// A scenario with its life and all versions that may still be needed.
struct CatalogScenario {
  ScenarioKey key;
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  Version newest = 0;
  std::vector<std::string> test_emails;  ///< Normal form; empty: no test mode.
  std::map<Version, std::shared_ptr<const Scenario>> versions;  ///< Built ones.

  const Scenario* version(Version v) const;
  const Scenario& current() const { return *versions.at(newest); }
};

/// A trigger of an active scenario that listens for an event.
struct EventTrigger {
  const CatalogScenario* scenario = nullptr;
  std::size_t node = 0;  ///< Index in the current version.
};

class Catalog {
 public:
  Catalog() = default;
  Catalog(std::vector<std::shared_ptr<const CatalogScenario>> scenarios, std::string epoch,
          std::int64_t account_id);

  const CatalogScenario* find(ScenarioKey key) const;
  const CatalogScenario* find(std::string_view id) const;
  /// By scenario id, then in the order of the file. Active scenarios only.
  std::span<const EventTrigger> triggers(std::string_view event) const;
  /// Scenarios that an input with this event (or "" for an input without one) can start, through
  /// the events it may cause (group_joined, group_left, contact_updated) too: their ledger rows
  /// must be loaded. Sorted, each once.
  std::vector<ScenarioKey> touched_by(std::string_view event) const;

  const std::vector<std::shared_ptr<const CatalogScenario>>& scenarios() const {
    return scenarios_;
  }
  const std::string& epoch() const { return epoch_; }
  std::int64_t account_id() const { return account_id_; }

 private:
  std::vector<std::shared_ptr<const CatalogScenario>> scenarios_;  // by id
  std::unordered_map<std::uint32_t, const CatalogScenario*> by_key_;
  std::unordered_map<std::string, std::vector<EventTrigger>> triggers_;
  std::string epoch_ = "000000000000";
  std::int64_t account_id_ = 1;
};
}  // namespace onward
