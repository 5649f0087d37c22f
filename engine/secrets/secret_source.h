#pragma once
// Where an attempt gets its secrets from, and what hides them in what comes back.
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/delivery.h"
#include "engine/secrets/stored_secret.h"

namespace onward {
/// The header that a credential adds to a request.
struct CredentialHeader {
  Header header;
  /// The secret texts in it: the value, and of Basic also the base64 that is made of it.
  std::vector<std::string> hidden;
};

/// Gives values only for requests to hosts that may have them. `origin` is that of the URL that is
/// requested ("https://crm.example.com:443"). An error is NotFound ("secret_missing") if the name
/// is not known, Forbidden (kSecretHostRefused) if the host is not allowed. Any thread.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  virtual Result<std::string> secret(std::string_view name, std::string_view origin) const = 0;
  /// The values that sign, the newest first: two while it is rotated.
  virtual Result<std::vector<std::string>> signing(std::string_view name,
                                                   std::string_view origin) const;
  virtual Result<CredentialHeader> credential(std::string_view name, std::string_view origin) const;
  /// Puts "***" in place of every value that is known and of every text in `used`, see `mask_in`.
  /// `used` has the values of the request whose answer `text` is: they may have been replaced or
  /// removed since the request was sent.
  virtual void mask(std::string& text, const std::vector<std::string>& used = {}) const;
};

/// What a source answers for a name that it does not have. `kind` is "secret" or "credential".
tl::unexpected<Error> secret_missing(std::string_view kind, std::string_view name);

/// Puts "***" in place of `value` in `text`, in the forms in which it can come back: as it is,
/// percent-encoded and as in JSON, whichever characters its writer escapes. So is its beginning, of
/// 4 bytes or more, where the text ends with that: an answer that was cut off.
void mask_in(std::string& text, std::string_view value);
/// The same for several values. All are found before one is masked, so that where two overlap no
/// part of either is left.
void mask_in(std::string& text, const std::vector<std::string>& values);

/// All secrets and credentials at one moment, in clear. Immutable; wiped at its end.
class SecretValues final : public SecretSource {
 public:
  using Named = std::map<std::string, StoredSecret, std::less<>>;
  SecretValues(Named secrets, Named credentials);
  ~SecretValues() override;
  SecretValues(const SecretValues&) = delete;
  SecretValues& operator=(const SecretValues&) = delete;

  Result<std::string> secret(std::string_view name, std::string_view origin) const override;
  Result<std::vector<std::string>> signing(std::string_view name,
                                           std::string_view origin) const override;
  Result<CredentialHeader> credential(std::string_view name,
                                      std::string_view origin) const override;
  void mask(std::string& text, const std::vector<std::string>& used = {}) const override;

 private:
  Named secrets_, credentials_;
  /// Every form of every value.
  std::vector<std::string> hidden_;
};

/// The newest values, for threads that outlive them.
class SecretBox final : public SecretSource {
 public:
  void put(std::shared_ptr<const SecretValues> values);

  Result<std::string> secret(std::string_view name, std::string_view origin) const override;
  Result<std::vector<std::string>> signing(std::string_view name,
                                           std::string_view origin) const override;
  Result<CredentialHeader> credential(std::string_view name,
                                      std::string_view origin) const override;
  void mask(std::string& text, const std::vector<std::string>& used = {}) const override;

 private:
  std::shared_ptr<const SecretValues> now() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const SecretValues> values_;
};
}  // namespace onward
