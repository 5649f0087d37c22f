#include "engine/core/delivery/settle.h"

#include <catch2/catch.hpp>

using namespace onward;
using namespace std::chrono_literals;

namespace {
const Instant kStart = std::chrono::sys_days{std::chrono::year{2026} / 5 / 1};

Delivery fresh() {
  const RetryPolicy policy = default_retry_policy();
  return {.key = {4711}, .created = kStart, .deadline = kStart + policy.window, .due = kStart};
}

AttemptResult status(int code, std::uint32_t number = 1, Instant started = kStart) {
  return {.delivery = {4711}, .number = number, .started = started, .took = 20ms, .status = code};
}

Settlement settled(const Delivery& delivery, const AttemptResult& result,
                   const RetryPolicy& policy = default_retry_policy()) {
  return settle({delivery}, result, policy, {.at = result.started + result.took});
}
}  // namespace

TEST_CASE("a status is judged by the node's list, by default every 2xx", "[core][settle]") {
  RetryPolicy strict = default_retry_policy();
  strict.accept = {200};
  CHECK(settled(fresh(), status(200)).accepted);
  CHECK(settled(fresh(), status(299)).accepted);
  CHECK(settled(fresh(), status(200), strict).accepted);
  CHECK_FALSE(settled(fresh(), status(201), strict).accepted);
  for (const int refused :
       {101, 199, 301, 302, 307, 400, 401, 403, 404, 405, 415, 422, 429, 500, 503, 999}) {
    const Settlement outcome = settled(fresh(), status(refused));
    CHECK_FALSE(outcome.accepted);
    CHECK_FALSE(outcome.failed);
    CHECK(outcome.delivery.pending());
  }
}

TEST_CASE("a complete header block is an answer, whatever comes of the body", "[core][settle]") {
  AttemptResult result = status(200);
  result.code = "body_truncated";
  const Settlement outcome = settled(fresh(), result);
  CHECK(outcome.accepted);
  CHECK(outcome.delivery.last->code == "body_truncated");
  result.status = 500;
  CHECK(settled(fresh(), result).delivery.pending());
}

TEST_CASE("410, permanent statuses and our own refusals fail at once", "[core][settle]") {
  CHECK(settled(fresh(), status(410)).delivery.reason == "gone");
  RetryPolicy policy = default_retry_policy();
  policy.permanent = {400};
  CHECK(settled(fresh(), status(410), policy).delivery.reason == "gone");
  const Settlement refused = settled(fresh(), status(400), policy);
  CHECK(refused.failed);
  CHECK(refused.delivery.reason == "status_400");
  CHECK_FALSE(refused.delivery.due);

  AttemptResult unfit = status(0);
  unfit.code = "bad_header";
  unfit.permanent = true;
  const Settlement ours = settled(fresh(), unfit);
  CHECK(ours.failed);
  CHECK(ours.delivery.reason == "bad_header");
  CHECK(ours.delivery.attempts == 1);
}

TEST_CASE("an address that policy refuses is an attempt like others", "[core][settle]") {
  AttemptResult blocked = status(0);
  blocked.code = "blocked_policy";
  const Settlement once = settled(fresh(), blocked);
  CHECK(once.delivery.pending());
  CHECK(once.delivery.attempts == 1);
  REQUIRE(once.delivery.last);
  CHECK(once.delivery.last->code == "blocked_policy");
  REQUIRE(once.delivery.due);
  CHECK(*once.delivery.due < once.delivery.deadline);
}

TEST_CASE("local trouble costs no attempt", "[core][settle]") {
  AttemptResult local = status(0);
  local.local = true;
  const Settlement outcome = settled(fresh(), local);
  CHECK(outcome.delivery.attempts == 0);
  CHECK(outcome.delivery.pending());
  CHECK(*outcome.delivery.due > kStart);

  // The end of the window is not passed unseen.
  local.retry_after = std::chrono::hours{24};
  CHECK(settled(fresh(), local).delivery.due == fresh().deadline);
}

TEST_CASE("a result that was recorded before changes nothing", "[core][settle]") {
  const Delivery once = settled(fresh(), status(500)).delivery;
  CHECK(settled(once, status(500)).delivery == once);
  const Delivery accepted = settled(once, status(200, 2)).delivery;
  CHECK(settled(accepted, status(500, 3)).delivery == accepted);
}

