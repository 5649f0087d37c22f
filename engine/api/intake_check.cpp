#include "engine/api/intake_check.h"

#include <fmt/format.h>

#include "engine/core/base/text.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/signature.h"

namespace onward {
namespace {
constexpr std::string_view kSecretHeader = "x-onward-secret";
constexpr std::string_view kSignatureHeader = "webhook-signature";
constexpr std::string_view kHubHeader = "x-hub-signature-256";
constexpr std::string_view kHubPrefix = "sha256=";

tl::unexpected<Error> refuse_intake(std::string_view code, std::string message) {
  return fail(ErrorKind::Forbidden, std::string{code}, std::move(message));
}

bool has(const ApiRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers)
    if (same_name(key, name)) return true;
  return false;
}

Status check_secret(std::span<const std::string> secrets, const ApiRequest& request) {
  bool known = false;
  for (const std::string& secret : secrets)  // All of them, so that time tells nothing.
    known |= same_secret(secret, request.header(kSecretHeader));
  if (known) return {};
  return refuse_intake("wrong_secret", "X-Onward-Secret holds another secret than this route's.");
}

/// Our codes stay, whatever words the verifier has.
Status check_signature(std::span<const std::string> secrets, const ApiRequest& request,
                       Instant now) {
  const SignedHeaders headers{.id = request.header("webhook-id"),
                              .timestamp = request.header("webhook-timestamp"),
                              .signature = request.header(kSignatureHeader)};
  if (headers.id.empty() || headers.timestamp.empty())
    return refuse_intake("bad_signature",
                         "webhook-signature wants webhook-id and webhook-timestamp beside it.");
  std::vector<std::string> keys;
  for (const std::string& secret : secrets) keys.push_back(signing_key(secret).value_or(secret));
  const Status verified = verify_webhook(keys, headers, request.body, now, kSignatureTolerance);
  if (verified) return {};
  const std::string& code = verified.error().code;
  if (code == "bad_timestamp")
    return refuse_intake("bad_signature", "webhook-timestamp wants seconds since 1970.");
  if (code == "too_old" || code == "too_new")
    return refuse_intake(
        "stale_signature",
        fmt::format("webhook-timestamp is {}, more than 5 minutes from this server's "
                    "clock ({}).",
                    headers.timestamp, format_instant(now)));
  return refuse_intake("wrong_signature",
                       "No signature of webhook-signature is this route's: it signs "
                       "\"webhook-id.webhook-timestamp.body\" as v1,BASE64.");
}

Status check_hub(std::span<const std::string> secrets, const ApiRequest& request) {
  const std::string_view given = request.header(kHubHeader);
  if (!given.starts_with(kHubPrefix))
    return refuse_intake("bad_signature", "X-Hub-Signature-256 wants the form sha256=HEX.");
  const std::string hex = lower(given.substr(kHubPrefix.size()));
  bool known = false;
  for (const std::string& secret : secrets)
    known |= same_secret(hex, hex_encode(hmac_sha256(secret, request.body)));
  if (known) return {};
  return refuse_intake("wrong_signature",
                       "X-Hub-Signature-256 is not this route's signature of the body.");
}
}  // namespace

bool is_signed(const ApiRequest& request) {
  return has(request, kSignatureHeader) || has(request, kHubHeader);
}

bool brings_proof(const ApiRequest& request) {
  return is_signed(request) || has(request, kSecretHeader);
}

SharedIntakeSecrets::SharedIntakeSecrets(IntakeSecrets secrets) { replace(std::move(secrets)); }

std::shared_ptr<const IntakeSecrets> SharedIntakeSecrets::get() const {
  const std::lock_guard lock{held_->mutex};
  return held_->secrets;
}

void SharedIntakeSecrets::replace(IntakeSecrets secrets) {
  auto fresh = std::make_shared<const IntakeSecrets>(std::move(secrets));
  const std::lock_guard lock{held_->mutex};
  held_->secrets.swap(fresh);
}

Result<Proof> check_intake(std::span<const std::string> secrets, const ApiRequest& request,
                           Instant now) {
  Result<Proof> first = refuse_intake("no_proof", "There is neither a secret nor a signature.");
  bool any = false;
  const auto judge = [&](const Status& status, Proof proof) {
    if (status)
      first = proof;
    else if (!any)
      first = tl::make_unexpected(status.error());
    any = true;
    return first.has_value();
  };
  if (has(request, kSecretHeader) && judge(check_secret(secrets, request), Proof::Credential))
    return first;
  if (has(request, kSignatureHeader) &&
      judge(check_signature(secrets, request, now), Proof::BodySignature))
    return first;
  if (has(request, kHubHeader) && judge(check_hub(secrets, request), Proof::BodySignature))
    return first;
  return first;
}
}  // namespace onward
