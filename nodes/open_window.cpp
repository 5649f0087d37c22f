#include "nodes/open_window.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "engine/core/base/clipped.h"
#include "engine/core/base/time_zone.h"
#include "nodes/time_of_day.h"

namespace onward {
namespace {
constexpr std::array<std::string_view, 7> kDays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr std::array<std::string_view, 3> kKeys{"days", "from", "to"};
constexpr std::string_view kMidnightAfter = "24:00";

std::optional<unsigned> day_number(std::string_view name) {
  const auto found = std::find(kDays.begin(), kDays.end(), name);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<unsigned>(found - kDays.begin());
}

/// "mon", or "fri-mon", which goes over the end of the week. False where it is neither.
bool add_days(std::string_view text, std::bitset<7>& days) {
  const std::size_t dash = text.find('-');
  const auto first = day_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : day_number(text.substr(dash + 1));
  if (!first || !last) return false;
  for (unsigned day = *first;; day = (day + 1) % 7) {
    days.set(day);
    if (day == *last) return true;
  }
}

class WindowReader {
 public:
  explicit WindowReader(Settings& settings) : settings_{settings} {}

  OpenWindow read(const Tree& tree) {
    OpenWindow window;
    window.days.set();
    if (!tree.is_map() || tree.entries.empty()) {
      settings_.error(
          tree.at, "wrong_type",
          "\"window\" wants { days: [mon-fri], from: \"09:00\", to: \"17:00\" }, found " +
              describe(tree));
      return window;
    }
    for (const Tree::Entry& entry : tree.entries) {
      if (entry.key == "days")
        read_days(entry.value, window.days);
      else if (entry.key == "from")
        read_time(entry, window.from);
      else if (entry.key == "to")
        read_time(entry, window.to);
      else
        settings_.error(entry.key_at, "unknown_key",
                        fmt::format("\"window\" has no key \"{}\"; known are days, from, to",
                                    clipped(entry.key)),
                        settings_.nearest(entry.key, kKeys));
    }
    if (window.from == window.to)
      settings_.error(tree.at, "bad_range",
                      "\"window\" opens and closes at the same time; leave out \"from\" and \"to\" "
                      "for whole days");
    return window;
  }

 private:
  void read_days(const Tree& tree, std::bitset<7>& days) {
    days.reset();
    const auto take = [&](const Tree& item) {
      if (item.is_scalar() && add_days(item.text, days)) return;
      settings_.error(item.at, "unknown_choice",
                      "\"days\" wants sun, mon, tue, wed, thu, fri or sat, a span such as mon-fri, "
                      "or a list of them, found " +
                          describe(item),
                      settings_.nearest(item.text, kDays));
    };
    if (!tree.is_list() || tree.items.empty()) return take(tree);
    for (const Tree& item : tree.items) take(item);
  }

  void read_time(const Tree::Entry& entry, Duration& time) {
    const Tree& tree = entry.value;
    auto found = tree.is_scalar() ? parse_time_of_day(tree.text) : std::nullopt;
    if (tree.is_scalar() && entry.key == "to" && tree.text == kMidnightAfter)
      found = std::chrono::hours{24};
    if (found) {
      time = *found;
      return;
    }
    settings_.error(tree.at, "bad_time_of_day",
                    fmt::format("\"{}\" wants a time of day such as \"09:00\", found {}", entry.key,
                                describe(tree)));
  }

  Settings& settings_;
};
}  // namespace

std::optional<Instant> OpenWindow::next_opening(Instant now, std::string_view zone) const {
  using namespace std::chrono;
  const Date today = to_local(now, zone).date;
  const std::chrono::days closes_after{to <= from ? 1 : 0};
  std::optional<Instant> next;
  // Yesterday's may be open still, today's over: a day of the next week comes last.
  for (Date day = today - std::chrono::days{1}; day <= today + std::chrono::days{8};
       day += std::chrono::days{1}) {
    if (!days.test(weekday{day}.c_encoding())) continue;
    const Instant opens = to_instant(day, from, zone);
    const Instant closes = to_instant(day + closes_after, to, zone);
    if (opens >= closes) continue;  // Clocks skip its beginning, and perhaps all of it.
    if (opens <= now && now < closes) return std::nullopt;
    if (opens > now && !next) next = opens;
  }
  return next;
}

OpenWindow read_window(Settings& settings, std::string_view key) {
  return WindowReader{settings}.read(*settings.find(key));
}
}  // namespace onward
