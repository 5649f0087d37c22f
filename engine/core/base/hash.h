#pragma once
// A fast hash of bytes that never changes, for fingerprints and for chance. Not cryptographic.
#include <compare>
#include <cstdint>
#include <functional>
#include <string_view>

namespace onward {
struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const Hash128&) const = default;
};

/// MurmurHash3 x64 128 (Austin Appleby, public domain), the same on every machine.
Hash128 hash128(std::string_view bytes, std::uint64_t seed = 0);

/// A uniform number in [0, 1) from two numbers; the same for the same numbers.
double chance_of(std::uint64_t a, std::uint64_t b);
}  // namespace onward

template <>
struct std::hash<onward::Hash128> {
  std::size_t operator()(const onward::Hash128& of) const noexcept { return of.low; }
};
