#include "engine/core/scenario/date_trigger.h"

#include <algorithm>

#include "engine/core/base/time_zone.h"

namespace onward {
namespace {
using namespace std::chrono;

constexpr year kYearLast{9999};

/// The day that a field's value names, on clocks in `zone`.
std::optional<Date> named_day(const Value& value, std::string_view zone) {
  if (const auto* day = value.get_if<Date>()) return *day;
  if (const auto* instant = value.get_if<Instant>()) return to_local(*instant, zone).date;
  const std::string* text = value.text();
  if (!text) return std::nullopt;
  if (const auto day = parse_date(*text)) return day;
  const auto instant = parse_instant_in(*text, zone);
  return instant ? std::optional{to_local(*instant, zone).date} : std::nullopt;
}

Date day_in(year y, const year_month_day& first) {
  const year_month_day same = y / first.month() / first.day();
  return same.ok() ? Date{same} : Date{y / March / 1};
}
}  // namespace

std::optional<Instant> next_occurrence(const DateListen& listen, const Value& value,
                                       std::string_view zone, Instant after) {
  const auto named = named_day(value, zone);
  if (!named) return std::nullopt;
  const days offset = floor<days>(listen.offset);
  const auto fires = [&](Date day) { return to_instant(day + offset, listen.at, zone); };
  if (!listen.yearly) {
    const Instant only = fires(*named);
    return only > after ? std::optional{only} : std::nullopt;
  }
  const year_month_day first{*named};
  // Two years back: the zone and a day that falls a day later may each reach over a year's end.
  const year near = year_month_day{date_of(after) - offset}.year() - years{2};
  for (year y = std::max(first.year(), near); y <= kYearLast; ++y)
    if (const Instant next = fires(day_in(y, first)); next > after) return next;
  return std::nullopt;
}
}  // namespace onward
