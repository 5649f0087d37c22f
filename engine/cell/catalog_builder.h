#pragma once
// Keeps the catalog of a cell: the versions in use, built and indexed.
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "engine/cell/context.h"
#include "engine/control/scenario_book.h"
#include "engine/control/scenario_decisions.h"

namespace onward {
class CatalogBuilder {
 public:
  explicit CatalogBuilder(CellContext& cell) : cell_{cell} {}

  /// After any change of what scenarios are, and of which versions are needed.
  void rebuild();

  /// From now on versions that are needed and not in memory are read elsewhere: `take_wanted` names
  /// them, each once, and `adopt` expects each of them. Meanwhile deliveries that need one wait.
  /// The same applies to titles of archived scenarios, which the start does not read.
  void read_elsewhere();
  bool reads_elsewhere() const { return reads_elsewhere_; }
  std::vector<VersionName> take_wanted() { return std::exchange(wanted_, {}); }
  /// Whether this version is being read.
  bool awaits(const VersionName& name) const { return awaited_.contains(name); }
  /// Null: it cannot be read.
  void adopt(const VersionName& name, std::shared_ptr<const Scenario> scenario);

  /// When a scenario starts or ends at its time.
  const std::optional<Instant>& next_transition() const { return next_transition_; }
  void look_for_transitions() { next_transition_ = next_due(cell_.control.scenarios); }

 private:
  void ask_for_title();

  CellContext& cell_;
  bool reads_elsewhere_ = false;
  std::vector<VersionName> wanted_;  // not in memory, and not yet given out
  std::set<VersionName> awaited_;    // not in memory, and being read
  std::optional<Instant> next_transition_;
};
}  // namespace onward
