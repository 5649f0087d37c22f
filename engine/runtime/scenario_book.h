#pragma once
// All scenarios with their lives and versions: decides what a command may do, and builds the
// catalog.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/catalog.h"
#include "engine/core/migration.h"
#include "engine/core/node.h"
#include "engine/core/stats.h"
#include "engine/runtime/runtime.h"
#include "engine/secrets/stored_secret.h"
#include "engine/store/store.h"

namespace onward {
/// Rows that a command wants written. Nothing has happened until they are adopted.
struct BookChange {
  std::vector<ScenarioRecord> scenarios;
  std::vector<VersionRecord> versions;
  std::shared_ptr<const Scenario> built;  ///< Of the new version, if any.
  std::vector<Activity> activity;         ///< To be written down with it.
};

/// Used by the engine thread alone.
class ScenarioBook {
 public:
  /// `log` gets an event for a stored version that this program cannot read, and for one that
  /// newer rules would refuse.
  ScenarioBook(const NodeKinds& kinds, const Snapshot& snapshot, LogSink log);

  struct Applied {
    ApplyAnswer answer;
    BookChange change;
  };
  /// A new text is held to the newest rules. One that is the newest version's, byte for byte, is
  /// held to the rules of that version and changes nothing.
  Result<Applied> apply(const std::string& id, const std::string& text, Instant now) const {
    return apply(id, text, kNewestFormat, now);
  }
  Result<BookChange> activate(std::string_view id,
                              const std::optional<std::vector<std::string>>& test_emails,
                              Instant now) const;
  Result<BookChange> hold(std::string_view id) const;
  Result<BookChange> archive(std::string_view id, Instant now) const;
  /// The copy keeps the format of its original, so what runs can be duplicated.
  Result<Applied> duplicate(std::string_view id, const std::string& new_id, Instant now) const;
  Result<BookChange> remove_draft(std::string_view id) const;
  /// What the times in a newest text ask for by `now`: a start, or an end. Of one scenario; asked
  /// again until nothing is due.
  std::optional<BookChange> due(Instant now) const;
  /// When something is due next.
  std::optional<Instant> next_due() const;
  /// What `id` is to become when `text` is applied.
  Result<ScenarioPlan> plan(const std::string& id, const std::string& text,
                            const MigrationRequest& request, const Counters& counters,
                            Instant now) const;
  /// The way over of runs under way to what `applied` makes (or to the newest version, where it
  /// makes none); refused where it would strand somebody.
  Result<NodeMap> migration(const std::string& id, const Applied& applied,
                            const MigrationRequest& request, const Counters& counters) const;

  /// The custom fields that scenarios may name from now on.
  void know_fields(std::shared_ptr<const CustomFields> fields) { fields_ = std::move(fields); }

  /// Takes over what has been committed.
  void adopt(const BookChange& change);
  /// Texts are noted while they are read, and one that is poison is not; may be null.
  void watch(WorkingFile* working) { working_ = working; }
  /// What files may name from now on.
  void know(AuthorContext context) { context_ = std::move(context); }
  /// Versions that are newest, or that runs or deliveries under way still need, built and indexed.
  Catalog catalog(const Counters& counters, const std::string& epoch, std::int64_t account_id);

  const ScenarioRecord* find(std::string_view id) const;
  const ScenarioRecord* find(ScenarioKey key) const;
  Result<ScenarioInfo> info(std::string_view id, bool with_text) const;
  std::vector<ScenarioInfo> list() const;
  Result<ScenarioVersions> versions(std::string_view id, const Counters& counters) const;
  Result<VersionText> text(std::string_view id, Version version) const;
  Result<ScenarioStats> stats(std::string_view id, Version version, const Counters& counters,
                              Instant now) const;

  /// Who names a secret or credential.
  struct User {
    std::string id;
    bool live = false;  ///< Active, scheduled or on hold, or with requests that still need it.
  };
  std::vector<User> users_of(SecretKind kind, std::string_view name,
                             const Counters& counters) const;
  /// Secrets and credentials of the newest version that are not known.
  std::vector<std::string> unknown_secrets(std::string_view id) const;
  /// The newest version; null where it cannot be read.
  std::shared_ptr<const Scenario> newest(std::string_view id) const;

 private:
  struct Entry {
    ScenarioRecord record;
    std::map<Version, VersionRecord> versions;
    std::map<Version, std::shared_ptr<const Scenario>> built;
    mutable std::map<Version, std::size_t> sizes;  // nodes, once they have been asked for
    mutable std::set<Version> outdated;            // logged as such
  };
  /// `format`: the rules that bind a text that is not the stored one already.
  Result<Applied> apply(const std::string& id, const std::string& text, RulesFormat format,
                        Instant now) const;
  Result<const Entry*> known(std::string_view id) const;
  std::optional<ScenarioNext> next_of(const Entry& entry) const;
  /// The version, read where it is not at hand; null where it cannot be.
  std::shared_ptr<const Scenario> version(const Entry& entry, Version version) const;
  /// Who cannot go over, a sentence for each node.
  std::vector<std::string> stranded(const Entry& entry, const std::shared_ptr<const Scenario>& to,
                                    Version newest, const NodeMap& map,
                                    const Counters& counters) const;
  ScenarioInfo info_of(const Entry& entry, bool with_text) const;
  StatsSide side(const Entry& entry, const Counters& counters, bool test, Version version) const;
  std::shared_ptr<const Scenario> build(const Entry& entry, Version version) const;
  /// Logs once what newer rules would refuse in a version.
  void log_outdated(const Entry& entry, const VersionRecord& version,
                    const std::vector<Diagnostic>& found) const;

  const NodeKinds& kinds_;
  LogSink log_;
  std::map<std::string, Entry, std::less<>> entries_;  // by id
  std::map<ScenarioKey, std::string> ids_;
  AuthorContext context_;
  WorkingFile* working_ = nullptr;
  std::shared_ptr<const CustomFields> fields_;
};
}  // namespace onward
