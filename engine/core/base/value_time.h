#pragma once
// The times that values name. Custom fields and data of events have them as text.
#include <optional>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"

namespace onward {
/// An instant itself; the beginning of a day in `zone`; a text of either. Nothing for other values.
std::optional<Instant> instant_of(const Value& value, std::string_view zone);

/// A day itself; the day that clocks in `zone` show at an instant; a text of either.
std::optional<Date> day_of(const Value& value, std::string_view zone);

/// The anniversary of `first` in year `y`. That of 29 February is 1 March in years without one.
Date anniversary_in(std::chrono::year y, Date first);
}  // namespace onward
