#pragma once
// What every fuzz target has: bytes in, and a check that ends the process where a promise does not
// hold.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/contact/event.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
/// Of targets that mutate by structure (mutation.h).
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed)
    __attribute__((weak));

namespace onward {
/// Ends the process with `promise` where it does not hold: a finding, for a fuzzer and for a
/// replay.
inline void must(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", promise);
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A contact and an event whose values are as awkward as senders can make them.
struct Awkward {
  Awkward();
  Contact contact;
  Engagement engagement;
  Event event;
  Instant now;
};
}  // namespace onward
