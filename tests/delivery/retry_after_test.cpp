#include <catch2/catch.hpp>

#include "engine/delivery/deliverer.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// Sun, 06 Nov 1994 08:49:37 GMT, as RFC 9110 writes all its examples.
const Instant kThen{784111777000ms};
const std::string kThenText = "Sun, 06 Nov 1994 08:49:37 GMT";

std::optional<Duration> parse(std::string_view text, std::string_view date = "",
                              Instant now = kThen) {
  return parse_retry_after(text, date, now);
}
}  // namespace

TEST_CASE("Retry-After is read as seconds", "[delivery][retry_after]") {
  CHECK(parse("120") == 120s);
  CHECK(parse("0") == 0s);
  CHECK(parse("  7 ") == 7s);
  CHECK(parse("007") == 7s);
}

TEST_CASE("Retry-After is read as each of the three date forms", "[delivery][retry_after]") {
  CHECK(parse("Sun, 06 Nov 1994 08:51:37 GMT") == 120s);
  CHECK(parse("Sunday, 06-Nov-94 08:51:37 GMT") == 120s);
  CHECK(parse("Sun Nov  6 08:51:37 1994") == 120s);
  CHECK(parse("Thu Nov 10 08:49:37 1994") == 96h);
  CHECK(parse(kThenText) == 0s);
}

TEST_CASE("a date is measured from the reply's own Date, where it has one",
          "[delivery][retry_after]") {
  const std::string retry = "Sun, 06 Nov 1994 08:51:37 GMT";
  CHECK(parse(retry, kThenText, kThen + 24h * 365) == 120s);
  CHECK(parse(retry, kThenText, kThen - 24h * 365) == 120s);
  CHECK(parse(retry, "yesterday", kThen + 60s) == 60s);
}

TEST_CASE("a year of two digits is never more than fifty years ahead", "[delivery][retry_after]") {
  const Instant y2026{1'796'000'000'000ms};
  CHECK(parse("Sunday, 06-Nov-94 08:49:37 GMT", "", y2026) == std::nullopt);  // 1994
  CHECK(parse("Friday, 01-Jan-50 00:00:00 GMT", "", y2026) == 24h * 7);       // 2050
}

TEST_CASE("Retry-After is never longer than a week", "[delivery][retry_after]") {
  CHECK(parse("604800") == 24h * 7);
  CHECK(parse("604801") == 24h * 7);
  CHECK(parse("1000000000") == 24h * 7);
  CHECK(parse("99999999999999999999999999999999999999999") == 24h * 7);
  CHECK(parse("Fri, 31 Dec 9999 23:59:59 GMT") == 24h * 7);
}

TEST_CASE("a Retry-After that makes no sense is nothing", "[delivery][retry_after]") {
  const auto text =
      GENERATE(as<std::string>{}, "", " ", "-1", "+1", "1.5", "1e3", "abc", "12 13", "12s", "0x10",
               "Sat, 05 Nov 1994 08:49:37 GMT",  // Past.
               "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 24:00:00 GMT",
               "Sun, 31 Feb 2099 08:49:37 GMT", "Sun, 06 Nov 1994", "Xxx, 06 Nov 2094 08:49:37 GMT",
               "Sun, 06 Now 2094 08:49:37 GMT", "Sun, -6 Nov 2094 08:49:37 GMT",
               "Sun, 06 Nov 2094 08:49:37 GMT and more", "06 Nov 2094 08:49:37 GMT",
               "Sunday, 06-Nov-2094 08:49:37 GMT", "Sun Nov 6 08:49:37 2094");
  CHECK(parse(text) == std::nullopt);
}
}  // namespace onward
