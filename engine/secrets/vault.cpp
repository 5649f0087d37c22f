#include "engine/secrets/vault.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "engine/disk/durable_file.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/regular_file.h"

namespace onward {
namespace {
constexpr char kFormat = 1;
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kIdSize = 8;
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kFrontSize = 1 + kIdSize + kNonceSize;
constexpr std::size_t kFileMax = 64 * 1024;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
int size_of(std::string_view text) { return static_cast<int>(text.size()); }

/// Tells keys apart without telling anything of them.
std::string id_of(std::string_view key) {
  const std::string text = "onward key id" + std::string{key};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int ok = EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  assert(ok == 1 && size >= kIdSize);
  (void)ok;
  return {reinterpret_cast<const char*>(digest.data()), kIdSize};
}

/// What the tag proves beside the text: the front, kind and name.
std::string proven(std::string_view front, SecretKind kind, std::string_view name) {
  return fmt::format("{}{}:{}", front, to_string(kind), name);
}

tl::unexpected<Error> io(std::string_view what, const std::filesystem::path& file) {
  return fail(ErrorKind::Unavailable, "key_file_io",
              fmt::format("Cannot {} {}: {}.", what, file.string(), std::strerror(errno)));
}

/// Descriptor, closed at the end.
class File {
 public:
  explicit File(int descriptor) : descriptor_{descriptor} {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

tl::unexpected<Error> key_file_fault(std::string_view what, const std::filesystem::path& file,
                                     const FileFault& fault) {
  return fail(ErrorKind::Unavailable, "key_file_io",
              fmt::format("Cannot {} {}: {} ({}).", what, file.string(), std::strerror(fault.error),
                          fault.step));
}

/// Replaces the content of `file` atomically. Existing::Keep: only if there is no file yet.
Status put_keys(const std::filesystem::path& file, std::string_view text, Existing existing) {
  const auto fault = put_file(file, text, 0600, existing);
  if (!fault) return {};
  if (fault->exists)
    return fail(ErrorKind::Conflict, "key_file_exists",
                fmt::format("{} has appeared meanwhile and is not overwritten; start the server "
                            "again to use it.",
                            file.string()));
  return key_file_fault("write", file, *fault);
}

/// Of keys that were found. The server may not be able to sync the folder of a file that the
/// operator names; then the operator has written it.
Status sync_keys(const KeyFile& keys) {
  const auto fault = sync_file(keys.path);
  if (!fault) return {};
  const bool refused = fault->error == EACCES || fault->error == EPERM || fault->error == EROFS;
  if (!keys.own && refused) return {};
  return key_file_fault("sync", keys.path, *fault);
}
}  // namespace

Vault::~Vault() { forget(0); }

Vault::Vault(Vault&& other) noexcept
    : file_{std::move(other.file_)},
      keys_{std::move(other.keys_)},
      durable_{std::exchange(other.durable_, false)} {
  other.keys_.clear();
}

void Vault::forget(std::size_t from) {
  for (std::size_t i = from; i < keys_.size(); ++i) wipe(keys_[i]);
  keys_.resize(std::min(from, keys_.size()));
}

Result<Vault> Vault::open(KeyFile file) {
  Vault vault{std::move(file)};
  if (vault.file_.path.empty()) return vault;
  if (Status done = vault.read(); !done) return tl::make_unexpected(done.error());
  return vault;
}

Status Vault::check_rights() const {
  struct stat found {};
  if (::stat(file_.path.c_str(), &found) != 0) return io("look at", file_.path);
  const auto bad = [&](std::string_view why, std::string_view cure) {
    return fail(ErrorKind::Invalid, "bad_key_file",
                fmt::format("The key file {} {}. {}", file_.path.string(), why, cure));
  };
  if (!S_ISREG(found.st_mode))
    return bad("is not a regular file", "It must be a file with a line of 64 hex digits.");
  const unsigned refused = file_.own ? 0077 : 0027;
  if ((found.st_mode & refused) == 0) return {};
  return bad(fmt::format("has the rights {:04o}, so that others on this machine can read or change "
                         "the key to all secrets",
                         found.st_mode & 07777),
             fmt::format("Take them away with: chmod {} {}", file_.own ? "600" : "640",
                         file_.path.string()));
}

Status Vault::read() {
  const File in{open_regular_descriptor(file_.path)};
  if (!in && (errno == ENXIO || errno == EISDIR)) {
    const Status why = check_rights();
    return why ? io("read", file_.path) : why;
  }
  if (!in && errno == ENOENT) {
    if (file_.own) return {};
    return fail(ErrorKind::NotFound, "no_key_file",
                fmt::format("There is no key file {}, which ONWARD_KEY_FILE names. Make one, with "
                            "the rights 600, by: openssl rand -hex 32",
                            file_.path.string()));
  }
  if (!in) {
    const bool forbidden = errno == EACCES;
    auto failed = io("read", file_.path);
    if (forbidden) failed.value().kind = ErrorKind::Forbidden;
    return failed;
  }
  if (Status sound = check_rights(); !sound) return sound;
  std::string text(kFileMax, '\0');
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < text.size(); size += static_cast<std::size_t>(got)) {
    got = ::read(in.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) got = 0;
    if (got < 0) return io("read", file_.path);
    if (got == 0) break;
  }
  const auto bad = [&](std::string_view what) {
    wipe(text);
    forget(0);
    return fail(ErrorKind::Invalid, "bad_key_file",
                fmt::format("The key file {} {}; it wants a line of 64 hex digits, as `openssl "
                            "rand -hex 32` prints them. It is never made anew in its place, as "
                            "secrets may be sealed under it: put the right one back.",
                            file_.path.string(), what));
  };
  std::size_t number = 0;
  std::string_view rest{text.data(), size};
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    auto key = hex_decode(line);
    if (!key || key->size() != kKeySize)
      return bad(fmt::format("holds {} characters in line {}{}", line.size(), number,
                             line.size() == 2 * kKeySize ? ", not all of them hex digits" : ""));
    keys_.push_back(std::move(*key));
  }
  if (keys_.empty()) return bad("holds no key");
  wipe(text);
  return {};
}

std::string Vault::text() const {
  std::string lines = "# Opens the secrets of this data folder. The first key seals.\n";
  for (const std::string& key : keys_) lines += hex_encode(key) + "\n";
  return lines;
}

/// A fault leaves `durable_` as it is: whether the file is then the one from before or the new one,
/// it holds the key that seals.
Status Vault::write(Existing existing) {
  if (!file_.path.empty())
    if (Status done = put_keys(file_.path, text(), existing); !done) return done;
  durable_ = true;
  return {};
}

Status Vault::ensure_key() {
  if (durable_) return {};
  if (has_key()) {
    // The process that wrote the file may have ended before it was durable.
    Status synced = sync_keys(file_);
    durable_ = synced.has_value();
    return synced;
  }
  auto key = random_bytes(kKeySize);
  if (!key) return tl::make_unexpected(key.error());
  keys_.push_back(std::move(*key));
  Status written = write(Existing::Keep);
  if (!written) forget(0);
  return written;
}

Status Vault::add_key() {
  if (!has_key()) return ensure_key();
  auto key = random_bytes(kKeySize);
  if (!key) return tl::make_unexpected(key.error());
  keys_.insert(keys_.begin(), std::move(*key));
  Status written = write(Existing::Replace);
  if (!written) {
    wipe(keys_.front());
    keys_.erase(keys_.begin());
  }
  return written;
}

Status Vault::drop_old_keys() {
  if (old_keys() == 0) return {};
  std::vector<std::string> kept = keys_;
  forget(1);
  Status written = write(Existing::Replace);
  if (!written) keys_ = std::move(kept);
  return written;
}

Result<std::string> Vault::seal(SecretKind kind, std::string_view name,
                                std::string_view text) const {
  assert(durable_);
  const auto nonce = random_bytes(kNonceSize);
  if (!nonce) return nonce;
  std::string sealed = kFormat + id_of(keys_.front()) + *nonce;
  const std::string beside = proven(sealed, kind, name);
  const Cipher cipher{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  std::string hidden(text.size(), '\0');
  std::string tag(kTagSize, '\0');
  int size = 0;
  const bool done =
      cipher &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(keys_.front()),
                         bytes(*nonce)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytes(beside), size_of(beside)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), bytes(hidden), &size, bytes(text), size_of(text)) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), bytes(tag), &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, tag.data()) == 1;
  if (!done) return fail(ErrorKind::Io, "not_sealed", "the text could not be encrypted");
  return sealed + hidden + tag;
}

