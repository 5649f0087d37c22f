#include "engine/api/intake_check.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cassert>
#include <charconv>

#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::string_view kSecretHeader = "x-onward-secret";
constexpr std::string_view kSignatureHeader = "webhook-signature";
constexpr std::string_view kHubHeader = "x-hub-signature-256";
constexpr std::string_view kWebhookSecret = "whsec_";
constexpr std::string_view kHubPrefix = "sha256=";
constexpr std::string_view kVersion = "v1,";

tl::unexpected<Error> refuse(std::string_view code, std::string message) {
  return fail(ErrorKind::Forbidden, std::string{code}, std::move(message));
}

/// Takes as long whatever differs; only the lengths show.
bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool has(const ApiRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers)
    if (same_name(key, name)) return true;
  return false;
}

/// The key that a secret of Standard Webhooks stands for.
std::string signing_key(const std::string& secret) {
  if (!secret.starts_with(kWebhookSecret)) return secret;
  return base64_decode(std::string_view{secret}.substr(kWebhookSecret.size())).value_or(secret);
}

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes)
    fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
  return hex;
}

Status check_secret(std::span<const std::string> secrets, const ApiRequest& request) {
  bool known = false;
  for (const std::string& secret : secrets)  // All of them, so that time tells nothing.
    known |= equal(secret, request.header(kSecretHeader));
  if (known) return {};
  return refuse("wrong_secret", "X-Onward-Secret holds another secret than this route's.");
}

Status check_age(std::string_view timestamp, Instant now) {
  std::int64_t seconds = 0;
  const auto [end, fault] =
      std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), seconds);
  constexpr std::int64_t kYear9999 = 253'402'300'799;
  if (fault != std::errc{} || end != timestamp.data() + timestamp.size() || seconds < 0 ||
      seconds > kYear9999)
    return refuse("bad_signature", "webhook-timestamp wants seconds since 1970.");
  const Instant at{std::chrono::seconds{seconds}};
  if (at >= now - kSignatureTolerance && at <= now + kSignatureTolerance) return {};
  return refuse("stale_signature",
                fmt::format("webhook-timestamp is {}, more than 5 minutes from this server's clock "
                            "({}).",
                            format_instant(at), format_instant(now)));
}

/// One of the signatures, which stand apart by blanks, must fit under one of the secrets.
Status check_signature(std::span<const std::string> secrets, const ApiRequest& request,
                       Instant now) {
  const std::string_view id = request.header("webhook-id");
  const std::string_view timestamp = request.header("webhook-timestamp");
  if (id.empty() || timestamp.empty())
    return refuse("bad_signature",
                  "webhook-signature wants webhook-id and webhook-timestamp beside it.");
  if (const Status age = check_age(timestamp, now); !age) return age;
  const std::string content = fmt::format("{}.{}.{}", id, timestamp, request.body);
  bool known = false;
  for (const std::string& secret : secrets) {
    const std::string wanted = base64_encode(hmac_sha256(signing_key(secret), content));
    for (std::string_view rest = request.header(kSignatureHeader); !rest.empty();) {
      const std::string_view one = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      if (one.starts_with(kVersion)) known |= equal(one.substr(kVersion.size()), wanted);
    }
  }
  if (known) return {};
  return refuse("wrong_signature",
                "No signature of webhook-signature is this route's: it signs "
                "\"webhook-id.webhook-timestamp.body\" as v1,BASE64.");
}

Status check_hub(std::span<const std::string> secrets, const ApiRequest& request) {
  const std::string_view given = request.header(kHubHeader);
  if (!given.starts_with(kHubPrefix))
    return refuse("bad_signature", "X-Hub-Signature-256 wants the form sha256=HEX.");
  std::string hex{given.substr(kHubPrefix.size())};
  for (char& c : hex)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  bool known = false;
  for (const std::string& secret : secrets)
    known |= equal(hex, hex_of(hmac_sha256(secret, request.body)));
  if (known) return {};
  return refuse("wrong_signature",
                "X-Hub-Signature-256 is not this route's signature of the body.");
}
}  // namespace

bool is_signed(const ApiRequest& request) {
  return has(request, kSignatureHeader) || has(request, kHubHeader);
}

bool brings_proof(const ApiRequest& request) {
  return is_signed(request) || has(request, kSecretHeader);
}

Status check_intake(std::span<const std::string> secrets, const ApiRequest& request, Instant now) {
  Status first = refuse("no_proof", "There is neither a secret nor a signature.");
  bool any = false;
  const auto judge = [&](Status status) {
    if (status || !any) first = std::move(status);
    any = true;
    return first.has_value();
  };
  if (has(request, kSecretHeader) && judge(check_secret(secrets, request))) return {};
  if (has(request, kSignatureHeader) && judge(check_signature(secrets, request, now))) return {};
  if (has(request, kHubHeader) && judge(check_hub(secrets, request))) return {};
  return first;
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   bytes.size(), digest.data(), &size);
  assert(made && size == 32);
  (void)made;
  return {reinterpret_cast<const char*>(digest.data()), size};
}
}  // namespace onward
