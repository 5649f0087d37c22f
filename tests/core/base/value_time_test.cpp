#include "engine/core/base/value_time.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
using namespace std::chrono;
using namespace std::chrono_literals;

constexpr std::string_view kZone = "America/Toronto";  // five hours behind in winter
constexpr Date kDay = year{2026} / 1 / 5;

TEST_CASE("a value names an instant as such, as a day, or as a text", "[core][time]") {
  const Instant midnight = *parse_instant("2026-01-05T05:00:00Z");
  CHECK(instant_of(Value{midnight}, kZone) == midnight);
  CHECK(instant_of(Value{kDay}, kZone) == midnight);
  CHECK(instant_of(Value{"2026-01-05"}, kZone) == midnight);
  CHECK(instant_of(Value{"2026-01-05T00:00"}, kZone) == midnight);
  CHECK(instant_of(Value{"2026-01-05T05:00:00Z"}, kZone) == midnight);
  for (const Value& other : {Value{}, Value{"soon"}, Value{20260105}, Value{true}}) {
    CHECK_FALSE(instant_of(other, kZone).has_value());
    CHECK_FALSE(day_of(other, kZone).has_value());
  }
}

TEST_CASE("an instant names the day that clocks in the zone show", "[core][time]") {
  CHECK(day_of(Value{kDay}, kZone) == kDay);
  CHECK(day_of(Value{"2026-01-05"}, kZone) == kDay);
  CHECK(day_of(Value{*parse_instant("2026-01-06T04:59:59Z")}, kZone) == kDay);
  CHECK(day_of(Value{"2026-01-06T04:59:59Z"}, kZone) == kDay);
  CHECK(day_of(Value{"2026-01-06T05:00:00Z"}, kZone) == kDay + days{1});
}

TEST_CASE("the anniversary of 29 February is 1 March in other years", "[core][time]") {
  CHECK(anniversary_in(year{2026}, kDay) == kDay);
  CHECK(anniversary_in(year{2028}, year{2024} / 2 / 29) == Date{year{2028} / 2 / 29});
  CHECK(anniversary_in(year{2027}, year{2024} / 2 / 29) == Date{year{2027} / 3 / 1});
  CHECK(anniversary_in(year{2100}, year{2024} / 2 / 29) == Date{year{2100} / 3 / 1});
}
}  // namespace
}  // namespace onward
