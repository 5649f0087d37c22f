#include <catch2/catch.hpp>

#include "engine/core/delivery/delivery.h"

namespace onward {
namespace {
TEST_CASE("every 2xx is accepted unless the policy names statuses", "[core][delivery]") {
  RetryPolicy policy;
  for (const int status : {200, 204, 299}) CHECK(is_accepted(policy, status));
  for (const int status : {0, 100, 199, 300, 404, 410, 500})
    CHECK_FALSE(is_accepted(policy, status));
  policy.accept = {202, 404};
  for (const int status : {202, 404}) CHECK(is_accepted(policy, status));
  for (const int status : {0, 200, 299, 410}) CHECK_FALSE(is_accepted(policy, status));
}

TEST_CASE("an attempt without an answer, or refused by us, is not accepted", "[core][delivery]") {
  const RetryPolicy policy;
  AttemptResult result;
  CHECK_FALSE(is_accepted(policy, result));
  result.status = 200;
  CHECK(is_accepted(policy, result));
  result.permanent = true;
  CHECK_FALSE(is_accepted(policy, result));
}
}  // namespace
}  // namespace onward
