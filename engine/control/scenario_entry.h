#pragma once
// A scenario as the book has it: its record, its versions, and what of them is in memory.
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "engine/control/node_names.h"
#include "engine/control/scenario_info.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/scenario/scenario.h"
#include "engine/store/control_rows.h"

namespace onward {
/// Bytes that memory keeps of the title of an archived scenario; a longer one is cut.
inline constexpr std::size_t kArchivedTitleBytesMax = 4'096;

/// The title as memory keeps it.
std::string kept_title(const Scenario& scenario);
/// A draft never ran, so nothing refers to its nodes once it is deleted.
ScenarioRecord without_nodes(ScenarioRecord record);

/// Refuses what an archived scenario never does again.
tl::unexpected<Error> archived_error(std::string_view id);

/// Immutable once the book has it, and replaced as a whole: copies of the book share it.
struct ScenarioEntry {
  std::shared_ptr<const ScenarioRecord> record;
  std::shared_ptr<const NodeNames> names;
  std::map<Version, std::shared_ptr<const VersionRecord>> versions;  ///< Without their texts.
  std::map<Version, std::shared_ptr<const Scenario>> built;
  std::set<Version> unreadable;          ///< Found out by trying.
  std::map<Version, std::size_t> sizes;  ///< Nodes, once they have been counted.
  std::optional<std::string> title;      ///< Of the newest version, once it was built.

  /// Null where it is not built.
  std::shared_ptr<const Scenario> find_built(Version version) const;
  std::shared_ptr<const Scenario> newest() const { return find_built(record->newest); }
  /// Whether its newest version stays in memory though nobody is under way on it. An archived
  /// scenario starts nothing, so memory does not hold the versions of years.
  bool needs_newest() const;
  /// The next thing that its times ask for, given the state it is in.
  std::optional<ScenarioNext> next() const;
  ScenarioInfo info() const;
  /// Puts a version that was built into it.
  void keep(Version version, std::shared_ptr<const Scenario> scenario);
};
}  // namespace onward
