#include "engine/secrets/secret_source.h"

#include <algorithm>

#include "engine/core/template.h"
#include "engine/core/value.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::string_view kMask = "***";
/// Less of a beginning than this tells nobody anything.
constexpr std::size_t kBeginningMin = 4;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

std::string in_json(std::string_view value) {
  std::string text;
  append_json_string(text, value);
  return text.substr(1, text.size() - 2);
}

/// Some writers of JSON escape the slash as well.
std::string with_escaped_slashes(std::string text) {
  replace_all(text, "/", "\\/");
  return text;
}

/// "%2F" as "%2f".
std::string with_small_escapes(std::string text) {
  for (std::size_t i = 0; i + 2 < text.size(); ++i)
    if (text[i] == '%')
      for (const std::size_t digit : {i + 1, i + 2})
        if (text[digit] >= 'A' && text[digit] <= 'F') text[digit] += 'a' - 'A';
  return text;
}

std::vector<std::string> forms_of(std::string_view value) {
  std::vector<std::string> forms{std::string{value}, percent_encode(value), in_json(value)};
  forms.push_back(with_small_escapes(forms[1]));
  forms.push_back(with_escaped_slashes(forms[2]));
  std::sort(forms.begin(), forms.end());
  forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
  return forms;
}

void mask_form(std::string& text, std::string_view form) {
  replace_all(text, form, kMask);
  for (std::size_t length = std::min(form.size() - 1, text.size()); length >= kBeginningMin;
       --length) {
    if (!text.ends_with(form.substr(0, length))) continue;
    text.replace(text.size() - length, length, kMask);
    return;
  }
}

const StoredSecret* find(const SecretValues::Named& all, std::string_view name) {
  const auto found = all.find(name);
  return found == all.end() ? nullptr : &found->second;
}

Header header_of(const StoredSecret& credential) {
  switch (credential.scheme) {
    case AuthScheme::Basic:
      return {"Authorization", "Basic " + base64_encode(credential.login + ":" + credential.value)};
    case AuthScheme::Header:
      return {credential.login, credential.value};
    case AuthScheme::None:
    case AuthScheme::Bearer:
      break;
  }
  return {"Authorization", "Bearer " + credential.value};
}
}  // namespace

std::vector<std::string> SecretSource::signing(std::string_view name) const {
  auto value = secret(name);
  if (!value) return {};
  return {std::move(*value)};
}

void mask_in(std::string& text, std::string_view value) {
  if (value.empty() || text.empty()) return;
  for (const std::string& form : forms_of(value)) mask_form(text, form);
}

SecretValues::SecretValues(Named secrets, Named credentials)
    : secrets_{std::move(secrets)}, credentials_{std::move(credentials)} {
  const auto hide = [this](std::string_view value) {
    for (std::string& form : forms_of(value)) hidden_.push_back(std::move(form));
  };
  for (const Named* all : {&secrets_, &credentials_})
    for (const auto& [name, stored] : *all) {
      hide(stored.value);
      if (!stored.previous.empty()) hide(stored.previous);
      if (stored.scheme == AuthScheme::Basic)
        hide(base64_encode(stored.login + ":" + stored.value));
    }
  std::sort(hidden_.begin(), hidden_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

SecretValues::~SecretValues() {
  for (Named* all : {&secrets_, &credentials_})
    for (auto& [name, stored] : *all) {
      wipe(stored.value);
      wipe(stored.previous);
    }
  for (std::string& value : hidden_) wipe(value);
}

std::optional<std::string> SecretValues::secret(std::string_view name) const {
  const StoredSecret* stored = find(secrets_, name);
  if (!stored) return std::nullopt;
  return stored->value;
}

std::vector<std::string> SecretValues::signing(std::string_view name) const {
  const StoredSecret* stored = find(secrets_, name);
  if (!stored) return {};
  if (stored->previous.empty()) return {stored->value};
  return {stored->value, stored->previous};
}

std::optional<Header> SecretValues::credential(std::string_view name) const {
  const StoredSecret* stored = find(credentials_, name);
  if (!stored) return std::nullopt;
  return header_of(*stored);
}

void SecretValues::mask(std::string& text) const {
  for (const std::string& form : hidden_) mask_form(text, form);
}

void SecretBox::put(std::shared_ptr<const SecretValues> values) {
  const std::lock_guard lock{mutex_};
  values_.swap(values);
}

std::shared_ptr<const SecretValues> SecretBox::now() const {
  const std::lock_guard lock{mutex_};
  return values_;
}

std::optional<std::string> SecretBox::secret(std::string_view name) const {
  const auto values = now();
  return values ? values->secret(name) : std::nullopt;
}

std::vector<std::string> SecretBox::signing(std::string_view name) const {
  const auto values = now();
  return values ? values->signing(name) : std::vector<std::string>{};
}

std::optional<Header> SecretBox::credential(std::string_view name) const {
  const auto values = now();
  return values ? values->credential(name) : std::nullopt;
}

void SecretBox::mask(std::string& text) const {
  if (const auto values = now()) values->mask(text);
}
}  // namespace onward
