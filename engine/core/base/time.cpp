#include "engine/core/base/time.h"

#include <array>
#include <cstdint>

#include "engine/core/base/text.h"

namespace onward {
namespace {
using namespace std::chrono;

struct Unit {
  std::string_view name;
  std::int64_t length;  // in milliseconds
};
// Longest names first where one begins another: "ms" and "min" before "m".
constexpr std::array kUnits{Unit{"ms", 1},         Unit{"min", 60'000},  Unit{"w", 604'800'000},
                            Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                            Unit{"s", 1'000}};
// Ten thousand years: an instant of the years 1 to 9999 moved by it never overflows.
constexpr std::int64_t kDurationTextMax = 3'652'500LL * 86'400'000LL;

/// Reads exactly `count` digits from the front of `text`.
bool take_digits(std::string_view& text, std::size_t count, int& number) {
  if (text.size() < count) return false;
  number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return false;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool take_date(std::string_view& text, Date& date) {
  int y = 0, m = 0, d = 0;
  if (!take_digits(text, 4, y) || !take(text, '-') || !take_digits(text, 2, m) ||
      !take(text, '-') || !take_digits(text, 2, d) || y == 0)
    return false;
  const year_month_day day{year{y}, month{static_cast<unsigned>(m)},
                           std::chrono::day{static_cast<unsigned>(d)}};
  if (!day.ok()) return false;
  date = sys_days{day};
  return true;
}

/// ".250": milliseconds, what is finer is cut off.
bool take_fraction(std::string_view& text, Duration& fraction) {
  int scale = 100, millis = 0;
  if (text.empty() || !is_digit(text.front())) return false;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), scale /= 10)
    millis += (text.front() - '0') * scale;
  fraction = Duration{millis};
  return true;
}

/// "09:00", "09:00:30", "09:00:30.250". A leap second, :60, counts as the next minute's first.
bool take_time(std::string_view& text, Duration& time) {
  int h = 0, m = 0, s = 0;
  Duration fraction{};
  if (!take_digits(text, 2, h) || !take(text, ':') || !take_digits(text, 2, m)) return false;
  if (take(text, ':')) {
    if (!take_digits(text, 2, s)) return false;
    if (take(text, '.') && !take_fraction(text, fraction)) return false;
  }
  if (h > 23 || m > 59 || s > 60 || (s == 60 && m != 59)) return false;
  time = hours{h} + minutes{m} + seconds{s} + fraction;
  return true;
}

/// "Z", "+02:00".
bool take_offset(std::string_view& text, Duration& offset) {
  offset = Duration{};
  if (take(text, 'Z') || take(text, 'z')) return true;
  const bool west = !text.empty() && text.front() == '-';
  int h = 0, m = 0;
  if (!take(text, '+') && !take(text, '-')) return false;
  if (!take_digits(text, 2, h) || !take(text, ':') || !take_digits(text, 2, m)) return false;
  if (h > 23 || m > 59) return false;
  offset = hours{h} + minutes{m};
  if (west) offset = -offset;
  return true;
}

void append_digits(std::string& out, std::int64_t number, int count) {
  std::array<char, 20> digits;
  int n = 0;
  for (; number > 0 || n < count; number /= 10)
    digits[static_cast<std::size_t>(n++)] = static_cast<char>('0' + number % 10);
  while (n > 0) out += digits[static_cast<std::size_t>(--n)];
}

void append_date(std::string& out, Date date) {
  const year_month_day day{date};
  int y = static_cast<int>(day.year());
  if (y < 0) {
    out += '-';
    y = -y;
  }
  append_digits(out, y, 4);
  out += '-';
  append_digits(out, static_cast<unsigned>(day.month()), 2);
  out += '-';
  append_digits(out, static_cast<unsigned>(day.day()), 2);
}
}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const bool negative = take(text, '-');
  std::int64_t total = 0;
  std::int64_t last = kDurationTextMax + 1;  // each unit is smaller than the one before it
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    std::int64_t count = 0;
    if (!is_digit(text.front())) return std::nullopt;
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
      count = count * 10 + (text.front() - '0');
      if (count > kDurationTextMax) return std::nullopt;
    }
    const Unit* unit = nullptr;
    for (const Unit& u : kUnits)
      if (!unit && text.starts_with(u.name)) unit = &u;
    if (!unit || unit->length >= last || count > (kDurationTextMax - total) / unit->length)
      return std::nullopt;
    text.remove_prefix(unit->name.size());
    last = unit->length;
    total += count * unit->length;
  }
  return Duration{negative ? -total : total};
}

std::string format_duration(Duration duration) {
  constexpr std::array kShown{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                              Unit{"s", 1'000}, Unit{"ms", 1}};
  if (duration == Duration{}) return "0s";
  std::string text;
  if (duration < Duration{}) text += '-';
  std::int64_t rest = duration.count();
  for (const Unit& unit : kShown) {
    std::int64_t count = rest / unit.length;
    rest -= count * unit.length;
    if (count == 0) continue;
    if (count < 0) count = -count;
    append_digits(text, count, 1);
    text += unit.name;
  }
  return text;
}

std::optional<Instant> parse_instant(std::string_view text) {
  Date date;
  Duration time{}, offset{};
  if (!take_date(text, date)) return std::nullopt;
  if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
  if (!take_time(text, time) || !take_offset(text, offset) || !text.empty()) return std::nullopt;
  const Instant instant = date + time - offset;
  const auto in_year = static_cast<int>(year_month_day{date_of(instant)}.year());
  if (in_year < 1 || in_year > 9999) return std::nullopt;
  return instant;
}

std::string format_instant(Instant instant) {
  const Date date = date_of(instant);
  const hh_mm_ss<Duration> time{instant - date};
  std::string text;
  text.reserve(24);
  append_date(text, date);
  text += 'T';
  append_digits(text, time.hours().count(), 2);
  text += ':';
  append_digits(text, time.minutes().count(), 2);
  text += ':';
  append_digits(text, time.seconds().count(), 2);
  if (time.subseconds() != Duration{}) {
    text += '.';
    append_digits(text, time.subseconds().count(), 3);
  }
  text += 'Z';
  return text;
}

std::optional<Date> parse_date(std::string_view text) {
  Date date;
  if (!take_date(text, date) || !text.empty()) return std::nullopt;
  return date;
}

std::string format_date(Date date) {
  std::string text;
  append_date(text, date);
  return text;
}
}  // namespace onward
