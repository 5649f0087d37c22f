#include "engine/secrets/stored_secret.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/core/value.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/signature.h"

namespace onward {
namespace {
constexpr std::size_t kValueMin = 4;
constexpr std::size_t kValueMax = 8 * 1024;
constexpr std::size_t kNameMax = 64;
constexpr std::size_t kLoginMax = 256;
constexpr std::array<std::string_view, 4> kSchemes{"none", "basic", "bearer", "header"};

/// What the engine, or the connection, decides.
constexpr std::array<std::string_view, 13> kRefused{
    "host",        "content-length",   "transfer-encoding",
    "connection",  "keep-alive",       "te",
    "trailer",     "proxy-connection", "upgrade",
    "expect",      "content-encoding", "proxy-authorization",
    "content-type"};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

tl::unexpected<Error> bad(std::string message) {
  return fail(ErrorKind::Invalid, "bad_value", std::move(message));
}

std::string text_of(const Value& value, std::string_view name) {
  const Value* member = value.find(name);
  const std::string* text = member ? member->text() : nullptr;
  return text ? *text : std::string{};
}
}  // namespace

std::string_view to_string(SecretKind kind) {
  return kind == SecretKind::Secret ? "secret" : "credential";
}

std::string_view to_string(AuthScheme scheme) {
  return kSchemes.at(static_cast<std::size_t>(scheme));
}

std::string pack(const StoredSecret& secret) {
  ValueMap members{{"value", secret.value}, {"set", format_instant(secret.set)}};
  if (!secret.previous.empty()) members.emplace_back("previous", secret.previous);
  if (secret.rotated) members.emplace_back("rotated", format_instant(*secret.rotated));
  if (secret.scheme != AuthScheme::None) members.emplace_back("scheme", to_string(secret.scheme));
  if (!secret.login.empty()) members.emplace_back("login", secret.login);
  return to_json(Value{std::move(members)});
}

Result<StoredSecret> unpack(std::string_view text) {
  const auto object = parse_json(text);
  if (!object || !object->map() || text_of(*object, "value").empty())
    return fail(ErrorKind::Invalid, "unreadable", "what was sealed is no secret");
  StoredSecret secret{.value = text_of(*object, "value"), .previous = text_of(*object, "previous")};
  secret.set = parse_instant(text_of(*object, "set")).value_or(Instant{});
  if (object->find("rotated")) secret.rotated = parse_instant(text_of(*object, "rotated"));
  const auto scheme = std::find(kSchemes.begin(), kSchemes.end(), text_of(*object, "scheme"));
  if (scheme != kSchemes.end()) secret.scheme = static_cast<AuthScheme>(scheme - kSchemes.begin());
  secret.login = text_of(*object, "login");
  return secret;
}

bool valid_secret_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::all_of(name.begin(), name.end(), is_word);
}

Status check_secret_value(std::string_view value) {
  if (value.size() < kValueMin)
    return bad(
        fmt::format("the value is shorter than {} bytes: it can be guessed, and could not "
                    "be masked in what receivers answer",
                    kValueMin));
  if (value.size() > kValueMax)
    return bad(fmt::format("the value is longer than {} bytes, which no header takes", kValueMax));
  if (!valid_utf8(value))
    return bad("the value is no UTF-8 text; give binary keys as whsec_BASE64");
  if (std::any_of(value.begin(), value.end(), is_control))
    return bad(
        "the value holds a control character, such as the end of a line; nothing like that can "
        "stand in a header");
  if (value.front() == ' ' || value.back() == ' ')
    return bad("the value begins or ends with a blank, which receivers cut off");
  if (const auto key = signing_key(value); !key) return bad(key.error().message);
  return {};
}

Status check_login(AuthScheme scheme, std::string_view login) {
  if (scheme == AuthScheme::None || scheme == AuthScheme::Bearer) return {};
  if (login.empty() || login.size() > kLoginMax || !valid_utf8(login) ||
      std::any_of(login.begin(), login.end(), is_control))
    return bad(scheme == AuthScheme::Basic ? "a username wants 1 to 256 bytes without control "
                                             "characters"
                                           : "a header wants a name such as X-Api-Key");
  if (scheme == AuthScheme::Basic) {
    if (login.find(':') == std::string_view::npos) return {};
    return bad("a username cannot hold a \":\"");
  }
  // It is not repeated: whoever gave "X-Api-Key: VALUE" gave the value with it.
  if (!std::all_of(login.begin(), login.end(), is_word))
    return bad("a header's name, such as X-Api-Key, has letters, digits, \"-\" and \"_\" alone");
  std::string lower{login};
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (lower.starts_with("webhook-") ||
      std::find(kRefused.begin(), kRefused.end(), lower) != kRefused.end())
    return bad(fmt::format("the header \"{}\" is set by Onward itself", login));
  return {};
}
}  // namespace onward
