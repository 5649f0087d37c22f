#pragma once
// All secrets and credentials: decides what a command may do to them, seals them for the store, and
// keeps the values for attempts.
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/secret_info.h"
#include "engine/core/scenario/settings.h"
#include "engine/secrets/secret_source.h"
#include "engine/secrets/vault.h"
#include "engine/store/control_rows.h"

namespace onward {
/// Rows that a command wants written. Nothing has happened until they are adopted.
struct SecretBookChange {
  std::vector<AdminRecord> rows;
  std::vector<Activity> activity;
  bool empty() const { return rows.empty() && activity.empty(); }
};

/// Used by the engine thread alone.
class SecretBook {
 public:
  /// Unseals what the snapshot holds. What cannot be unsealed is listed as unreadable and is
  /// missing for attempts, until it is set again or its key is back.
  SecretBook(Vault vault, const ControlSnapshot& snapshot);

  struct Changed {
    SecretBookChange change;
    bool created = false;
  };
  /// Invalid, NotFound or Conflict where the change makes no sense; Io where no key can be made.
  Result<Changed> set(SecretKind kind, const std::string& name, const SecretChange& wanted,
                      std::string_view who, Instant now);
  Result<SecretBookChange> remove(SecretKind kind, std::string_view name, std::string_view who,
                                  Instant now) const;
  /// A new master key, in its file, and every row sealed under it. To be followed by `adopt` and
  /// `drop_old_keys` once the rows are committed.
  Result<SecretBookChange> rekey(std::string_view who, Instant now);
  /// The rows that a change of keys left behind, where it was cut off: empty where it was not.
  Result<SecretBookChange> reseal();
  /// Only where nothing needs them: rows that cannot be read may wait for one of them.
  Status drop_old_keys();
  std::size_t old_keys() const { return vault_.old_keys(); }

  /// Takes over what has been committed.
  void adopt(const SecretBookChange& change);

  std::optional<SecretInfo> info(SecretKind kind, std::string_view name) const;
  std::vector<SecretInfo> list(SecretKind kind) const;
  std::size_t unreadable() const;
  /// Readable ones that were stored before secrets had hosts, so that any host gets them: "secret
  /// crm_key", "credential crm".
  std::vector<std::string> without_hosts() const;
  /// For the checks of scenario files.
  AuthorContext context() const;
  std::shared_ptr<const SecretValues> values() const { return values_; }

 private:
  struct Entry {
    std::string sealed;
    std::optional<StoredSecret> stored;  ///< Nothing: it cannot be unsealed.
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  const Entries& entries(SecretKind kind) const { return entries_[static_cast<int>(kind)]; }
  const Entry* find(SecretKind kind, std::string_view name) const;
  void take(const AdminRecord& row);
  void publish();
  Result<SecretBookChange> resealed(bool all) const;

  Vault vault_;
  Entries entries_[2];  // by SecretKind
  std::shared_ptr<const SecretValues> values_;
};
}  // namespace onward
