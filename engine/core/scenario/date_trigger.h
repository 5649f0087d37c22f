#pragma once
// When a `trigger_date` fires for a contact. Pure calendar arithmetic.
#include <optional>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/scenario/node.h"

namespace onward {
/// The first instant after `after`, never `after` itself, at which `listen` fires for a contact
/// whose field holds `value`; nothing where none is left, or the value is no day.
///
/// A day counts as it is; an instant, or a text that reads as one, as the day that clocks in `zone`
/// show then. The whole days of `offset` move that day, and the trigger fires on it when clocks in
/// `zone` show `listen.at`: a time that they skip moves forward by the gap, a repeated one is the
/// first. Yearly, the day itself is the first, and each year has one, up to the year 9999; 29
/// February falls on 1 March in other years, before `offset` moves it. `zone` is the contact's, or
/// else the scenario's; an unknown one counts as UTC.
std::optional<Instant> next_occurrence(const DateListen& listen, const Value& value,
                                       std::string_view zone, Instant after);
}  // namespace onward
