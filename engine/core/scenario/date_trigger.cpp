#include "engine/core/scenario/date_trigger.h"

#include <algorithm>

#include "engine/core/base/time_zone.h"
#include "engine/core/base/value_time.h"

namespace onward {
namespace {
using namespace std::chrono;

constexpr year kAnniversaryYearLast{9999};
}  // namespace

std::optional<Instant> next_occurrence(const DateListen& listen, const Value& value,
                                       std::string_view zone, Instant after) {
  const auto named = day_of(value, zone);
  if (!named) return std::nullopt;
  const days offset = floor<days>(listen.offset);
  const auto fires = [&](Date day) { return to_instant(day + offset, listen.at, zone); };
  if (!listen.yearly) {
    const Instant only = fires(*named);
    return only > after ? std::optional{only} : std::nullopt;
  }
  // Two years back: the zone and a day that falls a day later may each reach over a year's end.
  const year near = year_month_day{date_of(after) - offset}.year() - years{2};
  for (year y = std::max(year_month_day{*named}.year(), near); y <= kAnniversaryYearLast; ++y)
    if (const Instant next = fires(anniversary_in(y, *named)); next > after) return next;
  return std::nullopt;
}
}  // namespace onward
