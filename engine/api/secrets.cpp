// /v1/secrets, /v1/credentials: what is kept sealed; and a node's test button. No answer ever shows
// a value.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "engine/api/access.h"
#include "engine/api/event_parts.h"
#include "engine/api/rate_limit.h"
#include "engine/api/resources.h"
#include "engine/api/views.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
/// Of the test button, for each token.
constexpr std::size_t kTestsMost = 30;
constexpr Duration kTestsWindow = std::chrono::minutes{1};

ApiReply wrong_type(std::string_view member, std::string_view wants) {
  return problem(400, "wrong_type", fmt::format("\"{}\" wants {}.", member, wants));
}

/// Text member `name` of a body, or empty; false where it is something else.
bool take_text(const Value& object, std::string_view name, std::string& out) {
  const Value* member = object.find(name);
  if (!member || member->is_null()) return true;
  if (!member->text()) return false;
  out = *member->text();
  return true;
}

bool take_flag(const Value& object, std::string_view name, bool& out) {
  const Value* member = object.find(name);
  if (!member || member->is_null()) return true;
  const bool* flag = member->get_if<bool>();
  if (flag) out = *flag;
  return flag != nullptr;
}

/// Members "hosts" and "any_host"; nothing where neither is there: the hosts stay as they are.
Result<std::optional<SecretHosts>> take_hosts(const Value& object) {
  bool any = false;
  if (!take_flag(object, "any_host", any))
    return fail(ErrorKind::Invalid, "wrong_type", "\"any_host\" must be true or false.");
  const Value* member = object.find("hosts");
  if (member == nullptr || member->is_null()) {
    if (!any) return std::optional<SecretHosts>{};
    return SecretHosts{SecretHosts::Rule::Any};
  }
  if (any)
    return fail(ErrorKind::Invalid, "conflict",
                "\"hosts\" and \"any_host\": true exclude each other; send one of them.");
  std::vector<std::string> hosts;
  bool texts = member->list() != nullptr;
  if (texts)
    for (const Value& host : *member->list()) {
      texts = texts && host.text() != nullptr;
      if (texts) hosts.push_back(*host.text());
    }
  if (!texts)
    return fail(ErrorKind::Invalid, "wrong_type",
                "\"hosts\" must be a list of hosts, for example [\"crm.example.com\"].");
  auto parsed = parse_secret_hosts(hosts);
  if (!parsed) return tl::make_unexpected(std::move(parsed.error()));
  return *std::move(parsed);
}

/// Names of members that nobody knows are not repeated: who confuses name and value would find the
/// value in a log.
Result<Value> parse_known(std::string_view body, std::initializer_list<std::string_view> known) {
  auto object = parse_posted(body);
  if (!object) return object;
  if (!object->map())
    return fail(ErrorKind::Invalid, "wrong_type", "The body must be a JSON object.");
  for (const auto& [name, value] : *object->map())
    if (std::find(known.begin(), known.end(), name) == known.end())
      return fail(ErrorKind::Invalid, "unknown_member",
                  fmt::format("The body has a member that is not known here; known are {}.",
                              fmt::join(known, ", ")));
  return object;
}

void answer_set(const Call& call, Runtime& runtime, SecretKind kind, SecretChange change) {
  const auto render = [kind](const SecretAnswer& answer) {
    Value view = view_of(answer.info, kind);
    view.set("created", answer.created);
    view.set("changed", answer.changed);
    return json_reply(answer.created ? 201 : 200, view);
  };
  runtime.calls().post(answer_with<SecretAnswer>(call.reply, render),
                       [kind, name = call.params.front(), change = std::move(change),
                        who = call.who()](Cell& cell) mutable {
                         auto answer = cell.secrets().set(kind, name, change, who);
                         wipe(change.value);
                         return answer;
                       });
}

void set_secret(Runtime& runtime, const Call& call) {
  const auto object =
      parse_known(call.request.body, {"value", "rotate", "drop_old", "hosts", "any_host"});
  if (!object) return call.reply(problem_of(object.error()));
  SecretChange change;
  if (!take_text(*object, "value", change.value)) return call.reply(wrong_type("value", "a text"));
  if (!take_flag(*object, "rotate", change.rotate))
    return call.reply(wrong_type("rotate", "true or false"));
  if (!take_flag(*object, "drop_old", change.drop_old))
    return call.reply(wrong_type("drop_old", "true or false"));
  auto hosts = take_hosts(*object);
  if (!hosts) return call.reply(problem_of(hosts.error()));
  change.hosts = *std::move(hosts);
  answer_set(call, runtime, SecretKind::Secret, std::move(change));
}

