#include "engine/secrets/signature.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cassert>
#include <charconv>

#include "engine/core/base/base64.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::string_view kPrefix = "whsec_";
constexpr std::string_view kVersion = "v1,";
}  // namespace

Result<std::string> signing_key(std::string_view secret) {
  if (!secret.starts_with(kPrefix)) return std::string{secret};
  auto key = base64_decode(secret.substr(kPrefix.size()));
  if (!key || key->empty())
    return fail(ErrorKind::Invalid, "bad_signing_secret",
                "what follows \"whsec_\" is no base64 with its padding");
  return std::move(*key);
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   bytes.size(), digest.data(), &size);
  assert(made != nullptr && size == 32);
  (void)made;
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string sign_webhook(std::string_view key, std::string_view id, std::int64_t timestamp,
                         std::string_view body) {
  std::string text = fmt::format("{}.{}.", id, timestamp);
  text += body;
  return std::string{kVersion} + base64_encode(hmac_sha256(key, text));
}

Status verify_webhook(const std::vector<std::string>& keys, const SignedHeaders& headers,
                      std::string_view body, Instant now, Duration tolerance) {
  const auto wrong = [](std::string code, std::string message) {
    return fail(ErrorKind::Forbidden, std::move(code), std::move(message));
  };
  if (headers.id.empty() || headers.timestamp.empty() || headers.signature.empty())
    return wrong("not_signed", "webhook-id, webhook-timestamp or webhook-signature is missing");
  std::int64_t seconds = 0;
  const char* last = headers.timestamp.data() + headers.timestamp.size();
  const auto [end, fault] = std::from_chars(headers.timestamp.data(), last, seconds);
  // Within what an Instant holds, so that the difference below cannot overflow.
  if (fault != std::errc{} || end != last || seconds < 0 || seconds > 253'402'300'799)
    return wrong("bad_timestamp", "webhook-timestamp is no number of seconds");
  const Instant signed_at{std::chrono::seconds{seconds}};
  if (signed_at + tolerance < now)
    return wrong("too_old", fmt::format("signed more than {} ago", format_duration(tolerance)));
  if (signed_at - tolerance > now)
    return wrong("too_new",
                 fmt::format("signed more than {} in the future", format_duration(tolerance)));
  for (const std::string& key : keys) {
    const std::string expected = sign_webhook(key, headers.id, seconds, body);
    for (std::string_view rest = headers.signature; !rest.empty();) {
      const std::size_t blank = rest.find(' ');
      if (same_secret(rest.substr(0, blank), expected)) return {};
      rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
    }
  }
  return wrong("wrong_signature", "no signature fits the body under the secret");
}
}  // namespace onward
