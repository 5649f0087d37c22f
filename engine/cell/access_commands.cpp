#include "engine/cell/access_commands.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/core/contact/custom_prefix.h"

namespace onward {
namespace {
std::string text_of(const TokenRecord& token) {
  return fmt::format("{}, role {}{}", token.name, to_string(token.role),
                     token.expires ? ", until " + format_instant(*token.expires) : "");
}
}  // namespace

Status AccessCommands::commit_token(const TokenRecord& token, const std::string& what,
                                    const std::string& who) {
  const Status done = control_.commit(
      Change{{.tokens = {token}, .activity = {cell_.activity(what, {}, who, text_of(token))}},
             [token](ControlState& state, ControlChange&) {
               state.tokens = std::make_shared<const TokenBook>(
                   token.removed ? state.tokens->without(token.name) : state.tokens->with(token));
             }});
  if (!done) return done;
  cell_.log({what,
             {{"name", token.name},
              {"role", to_string(token.role)},
              {"by", who.empty() ? "engine" : who}}});
  return {};
}

Result<TokenRecord> AccessCommands::issue_token(TokenRecord token, const std::string& who) {
  token.created = cell_.now();
  if (Status may = cell_.control.tokens->may_add(token, token.created); !may)
    return tl::make_unexpected(may.error());
  if (Status done = commit_token(token, "token.created", who); !done)
    return tl::make_unexpected(done.error());
  return token;
}

Result<TokenRecord> AccessCommands::revoke_token(const std::string& name, const std::string& who) {
  auto gone = cell_.control.tokens->removal(name);
  if (!gone) return gone;
  if (Status done = commit_token(*gone, "token.revoked", who); !done)
    return tl::make_unexpected(done.error());
  return gone;
}

Status AccessCommands::commit_fields(AdminRecord row, Activity activity,
                                     std::vector<CustomField> fields) {
  return control_.commit(Change{{.admin = {std::move(row)}, .activity = {std::move(activity)}},
                                [fields = std::move(fields)](ControlState& state, ControlChange&) {
                                  state.set_fields(CustomFields{fields});
                                }});
}

Result<bool> AccessCommands::declare_field(const CustomField& field, const std::string& who) {
  const bool fresh = cell_.control.fields->find(field.name) == nullptr;
  if (fresh && cell_.control.fields->all().size() >= kCustomFieldsMax)
    return fail(ErrorKind::Conflict, "too_many",
                fmt::format("at most {} custom fields can be declared", kCustomFieldsMax));
  std::vector<CustomField> all = cell_.control.fields->all();
  all.push_back(field);
  if (Status done = commit_fields(
          {.kind = AdminKind::Field, .name = field.name, .content = to_json(to_value(field))},
          cell_.activity("field.declared", {}, who,
                         fmt::format("{}{}, {}", kCustom, field.name, to_string(field.type))),
          std::move(all));
      !done)
    return tl::make_unexpected(done.error());
  return fresh;
}

Result<bool> AccessCommands::remove_field(const std::string& name, const std::string& who) {
  if (cell_.control.fields->find(name) == nullptr)
    return fail(ErrorKind::NotFound, "unknown_field",
                fmt::format("there is no declared field \"{}\"", clipped(name)));
  std::vector<CustomField> all = cell_.control.fields->all();
  std::erase_if(all, [&](const CustomField& field) { return field.name == name; });
  if (Status done = commit_fields(
          {.kind = AdminKind::Field, .name = name, .removed = true},
          cell_.activity("field.removed", {}, who, fmt::format("{}{}", kCustom, name)),
          std::move(all));
      !done)
    return tl::make_unexpected(done.error());
  return true;
}
}  // namespace onward
