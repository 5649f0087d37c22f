#pragma once
// One world: scenarios, contacts, receivers, a disk, and everything that happens to them, decided
// by a seed. The same seed and the same steps come to the same end.
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/chaos/clients.h"
#include "tests/chaos/house.h"
#include "tests/chaos/writer.h"

namespace onward::chaos {
struct WorldOptions {
  std::uint64_t seed = 1;
  int steps = 60;
  std::optional<std::set<int>> only;  ///< The steps that happen; the others are left out.
  Plant plant = Plant::None;
  bool routes = false;         ///< Of the restricted family, whose ways are foretold.
  std::optional<bool> sqlite;  ///< On SQLite and the fault disk; nothing: one seed in twenty.
  bool crashes = true;         ///< At random places.
  std::uint64_t crash_at = 0;  ///< At this one; 0: nowhere in particular.
  std::function<void(std::string_view)> trace;
  bool on_sqlite() const { return sqlite.value_or(seed % 20 == 0); }
};

struct Finding {
  std::uint64_t seed = 0;
  int step = 0;
  Broken broken;
};

struct WorldFigures {
  std::uint64_t worlds = 0, steps = 0, crashes = 0, events = 0, attempts = 0, runs = 0,
                deliveries = 0, commits = 0, store_failures = 0, checks = 0, places = 0,
                unfinished = 0, on_sqlite = 0, cut_commits = 0, cut_folds = 0;
  Duration virtual_time{};
  void add(const WorldFigures& other);
};

struct WorldEnd {
  std::optional<Finding> finding;
  WorldFigures figures;
  std::uint64_t trace_hash = 0;
};

/// Lets a world run to its end, or to the first broken promise.
WorldEnd run_world(const WorldOptions& options);
/// One of the restricted family.
WorldEnd run_route_world(const WorldOptions& options);
/// The fewest steps found that break the same promise.
std::set<int> shrink(const WorldOptions& options, const Finding& finding);
}  // namespace onward::chaos
