// Retry-After, as RFC 9110 (10.2.3, 5.6.7) has it: seconds, or a date in one of three forms.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "engine/core/base/text.h"
#include "engine/delivery/deliverer.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
constexpr Duration kLongest = 24h * 7;

/// Reads a text from left to right; every step fails once one has failed.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_{text} {}

  bool number(std::size_t digits, int& out) {
    if (text_.size() < digits) return false;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + digits, out);
    if (error != std::errc{} || end != text_.data() + digits || text_[0] == '-') return false;
    text_.remove_prefix(digits);
    return true;
  }
  bool literal(std::string_view expected) {
    if (text_.substr(0, expected.size()) != expected) return false;
    text_.remove_prefix(expected.size());
    return true;
  }
  /// One of `names`, from 1.
  bool one_of(std::initializer_list<std::string_view> names, unsigned& out) {
    out = 0;
    for (const std::string_view name : names) {
      ++out;
      if (literal(name)) return true;
    }
    return false;
  }
  bool month(unsigned& out) {
    return one_of(
        {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}, out);
  }
  bool time(Duration& out) {
    int hour = 0, minute = 0, second = 0;
    if (!number(2, hour) || !literal(":") || !number(2, minute) || !literal(":") ||
        !number(2, second) || hour > 23 || minute > 59 || second > 60) {
      return false;
    }
    out = std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second};
    return true;
  }
  bool done() const { return text_.empty(); }

 private:
  std::string_view text_;
};

std::optional<Instant> instant_of(int year, unsigned month, int day, Duration time) {
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return Instant{std::chrono::sys_days{date}} + time;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<Instant> read_imf_date(std::string_view text) {
  Reader reader{text};
  unsigned weekday = 0, month = 0;
  int day = 0, year = 0;
  Duration time{};
  if (!reader.one_of({"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}, weekday) ||
      !reader.literal(", ") || !reader.number(2, day) || !reader.literal(" ") ||
      !reader.month(month) || !reader.literal(" ") || !reader.number(4, year) ||
      !reader.literal(" ") || !reader.time(time) || !reader.literal(" GMT") || !reader.done()) {
    return std::nullopt;
  }
  return instant_of(year, month, day, time);
}

/// "Sunday, 06-Nov-94 08:49:37 GMT"; a year more than 50 years ahead is of the past century.
std::optional<Instant> read_rfc850_date(std::string_view text, Instant now) {
  Reader reader{text};
  unsigned weekday = 0, month = 0;
  int day = 0, short_year = 0;
  Duration time{};
  if (!reader.one_of({"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"},
                     weekday) ||
      !reader.literal(", ") || !reader.number(2, day) || !reader.literal("-") ||
      !reader.month(month) || !reader.literal("-") || !reader.number(2, short_year) ||
      !reader.literal(" ") || !reader.time(time) || !reader.literal(" GMT") || !reader.done()) {
    return std::nullopt;
  }
  const int present = static_cast<int>(std::chrono::year_month_day{date_of(now)}.year());
  int year = present - present % 100 + short_year;
  if (year > present + 50) year -= 100;
  return instant_of(year, month, day, time);
}

/// "Sun Nov  6 08:49:37 1994"
std::optional<Instant> read_asctime_date(std::string_view text) {
  Reader reader{text};
  unsigned weekday = 0, month = 0;
  int day = 0, year = 0;
  Duration time{};
  if (!reader.one_of({"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}, weekday) ||
      !reader.literal(" ") || !reader.month(month) || !reader.literal(" ") ||
      !(reader.literal(" ") ? reader.number(1, day) : reader.number(2, day)) ||
      !reader.literal(" ") || !reader.time(time) || !reader.literal(" ") ||
      !reader.number(4, year) || !reader.done()) {
    return std::nullopt;
  }
  return instant_of(year, month, day, time);
}

std::optional<Instant> read_date(std::string_view text, Instant now) {
  if (const auto date = read_imf_date(text)) return date;
  if (const auto date = read_rfc850_date(text, now)) return date;
  return read_asctime_date(text);
}

/// Digits only; more than fit are simply very many.
std::optional<Duration> read_seconds(std::string_view text) {
  if (!is_digits(text)) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || seconds > kLongest / 1s) return kLongest;
  return std::chrono::seconds{seconds};
}
}  // namespace

std::optional<Duration> parse_retry_after(std::string_view text, std::string_view date_header,
                                          Instant now) {
  text = trimmed(text, " \t");
  if (text.empty()) return std::nullopt;
  if (const auto seconds = read_seconds(text)) return seconds;

  const auto date = read_date(text, now);
  if (!date) return std::nullopt;
  // Both of the receiver's clock, where it tells: then it does not matter that ours differs.
  const Instant from = read_date(date_header, now).value_or(now);
  if (*date < from) return std::nullopt;
  return std::min(*date - from, kLongest);
}
}  // namespace onward
