#pragma once
// Scenarios as people see them: their life, versions, plans and statistics.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/journey/stats.h"
#include "engine/core/scenario/scenario_diff.h"
#include "engine/core/source/diagnostic.h"
#include "engine/store/control_rows.h"

namespace onward {
/// What a scenario will do by itself.
struct ScenarioNext {
  std::string what;  ///< "start", "hold", "archive"
  Instant at{};
};
/// Work on all runs of a scenario that is under way between the batches.
struct ScenarioProgress {
  std::string what;           ///< "migrate", "purge" or "cancel"
  Version to = 0;             ///< Of a migration.
  std::uint64_t done = 0;     ///< Runs moved or purged, or deliveries cancelled.
  std::uint64_t stayed = 0;   ///< Runs that could not go over: they finish where they are.
  std::uint64_t stopped = 0;  ///< Of a purge: live runs that were ended first.
};

struct ScenarioInfo {
  std::string id;
  std::string title;
  ScenarioState state = ScenarioState::Draft;
  Version version = 0;                 ///< The newest.
  RulesFormat format = kNewestFormat;  ///< The rules that checked it.
  std::vector<std::string> test_emails;
  Instant created{};
  std::optional<Instant> activated, archived;
  std::vector<std::pair<Version, Instant>> versions;
  std::string text;  ///< YAML of the newest version; only where one was asked for.
  std::optional<Instant> purged;
  Instant changed{};                 ///< Its newest version, or its last change of life.
  std::optional<ScenarioNext> next;  ///< What will happen to it by itself.
  std::optional<ScenarioProgress> progress;
  std::int64_t entered = 0, inside = 0, pending = 0, failed = 0;  ///< Live, of all versions.
  std::vector<std::string> warnings;  ///< Of an activation: nodes whose requests are all refused.
};

/// Runs under way that should go over to the version that is applied.
struct MigrationRequest {
  bool wanted = false;
  std::vector<std::pair<std::string, std::string>> map;  ///< Node id -> node id of the new version.
};

struct VersionInfo {
  Version version = 0;
  Instant created{};
  RulesFormat format = kNewestFormat;  ///< The rules that checked it.
  std::size_t nodes = 0;               ///< 0 where the text cannot be read any more.
  std::int64_t entered = 0;
  std::int64_t inside = 0;       ///< Live runs on it.
  std::int64_t test_inside = 0;  ///< Test runs on it.
  bool newest = false;
};
struct ScenarioVersions {
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  std::vector<VersionInfo> versions;  ///< Newest first.
  std::optional<ScenarioProgress> progress;
};
struct VersionText {
  std::string id;
  Version version = 0;
  Instant created{};
  RulesFormat format = kNewestFormat;  ///< The rules that checked it.
  std::string text;
};

/// What applying a text would do, before anything is done.
struct ScenarioPlan {
  /// Where people are now, over all versions, live and test; of the nodes that changed, and those
  /// where somebody is.
  struct Place {
    std::string node;
    std::int64_t waiting = 0;
    bool kept = true;  ///< The new version has it.
  };
  /// An added node.
  struct Inserted {
    std::string node;
    std::int64_t past = 0;   ///< Are behind it already: they never see it.
    std::int64_t ahead = 0;  ///< Would still come to it, were they moved to the new version.
  };
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  bool created = false;  ///< There is no such scenario yet.
  bool changed = false;  ///< A new version would be made.
  Version from = 0, to = 0;
  bool refused = false;
  std::vector<Diagnostic> diagnostics;
  ScenarioDiff diff;
  std::vector<Place> places;
  std::vector<Inserted> inserted;
  std::int64_t inside = 0;         ///< Runs under way; unless moved they finish on their version.
  std::vector<std::string> notes;  ///< For people: re-entry, times, who finishes where.
  std::vector<std::string> stranded;  ///< Why a migration would be refused; a sentence each.
};

struct ApplyAnswer {
  ScenarioInfo scenario;
  bool created = false;
  bool changed = false;                 ///< A new version was made.
  std::vector<Diagnostic> diagnostics;  ///< Warnings; or the errors, then nothing was applied.
  bool refused = false;
  bool migrating = false;  ///< Runs under way are going over now.
};

struct NodeStats {
  std::string id;
  std::string kind;
  bool sends = false;              ///< Asks for deliveries.
  std::vector<std::string> ports;  ///< Those of the kind, also where nobody left by them yet.
  CounterRow counts;
  bool paused = false;  ///< Its deliveries are parked until it is resumed.
};
struct StatsSide {
  CounterRow scenario;
  std::vector<NodeStats> nodes;  ///< In the order of the newest file, then nodes of old versions.
};
struct ScenarioStats {
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  Instant as_of{};
  std::vector<Version> versions;
  StatsSide live, test;
};
}  // namespace onward