Result<std::string> Vault::unseal(SecretKind kind, std::string_view name,
                                  std::string_view sealed) const {
  const auto damaged = [&] {
    return fail(
        ErrorKind::Invalid, "damaged",
        fmt::format("the {} \"{}\" was changed since it was sealed", to_string(kind), name));
  };
  if (sealed.size() < kFrontSize + kTagSize || sealed.front() != kFormat) return damaged();
  const std::string* key = nullptr;
  for (const std::string& candidate : keys_)
    if (sealed.substr(1, kIdSize) == id_of(candidate)) key = &candidate;
  if (!key)
    return fail(ErrorKind::NotFound, "wrong_key",
                fmt::format("the {} \"{}\" was sealed under a key that is not here",
                            to_string(kind), name));
  const std::string beside = proven(sealed.substr(0, kFrontSize), kind, name);
  const std::string_view nonce = sealed.substr(1 + kIdSize, kNonceSize);
  const std::string_view hidden = sealed.substr(kFrontSize, sealed.size() - kFrontSize - kTagSize);
  std::string tag{sealed.substr(sealed.size() - kTagSize)};
  std::string text(hidden.size(), '\0');
  const Cipher cipher{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  int size = 0;
  unsigned char none = 0;
  const bool done =
      cipher &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(*key), bytes(nonce)) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytes(beside), size_of(beside)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes(text), &size, bytes(hidden), size_of(hidden)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), &none, &size) == 1;
  if (!done) {
    wipe(text);
    return damaged();
  }
  return text;
}

bool Vault::is_newest(std::string_view sealed) const {
  return has_key() && sealed.size() > kFrontSize &&
         sealed.substr(1, kIdSize) == id_of(keys_.front());
}
}  // namespace onward
