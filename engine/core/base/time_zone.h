#pragma once
// IANA time zones: local calendar time to instants and back. The only door to the zone database.
#include <string_view>

#include "engine/core/base/time.h"

namespace onward {
/// Whether `name` is in the machine's IANA database ("America/Toronto", "UTC").
bool zone_exists(std::string_view name);

/// The instant of a local wall-clock time in `zone`. A time that a change of the clock skips moves
/// forward by the gap; one that occurs twice means the first. An unknown zone counts as UTC.
Instant to_instant(Date date, Duration time_of_day, std::string_view zone);

/// The calendar day and the time of day that clocks in `zone` show at `instant`.
struct LocalTime {
  Date date;
  Duration time_of_day;
};
LocalTime to_local(Instant instant, std::string_view zone);

/// Parses an instant, or a local time without an offset ("2026-05-01T09:00") or a day
/// ("2026-05-01", its midnight), both read in `zone`.
std::optional<Instant> parse_instant_in(std::string_view text, std::string_view zone);
}  // namespace onward
