// /v1/tokens: who may call. A token is shown once, to whoever made it; after that its hash alone is
// known.
#include <fmt/format.h>

#include <array>

#include "engine/api/access.h"
#include "engine/api/resources.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::size_t kHashShown = 8;
constexpr std::array kRoles{Role::Read, Role::Ingest, Role::Author, Role::Admin, Role::Metrics};

Value token_view(const TokenRecord& token, Instant now) {
  Value view = ValueMap{{"name", token.name},
                        {"role", to_string(token.role)},
                        {"created_at", format_instant(token.created)}};
  view.set("expires_at", token.expires ? Value{format_instant(*token.expires)} : Value{});
  view.set("expired", token.expires && *token.expires <= now);
  view.set("hash", token.sha256.substr(0, kHashShown));
  return view;
}

Result<Role> parse_role(const Value* given) {
  const std::string* text = given ? given->text() : nullptr;
  for (const Role role : kRoles)
    if (text && *text == to_string(role)) return role;
  return fail(ErrorKind::Invalid, "bad_role",
              fmt::format("\"role\" must be read, ingest, metrics, author or admin (got {}).",
                          given ? to_json(*given) : "nothing"));
}

Result<TokenRecord> parse_token(std::string_view body) {
  const auto object = parse_object(body, {"name", "role", "expires_at"});
  if (!object) return tl::make_unexpected(object.error());
  TokenRecord token;
  const Value* name = object->find("name");
  if (!name || !name->text())
    return fail(ErrorKind::Invalid, "wrong_type", "\"name\" wants a text.");
  token.name = *name->text();
  const auto role = parse_role(object->find("role"));
  if (!role) return tl::make_unexpected(role.error());
  token.role = *role;
  const Value* expires = object->find("expires_at");
  if (!expires || expires->is_null()) return token;
  if (!expires->text())
    return fail(ErrorKind::Invalid, "wrong_type", "\"expires_at\" wants a time.");
  auto when = parse_when(*expires->text(), "expires_at");
  if (!when) return tl::make_unexpected(when.error());
  token.expires = *when;
  return token;
}

void list_tokens(Runtime& runtime, const Clock& clock, const Call& call) {
  ValueList tokens;
  const std::shared_ptr<const TokenBook> book = runtime.shown().tokens();
  for (const TokenRecord& token : book->all()) tokens.push_back(token_view(token, clock.now()));
  call.reply(json_reply(200, ValueMap{{"tokens", std::move(tokens)}}));
}

void create(Runtime& runtime, const Clock& clock, const Call& call) {
  auto token = parse_token(call.request.body);
  if (!token) return call.reply(problem_of(token.error()));
  auto made = new_token();
  if (!made) return call.reply(problem_of(made.error()));
  token->sha256 = sha256_hex(*made);
  const auto render = [&clock, made = std::move(*made)](const TokenRecord& issued) {
    Value view = token_view(issued, clock.now());
    view.set("token", made);
    ApiReply reply = json_reply(201, view);
    reply.headers.emplace_back("Cache-Control", "no-store");
    return reply;
  };
  runtime.calls().post(answer_with<TokenRecord>(call.reply, render),
                       [token = std::move(*token), who = call.who()](Cell& cell) {
                         return cell.access().issue_token(token, who);
                       });
}

void revoke(Runtime& runtime, const Call& call) {
  const auto render = [](const TokenRecord&) { return ApiReply{204, "", ""}; };
  runtime.calls().post(answer_with<TokenRecord>(call.reply, render),
                       [name = call.params.front(), who = call.who()](Cell& cell) {
                         return cell.access().revoke_token(name, who);
                       });
}
}  // namespace

std::vector<Route> token_routes(Runtime& runtime, const Clock& clock) {
  return {
      {"GET",
       "/v1/tokens",
       Need::Admin,
       "The tokens that were issued, with their roles; never a token itself.",
       {},
       [&](const Call& call) { list_tokens(runtime, clock, call); },
       {.id = "listTokens", .answers = {{200, "Tokens"}}}},
      {"POST",
       "/v1/tokens",
       Need::Admin,
       "Issues a token, which is shown this once; it opens the door from now on.",
       {},
       [&](const Call& call) { create(runtime, clock, call); },
       {.id = "createToken",
        .body = {{"NewToken"}},
        .answers = {{201, "TokenCreated"}},
        .faults = {{400, kJsonCodes},
                   {400, "bad_role bad_parameter invalid_name already_expired"},
                   {409, "token_exists too_many"}}}},
      {"DELETE",
       "/v1/tokens/{name}",
       Need::Admin,
       "Revokes a token: from now on it opens nothing.",
       {},
       [&](const Call& call) { revoke(runtime, call); },
       {.id = "revokeToken",
        .answers = {{204}},
        .faults = {{404, "unknown_token"}, {409, "last_admin"}}}},
  };
}
}  // namespace onward
