#include "engine/delivery/pace.h"

#include <algorithm>
#include <cmath>

namespace onward {
namespace {
/// More answers by this factor count as more.
constexpr double kRise = 1.25;
/// The first round trip at a new limit opens connections and may be no faster for that alone.
constexpr int kFlatRounds = 2;
/// Answers that take longer by this factor wait for one another, at the receiver or here.
constexpr double kHurried = 2.0;
/// So many round trips at a limit that does not grow, and doubling is tried again: the receiver may
/// have become slower, not narrower.
constexpr int kStalledRounds = 32;
/// How much faster requests may start than the limit allows in the long run, so that it is reached
/// also when some were late.
constexpr double kHaste = 1.25;
/// Round trips so short need no spreading, in milliseconds: a burst is soon over.
constexpr double kShortTrip = 20;
/// What may start at once: a few, and what was to start in so many milliseconds.
constexpr std::size_t kBurst = 16;
constexpr double kLate = 10;
}  // namespace

double Pace::mean() const {
  return std::max(static_cast<double>(spent_.count()) / static_cast<double>(answers_), 1.0);
}

void Pace::begin(Instant now) {
  // Also of the answers to fewer than a whole round trip: what does not wait is measured by those.
  if (answers_ > 0) round_trip_ = mean();
  began_ = now;
  length_ = limit_;
  answers_ = 0;
  spent_ = {};
  held_back_ = false;
}

std::optional<Instant> Pace::started(Instant now) {
  // Whether more at a time is better shows best when all of it is sent.
  if (doubling_ || limit_ <= kBurst || round_trip_ < kShortTrip) return std::nullopt;
  const double rate = kHaste * static_cast<double>(limit_) / round_trip_;  // per millisecond
  if (credited_ < now) {
    const double passed = std::chrono::duration<double, std::milli>(now - credited_).count();
    credit_ = std::min(credit_ + rate * passed, std::max<double>(kBurst, rate * kLate));
    credited_ = now;
  }
  credit_ -= 1;
  if (credit_ >= 1) return std::nullopt;
  return now + Duration{static_cast<Duration::rep>(std::ceil((1 - credit_) / rate))};
}

void Pace::answered(Duration took, Instant now) {
  ++answers_;
  spent_ += took;
  if (answers_ < length_) return;
  if (held_back_) {
    const auto answers = static_cast<double>(answers_);
    const auto elapsed = static_cast<double>(std::max((now - began_).count(), std::int64_t{1}));
    grow(answers / elapsed, mean());
  }
  begin(now);
}

void Pace::grow(double rate, double latency) {
  if (latency_ == 0 || latency < latency_) latency_ = latency;
  if (doubling_) {
    const bool rises = rate >= rate_ * kRise;
    rate_ = std::max(rate_, rate);
    if (rises) {
      double_up();
    } else if (++flat_ == kFlatRounds) {
      doubling_ = false;
      limit_ = paid_;
    }
  } else if (latency <= latency_ * kHurried) {
    limit_ = std::min(limit_ + 1, most_);
    stalled_ = 0;
  } else if (++stalled_ == kStalledRounds) {
    doubling_ = true;
    rate_ = rate;
    double_up();
  }
}

void Pace::double_up() {
  paid_ = limit_;
  limit_ = std::min(limit_ * 2, most_);
  flat_ = 0;
  stalled_ = 0;
}

void Pace::halve(Instant started, Instant now) {
  if (started < halved_) return;
  halved_ = now;
  limit_ = std::max<std::size_t>(limit_ / 2, 1);
  doubling_ = false;
  begin(now);
}

void Pace::restart(Instant now) {
  const Instant halved = halved_;
  *this = Pace{first_, most_};
  halved_ = halved;
  begin(now);
}

std::optional<Instant> Breaker::failed(const BreakerRule& rule, Instant now) {
  ++failures;
  if (!half_open && failures < rule.failures) return std::nullopt;
  Duration pause = rule.first;
  for (std::uint32_t step = 0; step < pauses && pause < rule.longest; ++step) pause *= 2;
  ++pauses;
  return now + std::min(pause, rule.longest);
}
}  // namespace onward
