#include "engine/core/scenario/date_trigger.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "engine/core/base/time_zone.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kToronto = "America/Toronto";
constexpr std::string_view kApia = "Pacific/Apia";
constexpr std::string_view kKathmandu = "Asia/Kathmandu";
constexpr std::string_view kNever = "never";

struct Case {
  std::string_view field;  // a day, an instant, or "text:" and a text
  bool yearly;
  int offset;  // days
  Duration at;
  std::string_view zone;
  std::string_view after;
  std::string_view fires;
};

Value value_of(std::string_view field) {
  if (field.starts_with("text:")) return Value{field.substr(5)};
  if (const auto day = parse_date(field)) return *day;
  return *parse_instant(field);
}

std::string fires(const Case& given) {
  const DateListen listen{.field = "birth_date",
                          .offset = std::chrono::days{given.offset},
                          .at = given.at,
                          .yearly = given.yearly,
                          .where = {}};
  const auto next =
      next_occurrence(listen, value_of(given.field), given.zone, *parse_instant(given.after));
  return next ? format_instant(*next) : std::string{kNever};
}

void check(const std::vector<Case>& cases) {
  for (const Case& given : cases) {
    CAPTURE(given.field, given.yearly, given.offset, format_duration(given.at), given.zone,
            given.after);
    CHECK(fires(given) == given.fires);
  }
}
}  // namespace

