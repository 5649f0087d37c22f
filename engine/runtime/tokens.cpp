// What the engine does about tokens: issued and revoked, durable before anybody hears of it.
#include <fmt/format.h>

#include <utility>

#include "engine/runtime/engine.h"

namespace onward {
namespace {
std::string text_of(const TokenRecord& token) {
  return fmt::format("{}, role {}{}", token.name, to_string(token.role),
                     token.expires ? ", until " + format_instant(*token.expires) : "");
}
}  // namespace

Status Engine::commit_token(const TokenRecord& token, const std::string& what,
                            const std::string& who) {
  if (Status done = commit_rows({.at = clock_.now(),
                                 .last_seq = last_seq_,
                                 .last_contact = last_contact_,
                                 .tokens = {token},
                                 .activity = {activity_of(what, {}, who, text_of(token))}});
      !done)
    return done;
  tokens_ = std::make_shared<const TokenBook>(token.removed ? tokens_->without(token.name)
                                                            : tokens_->with(token));
  log({what,
       {{"name", token.name},
        {"role", to_string(token.role)},
        {"by", who.empty() ? "engine" : who}}});
  return {};
}

Result<TokenRecord> Engine::issue_token(TokenRecord token, const std::string& who) {
  token.created = clock_.now();
  if (Status may = tokens_->may_add(token, token.created); !may)
    return tl::make_unexpected(may.error());
  if (Status done = commit_token(token, "token.created", who); !done)
    return tl::make_unexpected(done.error());
  return token;
}

Result<TokenRecord> Engine::revoke_token(const std::string& name, const std::string& who) {
  auto gone = tokens_->removal(name);
  if (!gone) return gone;
  if (Status done = commit_token(*gone, "token.revoked", who); !done)
    return tl::make_unexpected(done.error());
  return gone;
}
}  // namespace onward
