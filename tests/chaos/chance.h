#pragma once
// A seeded source of chance: the same seed, the same world.
#include <cstdint>
#include <iterator>

namespace onward::chaos {
/// SplitMix64. Small enough that each step of a world has one of its own, so that taking a step
/// away leaves the chance of the others as it was.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_{seed} {}
  Chance(std::uint64_t seed, std::uint64_t part)
      : state_{seed * 0x9E3779B97F4A7C15u ^ (part + 1) * 0xD1B54A32D192ED03u} {
    next();
  }
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  /// In [0, sides).
  std::uint32_t roll(std::uint64_t sides) { return static_cast<std::uint32_t>(next() % sides); }
  bool one_in(std::uint64_t sides) { return next() % sides == 0; }
  template <class List>
  const auto& pick(const List& list) {
    return *std::next(std::begin(list), static_cast<std::ptrdiff_t>(roll(std::size(list))));
  }

 private:
  std::uint64_t state_;
};
}  // namespace onward::chaos
