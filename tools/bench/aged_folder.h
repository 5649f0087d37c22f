#pragma once
// A data folder that remembers the ids of eight days of events, and nothing else.
#include <cstdint>
#include <string>

namespace onward::bench {
/// Days of which a server with default settings remembers ids: a week, and today.
inline constexpr int kAgedDays = 8;

/// Makes `folder` by the store's own code, as a server leaves it that took `ids_per_day` events on
/// each of so many days up to now and was stopped: the ids are in the tables, the journal is empty.
/// Seconds that it took. Gives up where the store fails.
double make_aged_folder(const std::string& folder, std::uint64_t ids_per_day, int days);
}  // namespace onward::bench