/// {"basic": {"username", "password"}}, {"bearer": "…"} or {"header": {"name", "value"}}, and
/// "hosts" or "any_host". Without a scheme only the hosts change.
void set_credential(Runtime& runtime, const Call& call) {
  constexpr std::string_view kWants =
      "The body wants {\"basic\": {\"username\": …, \"password\": …}}, {\"bearer\": …} or "
      "{\"header\": {\"name\": …, \"value\": …}}, with \"hosts\" or \"any_host\" beside it.";
  constexpr std::array<std::string_view, 3> kSchemes{"basic", "bearer", "header"};
  const auto object =
      parse_known(call.request.body, {"basic", "bearer", "header", "hosts", "any_host"});
  if (!object) return call.reply(problem_of(object.error()));
  SecretChange change;
  auto hosts = take_hosts(*object);
  if (!hosts) return call.reply(problem_of(hosts.error()));
  change.hosts = *std::move(hosts);
  const auto is_scheme = [&](const auto& member) {
    return std::ranges::find(kSchemes, std::string_view{member.first}) != kSchemes.end();
  };
  const auto schemes = std::ranges::count_if(*object->map(), is_scheme);
  if (schemes == 0 && change.hosts)
    return answer_set(call, runtime, SecretKind::Credential, std::move(change));
  if (schemes != 1) return call.reply(problem(400, "wrong_type", kWants));
  const auto& [scheme, given] = *std::ranges::find_if(*object->map(), is_scheme);
  bool right = true;
  if (scheme == "bearer") {
    change.scheme = AuthScheme::Bearer;
    right = take_text(*object, "bearer", change.value);
  } else {
    const bool basic = scheme == "basic";
    const std::string_view login = basic ? "username" : "name";
    const std::string_view value = basic ? "password" : "value";
    change.scheme = basic ? AuthScheme::Basic : AuthScheme::Header;
    right = given.map() && take_text(given, login, change.login) &&
            take_text(given, value, change.value);
    if (right)
      for (const auto& [name, part] : *given.map())
        right = right && (name == login || name == value);
  }
  if (!right) return call.reply(problem(400, "wrong_type", kWants));
  answer_set(call, runtime, SecretKind::Credential, std::move(change));
}

void list_secrets(Runtime& runtime, const Call& call, SecretKind kind) {
  const auto render = [kind](const std::vector<SecretInfo>& infos) {
    ValueList items;
    for (const SecretInfo& info : infos) items.push_back(view_of(info, kind));
    return json_reply(
        200, ValueMap{{kind == SecretKind::Secret ? "secrets" : "credentials", std::move(items)}});
  };
  runtime.calls().post(
      answer_with<std::vector<SecretInfo>>(call.reply, render),
      [kind](Cell& cell) -> Result<std::vector<SecretInfo>> { return cell.secrets().list(kind); });
}

void remove(Runtime& runtime, const Call& call, SecretKind kind) {
  const auto force = parse_flag(call, "force");
  if (!force) return call.reply(problem_of(force.error()));
  const auto render = [](const SecretAnswer&) { return ApiReply{204, "", ""}; };
  runtime.calls().post(answer_with<SecretAnswer>(call.reply, render),
                       [kind, name = call.params.front(), force = *force, who = call.who()](
                           Cell& cell) { return cell.secrets().remove(kind, name, force, who); });
}

void rekey(Runtime& runtime, const Call& call) {
  const auto object = parse_object(call.request.body, {});
  if (!object) return call.reply(problem_of(object.error()));
  const auto render = [](const RekeyAnswer& answer) {
    return json_reply(200, ValueMap{{"sealed", static_cast<std::int64_t>(answer.sealed)},
                                    {"unreadable", static_cast<std::int64_t>(answer.unreadable)}});
  };
  runtime.calls().post(answer_with<RekeyAnswer>(call.reply, render),
                       [who = call.who()](Cell& cell) { return cell.secrets().rekey(who); });
}

/// Whoever writes scenarios may call receivers, but a button is pressed by hand: a program that
/// presses it is looking for open doors.
void test_webhook(Runtime& runtime, const Clock& clock, RateLimit& limit, const Call& call) {
  const auto object = parse_object(call.request.body, {});
  if (!object) return call.reply(problem_of(object.error()));
  const std::string who = call.who();
  if (const auto wait = limit.take(who, clock.now()))
    return call.reply(problem_for_now(
        429, "too_often",
        fmt::format("A token may send {} tests a minute; wait for the next one.", kTestsMost),
        *wait));
  const auto render = [](const WebhookTestAnswer& answer) {
    return json_reply(200, view_of(answer));
  };
  runtime.authoring().test_webhook(answer_with<WebhookTestAnswer>(call.reply, render),
                                   call.params[0], call.params[1], who);
}

