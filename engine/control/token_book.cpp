#include "engine/control/token_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/core/base/text.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::size_t kNameMax = 64;
/// What the log calls those who came without a token, the engine itself, and `onward restore`.
constexpr std::array<std::string_view, 3> kReserved{"engine", "anyone", "restore"};

bool is_name(std::string_view name) {
  const auto fits = [](char c) { return is_name_character(c) || c == '.'; };
  // Clients take "." and ".." out of a path, and call another route.
  return !name.empty() && name.size() <= kNameMax && name != "." && name != ".." &&
         std::ranges::all_of(name, fits);
}

bool keeps_the_door(const TokenRecord& token) {
  return token.role == Role::Admin && !token.expires;
}
}  // namespace

const TokenRecord* TokenBook::find(std::string_view sha256) const {
  const TokenRecord* found = nullptr;
  for (const TokenRecord& token : tokens_)  // All of them, so that time tells nothing.
    if (same_secret(token.sha256, sha256)) found = &token;
  return found;
}

Status TokenBook::may_add(const TokenRecord& token, Instant now) const {
  if (!is_name(token.name))
    return fail(ErrorKind::Invalid, "invalid_name",
                fmt::format("a token's name has 1 to {} letters, digits, \"-\", \"_\" and \".\", "
                            "and is not \".\" or \"..\"",
                            kNameMax));
  if (std::ranges::find(kReserved, token.name) != kReserved.end())
    return fail(
        ErrorKind::Invalid, "invalid_name",
        fmt::format("\"{}\" means somebody else in the log; choose another name", token.name));
  if (token.expires && *token.expires <= now)
    return fail(ErrorKind::Invalid, "already_expired",
                fmt::format("the token would have expired at {}", format_instant(*token.expires)));
  if (std::ranges::find(tokens_, token.name, &TokenRecord::name) != tokens_.end())
    return fail(ErrorKind::Conflict, "token_exists",
                fmt::format("there is a token \"{}\" already; revoke it, or choose another name",
                            token.name));
  if (tokens_.size() >= kTokensMax)
    return fail(ErrorKind::Conflict, "too_many",
                fmt::format("at most {} tokens can be issued; revoke one", kTokensMax));
  return {};
}

TokenBook TokenBook::with(TokenRecord token) const {
  std::vector<TokenRecord> all = tokens_;
  all.push_back(std::move(token));
  return TokenBook{std::move(all)};
}

Result<TokenRecord> TokenBook::removal(std::string_view name) const {
  const auto found = std::ranges::find(tokens_, name, &TokenRecord::name);
  if (found == tokens_.end())
    return fail(ErrorKind::NotFound, "unknown_token",
                fmt::format("there is no token \"{}\"", clipped(name)));
  if (keeps_the_door(*found) && std::ranges::count_if(tokens_, keeps_the_door) == 1)
    return fail(ErrorKind::Conflict, "last_admin",
                fmt::format("\"{}\" is the last admin token that does not expire: without it "
                            "nobody could issue another one; create that first",
                            name));
  TokenRecord gone = *found;
  gone.removed = true;
  return gone;
}

TokenBook TokenBook::without(std::string_view name) const {
  std::vector<TokenRecord> left = tokens_;
  std::erase_if(left, [&](const TokenRecord& token) { return token.name == name; });
  return TokenBook{std::move(left)};
}
}  // namespace onward