TEST_CASE("delays follow the schedule, moved by up to a fifth", "[core][settle]") {
  const std::vector<Duration> expected{5s, 30s, 2min, 5min, 15min, 30min, 1h, 90min, 2h, 2h, 2h};
  Delivery delivery = fresh();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Instant now = *delivery.due;
    delivery = settled(delivery, status(503, static_cast<std::uint32_t>(i + 1), now)).delivery;
    REQUIRE(delivery.due);
    const Duration delay = *delivery.due - now - 20ms;
    CHECK(delay >= expected[i] * 4 / 5 - 1ms);
    CHECK(delay <= expected[i] * 6 / 5 + 1ms);
    CHECK(delivery.attempts == i + 1);
  }
}

TEST_CASE("two deliveries of one moment are not tried again at the same instant",
          "[core][settle]") {
  Delivery one = fresh();
  Delivery other = fresh();
  other.key = {4712};
  CHECK(settled(one, status(500)).delivery.due != settled(other, status(500)).delivery.due);
}

TEST_CASE("the last attempt falls due when the window ends, and only then is it failed",
          "[core][settle]") {
  Delivery delivery = fresh();
  int attempts = 0;
  Instant now = kStart;
  while (delivery.pending()) {
    REQUIRE(attempts < 50);
    now = *delivery.due;
    delivery = settled(delivery, status(500, static_cast<std::uint32_t>(++attempts), now)).delivery;
  }
  CHECK(now == kStart + 12h);
  CHECK(delivery.state == DeliveryState::Failed);
  CHECK(delivery.reason == "deadline");
  CHECK(attempts >= 12);
}

TEST_CASE("a longer Retry-After wins, but never passes the deadline", "[core][settle]") {
  AttemptResult result = status(429);
  result.retry_after = 120s;
  CHECK(*settled(fresh(), result).delivery.due == kStart + 20ms + 120s);
  result.retry_after = 1s;
  CHECK(*settled(fresh(), result).delivery.due >= kStart + 4s);
  for (const Duration far : {Duration{13h}, Duration{24h * 7}, Duration::max()}) {
    result.retry_after = far;
    CHECK(*settled(fresh(), result).delivery.due == kStart + 12h);
  }
}

TEST_CASE("after a long downtime of ours there is one more attempt", "[core][settle]") {
  Delivery delivery = settled(fresh(), status(500)).delivery;
  // Nothing ran for a day. The attempt that was due long ago is made late, and is the last.
  const Instant late = kStart + 24h;
  const Settlement last = settled(delivery, status(500, 2, late));
  CHECK(last.failed);
  CHECK(last.delivery.attempts == 2);
  CHECK(settled(delivery, status(200, 2, late)).accepted);
}

TEST_CASE("earlier attempts are handed on, so that none is forgotten", "[core][settle]") {
  const Settlement first = settled(fresh(), status(500));
  CHECK_FALSE(first.superseded);
  const Settlement second = settled(first.delivery, status(200, 2));
  REQUIRE(second.superseded);
  CHECK(second.superseded->number == 1);
  CHECK(second.superseded->status == 500);
  CHECK(second.delivery.last->number == 2);
}

TEST_CASE("a result that is final fails the delivery even without a code", "[core][settle]") {
  AttemptResult result = status(0);
  result.permanent = true;
  const Settlement outcome = settled(fresh(), result);
  CHECK(outcome.failed);
  CHECK(outcome.delivery.state == DeliveryState::Failed);
  CHECK(outcome.delivery.reason == "permanent");
}

TEST_CASE("local trouble delays an attempt by a day at most", "[core][settle]") {
  Delivery late = fresh();
  late.deadline = kStart;  // no end of the window that would bound it
  AttemptResult result = status(0);
  result.local = true;
  result.retry_after = Duration::max();
  CHECK(settled(late, result).delivery.due == kStart + 20ms + 24h);
  result.retry_after = Duration::min();
  CHECK(settled(late, result).delivery.due == kStart + 20ms + 5s);
}
