#pragma once
// How fast an origin is asked, and when asking pauses. Pure parts of the scheduler.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/core/base/time.h"

namespace onward {
/// How many requests an origin may have in flight, learnt from its answers.
///
/// A round trip is as many answers as the limit was when it began. While work waits and each round
/// trip brings more answers a second than the one before, the limit doubles; a doubling that did
/// not pay is taken back. Then it grows by one as long as answers do not take longer. It halves on
/// signs of overload, once per round trip.
///
/// What has many in flight starts them over the whole of a round trip, not all at once when the
/// answers to the ones before come together: they would stay together, and whatever is for others
/// would wait behind them.
class Pace {
 public:
  Pace() = default;
  Pace(std::size_t first, std::size_t most)
      : first_{first}, most_{most}, limit_{first}, paid_{first} {}

  std::size_t limit() const { return limit_; }
  /// One more has started. When the next one may, where that is not at once.
  std::optional<Instant> started(Instant now);
  /// Nothing was in flight until now: idle time belongs to no round trip.
  void begin(Instant now);
  /// Work waits for nothing but the limit.
  void held_back() { held_back_ = true; }
  void answered(Duration took, Instant now);
  /// `started`: of the request that met the overload. Those under way since before the last halving
  /// say nothing new.
  void halve(Instant started, Instant now);
  /// The origin is back after an outage: learns from the beginning.
  void restart(Instant now);

 private:
  /// What the answers of the present round trip took, in milliseconds; there are some.
  double mean() const;
  void grow(double rate, double latency);
  void double_up();

  std::size_t first_ = 1, most_ = 1, limit_ = 1;
  std::size_t paid_ = 1;  ///< The limit before the last doubling.
  bool doubling_ = true;
  int flat_ = 0;        ///< Round trips since the last doubling that were no faster.
  int stalled_ = 0;     ///< Round trips without growth.
  double rate_ = 0;     ///< The best so far, in answers per millisecond.
  double latency_ = 0;  ///< The least of a round trip, in milliseconds.
  Instant halved_ = Instant::min();
  double round_trip_ = 0;  ///< Of the last answers, in milliseconds.
  double credit_ = 0;      ///< So many may start at once,
  Instant credited_{};     ///< reckoned at this time.

  Instant began_{};
  std::size_t length_ = 1, answers_ = 0;  ///< Of the present round trip.
  Duration spent_{};
  bool held_back_ = false;
};

/// After how many failures in a row a pause begins, and how pauses grow.
struct BreakerRule {
  std::uint32_t failures;
  Duration first, longest;
};

/// Counts failures in a row and pauses after them; then asks with one request at a time until one
/// succeeds. It defers, it never drops.
struct Breaker {
  std::uint32_t failures = 0;
  std::uint32_t pauses = 0;
  std::optional<Instant> paused_until;
  Instant paused_at = Instant::min();
  bool half_open = false;  ///< From the first pause until a success.

  /// Counts a failure; the end of the pause that now begins, if one does.
  std::optional<Instant> failed(const BreakerRule& rule, Instant now);
  void succeeded() { failures = pauses = 0, half_open = false; }
};
}  // namespace onward
