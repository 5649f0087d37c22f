#include "nodes/webhook_headers.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>

#include "engine/core/base/base64.h"
#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/text.h"
#include "nodes/setting_reads.h"

namespace onward {
namespace {
constexpr std::size_t kValueMax = 8 * 1024;
constexpr std::string_view kAuthorization = "Authorization";

/// What the engine, or the connection, decides.
constexpr std::array<std::string_view, 12> kRefused = {
    "host",       "content-length",      "transfer-encoding",
    "connection", "keep-alive",          "te",
    "trailer",    "proxy-connection",    "upgrade",
    "expect",     "proxy-authorization", "content-encoding"};

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), is_name_character);
}

/// Whether a rendered value may stand in a header; references to secrets may.
bool is_safe(std::string_view value) {
  return value.size() <= kValueMax && !has_control_characters(value);
}

Template compile_header(Settings& settings, const Tree& tree, std::string_view key) {
  return Template::compile(tree.text, tree.text_at, TemplateUse::Header,
                           name_of_setting(settings, key), settings.diagnostics());
}
}  // namespace

WebhookHeaders::WebhookHeaders(Settings& settings) {
  read_headers(settings);
  read_auth(settings);
}

void WebhookHeaders::read_headers(Settings& settings) {
  const Tree* tree = settings.find("headers");
  if (!tree) return;
  if (!tree->is_map()) {
    settings.error(tree->at, "wrong_type",
                   fmt::format("\"headers\" wants a mapping such as {{ X-Api-Key: abc }}, found {}",
                               describe(*tree)));
    return;
  }
  std::unordered_set<std::string> names;
  for (const Tree::Entry& entry : tree->entries) {
    const std::string name = lower(entry.key);
    const std::string shown = clipped(entry.key);
    if (!is_name(entry.key)) {
      settings.error(entry.key_at, "bad_header_name",
                     fmt::format("\"headers\": \"{}\" is no header name; use letters, digits, "
                                 "\"-\" and \"_\"",
                                 shown));
    } else if (name.starts_with("webhook-") ||
               std::find(kRefused.begin(), kRefused.end(), name) != kRefused.end()) {
      settings.error(entry.key_at, "refused_header",
                     fmt::format("\"headers\": \"{}\" is set by Onward itself; remove it", shown));
    } else if (!names.insert(name).second) {
      settings.error(entry.key_at, "duplicate_header",
                     fmt::format("\"headers\": \"{}\" is given twice, case aside", shown));
    } else if (!entry.value.is_scalar()) {
      settings.error(
          entry.value.at, "wrong_type",
          fmt::format("\"headers\": \"{}\" wants a text, found {}", shown, describe(entry.value)));
    } else {
      headers_.emplace_back(entry.key, compile_header(settings, entry.value, "headers"));
    }
  }
}

void WebhookHeaders::read_auth(Settings& settings) {
  const Tree* tree = settings.find("auth");
  if (!tree) return;
  constexpr std::string_view kWants =
      "\"auth\" wants { bearer: … }, { basic: { username: …, password: … } } or { credential: NAME "
      "}";
  if (!tree->is_map() || tree->entries.size() != 1) {
    settings.error(tree->at, "wrong_type", fmt::format("{}, found {}", kWants, describe(*tree)));
    return;
  }
  if (has(kAuthorization))
    settings.error(tree->at, "duplicate_header",
                   "\"auth\" and an Authorization header say the same thing; keep one");
  const Tree::Entry& entry = tree->entries.front();
  if (entry.key == "basic") return read_basic(settings, entry.value);
  if (entry.key == "credential") {
    if (entry.value.is_scalar() && is_name(entry.value.text) && entry.value.text.size() <= 64)
      credential_ = entry.value.text;
    else
      settings.error(entry.value.at, "wrong_type",
                     fmt::format("\"auth\": \"credential\" wants the name of one, as `onward "
                                 "credential set` was given it, found {}",
                                 describe(entry.value)));
  } else if (entry.key != "bearer") {
    constexpr std::array<std::string_view, 3> kKnown = {"basic", "bearer", "credential"};
    settings.error(entry.key_at, "unknown_key",
                   fmt::format("{}, found \"{}\"", kWants, clipped(entry.key)),
                   settings.nearest(entry.key, kKnown));
  } else if (!entry.value.is_scalar() || entry.value.text.empty()) {
    settings.error(entry.value.at, "wrong_type",
                   fmt::format("\"auth\": \"bearer\" wants a text such as \"{{{{ secret.token "
                               "}}}}\", found {}",
                               describe(entry.value)));
  } else {
    bearer_ = compile_header(settings, entry.value, "auth");
  }
}

