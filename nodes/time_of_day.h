#pragma once
// Times of day and whole days, as authors write them in several kinds of node.
#include <optional>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/scenario/node.h"
#include "engine/core/scenario/settings.h"

namespace onward {
/// JSON Schema of a time of day, and of a number of days with a sign.
inline constexpr std::string_view kTimeOfDaySchema =
    R"({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})";
inline constexpr std::string_view kDaysSchema =
    R"({"type": "string", "pattern": "^-?([0-9]+[dw])+$"})";

/// "09:00", "23:59"; nothing where the text is none.
std::optional<Duration> parse_time_of_day(std::string_view text);

/// The contact's own time zone, else the scenario's.
std::string_view zone_of(const Visit& visit);

/// The time of day below `key`; midnight where it is missing, or wrong and reported.
Duration time_of_day(Settings& settings, std::string_view key);

/// Whole days below `key`, either way and up to `most`; none where it is missing, or wrong and
/// reported.
std::chrono::days whole_days(Settings& settings, std::string_view key, std::chrono::days most);
}  // namespace onward
