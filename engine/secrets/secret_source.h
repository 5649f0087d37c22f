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

#include "engine/core/delivery/delivery.h"
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
};

/// What a source answers for a name that it does not have. `kind` is "secret" or "credential".
tl::unexpected<Error> secret_missing(std::string_view kind, std::string_view name);

/// Whether a text ends where its writer ended it.
enum class TextEnd : std::uint8_t { Whole, CutOff };

/// Puts "***" in place of each of `values` in `text`, in the forms in which they can come back: as
/// they are, percent-encoded and as in JSON, whichever characters the writer escapes, each also
/// with the bytes read as latin-1 and written as UTF-8. All are found before one is masked, so that
/// where two overlap no part of either is left.
///
/// Of a text that was cut off, the end goes as well, as far as the longest value could reach, and
/// whatever stands there: who sees a text that somebody else chose could try beginnings otherwise.
void mask_in(std::string& text, const std::vector<std::string>& values,
             TextEnd end = TextEnd::Whole);

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

 private:
  Named secrets_, credentials_;
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

 private:
  std::shared_ptr<const SecretValues> now() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const SecretValues> values_;
};
}  // namespace onward