constexpr std::string_view kForce = "Also where deliveries will wait for it.";

std::vector<Route> stored_secret_routes(Runtime& runtime) {
  constexpr auto kSecret = SecretKind::Secret;
  return {
      {"GET",
       "/v1/secrets",
       Need::Author,
       "The names of the secrets, and who uses them.",
       {},
       [&](const Call& call) { list_secrets(runtime, call, kSecret); },
       {.id = "listSecrets", .answers = {{200, "Secrets"}}}},
      {"PUT",
       "/v1/secrets/{name}",
       Need::Admin,
       "Sets a secret and its hosts; what is not sent stays as it is.",
       {},
       [&](const Call& call) { set_secret(runtime, call); },
       {.id = "setSecret",
        .body = {{"SecretValue"}},
        .answers = {{200, "SecretChanged"}, {201, "SecretChanged"}},
        .faults = {{400, kJsonCodes},
                   {400, "bad_host bad_value conflict invalid_name no_hosts no_value"},
                   {404, "unknown_secret"},
                   {409, "key_file_exists too_many"}}}},
      {"DELETE",
       "/v1/secrets/{name}",
       Need::Admin,
       "Removes a secret that no live scenario needs.",
       {{"force", kForce, R"({"type": "boolean", "default": false})"}},
       [&](const Call& call) { remove(runtime, call, kSecret); },
       {.id = "removeSecret",
        .answers = {{204}},
        .faults = {{404, "unknown_secret"}, {409, "secret_in_use"}}}},
      {"POST",
       "/v1/secrets/rekey",
       Need::Admin,
       "Makes a new master key and seals everything under it.",
       {},
       [&](const Call& call) { rekey(runtime, call); },
       {.id = "rekey",
        .body = {{R"({"type": "object"})"}},
        .body_optional = true,
        .answers = {{200, "Rekeyed"}},
        .faults = {{400, kJsonCodes}, {409, "key_file_exists"}}}},
  };
}

std::vector<Route> credential_routes(Runtime& runtime) {
  constexpr auto kCredential = SecretKind::Credential;
  return {
      {"GET",
       "/v1/credentials",
       Need::Author,
       "The names of the credentials, their schemes, and who uses them.",
       {},
       [&](const Call& call) { list_secrets(runtime, call, kCredential); },
       {.id = "listCredentials", .answers = {{200, "Credentials"}}}},
      {"PUT",
       "/v1/credentials/{name}",
       Need::Admin,
       "Sets a credential (basic, bearer or header) and its hosts; what is not sent stays as it "
       "is.",
       {},
       [&](const Call& call) { set_credential(runtime, call); },
       {.id = "setCredential",
        .body = {{"CredentialValue"}},
        .answers = {{200, "CredentialChanged"}, {201, "CredentialChanged"}},
        .faults = {{400, kJsonCodes},
                   {400, "bad_host bad_value conflict invalid_name no_hosts no_scheme no_value"},
                   {409, "key_file_exists too_many"}}}},
      {"DELETE",
       "/v1/credentials/{name}",
       Need::Admin,
       "Removes a credential that no live scenario needs.",
       {{"force", kForce, R"({"type": "boolean", "default": false})"}},
       [&](const Call& call) { remove(runtime, call, kCredential); },
       {.id = "removeCredential",
        .answers = {{204}},
        .faults = {{404, "unknown_credential"}, {409, "credential_in_use"}}}},
  };
}

std::vector<Route> webhook_test_routes(Runtime& runtime, const Clock& clock) {
  const auto limit = std::make_shared<RateLimit>(kTestsMost, kTestsWindow);
  return {
      {"POST",
       "/v1/scenarios/{id}/nodes/{node}/test",
       Need::Author,
       "Sends test data as the node would, and tells what came of it; nothing else is kept.",
       {},
       [&runtime, &clock, limit](const Call& call) { test_webhook(runtime, clock, *limit, call); },
       {.id = "testWebhook",
        .body = {{R"({"type": "object"})"}},
        .body_optional = true,
        .answers = {{200, "WebhookTest"}},
        .faults = {{400, kJsonCodes},
                   {400, "cannot_be_sent sends_nothing"},
                   {404, "unknown_node unknown_scenario"},
                   {409, "not_valid_any_more"},
                   {429, "too_often"}}}},
  };
}
}  // namespace

std::vector<Route> secret_routes(Runtime& runtime, const Clock& clock) {
  return joined({stored_secret_routes(runtime), credential_routes(runtime),
                 webhook_test_routes(runtime, clock)});
}
}  // namespace onward