TEST_CASE("a date trigger fires once, at the local time of its day", "[core][date_trigger]") {
  check({
      {"2026-07-15", false, 0, 9h, "UTC", "2026-01-01T00:00:00Z", "2026-07-15T09:00:00Z"},
      {"2026-07-15", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z", "2026-07-15T13:00:00Z"},
      {"2026-01-15", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z", "2026-01-15T14:00:00Z"},
      // Five hours and three quarters ahead.
      {"2026-07-15", false, 0, 0h, kKathmandu, "2026-01-01T00:00:00Z", "2026-07-14T18:15:00Z"},
      // Thirteen hours ahead: the day begins while UTC has yesterday.
      {"2026-07-15", false, 0, 9h, kApia, "2026-01-01T00:00:00Z", "2026-07-14T20:00:00Z"},
      // Eleven behind: it ends while UTC has tomorrow.
      {"2026-07-15", false, 0, 23h, "Pacific/Pago_Pago", "2026-01-01T00:00:00Z",
       "2026-07-16T10:00:00Z"},
      {"2026-07-15", false, 0, 9h, "Mars/Olympus", "2026-01-01T00:00:00Z", "2026-07-15T09:00:00Z"},
  });
}

TEST_CASE("a date trigger fires strictly after the instant asked about", "[core][date_trigger]") {
  check({
      {"2026-07-15", false, 0, 9h, "UTC", "2026-07-15T08:59:59.999Z", "2026-07-15T09:00:00Z"},
      {"2026-07-15", false, 0, 9h, "UTC", "2026-07-15T09:00:00Z", kNever},
      {"2026-07-15", false, 0, 9h, "UTC", "2026-07-16T00:00:00Z", kNever},
      {"1990-07-15", true, 0, 9h, "UTC", "2026-07-15T08:59:59.999Z", "2026-07-15T09:00:00Z"},
      {"1990-07-15", true, 0, 9h, "UTC", "2026-07-15T09:00:00Z", "2027-07-15T09:00:00Z"},
  });
}

TEST_CASE("a yearly trigger fires on the day itself and then each year", "[core][date_trigger]") {
  check({
      {"1990-05-01", true, 0, 0h, "UTC", "2026-01-01T00:00:00Z", "2026-05-01T00:00:00Z"},
      {"1990-05-01", true, 0, 0h, "UTC", "2026-12-31T00:00:00Z", "2027-05-01T00:00:00Z"},
      // Not before the day itself.
      {"2030-05-01", true, 0, 0h, "UTC", "2026-01-01T00:00:00Z", "2030-05-01T00:00:00Z"},
      {"2030-05-01", true, -3, 0h, "UTC", "2026-01-01T00:00:00Z", "2030-04-28T00:00:00Z"},
      {"0001-01-01", true, 0, 0h, "UTC", "2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z"},
      // The last day that can be written, and nothing behind it.
      {"1990-12-31", true, 0, 9h, "UTC", "9999-12-31T08:00:00Z", "9999-12-31T09:00:00Z"},
      {"1990-12-31", true, 0, 9h, "UTC", "9999-12-31T09:00:00Z", kNever},
  });
}

TEST_CASE("an offset moves the day over the ends of months and years", "[core][date_trigger]") {
  check({
      {"2026-03-02", false, -3, 9h, "UTC", "2026-01-01T00:00:00Z", "2026-02-27T09:00:00Z"},
      {"2024-03-02", false, -3, 9h, "UTC", "2024-01-01T00:00:00Z", "2024-02-28T09:00:00Z"},
      {"2026-01-02", false, -3, 9h, "UTC", "2025-01-01T00:00:00Z", "2025-12-30T09:00:00Z"},
      {"2025-12-30", false, 3, 9h, "UTC", "2025-01-01T00:00:00Z", "2026-01-02T09:00:00Z"},
      {"2026-07-15", false, 14, 9h, "UTC", "2026-01-01T00:00:00Z", "2026-07-29T09:00:00Z"},
      // Of a birthday in January, the firing three days before belongs to December.
      {"1990-01-02", true, -3, 9h, "UTC", "2026-12-01T00:00:00Z", "2026-12-30T09:00:00Z"},
      {"1990-01-02", true, -3, 9h, "UTC", "2026-12-30T09:00:00Z", "2027-12-30T09:00:00Z"},
      {"1990-12-30", true, 3, 9h, "UTC", "2026-12-31T00:00:00Z", "2027-01-02T09:00:00Z"},
      {"1990-12-30", true, 3, 9h, "UTC", "2027-01-01T00:00:00Z", "2027-01-02T09:00:00Z"},
      {"1990-06-15", true, 365, 0h, "UTC", "2026-01-01T00:00:00Z", "2026-06-15T00:00:00Z"},
      {"1990-06-15", true, -365, 0h, "UTC", "2026-01-01T00:00:00Z", "2026-06-15T00:00:00Z"},
      // The offset moves the day, not the clock: nine in the morning on either side of a change.
      {"2026-03-10", false, -3, 9h, kToronto, "2026-01-01T00:00:00Z", "2026-03-07T14:00:00Z"},
      {"2026-03-07", false, 3, 9h, kToronto, "2026-01-01T00:00:00Z", "2026-03-10T13:00:00Z"},
  });
}

TEST_CASE("29 February falls on 1 March in other years", "[core][date_trigger]") {
  check({
      {"2000-02-29", true, 0, 9h, "UTC", "2024-01-01T00:00:00Z", "2024-02-29T09:00:00Z"},
      {"2000-02-29", true, 0, 9h, "UTC", "2024-02-29T09:00:00Z", "2025-03-01T09:00:00Z"},
      {"2000-02-29", true, 0, 9h, "UTC", "2027-06-01T00:00:00Z", "2028-02-29T09:00:00Z"},
      {"2000-02-29", true, 0, 9h, "UTC", "2099-06-01T00:00:00Z", "2100-03-01T09:00:00Z"},
      {"2000-02-29", true, -1, 9h, "UTC", "2025-01-01T00:00:00Z", "2025-02-28T09:00:00Z"},
      {"2000-02-29", true, -1, 9h, "UTC", "2024-01-01T00:00:00Z", "2024-02-28T09:00:00Z"},
      {"2000-02-29", true, 1, 9h, "UTC", "2025-01-01T00:00:00Z", "2025-03-02T09:00:00Z"},
      {"2000-02-29", true, 1, 9h, "UTC", "2024-01-01T00:00:00Z", "2024-03-01T09:00:00Z"},
      {"2000-02-29", true, -60, 9h, "UTC", "2025-06-01T00:00:00Z", "2025-12-31T09:00:00Z"},
      {"2000-02-29", true, -60, 9h, "UTC", "2026-12-01T00:00:00Z", "2026-12-31T09:00:00Z"},
      {"2000-02-29", true, 306, 9h, "UTC", "2025-06-01T00:00:00Z", "2026-01-01T09:00:00Z"},
  });
}

TEST_CASE("a local time that is skipped moves on, a repeated one is the first",
          "[core][date_trigger]") {
  check({
      // 8 March 2026: 02:00 to 03:00 does not exist in Toronto.
      {"2026-03-08", false, 0, 2h + 30min, kToronto, "2026-01-01T00:00:00Z",
       "2026-03-08T07:30:00Z"},
      // 1 November 2026: 01:00 to 02:00 occurs twice.
      {"2026-11-01", false, 0, 1h + 30min, kToronto, "2026-01-01T00:00:00Z",
       "2026-11-01T05:30:00Z"},
      // Once only, although the clocks show half past one again an hour later.
      {"2026-11-01", false, 0, 1h + 30min, kToronto, "2026-11-01T05:30:00Z", kNever},
      {"1990-11-01", true, 0, 1h + 30min, kToronto, "2026-11-01T05:30:00Z", "2027-11-01T05:30:00Z"},
      // Midnight is skipped in Beirut on 29 March 2026.
      {"2026-03-29", false, 0, 0h, "Asia/Beirut", "2026-01-01T00:00:00Z", "2026-03-28T22:00:00Z"},
      // Lord Howe moves by half an hour.
      {"2026-10-04", false, 0, 2h + 15min, "Australia/Lord_Howe", "2026-01-01T00:00:00Z",
       "2026-10-03T15:45:00Z"},
      // Samoa left out 30 December 2011: who was born on one gets the 31st that year.
      {"1990-12-30", true, 0, 9h, kApia, "2011-12-01T00:00:00Z", "2011-12-30T19:00:00Z"},
      {"1990-12-30", true, 0, 9h, kApia, "2011-12-30T19:00:00Z", "2012-12-29T19:00:00Z"},
  });
}

TEST_CASE("an instant counts as the day that the contact's clocks show", "[core][date_trigger]") {
  check({
      {"2026-07-15T02:00:00Z", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z",
       "2026-07-14T13:00:00Z"},
      {"2026-07-15T04:00:00Z", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z",
       "2026-07-15T13:00:00Z"},
      {"2026-07-15T03:59:59.999Z", false, 0, 0h, kToronto, "2026-01-01T00:00:00Z",
       "2026-07-14T04:00:00Z"},
      {"2026-07-14T12:00:00Z", false, 0, 9h, kApia, "2026-01-01T00:00:00Z", "2026-07-14T20:00:00Z"},
      {"2026-07-14T18:15:00Z", false, 0, 9h, kKathmandu, "2026-01-01T00:00:00Z",
       "2026-07-15T03:15:00Z"},
      {"2026-07-14T18:14:59.999Z", false, 0, 9h, kKathmandu, "2026-01-01T00:00:00Z",
       "2026-07-14T03:15:00Z"},
      // New Year's Eve in Toronto, New Year in UTC.
      {"2025-01-01T02:00:00Z", true, 0, 9h, kToronto, "2026-01-01T00:00:00Z",
       "2026-12-31T14:00:00Z"},
      // 29 February for Apia, still the 28th in UTC.
      {"2024-02-28T12:00:00Z", true, 0, 0h, kApia, "2024-03-01T00:00:00Z", "2025-02-28T11:00:00Z"},
  });
}

TEST_CASE("fields of your own are texts that read as a day or a time", "[core][date_trigger]") {
  check({
      {"text:2026-07-15", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z", "2026-07-15T13:00:00Z"},
      {"text:2026-07-15T02:00:00Z", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z",
       "2026-07-14T13:00:00Z"},
      {"text:2026-07-15T23:30", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z",
       "2026-07-15T13:00:00Z"},
      {"text:soon", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z", kNever},
      {"text:2026-02-30", false, 0, 9h, kToronto, "2026-01-01T00:00:00Z", kNever},
      {"text:", true, 0, 9h, kToronto, "2026-01-01T00:00:00Z", kNever},
  });
  const DateListen listen{.field = "custom.renewal", .where = {}};
  for (const Value& value : {Value{}, Value{20260715}, Value{true}, Value{ValueList{}}})
    CHECK_FALSE(next_occurrence(listen, value, "UTC", Instant{}));
}

TEST_CASE("the firings of a yearly trigger are one a year, in order, none left out",
          "[core][date_trigger]") {
  CHECK(rc::check([] {
    const auto born = Date{std::chrono::days{*rc::gen::inRange(-20'000, 20'000)}};
    const DateListen listen{.field = "birth_date",
                            .offset = std::chrono::days{*rc::gen::inRange(-365, 366)},
                            .at = std::chrono::minutes{*rc::gen::inRange(0, 24 * 60)},
                            .yearly = true,
                            .where = {}};
    const std::string_view zone =
        *rc::gen::element(kToronto, kApia, kKathmandu, std::string_view{"UTC"});
    const Instant start{std::chrono::days{*rc::gen::inRange(-25'000, 40'000)}};
    const auto first = next_occurrence(listen, born, zone, start);
    RC_ASSERT(first.has_value());
    RC_ASSERT(*first > start);
    Instant last = *first;
    for (int i = 0; i < 9; ++i) {
      const auto next = next_occurrence(listen, born, zone, last);
      RC_ASSERT(next.has_value());
      const auto gap = *next - last;
      // A year, give or take a leap day, a shifted 29 February, a change of clocks or a lost day.
      RC_ASSERT(gap >= std::chrono::days{363});
      RC_ASSERT(gap <= std::chrono::days{368});
      // Nothing lies between.
      RC_ASSERT(next_occurrence(listen, born, zone, *next - 1ms) == next);
      last = *next;
    }
    // The first is the day itself, or no more than a year away.
    const Instant own =
        to_instant(born + std::chrono::floor<std::chrono::days>(listen.offset), listen.at, zone);
    RC_ASSERT(*first >= own);
    RC_ASSERT((own > start ? *first == own : *first - start <= std::chrono::days{368}));
  }));
}
