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
/// Any thread.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  virtual std::optional<std::string> secret(std::string_view name) const = 0;
  /// The values that sign, the newest first: two while it is rotated, none where it is not known.
  virtual std::vector<std::string> signing(std::string_view name) const;
  /// The header that a credential adds to a request.
  virtual std::optional<Header> credential(std::string_view) const { return std::nullopt; }
  /// Puts "***" in place of every value that is known, see `mask_in`.
  virtual void mask(std::string&) const {}
};

/// Puts "***" in place of `value` in `text`, in the forms in which it can come back: as it is,
/// percent-encoded and as in JSON, whichever characters its writer escapes. So is its beginning, of
/// 4 bytes or more, where the text ends with that: an answer that was cut off.
void mask_in(std::string& text, std::string_view value);

/// All secrets and credentials at one moment, in clear. Immutable; wiped at its end.
class SecretValues final : public SecretSource {
 public:
  using Named = std::map<std::string, StoredSecret, std::less<>>;
  SecretValues(Named secrets, Named credentials);
  ~SecretValues() override;
  SecretValues(const SecretValues&) = delete;
  SecretValues& operator=(const SecretValues&) = delete;

  std::optional<std::string> secret(std::string_view name) const override;
  std::vector<std::string> signing(std::string_view name) const override;
  std::optional<Header> credential(std::string_view name) const override;
  void mask(std::string& text) const override;

 private:
  Named secrets_, credentials_;
  /// Every form of every value.
  std::vector<std::string> hidden_;
};

/// The newest values, for threads that outlive them.
class SecretBox final : public SecretSource {
 public:
  void put(std::shared_ptr<const SecretValues> values);

  std::optional<std::string> secret(std::string_view name) const override;
  std::vector<std::string> signing(std::string_view name) const override;
  std::optional<Header> credential(std::string_view name) const override;
  void mask(std::string& text) const override;

 private:
  std::shared_ptr<const SecretValues> now() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const SecretValues> values_;
};
}  // namespace onward
