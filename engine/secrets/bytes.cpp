#include "engine/secrets/bytes.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "engine/core/base/text.h"

namespace onward {
namespace {
constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
}  // namespace

Result<std::string> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
    return fail(ErrorKind::Io, "no_random", "the system gives no random bytes");
  return bytes;
}

Result<std::string> random_letters(std::size_t count) {
  // Bytes beyond the last whole round of letters would make the first ones likelier.
  constexpr unsigned kRound = 256 / kLetters.size() * kLetters.size();
  std::string letters;
  while (letters.size() < count) {
    const auto bytes = random_bytes(2 * count);
    if (!bytes) return bytes;
    for (const char c : *bytes) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < kRound && letters.size() < count) letters += kLetters[byte % kLetters.size()];
    }
  }
  return letters;
}

void wipe(std::string& text) {
  // The unused rest may hold what the text was before.
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string hex_encode(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}
}  // namespace onward
