#include "nodes/time_of_day.h"

#include <fmt/core.h>

namespace onward {
std::optional<Duration> parse_time_of_day(std::string_view text) {
  constexpr std::string_view kForm = "00:00";
  if (text.size() != kForm.size() || text[2] != ':') return std::nullopt;
  for (const std::size_t i : {0U, 1U, 3U, 4U})
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
  const int hours = (text[0] - '0') * 10 + (text[1] - '0');
  const int minutes = (text[3] - '0') * 10 + (text[4] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  return std::chrono::hours{hours} + std::chrono::minutes{minutes};
}

std::string_view zone_of(const Visit& visit) { return clock_zone(visit.contact, visit.timezone); }

Duration time_of_day(Settings& settings, std::string_view key) {
  const Tree* tree = settings.find(key);
  if (!tree) return {};
  const auto time = tree->is_scalar() ? parse_time_of_day(tree->text) : std::nullopt;
  if (!time)
    settings.error(tree->at, "bad_time_of_day",
                   fmt::format("\"{}\" wants a time of day such as \"09:00\", found {}", key,
                               describe(*tree)));
  return time.value_or(Duration{});
}

std::chrono::days whole_days(Settings& settings, std::string_view key, std::chrono::days most) {
  const Tree* tree = settings.find(key);
  if (!tree) return {};
  const auto length = tree->is_scalar() ? parse_duration(tree->text) : std::nullopt;
  const auto days = std::chrono::floor<std::chrono::days>(length.value_or(Duration{}));
  if (length && days == *length && days >= -most && days <= most) return days;
  settings.error(tree->at, "bad_duration",
                 fmt::format("\"{}\" wants whole days, up to {} either way, such as -3d or 2w; "
                             "found {}",
                             key, most.count(), describe(*tree)));
  return {};
}
}  // namespace onward
