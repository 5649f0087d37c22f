#include "engine/core/base/time_zone.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kToronto = "America/Toronto";

std::string instant_of(std::string_view date, Duration time, std::string_view zone) {
  return format_instant(to_instant(*parse_date(date), time, zone));
}

std::string local_of(std::string_view instant, std::string_view zone) {
  const LocalTime local = to_local(*parse_instant(instant), zone);
  return format_date(local.date) + " " + format_duration(local.time_of_day);
}
}  // namespace

TEST_CASE("zones of the IANA database are known, and nothing else", "[core][time_zone]") {
  for (const std::string_view name : {"UTC", "America/Toronto", "Europe/Berlin", "Asia/Kolkata"})
    CHECK(zone_exists(name));
  for (const std::string_view name :
       {"", "Mars/Olympus", "../passwd", "EST5EDT4", "america/toronto", "+02:00"}) {
    INFO(name);
    CHECK_FALSE(zone_exists(name));
  }
}

TEST_CASE("a local time becomes the instant at which clocks show it", "[core][time_zone]") {
  CHECK(instant_of("2026-01-15", 9h, kToronto) == "2026-01-15T14:00:00Z");
  CHECK(instant_of("2026-07-15", 9h, kToronto) == "2026-07-15T13:00:00Z");
  CHECK(instant_of("2026-07-15", 9h, "Asia/Kolkata") == "2026-07-15T03:30:00Z");
  CHECK(instant_of("2026-07-15", 9h, "UTC") == "2026-07-15T09:00:00Z");
  CHECK(instant_of("2026-07-15", 9h, "Mars/Olympus") == "2026-07-15T09:00:00Z");
}

TEST_CASE("a time that the clocks skip moves forward by the gap", "[core][time_zone]") {
  // 8 March 2026, 02:00 to 03:00 does not exist in Toronto: 02:30 is shown as 03:30.
  CHECK(instant_of("2026-03-08", 2h + 30min, kToronto) == "2026-03-08T07:30:00Z");
  CHECK(local_of("2026-03-08T07:30:00Z", kToronto) == "2026-03-08 3h30m");
  CHECK(instant_of("2026-03-08", 2h, kToronto) == "2026-03-08T07:00:00Z");
  CHECK(instant_of("2026-03-08", 3h, kToronto) == "2026-03-08T07:00:00Z");
  // Midnight itself is skipped in Beirut on 29 March 2026.
  CHECK(instant_of("2026-03-29", 0h, "Asia/Beirut") == "2026-03-28T22:00:00Z");
}

TEST_CASE("a time that occurs twice means the first", "[core][time_zone]") {
  // 1 November 2026, 01:00 to 02:00 occurs twice in Toronto.
  CHECK(instant_of("2026-11-01", 1h + 30min, kToronto) == "2026-11-01T05:30:00Z");
  CHECK(local_of("2026-11-01T05:30:00Z", kToronto) == "2026-11-01 1h30m");
  CHECK(local_of("2026-11-01T06:30:00Z", kToronto) == "2026-11-01 1h30m");
  CHECK(instant_of("2026-11-01", 2h, kToronto) == "2026-11-01T07:00:00Z");
}

TEST_CASE("the rules go on after the last year of the database", "[core][time_zone]") {
  // Second Sunday of March 2050 is the 13th; first Sunday of November the 6th.
  CHECK(instant_of("2050-03-13", 1h, kToronto) == "2050-03-13T06:00:00Z");
  CHECK(instant_of("2050-03-13", 4h, kToronto) == "2050-03-13T08:00:00Z");
  CHECK(instant_of("2050-11-06", 4h, kToronto) == "2050-11-06T09:00:00Z");
  CHECK(local_of("2050-07-01T12:00:00Z", kToronto) == "2050-07-01 8h");
  CHECK(local_of("2048-02-29T12:00:00Z", kToronto) == "2048-02-29 7h");
  CHECK(local_of("2400-12-31T23:30:00Z", "Europe/Berlin") == "2401-01-01 30m");
}

TEST_CASE("a local time read back from its instant is the same, gaps aside", "[core][time_zone]") {
  CHECK(rc::check([](std::int32_t seconds) {
    const Instant instant{std::chrono::seconds{seconds}};
    for (const std::string_view zone :
         {"America/Toronto", "Europe/Berlin", "Australia/Lord_Howe", "UTC"}) {
      const LocalTime local = to_local(instant, zone);
      RC_ASSERT(local.time_of_day >= 0h);
      RC_ASSERT(local.time_of_day < 24h);
      const Instant back = to_instant(local.date, local.time_of_day, zone);
      RC_ASSERT(back <= instant);
      RC_ASSERT(instant - back <= 24h);  // a repeated hour means the first
      const LocalTime again = to_local(back, zone);
      RC_ASSERT(again.date == local.date);
      RC_ASSERT(again.time_of_day == local.time_of_day);
    }
  }));
}

TEST_CASE("text without an offset is read in the zone", "[core][time_zone]") {
  const auto read = [](std::string_view text) {
    const auto instant = parse_instant_in(text, kToronto);
    return instant ? format_instant(*instant) : "nothing";
  };
  CHECK(read("2026-05-01T09:00") == "2026-05-01T13:00:00Z");
  CHECK(read("2026-05-01 09:00:30.5") == "2026-05-01T13:00:30.500Z");
  CHECK(read("2026-05-01") == "2026-05-01T04:00:00Z");
  CHECK(read("2026-05-01T09:00:00Z") == "2026-05-01T09:00:00Z");
  CHECK(read("2026-05-01T09:00:00+02:00") == "2026-05-01T07:00:00Z");
  // What is written can be read again, in the last hours of the calendar too.
  CHECK(read("9999-12-31T23:59") == "9999-12-31T23:59:59.999Z");
  CHECK(format_instant(*parse_instant_in("0001-01-01", "Asia/Tokyo")) == "0001-01-01T00:00:00Z");
  for (const std::string_view text :
       {"", "soon", "2026-02-30", "2026-05-01T", "2026-05-01T25:00"}) {
    INFO(text);
    CHECK(read(text) == "nothing");
  }
}
