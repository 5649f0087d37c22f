#pragma once
// What people do to secrets and credentials, and the test button of a node that sends.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cell/catalog_builder.h"
#include "engine/cell/context.h"
#include "engine/cell/control_writer.h"
#include "engine/control/secret_book.h"
#include "engine/delivery/scheduler.h"

namespace onward {
/// What scenario files may name, as this server sees it.
AuthorContext author_context(const CellContext& cell);

/// Called between two transactions of the cell. `who` is the name of the token behind a change.
class SecretCommands {
 public:
  /// All must outlive it.
  SecretCommands(CellContext& cell, ControlWriter& control, const CatalogBuilder& builder)
      : cell_{cell}, control_{control}, builder_{builder} {}

  std::vector<SecretInfo> list(SecretKind kind) const;
  Result<SecretAnswer> set(SecretKind kind, const std::string& name, const SecretChange& change,
                           std::string_view who);
  Result<SecretAnswer> remove(SecretKind kind, const std::string& name, bool force,
                              std::string_view who);
  /// A new master key; every secret is sealed again. Syncs the store: the old key is dropped last.
  Result<RekeyAnswer> rekey(std::string_view who);
  /// At a start: a change of keys that was interrupted, or begun by people with a new line in the
  /// key file, is completed. Without room on the disk it waits for the next start: the file opens
  /// everything.
  Status finish_rekey();
  /// The one attempt of a node's test button. `newest`: the newest version, which only the caller
  /// can read where it is not built; may be null.
  Result<DeliveryTask> webhook_test(const std::string& scenario, const std::string& node,
                                    std::shared_ptr<const Scenario> newest = {}) const;

 private:
  Status commit(const SecretBookChange& change);
  Status drop_old_keys();
  SecretInfo with_users(SecretKind kind, SecretInfo info) const;

  CellContext& cell_;
  ControlWriter& control_;
  const CatalogBuilder& builder_;
};
}  // namespace onward
