#pragma once
// Hours of the week, such as Monday to Friday from nine to five, on the clocks of a time zone.
#include <bitset>
#include <optional>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/scenario/settings.h"

namespace onward {
/// Each chosen day it opens at `from` and closes at `to`, of the next day where that is no later
/// than `from`. A time that clocks skip moves forward by the gap; one that they show twice means
/// the first, so that a window opens once a day.
struct OpenWindow {
  std::bitset<7> days;  ///< On which it opens; 0 is Sunday.
  Duration from{};
  Duration to = std::chrono::hours{24};

  /// Nothing while it is open at `now`; else the next instant at which it opens in `zone`.
  std::optional<Instant> next_opening(Instant now, std::string_view zone) const;
};

/// Reads `{ days: [mon-fri, sun], from: "09:00", to: "17:00" }` below `key`, which is there, and
/// reports what is wrong.
OpenWindow read_window(Settings& settings, std::string_view key);

/// JSON Schema of the same.
inline constexpr std::string_view kWindowSchema = R"({
  "type": "object",
  "properties": {
    "days": {
      "anyOf": [
        {"type": "string", "pattern": "^(sun|mon|tue|wed|thu|fri|sat)(-(sun|mon|tue|wed|thu|fri|sat))?$"},
        {"type": "array", "minItems": 1, "items":
          {"type": "string", "pattern": "^(sun|mon|tue|wed|thu|fri|sat)(-(sun|mon|tue|wed|thu|fri|sat))?$"}}
      ]
    },
    "from": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    "to": {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"}
  },
  "minProperties": 1,
  "additionalProperties": false
})";
}  // namespace onward
