#pragma once
// The registry of scenarios: their lives, their versions, and which of these are in memory.
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/control/scenario_entry.h"
#include "engine/control/scenario_info.h"
#include "engine/control/version_reader.h"
#include "engine/control/version_texts.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/log_record.h"
#include "engine/core/base/result.h"
#include "engine/core/journey/stats.h"
#include "engine/core/scenario/catalog.h"
#include "engine/core/scenario/node.h"
#include "engine/store/control_rows.h"

namespace onward {
/// Rows that a command wants written. Nothing has happened until they are adopted.
struct BookChange {
  std::vector<ScenarioRecord> scenarios;
  std::vector<VersionRecord> versions;
  std::shared_ptr<const Scenario> built;   ///< Of the new version, if any.
  std::shared_ptr<const NodeNames> names;  ///< With it.
  std::vector<Activity> activity;          ///< To be written down with it.
};

/// A version of a scenario.
struct VersionName {
  std::string scenario;
  Version version = 0;
  auto operator<=>(const VersionName&) const = default;
};

/// Those that runs or deliveries under way still need.
using VersionsInUse = std::set<std::pair<ScenarioKey, Version>>;
VersionsInUse versions_in_use(const Counters& counters);

/// A value: the engine thread owns the one that changes, and gives out copies, which cost a pointer
/// a scenario and may be asked by any thread. Whatever reads a text says so: it is not to be called
/// on the engine thread while that serves others. Texts are in the store alone; what is built stays
/// in memory while `catalog` needs it.
class ScenarioBook {
 public:
  using Entries = std::map<std::string, std::shared_ptr<const ScenarioEntry>, std::less<>>;

  /// `log`: see VersionReader.
  ScenarioBook(const NodeKinds& kinds, const ControlSnapshot& snapshot,
               std::shared_ptr<VersionTexts> texts, LogSink log);

  /// Takes over what has been committed.
  void adopt(BookChange change);
  /// Takes over what `load` found; null: it cannot be read.
  void adopt(const VersionName& name, std::shared_ptr<const Scenario> scenario);
  void adopt_sizes(std::string_view id, const std::map<Version, std::size_t>& sizes);

  /// How texts are read, and what they may name.
  VersionReader& reader() { return reader_; }
  const VersionReader& reader() const { return reader_; }
  VersionTexts& texts() const { return reader_.texts(); }

  /// By id; deleted ones too.
  const Entries& entries() const { return entries_; }
  /// Null where there is, and was, no such scenario.
  const ScenarioEntry* find_entry(std::string_view id) const;
  /// The same of one that is not deleted; else an error for the caller.
  Result<const ScenarioEntry*> known(std::string_view id) const;
  /// Of the next new scenario.
  ScenarioKey next_key() const;
  const ScenarioRecord* find(std::string_view id) const;
  const ScenarioRecord* find(ScenarioKey key) const;
  /// Of all that are not deleted.
  std::vector<const ScenarioRecord*> records() const;
  /// Null where there is no such scenario.
  std::shared_ptr<const NodeNames> names(std::string_view id) const;
  std::shared_ptr<const NodeNames> names(ScenarioKey key) const;
  Result<ScenarioInfo> info(std::string_view id) const;
  std::vector<ScenarioInfo> list() const;
  /// Versions of `id` whose number of nodes is not known.
  std::vector<Version> unsized(std::string_view id) const;
  /// The number of nodes of a version; 0 where it cannot be read. Reads texts.
  std::size_t size_of(const VersionName& name) const;
  /// A version without its text.
  Result<VersionText> version(std::string_view id, Version version) const;
  /// The text of a version. Reads texts.
  Result<std::string> text(std::string_view id, Version version) const;
  /// What is in memory of all versions.
  struct Held {
    std::size_t built = 0;  ///< Versions.
    std::size_t text_bytes = 0;
  };
  Held held() const;

  /// Versions that `catalog` needs and that are neither built nor known to be unreadable: newest
  /// ones of scenarios that are not archived, and those that runs or deliveries under way need.
  std::vector<VersionName> missing(const VersionsInUse& used) const;
  /// The newest version of `id`, where it is neither built nor known to be unreadable.
  std::optional<VersionName> unread(std::string_view id) const;
  /// The newest version of `id` where even its title is unknown: an archived one that was not read
  /// since the start.
  std::optional<VersionName> untitled(std::string_view id) const;
  /// The same, of any scenario.
  std::optional<VersionName> untitled() const;
  /// The version as it is built or, where it is not, read from its text; null where it cannot be
  /// read, or is not there. Reads texts.
  std::shared_ptr<const Scenario> load(const VersionName& name) const;
  /// The same, where it is built; else null.
  std::shared_ptr<const Scenario> built(const VersionName& name) const;
  bool is_unreadable(const VersionName& name) const;
  /// The newest version; null where it cannot be read.
  std::shared_ptr<const Scenario> newest(std::string_view id) const;
  /// Of those that are built: those needed (see `missing`), indexed. Releases the others.
  Catalog catalog(const VersionsInUse& used, const std::string& epoch, std::int64_t account_id);

 private:
  void replace(ScenarioEntry entry);

  VersionReader reader_;
  Entries entries_;
  std::map<ScenarioKey, std::string> ids_;
};
}  // namespace onward
