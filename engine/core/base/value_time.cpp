#include "engine/core/base/value_time.h"

#include <string>

#include "engine/core/base/time_zone.h"

namespace onward {
std::optional<Instant> instant_of(const Value& value, std::string_view zone) {
  if (const auto* instant = value.get_if<Instant>()) return *instant;
  if (const auto* day = value.get_if<Date>()) return to_instant(*day, Duration{}, zone);
  const std::string* text = value.text();
  return text ? parse_instant_in(*text, zone) : std::nullopt;
}

std::optional<Date> day_of(const Value& value, std::string_view zone) {
  if (const auto* day = value.get_if<Date>()) return *day;
  if (const std::string* text = value.text())
    if (const auto day = parse_date(*text)) return day;
  const auto instant = instant_of(value, zone);
  return instant ? std::optional{to_local(*instant, zone).date} : std::nullopt;
}

Date anniversary_in(std::chrono::year y, Date first) {
  const std::chrono::year_month_day day{first};
  const auto same = y / day.month() / day.day();
  return same.ok() ? Date{same} : Date{y / std::chrono::March / 1};
}
}  // namespace onward
