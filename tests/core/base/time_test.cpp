#include "engine/core/base/time.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

using namespace onward;
using namespace std::chrono_literals;

namespace {
Instant at(int y, unsigned m, unsigned d, Duration time = {}) {
  return Date{std::chrono::year{y} / std::chrono::month{m} / std::chrono::day{d}} + time;
}
}  // namespace

TEST_CASE("durations are read with their units, largest first", "[core][time]") {
  const struct {
    std::string_view text;
    Duration length;
  } cases[] = {{"90s", 90s},
               {"250ms", 250ms},
               {"5m", 5min},
               {"5min", 5min},
               {"2h", 2h},
               {"3d", 72h},
               {"2w", 336h},
               {"1h30m", 90min},
               {"1w1d1h1m1s1ms", 193h + 61s + 1ms},
               {"-3d", -72h},
               {"-1h30min", -90min},
               {"0s", 0s},
               {"007s", 7s},
               {"3652500d", 24h * 3652500}};
  for (const auto& c : cases) {
    INFO(c.text);
    CHECK(parse_duration(c.text) == c.length);
  }
}

TEST_CASE("what is no duration is refused", "[core][time]") {
  for (const std::string_view text :
       {"", "-", "soon", "5", "1.5h", "30m1h", "1h1h", "1m1min", "5 m", " 5m", "5m ", "+5m",
        "1h-5m", "h", "5x", "5M", "3652501d", "3652500d1ms", "99999999999999999999s"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("a duration is written in the form that reads back", "[core][time]") {
  CHECK(format_duration(0ms) == "0s");
  CHECK(format_duration(72h) == "3d");
  CHECK(format_duration(90min) == "1h30m");
  CHECK(format_duration(-90min) == "-1h30m");
  CHECK(format_duration(61s + 5ms) == "1m1s5ms");
  CHECK(rc::check([](std::int32_t seconds, std::uint16_t millis) {
    const Duration duration = std::chrono::seconds{seconds} + Duration{millis % 1000};
    RC_ASSERT(parse_duration(format_duration(duration)) == duration);
  }));
}

TEST_CASE("instants are RFC 3339 with an offset", "[core][time]") {
  const struct {
    std::string_view text;
    Instant instant;
  } cases[] = {{"2026-05-01T09:00:00Z", at(2026, 5, 1, 9h)},
               {"2026-05-01T09:00Z", at(2026, 5, 1, 9h)},
               {"2026-05-01 09:00:00z", at(2026, 5, 1, 9h)},
               {"2026-05-01t09:00:00.250-04:00", at(2026, 5, 1, 13h + 250ms)},
               {"2026-05-01T09:00:00.2509999+05:30", at(2026, 5, 1, 3h + 30min + 250ms)},
               {"2026-05-01T00:30:00+01:00", at(2026, 4, 30, 23h + 30min)},
               {"2024-02-29T23:59:60Z", at(2024, 3, 1)},
               {"1969-12-31T23:59:59.999Z", Instant{-1ms}},
               {"0001-01-01T00:00:00Z", at(1, 1, 1)},
               {"9999-12-31T23:59:59.999Z", at(9999, 12, 31, 24h - 1ms)}};
  for (const auto& c : cases) {
    INFO(c.text);
    CHECK(parse_instant(c.text) == c.instant);
  }
}

TEST_CASE("what is no instant is refused", "[core][time]") {
  for (const std::string_view text : {"",
                                      "2026-05-01",
                                      "2026-05-01T09:00:00",
                                      "2026-05-01T24:00:00Z",
                                      "2026-05-01T09:60:00Z",
                                      "2026-05-01T09:00:61Z",
                                      "2026-05-01T09:00:60Z",
                                      "2026-02-29T09:00:00Z",
                                      "2026-13-01T09:00:00Z",
                                      "2026-00-01T09:00:00Z",
                                      "2026-05-00T09:00:00Z",
                                      "0000-01-01T00:00:00Z",
                                      "2026-05-01T09:00:00.Z",
                                      "2026-05-01T09:00:00+0100",
                                      "2026-05-01T09:00:00+01",
                                      "2026-05-01T09:00:00Z ",
                                      "26-05-01T09:00:00Z",
                                      "2026-5-1T09:00:00Z",
                                      "0001-01-01T00:00:00+01:00",
                                      "9999-12-31T23:59:59-01:00",
                                      "2026-05-01T09Z",
                                      "1777626000"}) {
    INFO(text);
    CHECK_FALSE(parse_instant(text));
  }
}

TEST_CASE("an instant is written in UTC, with milliseconds where there are some", "[core][time]") {
  CHECK(format_instant(at(2024, 5, 28, 12h + 56min + 40s)) == "2024-05-28T12:56:40Z");
  CHECK(format_instant(at(2024, 5, 28, 7ms)) == "2024-05-28T00:00:00.007Z");
  CHECK(format_instant(Instant{-1ms}) == "1969-12-31T23:59:59.999Z");
  CHECK(rc::check([](std::int32_t seconds, std::uint16_t millis) {
    const Instant instant{std::chrono::seconds{seconds} + Duration{millis % 1000}};
    RC_ASSERT(parse_instant(format_instant(instant)) == instant);
  }));
}

TEST_CASE("a date is a day that exists", "[core][time]") {
  CHECK(parse_date("2026-01-31") == date_of(at(2026, 1, 31)));
  CHECK(parse_date("2024-02-29") == date_of(at(2024, 2, 29)));
  for (const std::string_view text :
       {"", "2026-02-29", "2026-1-31", "2026-01-32", "20260131", "2026-01-31T00:00", "31.1.2026"}) {
    INFO(text);
    CHECK_FALSE(parse_date(text));
  }
  CHECK(format_date(date_of(at(33, 4, 3))) == "0033-04-03");
}
