#pragma once
// Whether a post comes from who knows the secret of its adapter: another way in than a token. Pure.
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/http.h"
#include "engine/api/router.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
/// The secrets of intake adapters: name, secret. Several of one adapter are all good.
using IntakeSecrets = std::vector<std::pair<std::string, std::string>>;

/// Secrets that may be replaced while requests are checked. Copies share them. Any thread.
class SharedIntakeSecrets {
 public:
  SharedIntakeSecrets(IntakeSecrets secrets = {});  // NOLINT(google-explicit-constructor)
  std::shared_ptr<const IntakeSecrets> get() const;
  /// Requests that are checked from now on prove these.
  void replace(IntakeSecrets secrets);

 private:
  struct Held {
    std::mutex mutex;
    std::shared_ptr<const IntakeSecrets> secrets;  ///< Never null.
  };
  std::shared_ptr<Held> held_ = std::make_shared<Held>();
};
/// "egoi", "taguchi", "cloudevents": what stands behind /v1/intake/.
std::span<const std::string_view> intake_adapters();
/// Fewer bytes could be guessed.
inline constexpr std::size_t kIntakeSecretMin = 16;

/// How far the time of a signature may be from our clock, either way.
inline constexpr Duration kSignatureTolerance = std::chrono::minutes{5};

/// Whether the request claims to be signed, so that its body is needed to judge it.
bool is_signed(const ApiRequest& request);
/// Whether it brings a proof of any form.
bool brings_proof(const ApiRequest& request);

/// Succeeds where the request proves one of `secrets` in one of these forms, else says why the
/// first that it brings fails (`ErrorKind::Forbidden`; `no_proof` where it brings none):
/// - `X-Onward-Secret`: the secret itself, compared in constant time;
/// - Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,BASE64`; the
///   key of a secret that begins with "whsec_" is what its Base64 holds, of any other its bytes;
/// - `X-Hub-Signature-256: sha256=HEX` of the body, keyed by the secret's bytes.
/// The secret is a `Proof::Credential`, the signatures prove the body alone.
Result<Proof> check_intake(std::span<const std::string> secrets, const ApiRequest& request,
                           Instant now);
}  // namespace onward
