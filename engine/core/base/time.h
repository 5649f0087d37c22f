#pragma once
// Instants, durations and dates, and their text forms. Nothing here reads a clock.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace onward {
using Duration = std::chrono::milliseconds;
/// A point on the UTC time line (Unix time, no leap seconds).
using Instant = std::chrono::sys_time<Duration>;
/// A calendar day without a zone.
using Date = std::chrono::sys_days;

/// Parses "90s", "250ms", "5m", "5min", "2h", "3d", "2w", or several of them ("1h30m"), largest
/// first; a leading "-" negates. A bare number, a fraction or an overflow is nothing.
std::optional<Duration> parse_duration(std::string_view text);
/// The shortest form that parse_duration reads back: "3d", "1h30m", "0s".
std::string format_duration(Duration duration);

/// Parses RFC 3339 ("2026-05-01T09:00:00Z", "…T09:00:00.250-04:00"). Seconds may be missing.
/// Without an offset it is nothing: see LocalTime in time_zone.h. Years 0001 to 9999.
std::optional<Instant> parse_instant(std::string_view text);
/// RFC 3339 in UTC; milliseconds only where there are some: "2024-05-28T12:56:40Z".
std::string format_instant(Instant instant);

/// Parses "2026-01-31" (ISO 8601, extended); a day that does not exist is nothing.
std::optional<Date> parse_date(std::string_view text);
std::string format_date(Date date);

inline Date date_of(Instant instant) { return std::chrono::floor<std::chrono::days>(instant); }
}  // namespace onward
