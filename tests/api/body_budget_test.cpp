#include "engine/api/body_budget.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
TEST_CASE("requests without proof share one budget, all requests another", "[api][server]") {
  const auto budget = std::make_shared<BodyBudget>(BodyLimits{.unproven_max = 100, .all_max = 250});
  auto first = budget->open(/*proven=*/false);
  auto second = budget->open(/*proven=*/false);
  CHECK(first.set(80));
  CHECK(first.set(60));
  CHECK(budget->unproven_bytes() == 60);
  CHECK(second.set(40));
  CHECK_FALSE(second.set(51));
  CHECK(budget->unproven_bytes() == 111);
  // What becomes smaller is never refused, also while there is too much.
  CHECK(second.set(41));
  second = {};
  CHECK(budget->unproven_bytes() == 60);
  auto known = budget->open(/*proven=*/true);
  CHECK(known.set(190));
  CHECK(budget->bytes() == 250);
  CHECK_FALSE(first.set(61));
  {
    const BodyBudget::Charge moved = std::move(known);
    CHECK(budget->bytes() == 251);
  }
  CHECK(budget->bytes() == 61);
  first = {};
  CHECK(budget->bytes() == 0);
  CHECK(budget->unproven_bytes() == 0);
}
}  // namespace
}  // namespace onward
