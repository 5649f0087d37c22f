#pragma once
// All scenarios with their lives and versions: decides what a command may do, and builds the
// catalog.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/catalog.h"
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
};

/// Used by the engine thread alone.
class ScenarioBook {
 public:
  /// `log` is told of a stored version that this program cannot read.
  ScenarioBook(const NodeKinds& kinds, const Snapshot& snapshot,
               std::function<void(std::string_view)> log);

  struct Applied {
    ApplyAnswer answer;
    BookChange change;
  };
  Result<Applied> apply(const std::string& id, const std::string& text, Instant now) const;
  Result<BookChange> activate(std::string_view id,
                              const std::optional<std::vector<std::string>>& test_emails,
                              Instant now) const;
  Result<BookChange> hold(std::string_view id) const;
  Result<BookChange> archive(std::string_view id, Instant now) const;
  Result<Applied> duplicate(std::string_view id, const std::string& new_id, Instant now) const;
  Result<BookChange> remove_draft(std::string_view id) const;

  /// The custom fields that scenarios may name from now on.
  void know_fields(std::shared_ptr<const CustomFields> fields) { fields_ = std::move(fields); }

  /// Takes over what has been committed.
  void adopt(const BookChange& change);
  /// What files may name from now on.
  void know(AuthorContext context) { context_ = std::move(context); }
  /// Versions that are newest, or that runs or deliveries under way still need, built and indexed.
  Catalog catalog(const Counters& counters, const std::string& epoch, std::int64_t account_id);

  const ScenarioRecord* find(std::string_view id) const;
  const ScenarioRecord* find(ScenarioKey key) const;
  Result<ScenarioInfo> info(std::string_view id, bool with_text) const;
  std::vector<ScenarioInfo> list() const;
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
  };
  Result<const Entry*> known(std::string_view id) const;
  ScenarioInfo info_of(const Entry& entry, bool with_text) const;
  StatsSide side(const Entry& entry, const Counters& counters, bool test, Version version) const;
  std::shared_ptr<const Scenario> build(const Entry& entry, Version version) const;

  const NodeKinds& kinds_;
  std::function<void(std::string_view)> log_;
  std::map<std::string, Entry, std::less<>> entries_;  // by id
  std::map<ScenarioKey, std::string> ids_;
  AuthorContext context_;
  std::shared_ptr<const CustomFields> fields_;
};
}  // namespace onward
