#pragma once
// What people do to tokens and declared fields.
#include <string>

#include "engine/cell/context.h"
#include "engine/cell/control_writer.h"
#include "engine/core/contact/custom_fields.h"

namespace onward {
/// Called between two transactions of the cell. `who` is the name of the token behind a change;
/// empty: the engine itself.
class AccessCommands {
 public:
  /// Both must outlive it.
  AccessCommands(CellContext& cell, ControlWriter& control) : cell_{cell}, control_{control} {}

  /// `token` has a hash, a name, a role and perhaps an end.
  Result<TokenRecord> issue_token(TokenRecord token, const std::string& who = {});
  Result<TokenRecord> revoke_token(const std::string& name, const std::string& who = {});
  /// Whether the field is a new one.
  Result<bool> declare_field(const CustomField& field, const std::string& who = {});
  Result<bool> remove_field(const std::string& name, const std::string& who = {});

 private:
  Status commit_token(const TokenRecord& token, const std::string& what, const std::string& who);
  Status commit_fields(AdminRecord row, Activity activity, std::vector<CustomField> fields);

  CellContext& cell_;
  ControlWriter& control_;
};
}  // namespace onward
