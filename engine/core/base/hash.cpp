#include "engine/core/base/hash.h"

#include <bit>
#include <cstring>

namespace onward {
namespace {
std::uint64_t mix(std::uint64_t k) {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53ULL;
  k ^= k >> 33;
  return k;
}

/// Eight bytes, little-endian.
std::uint64_t load_word(const char* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, 8);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

/// Up to eight trailing bytes, little-endian.
std::uint64_t tail(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}
}  // namespace

Hash128 hash128(std::string_view bytes, std::uint64_t seed) {
  constexpr std::uint64_t kFirst = 0x87c37b91114253d5ULL;
  constexpr std::uint64_t kSecond = 0x4cf5ad432745937fULL;
  std::uint64_t h1 = seed;
  std::uint64_t h2 = seed;
  const auto scramble1 = [&](std::uint64_t k) { return std::rotl(k * kFirst, 31) * kSecond; };
  const auto scramble2 = [&](std::uint64_t k) { return std::rotl(k * kSecond, 33) * kFirst; };
  const std::size_t length = bytes.size();

  while (bytes.size() >= 16) {
    h1 ^= scramble1(load_word(bytes.data()));
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= scramble2(load_word(bytes.data() + 8));
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
    bytes.remove_prefix(16);
  }
  if (bytes.size() > 8) h2 ^= scramble2(tail(bytes.substr(8)));
  if (!bytes.empty()) h1 ^= scramble1(tail(bytes.substr(0, 8)));

  h1 ^= length;
  h2 ^= length;
  h1 += h2;
  h2 += h1;
  h1 = mix(h1);
  h2 = mix(h2);
  h1 += h2;
  h2 += h1;
  return {.high = h1, .low = h2};
}

double chance_of(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t mixed = mix(a ^ mix(b + 0x9e3779b97f4a7c15ULL));
  return static_cast<double>(mixed >> 11) * 0x1.0p-53;
}
}  // namespace onward
