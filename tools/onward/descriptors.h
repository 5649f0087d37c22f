#pragma once
// How many files and connections this process may have open, and who gets them.
#include <cstddef>
#include <cstdint>

namespace onward {
/// What may be open at once.
struct Openings {
  std::size_t requests = 0;  ///< Webhooks' connections, kept ones too.
  std::size_t callers = 0;   ///< Their connections to the API.
  bool operator==(const Openings&) const = default;
};

/// Fewer are not enough for the data folder, the threads and the port, and some requests and
/// callers beside them.
inline constexpr std::uint64_t kDescriptorsMin = 48;

/// Raises the limit as far as it goes, and makes the kernel's table large. The limit; 0 where it is
/// not known.
std::uint64_t raise_descriptor_limit();

/// `wanted`, or what of it goes into `limit`, of at least kDescriptorsMin, beside the files:
/// whatever receivers take, callers keep two thirds, so that a server that is short of descriptors
/// still answers.
Openings fit_to(Openings wanted, std::uint64_t limit);
}  // namespace onward