void WebhookHeaders::read_basic(Settings& settings, const Tree& tree) {
  constexpr std::array<std::string_view, 2> kParts = {"username", "password"};
  for (const Tree::Entry& entry : tree.entries)
    if (std::find(kParts.begin(), kParts.end(), entry.key) == kParts.end())
      return settings.error(
          entry.key_at, "unknown_key",
          fmt::format("\"auth\": \"basic\" has no key \"{}\"; there are username and password",
                      clipped(entry.key)),
          settings.nearest(entry.key, kParts));
  const Tree::Entry* username = tree.find("username");
  const Tree::Entry* password = tree.find("password");
  if (!username || !password || !username->value.is_scalar() || !password->value.is_scalar()) {
    settings.error(tree.at, "wrong_type",
                   "\"auth\": \"basic\" wants two texts: { username: …, password: … }");
    return;
  }
  if (username->value.text.find(':') != std::string::npos && !has_placeholder(username->value.text))
    settings.error(username->value.at, "bad_username", "\"auth\": a username cannot hold a \":\"");
  basic_ = Basic{compile_header(settings, username->value, "auth"),
                 compile_header(settings, password->value, "auth")};
}

WebhookHeaders::Rendered WebhookHeaders::render_to(std::vector<Header>& out,
                                                   const TemplateSubject& subject,
                                                   std::size_t most) const {
  std::size_t bytes = 0;
  // A value that becomes too long is no use beyond its limit.
  const auto add = [&](std::string_view name, std::string_view scheme, const Template& text) {
    std::string value{scheme};
    const bool whole = text.render_to(value, subject, kValueMax);
    bytes += name.size() + value.size();
    if (!whole || !is_safe(value)) return false;
    out.emplace_back(name, std::move(value));
    return true;
  };
  for (const auto& [name, value] : headers_) {
    if (!add(name, "", value)) return {.broken = name};
    if (bytes > most) return {.fits = false};
  }
  if (bearer_ && !add(kAuthorization, "Bearer ", *bearer_)) return {.broken = kAuthorization};
  if (basic_) {
    constexpr std::size_t kPairMax = kValueMax / 2;
    std::string pair;
    if (!basic_->username.render_to(pair, subject, kPairMax) || pair.find(':') != std::string::npos)
      return {.broken = kAuthorization};
    pair += ':';
    if (!basic_->password.render_to(pair, subject, kPairMax) || has_control_characters(pair))
      return {.broken = kAuthorization};
    // With a secret in it, it cannot be encoded before the attempt.
    const bool whole = pair.find(kSecretOpen) == std::string::npos;
    out.emplace_back(kAuthorization,
                     "Basic " + (whole ? base64_encode(pair) : kBase64Open + pair + kBase64Close));
    bytes += out.back().second.size();
  }
  if (!credential_.empty())
    out.emplace_back(kAuthorization, fmt::format("{}{}{}{}", kSecretOpen, kCredentialPrefix,
                                                 credential_, kSecretClose));
  return {.fits = bytes <= most};
}

bool WebhookHeaders::has(std::string_view name) const {
  return std::any_of(headers_.begin(), headers_.end(),
                     [&](const auto& header) { return same_ignoring_case(header.first, name); });
}

std::vector<std::string> WebhookHeaders::secrets() const {
  std::vector<std::string> names;
  const auto add = [&](const Template& text) {
    for (std::string& name : text.secrets()) names.push_back(std::move(name));
  };
  for (const auto& [name, value] : headers_) add(value);
  if (bearer_) add(*bearer_);
  if (basic_) {
    add(basic_->username);
    add(basic_->password);
  }
  return names;
}
}  // namespace onward
