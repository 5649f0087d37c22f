#pragma once
// How much a test tries that goes on for as long as it is let. A sanitizer slows it tenfold, and
// finds its faults in a part of the cases; without one all of them are tried.
#include <cstddef>

namespace onward {
#ifdef ONWARD_SANITIZED
/// One case in so many is tried.
inline constexpr std::size_t kOneIn = 5;
#else
inline constexpr std::size_t kOneIn = 1;
#endif
/// That much of `all`, at least one.
constexpr std::size_t effort(std::size_t all) { return (all + kOneIn - 1) / kOneIn; }
}  // namespace onward
