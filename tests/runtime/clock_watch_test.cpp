#include "engine/runtime/clock_watch.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
using namespace std::chrono_literals;
const Instant kStart = parse_instant("2026-05-01T09:00:00Z").value();

TEST_CASE("fault 54: a wall clock that is moved is noticed once, either way", "[runtime]") {
  ClockWatch watch;
  CHECK_FALSE(watch.look(kStart, 100s));
  CHECK_FALSE(watch.look(kStart + 10s, 110s));
  CHECK(watch.look(kStart + 24h + 20s, 120s) == Duration{24h});
  CHECK_FALSE(watch.look(kStart + 24h + 30s, 130s));
  CHECK(watch.look(kStart + 40s, 140s) == Duration{-24h});
}

TEST_CASE("fault 54: a machine that slept has moved no clock, and a leap second is no jump",
          "[runtime]") {
  ClockWatch watch;
  CHECK_FALSE(watch.look(kStart, 100s));
  CHECK_FALSE(watch.look(kStart + 13h, 13h + 100s));
  CHECK_FALSE(watch.look(kStart + 13h + 9s, 13h + 110s));
}

TEST_CASE("fault 54: a clock that is put right slowly never adds up to a move", "[runtime]") {
  ClockWatch watch;
  CHECK_FALSE(watch.look(kStart, 0s));
  for (int hour = 1; hour <= 100; ++hour)
    CHECK_FALSE(watch.look(kStart + hour * 1h + hour * 2s, hour * 1h));
}
}  // namespace
}  // namespace onward
