#include "engine/api/access.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cassert>
#include <memory>

#include "engine/api/problem.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::size_t kTokenMax = 512;
constexpr std::size_t kTokenBytes = 32;

/// A page of another site, opened in a browser on this machine, must not reach a server that asks
/// for no token: browsers name the page in Origin, and rebound names stay visible in Host.
std::optional<LoginRefusal> refuse_foreign(const ApiRequest& request) {
  if (!names_loopback(request.header("host")))
    return LoginRefusal{421, "foreign_host",
                        "A server without tokens answers only to a loopback host name."};
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return std::nullopt;
  const std::size_t host = origin.find("://");
  if (host == std::string_view::npos || !names_loopback(origin.substr(host + 3)))
    return LoginRefusal{403, "foreign_origin",
                        "A server without tokens takes no requests from pages of other sites."};
  return std::nullopt;
}
}  // namespace

std::string_view to_string(Need need) {
  switch (need) {
    case Need::Nothing:
      return "none";
    case Need::Metrics:
      return "metrics";
    case Need::Read:
      return "read";
    case Need::Ingest:
      return "ingest";
    case Need::Author:
      return "author";
    case Need::Admin:
      return "admin";
  }
  return "admin";
}

bool allows(Role role, Need need) {
  switch (role) {
    case Role::Metrics:
      return need == Need::Nothing || need == Need::Metrics;
    case Role::Read:
      return need == Need::Nothing || need == Need::Metrics || need == Need::Read;
    case Role::Ingest:
      return need == Need::Nothing || need == Need::Ingest;
    case Role::Author:
      return need != Need::Admin;
    case Role::Admin:
      return true;
  }
  return false;
}

std::string sha256_hex(std::string_view bytes) {
  // Fetched once: looking the algorithm up costs more than a token's hash.
  static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int ok = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, kSha256, nullptr);
  assert(ok == 1 && size == 32);
  (void)ok;
  return hex_encode({reinterpret_cast<const char*>(digest.data()), size});
}

Result<std::string> new_token() {
  const auto bytes = random_bytes(kTokenBytes);
  if (!bytes) return bytes;
  return "onw_" + hex_encode(*bytes);
}

std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size() ||
      !same_name(authorization.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  std::string_view token = authorization.substr(kScheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  if (token.empty() || token.size() > kTokenMax) return std::nullopt;
  return token;
}

std::optional<LoginRefusal> Access::judge(const ApiRequest& request, Need need) const {
  if (options_.no_auth) return refuse_foreign(request);
  if (need == Need::Nothing) return std::nullopt;
  const auto token = bearer_token(request.header("authorization"));
  if (!token)
    return LoginRefusal{401, "no_token", "Send a token: \"Authorization: Bearer TOKEN\"."};
  const auto record = options_.find_token(sha256_hex(*token));
  if (!record) return LoginRefusal{401, "wrong_token", "This token is not known here."};
  if (expired(*record))
    return LoginRefusal{
        401, "expired_token",
        fmt::format("This token has expired at {}.", format_instant(*record->expires))};
  if (allows(record->role, need)) return std::nullopt;
  return LoginRefusal{403, "wrong_role",
                      fmt::format("This needs a token with the role {}; yours has the role {}.",
                                  to_string(need), to_string(record->role))};
}

std::optional<ApiReply> Access::refuse(const ApiRequest& request, Need need) const {
  const auto refusal = judge(request, need);
  if (!refusal) return std::nullopt;
  return problem(refusal->status, refusal->code, refusal->message);
}

std::string Access::name_of(const ApiRequest& request) const {
  const auto token = bearer_token(request.header("authorization"));
  const auto record = token ? options_.find_token(sha256_hex(*token)) : std::nullopt;
  return record && !expired(*record) ? record->name : "anyone";
}

bool Access::expired(const TokenRecord& token) const {
  const Clock& clock = options_.clock ? *options_.clock : system_clock();
  return token.expires && *token.expires <= clock.now();
}

bool names_loopback(std::string_view host) {
  if (host.starts_with('[')) return host == "[::1]" || host.starts_with("[::1]:");
  host = host.substr(0, host.find(':'));
  if (same_name(host, "localhost")) return true;
  // Four numbers and nothing else, or "127.evil.example" would pass.
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}
}  // namespace onward
