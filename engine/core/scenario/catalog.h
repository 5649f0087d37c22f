#pragma once
// All that inputs are advanced against: the scenarios, their versions and indexes. Immutable,
// swapped whole; one snapshot serves a batch.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/contact/contact_size.h"
#include "engine/core/scenario/scenario.h"

namespace onward {
enum class ScenarioState : std::uint8_t { Draft, Scheduled, Active, OnHold, Archived };
std::string_view to_string(ScenarioState state);
std::optional<ScenarioState> parse_scenario_state(std::string_view text);
/// In the order of the enumeration.
std::span<const std::string_view> scenario_state_words();

/// A scenario with its life and all versions that may still be needed.
struct CatalogScenario {
  ScenarioKey key;
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  Version newest = 0;
  std::vector<std::string> test_emails;  ///< Normal form, sorted; empty: no test mode.
  std::map<Version, std::shared_ptr<const Scenario>> versions;  ///< Built ones.

  const Scenario* version(Version v) const;
  const Scenario& current() const { return *versions.at(newest); }
};

/// A trigger of an active scenario.
struct CatalogTrigger {
  const CatalogScenario* scenario = nullptr;
  std::size_t node = 0;  ///< Index in the current version.

  const ScenarioNode& at() const { return scenario->current().nodes[node]; }
};

class Catalog {
 public:
  Catalog() = default;
  Catalog(std::vector<std::shared_ptr<const CatalogScenario>> scenarios, std::string epoch,
          std::int64_t account_id);

  const CatalogScenario* find(ScenarioKey key) const;
  const CatalogScenario* find(std::string_view id) const;
  /// By scenario id, then in the order of the file, those that listen for any event among them.
  /// Active scenarios only.
  std::span<const CatalogTrigger> triggers(std::string_view event) const;
  /// Triggers on a segment's change or on a date that read this field ("custom.plan", "groups") or
  /// kind of event ("opened"), by scenario id. Active scenarios only.
  std::span<const CatalogTrigger> watching(std::string_view name) const;
  /// Whether there are any such.
  bool watches() const { return !watching_.empty(); }
  /// Whether an input can lead to entries that `touched_by` does not foresee.
  bool surprises() const { return watches() || keyed_by_change_; }
  /// Scenarios that an input with this event (or "" for an input without one) can start, through
  /// the events it may cause (group_joined, group_left, contact_updated) too: their ledger rows
  /// must be loaded. Sorted, each once.
  std::span<const ScenarioKey> touched_by(std::string_view event) const;

  const std::vector<std::shared_ptr<const CatalogScenario>>& scenarios() const {
    return scenarios_;
  }
  const std::string& epoch() const { return epoch_; }
  std::int64_t account_id() const { return account_id_; }
  /// Bytes that a contact may have, see contact_size.h.
  std::size_t contact_bytes_max() const { return contact_bytes_max_; }
  void limit_contacts(std::size_t bytes_max) { contact_bytes_max_ = bytes_max; }

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };
  template <class T>
  using ByName = std::unordered_map<std::string, std::vector<T>, NameHash, std::equal_to<>>;

  void add_trigger(const CatalogTrigger& trigger);
  std::vector<ScenarioKey> find_touched(std::string_view event) const;

  std::vector<std::shared_ptr<const CatalogScenario>> scenarios_;  // by id
  std::unordered_map<std::uint32_t, const CatalogScenario*> by_key_;
  ByName<CatalogTrigger> triggers_;
  ByName<CatalogTrigger> watching_;
  ByName<ScenarioKey> touched_;                  // of the events in triggers_
  std::vector<ScenarioKey> touched_by_others_;   // of any other event,
  std::vector<ScenarioKey> touched_by_changes_;  // and of inputs without one
  bool keyed_by_change_ = false;
  std::string epoch_ = "000000000000";
  std::int64_t account_id_ = 1;
  std::size_t contact_bytes_max_ = kContactBytesMax;
};
}  // namespace onward
