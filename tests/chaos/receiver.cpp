#include "tests/chaos/receiver.h"

#include <fmt/format.h>

#include "engine/core/base/hash.h"
#include "tests/chaos/chance.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

std::string retry_after(Chance& chance, Instant now) {
  switch (chance.roll(8)) {
    case 0:
      return "120";
    case 1:
      return "86400";
    case 2:
      return "-5";
    case 3:
      return "1e9";
    case 4:
      return "99999999999999999999999999999999999999999";
    case 5: {
      const auto at = std::chrono::floor<std::chrono::seconds>(now) + 10min;
      const auto day = std::chrono::floor<std::chrono::days>(at);
      const std::chrono::year_month_day date{day};
      const std::chrono::hh_mm_ss time{at - day};
      constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
      constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
      return fmt::format(
          "{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days.at(std::chrono::weekday{day}.c_encoding()),
          static_cast<unsigned>(date.day()), months.at(static_cast<unsigned>(date.month()) - 1),
          static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
          time.seconds().count());
    }
    case 6:
      return "soon";
    default:
      return "0";
  }
}

Verdicted status(int code, Duration took) {
  return {.reply = {.status = code, .took = took}, .accepted = code >= 200 && code < 300};
}

Verdicted broken(std::string code, Duration took, bool seen) {
  HttpReply reply{.code = std::move(code), .took = took};
  reply.local = reply.code == "local";
  return {.reply = std::move(reply), .seen = seen, .accepted = false};
}
}  // namespace

std::string_view host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return url;
  url.remove_prefix(scheme + 3);
  return url.substr(0, url.find('.'));
}

std::string_view webhook_id_of(const HttpRequest& request) {
  for (const auto& [name, value] : request.extra_headers)
    if (name == "webhook-id") return value;
  return {};
}

Mood Receivers::mood_of(std::string_view url) const {
  const auto found = moods_.find(host_of(url));
  return found == moods_.end() ? Mood::Good : found->second;
}

bool Receivers::stranded() const {
  for (const auto& [host, mood] : moods_)
    if (mood == Mood::Stranded || mood == Mood::Wild) return true;
  return false;
}

Verdicted Receivers::answer(const HttpRequest& request, std::string_view webhook_id,
                            std::uint64_t nth) const {
  Chance chance{seed_ ^ hash128(webhook_id).low, nth};
  Mood mood = mood_of(request.request->url);
  if (mood == Mood::Wild) mood = static_cast<Mood>(chance.roll(kMoods));
  const Duration quick{1 + chance.roll(80)};
  switch (mood) {
    case Mood::Wild:
    case Mood::Good:
      return status(chance.one_in(3) ? 204 : 200, quick);
    case Mood::Slow:
      return status(200, Duration{200 + chance.roll(9'800)});
    case Mood::Flaky:
      return status(chance.one_in(2) ? 200 : 500, quick);
    case Mood::Erring:
      return status(500 + static_cast<int>(chance.roll(5)), quick);
    case Mood::Limiting: {
      Verdicted made = status(chance.one_in(2) ? 429 : 503, quick);
      made.reply.retry_after = retry_after(chance, clock_.now());
      return made;
    }
    case Mood::Down:
      return broken("connect_refused", Duration{1}, false);
    case Mood::Dead:
      return broken("connect_timeout", request.connect_timeout, false);
    case Mood::Late: {
      Verdicted made = broken("timeout", request.timeout, true);
      made.accepted = true;
      return made;
    }
    case Mood::Resetting:
      return broken("reset", quick, true);
    case Mood::Rejecting:
      return status(chance.one_in(2) ? 400 : 302, quick);
    case Mood::Gone:
      return status(410, quick);
    case Mood::Stranded:
      return broken("local", Duration{0}, false);
  }
  return status(200, quick);
}

std::string_view to_string(Mood mood) {
  constexpr std::array<std::string_view, kMoods> names{
      "good", "slow",      "flaky",     "erring", "limiting", "down",    "dead",
      "late", "resetting", "rejecting", "gone",   "wild",     "stranded"};
  return names.at(static_cast<std::size_t>(mood));
}
}  // namespace onward::chaos
