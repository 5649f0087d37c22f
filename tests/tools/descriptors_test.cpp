#include "tools/onward/descriptors.h"

#include <catch2/catch.hpp>

namespace onward {
TEST_CASE("whatever receivers take of few descriptors, callers and files keep theirs",
          "[tools][faults]") {
  constexpr Openings kWanted{.requests = 2048, .callers = 4096};
  CHECK(fit_to(kWanted, 0) == kWanted);  // not known
  CHECK(fit_to(kWanted, 6208) == kWanted);
  CHECK(fit_to(kWanted, 1024) == Openings{.requests = 320, .callers = 640});
  CHECK(fit_to({.requests = 16, .callers = 4096}, 1024) ==
        Openings{.requests = 16, .callers = 944});
  for (std::uint64_t limit = kDescriptorsMin; limit < 6208; ++limit) {
    const Openings fitting = fit_to(kWanted, limit);
    CHECK(fitting.requests >= 1);
    CHECK(fitting.callers >= fitting.requests);
    CHECK(fitting.requests + fitting.callers + 32 <= limit);  // A server has 24 open at the start.
  }
}
}  // namespace onward
