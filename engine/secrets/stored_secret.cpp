#include "engine/secrets/stored_secret.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/core/base/text.h"
#include "engine/core/base/value.h"
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

tl::unexpected<Error> bad(std::string message) {
  return fail(ErrorKind::Invalid, "bad_value", std::move(message));
}

constexpr std::size_t kHostMax = 253;
constexpr std::size_t kLabelMax = 63;

tl::unexpected<Error> bad_host(std::size_t number, std::string_view reason) {
  return fail(ErrorKind::Invalid, "bad_host",
              fmt::format("invalid host (number {}): {}; write a host such as crm.example.com, "
                          "crm.example.com:8443, *.example.com or 192.0.2.7",
                          number, reason));
}

/// An IPv6 address in brackets, in its canonical form (RFC 5952); nothing if `text` is not one.
std::optional<std::string> canonical_ipv6(const std::string& text) {
  in6_addr address{};
  char canonical[INET6_ADDRSTRLEN] = {};
  if (::inet_pton(AF_INET6, text.c_str(), &address) != 1 ||
      ::inet_ntop(AF_INET6, &address, canonical, sizeof canonical) == nullptr)
    return std::nullopt;
  return fmt::format("[{}]", canonical);
}

/// Why `name`, in lower case and without a port, is not a host name or an IPv4 address; empty if it
/// is one.
std::string_view fault_of_name(std::string_view name, std::size_t labels_min) {
  if (name.empty() || name.size() > kHostMax) return "a name has 1 to 253 characters";
  std::size_t labels = 0;
  std::string_view last;
  for (std::string_view rest = name;;) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    last = rest.substr(0, dot);
    ++labels;
    if (last.empty() || last.size() > kLabelMax || last.front() == '-' || last.back() == '-')
      return "each part between dots has 1 to 63 characters and no \"-\" at its ends";
    if (dot == rest.size()) break;
    rest.remove_prefix(dot + 1);
  }
  if (!std::all_of(name.begin(), name.end(),
                   [](char c) { return is_name_character(c) || c == '.'; }))
    return "a name has letters, digits, \"-\", \"_\" and dots (letters beyond ASCII: its xn-- "
           "form)";
  // A parser of URLs reads such a name as an IPv4 address.
  const bool number = is_digits(last) || last.starts_with("0x");
  in_addr address{};
  if (number && ::inet_pton(AF_INET, std::string{name}.c_str(), &address) != 1)
    return "an IPv4 address has four numbers from 0 to 255 without leading zeros";
  if (labels < labels_min || (labels_min > 1 && number))
    return "behind \"*.\" there must be a name with a dot, so that not all of a top-level domain "
           "is "
           "allowed";
  return {};
}

/// One entry of `parse_secret_hosts`, the `number`th.
Result<std::string> parse_host(std::string_view given, std::size_t number) {
  std::string text = lower(given);
  if (text == "*") return bad_host(number, "for any host there is --any-host (\"any_host\": true)");
  if (text.find("://") != std::string::npos)
    return bad_host(number, "a host is written without http:// or https://");
  if (text.find_first_of("/?#@") != std::string::npos)
    return bad_host(number, "a host has no path, query or user");
  if (auto address = canonical_ipv6(text)) return *std::move(address);

  std::string port;
  if (const std::size_t colon = text.rfind(':');
      colon != std::string::npos && !text.ends_with(']')) {
    port = text.substr(colon + 1);
    text.resize(colon);
    std::uint16_t value = 0;
    const auto [end, fault] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (fault != std::errc{} || end != port.data() + port.size() || value == 0)
      return bad_host(number, "a port is a number from 1 to 65535");
    port = fmt::format(":{}", value);
  }
  if (text.starts_with('[')) {
    auto address =
        text.ends_with(']') ? canonical_ipv6(text.substr(1, text.size() - 2)) : std::nullopt;
    if (!address) return bad_host(number, "the brackets do not hold an IPv6 address");
    return *address + port;
  }
  if (text.ends_with('.')) text.pop_back();
  const bool below = text.starts_with("*.");
  if (const std::string_view fault =
          fault_of_name(std::string_view{text}.substr(below ? 2 : 0), below ? 2 : 1);
      !fault.empty())
    return bad_host(number, fault);
  return text + port;
}

/// Fails closed: what cannot be read allows no host.
SecretHosts hosts_of(const Value& object) {
  const Value* any = object.find("any_host");
  if (any && *any == Value{true}) return {SecretHosts::Rule::Any};
  const Value* hosts = object.find("hosts");
  if (!hosts) return {};
  SecretHosts rule{SecretHosts::Rule::Listed};
  if (const ValueList* list = hosts->list())
    for (const Value& host : *list)
      if (host.text()) rule.hosts.push_back(*host.text());
  return rule;
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
  if (secret.hosts.rule == SecretHosts::Rule::Any) members.emplace_back("any_host", true);
  if (secret.hosts.rule == SecretHosts::Rule::Listed) {
    ValueList hosts;
    for (const std::string& host : secret.hosts.hosts) hosts.emplace_back(host);
    members.emplace_back("hosts", std::move(hosts));
  }
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
  secret.hosts = hosts_of(*object);
  return secret;
}

Result<SecretHosts> parse_secret_hosts(const std::vector<std::string>& hosts) {
  if (hosts.empty() || hosts.size() > kSecretHostsMax)
    return fail(ErrorKind::Invalid, "bad_host",
                fmt::format("a list of hosts has 1 to {} entries; for any host there is --any-host "
                            "(\"any_host\": true)",
                            kSecretHostsMax));
  SecretHosts rule{SecretHosts::Rule::Listed};
  for (const std::string& given : hosts) {
    auto host = parse_host(given, rule.hosts.size() + 1);
    if (!host) return tl::make_unexpected(host.error());
    rule.hosts.push_back(*std::move(host));
  }
  std::sort(rule.hosts.begin(), rule.hosts.end());
  rule.hosts.erase(std::unique(rule.hosts.begin(), rule.hosts.end()), rule.hosts.end());
  return rule;
}

bool valid_secret_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax &&
         std::all_of(name.begin(), name.end(), is_name_character);
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
  if (!std::all_of(login.begin(), login.end(), is_name_character))
    return bad("a header's name, such as X-Api-Key, has letters, digits, \"-\" and \"_\" alone");
  const std::string name = lower(login);
  if (name.starts_with("webhook-") ||
      std::find(kRefused.begin(), kRefused.end(), name) != kRefused.end())
    return bad(fmt::format("the header \"{}\" is set by Onward itself", login));
  return {};
}
}  // namespace onward
