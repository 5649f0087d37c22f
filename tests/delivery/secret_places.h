#pragma once
// Every place in a request where a secret or a credential can be.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/base64.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/template/template.h"
#include "engine/delivery/http_client.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/secret_source.h"

namespace onward {
/// A value that differs in a header, a URL and JSON.
inline constexpr std::string_view kPlacedValue = "old/v\xc3\xa4lue+\"1\"";

inline SecretValues::Named named(std::string_view name, StoredSecret stored) {
  SecretValues::Named all;
  all.emplace(name, std::move(stored));
  return all;
}

/// One way in which a request holds the secret "key" or the credential "crm".
struct SecretPlace {
  std::string name;
  Request request;
  std::string sign = {};         ///< Of the policy.
  StoredSecret credential = {};  ///< Its value is empty where the place is a secret's.
  bool is_credential() const { return !credential.value.empty(); }
};

/// `front` is scheme and host of the URLs.
inline std::vector<SecretPlace> secret_places(const std::string& front = "http://a") {
  const std::string ref = "\x01key\x02", base = front + "/";
  const auto with = [&](std::string header) {
    return Request{.url = base, .headers = {{"X-Key", std::move(header)}}};
  };
  const Request credential{
      .url = base,
      .headers = {{"Authorization", kSecretOpen + std::string{"credential:crm"} + kSecretClose}}};
  const auto stored = [](AuthScheme scheme, std::string login) {
    return StoredSecret{
        .value = std::string{kPlacedValue}, .scheme = scheme, .login = std::move(login)};
  };
  return {
      {"path", {.url = base + ref + "/x"}},
      {"query", {.url = base + "x?k=" + ref + "&l=1"}},
      {"header", with(ref)},
      {"header, within text", with("key " + ref + "!")},
      {"bearer", with("Bearer " + ref)},
      {"basic", with("Basic \x03jane:" + ref + "\x04")},
      {"signature", {.url = base, .body = "{}"}, "key"},
      {"credential: basic", credential, "", stored(AuthScheme::Basic, "jane")},
      {"credential: bearer", credential, "", stored(AuthScheme::Bearer, "")},
      {"credential: header", credential, "", stored(AuthScheme::Header, "X-Tenant")},
  };
}

/// The URL and all headers of a request, a line each, as a receiver gets them.
inline std::string text_of(const HttpRequest& request) {
  std::string text = request.url.empty() ? request.request->url : request.url;
  for (const auto* headers :
       {request.headers_replaced ? &request.headers : &request.request->headers,
        &request.extra_headers})
    for (const auto& [name, value] : *headers) text += "\n" + name + ": " + value;
  return text;
}

/// The first form of kPlacedValue in `text`; empty: none is there.
inline std::string placed_value_in(const std::string& text) {
  std::string json;
  append_json_string(json, kPlacedValue);
  const std::string value{kPlacedValue};
  for (const std::string& form :
       {value, percent_encode(value), json.substr(1, json.size() - 2),
        base64_encode("jane:" + value), std::string{"old/"}, std::string{"old%2F"}})
    if (text.find(form) != std::string::npos) return form;
  return {};
}
}  // namespace onward
