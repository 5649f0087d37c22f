#pragma once
// Text that cannot be compressed much.
#include <cstddef>
#include <cstdint>
#include <string>

namespace onward {
/// `length` printable characters that look random, each time others of one sequence.
inline std::string noise(std::size_t length) {
  static thread_local std::uint32_t state = 1;
  std::string text(length, ' ');
  for (char& one : text) {
    state = state * 1664525u + 1013904223u;
    one = static_cast<char>('!' + (state >> 8) % 94);
  }
  return text;
}
}  // namespace onward
