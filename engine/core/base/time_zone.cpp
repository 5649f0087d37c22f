#include "engine/core/base/time_zone.h"

#include <date/tz.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace onward {
namespace {
/// The database ends in 2037 and knows no rules beyond. A later year borrows the offsets of one
/// that begins on the same weekday and is as long, so that rules such as "last Sunday of March" go
/// on.
constexpr int kYearLast = 2036;

const date::time_zone* find_zone(std::string_view name) {
  if (name.empty() || name == "UTC") return nullptr;
  try {
    return date::locate_zone(std::string{name});
  } catch (const std::runtime_error&) {  // unknown, or no database on this machine
    return nullptr;
  }
}

/// How far to move a day back so that it lies in a year with known rules.
std::chrono::days borrowed(Date day) {
  using namespace std::chrono;
  const year own = year_month_day{day}.year();
  if (static_cast<int>(own) <= kYearLast) return days{0};
  const Date first = own / January / 1;
  for (year y{kYearLast};; --y) {
    const Date candidate = y / January / 1;
    if (y.is_leap() == own.is_leap() && weekday{candidate} == weekday{first})
      return first - candidate;
  }
}
}  // namespace

bool zone_exists(std::string_view name) { return name == "UTC" || find_zone(name) != nullptr; }

Instant to_instant(Date day, Duration time_of_day, std::string_view zone) {
  const Instant as_utc = day + time_of_day;
  const date::time_zone* found = find_zone(zone);
  if (!found) return as_utc;
  const auto moved = as_utc - borrowed(date_of(as_utc));
  const date::local_time<Duration> local{moved.time_since_epoch()};
  // In a gap `first` is the offset before it, which moves the time forward by the gap; of a
  // repeated time it is the earlier one.
  return as_utc - found->get_info(local).first.offset;
}

LocalTime to_local(Instant instant, std::string_view zone) {
  const date::time_zone* found = find_zone(zone);
  Instant local = instant;
  if (found) local += found->get_info(instant - borrowed(date_of(instant))).offset;
  const Date day = date_of(local);
  return {day, local - day};
}

namespace {
/// The instant of a local time that was read from a text. An instant must be readable again after
/// it was written, so one before the year 0001 or after 9999 (by its offset) counts as their
/// border.
Instant instant_in(Date day, Duration time_of_day, std::string_view zone) {
  using namespace std::chrono;
  constexpr Instant kFirst{Date{year{1} / 1 / 1}};
  constexpr Instant kLast = Instant{Date{year{9'999} / 12 / 31}} + days{1} - Duration{1};
  return std::clamp(to_instant(day, time_of_day, zone), kFirst, kLast);
}
}  // namespace

std::optional<Instant> parse_instant_in(std::string_view text, std::string_view zone) {
  if (const auto instant = parse_instant(text)) return instant;
  if (const auto day = parse_date(text)) return instant_in(*day, Duration{}, zone);
  // A local time is one in UTC that awaits its offset. The longest has nine digits of a second.
  if (text.size() < 16 || text.size() > 32) return std::nullopt;
  const auto local = parse_instant(std::string{text} + 'Z');
  if (!local) return std::nullopt;
  const Date day = date_of(*local);
  return instant_in(day, *local - day, zone);
}
}  // namespace onward
