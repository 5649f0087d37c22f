#include "engine/api/body_budget.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
TEST_CASE("bodies without proof share one budget, all bodies another", "[api][server]") {
  const auto budget = std::make_shared<BodyBudget>(BodyLimits{.unproven_max = 100, .all_max = 250});
  auto first = budget->open(/*proven=*/false);
  auto second = budget->open(/*proven=*/false);
  CHECK(first.grow_to(60));
  CHECK(first.grow_to(50));  // A body does not shrink.
  CHECK(budget->unproven_bytes() == 60);
  CHECK(second.grow_to(40));
  CHECK_FALSE(second.grow_to(41));
  second = {};
  CHECK(budget->unproven_bytes() == 60);
  auto known = budget->open(/*proven=*/true);
  CHECK(known.grow_to(190));
  CHECK(budget->bytes() == 250);
  CHECK_FALSE(first.grow_to(61));
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
