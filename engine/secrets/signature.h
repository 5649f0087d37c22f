#pragma once
// Signatures of webhooks as Standard Webhooks 1.0 has them. Pure.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
/// The key that a secret stands for: what follows "whsec_", decoded from base64; of every other
/// text its bytes. Invalid ("bad_signing_secret") where the base64 is none; the message does not
/// show it.
Result<std::string> signing_key(std::string_view secret);

/// HMAC-SHA256 (RFC 2104), 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view bytes);

/// "v1,<base64>": HMAC-SHA256 with `key` over "<id>.<timestamp>.<body>". `timestamp` in seconds.
std::string sign_webhook(std::string_view key, std::string_view id, std::int64_t timestamp,
                         std::string_view body);

/// The headers of a signed request, as they came in.
struct SignedHeaders {
  std::string_view id, timestamp, signature;  ///< Empty: missing.
};
/// Whether one of the signatures is right for one of `keys`, and the timestamp no further from
/// `now` than `tolerance`. The error says which of it is not ("not_signed", "bad_timestamp",
/// "too_old", "too_new", "wrong_signature").
Status verify_webhook(const std::vector<std::string>& keys, const SignedHeaders& headers,
                      std::string_view body, Instant now,
                      Duration tolerance = std::chrono::minutes{5});
}  // namespace onward
