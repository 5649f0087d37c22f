#pragma once
// Seals what is secret under a master key that stands in a file of its own: AES-256-GCM.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/secrets/stored_secret.h"

namespace onward {
enum class Existing : std::uint8_t;  // engine/disk/durable_file.h

/// Where the master key is kept: a line of 64 hex digits. Further lines are older keys, which only
/// open; lines that begin with "#" are for people.
struct KeyFile {
  std::filesystem::path path;  ///< Empty: keys are made in memory and gone with the process.
  /// The data folder's own (0600, made when it is first needed); else one that the operator named,
  /// which must be there and which a group may read.
  bool own = true;
};

/// Owned by one thread.
class Vault {
 public:
  /// Reads the keys, where there are some. Invalid ("bad_key_file") where others may read the file
  /// or it holds no keys, NotFound ("no_key_file") where a named one is missing.
  static Result<Vault> open(KeyFile file);
  ~Vault();
  Vault(Vault&& other) noexcept;
  Vault& operator=(Vault&&) = delete;

  bool has_key() const { return !keys_.empty(); }
  /// Makes the first key if there is none, and syncs the file, so that no power failure leaves a
  /// sealed text without its key. A file that has appeared meanwhile is never
  /// overwritten ("key_file_exists"). "key_file_io": nothing can be sealed; the next call tries
  /// again.
  Status ensure_key();

  /// A format byte, the key's id, a random nonce, the text and its tag; name and kind are part of
  /// what the tag proves, so a sealed text opens under its own name alone. Only after
  /// `ensure_key` or `add_key`.
  Result<std::string> seal(SecretKind kind, std::string_view name, std::string_view text) const;
  /// "wrong_key" where it was sealed under a key that is not here, "damaged" where it, or its name,
  /// was changed.
  Result<std::string> unseal(SecretKind kind, std::string_view name, std::string_view sealed) const;
  /// Whether it was sealed under the newest key.
  bool is_newest(std::string_view sealed) const;

  /// First half of a change of keys: a new key before the old ones, in the file before it is used.
  Status add_key();
  /// Second half, when everything is sealed under the newest: takes the others away.
  Status drop_old_keys();
  std::size_t old_keys() const { return keys_.empty() ? 0 : keys_.size() - 1; }

 private:
  explicit Vault(KeyFile file) : file_{std::move(file)} {}
  Status read();
  Status check_rights() const;
  Status write(Existing existing);
  std::string text() const;
  void forget(std::size_t from);

  KeyFile file_;
  std::vector<std::string> keys_;  ///< 32 bytes each, the newest first.
  bool durable_ = false;           ///< The file, with the key that seals.
};
}  // namespace onward
