#pragma once
// Many worlds, and what was found in them.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/chaos/world.h"

namespace onward::chaos {
struct Campaign {
  std::uint64_t first = 1, last = 100;
  std::uint64_t minutes = 0;  ///< Not 0: from `first` on until they are over.
  int steps = 60;
  std::optional<std::set<int>> only;
  bool every_place = false;
  bool routes = false;         ///< See WorldOptions.
  std::optional<bool> sqlite;  ///< See WorldOptions.
  bool trace = false;
  std::size_t findings_max = 20;
};

struct Found {
  Finding finding;
  int steps = 0;
  std::uint64_t crash_at = 0;
  bool routes = false;
  std::optional<bool> sqlite;
  std::set<int> kept;  ///< Steps that suffice.
};

struct Report {
  WorldFigures figures;
  std::uint64_t first = 0, last = 0;
  std::vector<Found> findings;
};

Report run_campaign(const Campaign& campaign);
std::string as_table(const Report& report);
std::string as_json(const Report& report);
}  // namespace onward::chaos
