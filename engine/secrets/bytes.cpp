#include "engine/secrets/bytes.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstdint>

namespace onward {
namespace {
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
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

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t j) -> std::uint32_t {
      return i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0;
    };
    const std::uint32_t word = byte(0) << 16 | byte(1) << 8 | byte(2);
    text += kBase64[word >> 18];
    text += kBase64[word >> 12 & 63];
    text += i + 1 < bytes.size() ? kBase64[word >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? kBase64[word & 63] : '=';
  }
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t digit = 0;
    if (i + padding < text.size()) {
      digit = kBase64.find(text[i]);
      if (digit == std::string_view::npos) return std::nullopt;
    }
    word = word << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    bytes += static_cast<char>(word >> 16 & 0xFF);
    bytes += static_cast<char>(word >> 8 & 0xFF);
    bytes += static_cast<char>(word & 0xFF);
    word = 0;
  }
  bytes.resize(bytes.size() - padding);
  // Bits behind the last byte would make two texts of one value.
  if (base64_encode(bytes) != text) return std::nullopt;
  return bytes;
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
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}
}  // namespace onward
