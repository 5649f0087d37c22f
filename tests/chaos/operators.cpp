#include "tests/chaos/operators.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "tests/chaos/promises.h"

namespace onward::chaos {
namespace {
/// The value that a request sends; nothing where it sends none.
std::optional<std::string> sent_value(const HttpRequest& request) {
  const auto& headers = request.headers_replaced ? request.headers : request.request->headers;
  for (const auto& [name, value] : headers)
    if (name == kSecretHeader) return value;
  return std::nullopt;
}

std::string shown(const std::optional<std::string>& value) { return value.value_or("none"); }
}  // namespace

std::string import_field(std::int64_t import) {
  return fmt::format("import{}", import % kImportFields);
}

std::string Operators::new_token() { return fmt::format("token{}", tokens_.size() + 1); }

std::string Operators::hash_of(const std::string& name) {
  const Hash128 hash = hash128(name);
  return fmt::format("{:016x}{:016x}{:016x}{:016x}", hash.high, hash.low, hash.low, hash.high);
}

std::optional<std::string> Operators::any_token(std::uint64_t chance) const {
  std::vector<std::string> issued;
  for (const auto& [name, token] : tokens_)
    if (token.issued && !token.unknown) issued.push_back(name);
  if (issued.empty()) return std::nullopt;
  return issued.at(chance % issued.size());
}

void Operators::begin_token(const std::string& name, bool issue) {
  tokens_.try_emplace(name, Token{.issued = !issue}).first->second.unknown = true;
  ++figures.tokens;
}

void Operators::end_token(const std::string& name, bool done) {
  Token& token = tokens_.at(name);
  token.unknown = false;
  if (done) token.issued = !token.issued;
}

std::string Operators::new_value() { return fmt::format("{}{:04}", kSecretMark, ++values_); }

void Operators::begin_secret(std::optional<std::string> value) {
  possible_.insert(std::move(value));
  ++figures.secrets;
}

void Operators::end_secret(const std::optional<std::string>& value, bool done) {
  possible_.erase(value);
  if (done) secret_ = value;
}

void Operators::leaves(const HttpRequest& request) const {
  const auto value = sent_value(request);
  if (value && *value != secret_ && !possible_.contains(value))
    broken(promise::kSecrets,
           fmt::format("a request holds {}, the secret is {}", *value, shown(secret_)));
}

void Operators::imported(std::int64_t import, ContactKey contact) {
  ++figures.rows;
  std::int64_t& newest = imported_[{contact, import_field(import)}];
  newest = std::max(newest, import);
}

void Operators::check(const Cell& engine, const Shadow& shadow) {
  for (auto& [name, token] : tokens_) {
    const bool found = engine.control().tokens->find(hash_of(name)) != nullptr;
    if (!token.unknown && found != token.issued)
      broken(promise::kTokens,
             fmt::format("{} was {} and is {}", name, token.issued ? "issued" : "revoked",
                         found ? "there" : "gone"));
    token = {.issued = found};
  }
  const auto answer =
      engine.control().secrets.values()->secret(kSecretName, "https://crm.example.com:443");
  const std::optional<std::string> value = answer ? std::optional{*answer} : std::nullopt;
  if (value != secret_ && !possible_.contains(value))
    broken(promise::kSecrets,
           fmt::format("the secret is {} and was {}", shown(value), shown(secret_)));
  secret_ = value;
  possible_.clear();
  for (const auto& [place, import] : imported_) {
    const auto& [contact, field] = place;
    if (shadow.forgotten.contains(contact)) continue;
    const auto known = shadow.contacts.find(contact);
    const std::int64_t* written = nullptr;
    if (known != shadow.contacts.end())
      for (const auto& [name, content] : known->second.custom)
        if (name == field) written = content.get_if<std::int64_t>();
    if (written == nullptr || *written < import)
      broken(promise::kImports,
             fmt::format("import {} of contact {} was acknowledged, its field {} "
                         "is {}",
                         import, contact.value, field, written == nullptr ? 0 : *written));
  }
}
}  // namespace onward::chaos
