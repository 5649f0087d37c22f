#pragma once
// Texts of versions as scenarios: what they may name, and what they were when they are read again.
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/authoring/load.h"
#include "engine/control/node_names.h"
#include "engine/control/scenario_entry.h"
#include "engine/control/version_texts.h"
#include "engine/core/base/log_record.h"
#include "engine/core/base/result.h"
#include "engine/core/scenario/node.h"
#include "engine/guard/working_file.h"

namespace onward {
/// What a text is held to.
struct TextRules {
  RulesFormat format = kNewestFormat;
  bool stored = false;               ///< Bounds of memory do not refuse it.
  const NodeNames* names = nullptr;  ///< Of earlier versions; may be null.
};

/// A value: copies share what they have logged, and may read in any thread. Texts are in the store
/// alone, so nothing that reads one is called on the engine thread while that serves others.
class VersionReader {
 public:
  /// `log` gets an event for a stored version that this program cannot read, and for one that
  /// newer rules would refuse, once each; by any thread.
  VersionReader(const NodeKinds& kinds, std::shared_ptr<VersionTexts> texts, LogSink log);

  /// The custom fields that scenarios may name from now on.
  void know_fields(std::shared_ptr<const CustomFields> fields);
  /// What files may name from now on.
  void know(AuthorContext context);
  const AuthorContext& context() const { return *context_; }
  /// Grows when what files may name changes.
  std::uint64_t rules() const { return rules_; }
  /// Texts are noted while they are read, and one that is poison is not; may be null.
  void watch(WorkingFile* working) { working_ = working; }

  const NodeKinds& kinds() const { return kinds_; }
  VersionTexts& texts() const { return *texts_; }

  /// Reads, checks and builds; an empty `id` is that of the text.
  Result<Loaded> read(std::string_view id, std::string_view text, const TextRules& rules) const;
  /// Reads the text of a version from the store.
  Result<std::string> text_of(const ScenarioEntry& entry, Version version) const;
  /// Reads and builds a stored version; null where it cannot be read.
  std::shared_ptr<const Scenario> build(const ScenarioEntry& entry, Version version) const;

 private:
  /// Versions that were logged, so that each is once; shared by all copies.
  struct Logged {
    std::mutex mutex;
    std::set<std::pair<ScenarioKey, Version>> unreadable, outdated;  // guarded by mutex
  };
  bool is_first(std::set<std::pair<ScenarioKey, Version>> Logged::*list, const ScenarioEntry& entry,
                Version version) const;
  /// Logs once what newer rules would refuse in a version.
  void log_outdated(const ScenarioEntry& entry, const VersionRecord& version,
                    const std::vector<Diagnostic>& found) const;

  const NodeKinds& kinds_;
  std::shared_ptr<VersionTexts> texts_;
  LogSink log_;
  std::shared_ptr<const AuthorContext> context_ = std::make_shared<const AuthorContext>();
  std::shared_ptr<const CustomFields> fields_;
  std::uint64_t rules_ = 0;
  WorkingFile* working_ = nullptr;
  std::shared_ptr<Logged> logged_ = std::make_shared<Logged>();
};
}  // namespace onward
