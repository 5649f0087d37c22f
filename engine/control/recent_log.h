#pragma once
// What deliveries met lately, for people: a ring in memory that begins anew with the process.
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"

namespace onward {
/// One line of the log for people: a change (see Activity), or what came of a delivery.
struct LogLine {
  Instant at{};
  std::string what;  ///< "scenario.activated", "delivery.refused", "delivery.failed"
  std::string scenario, node, who, text;
  std::optional<DeliveryKey> delivery;
};
struct LogPage {
  std::vector<LogLine> lines;  ///< Oldest first.
  std::string next;            ///< Goes on behind them, also when more has happened.
  bool more = false;           ///< There is more already.
};

/// Any thread.
class RecentLog {
 public:
  static constexpr std::size_t kMax = 10'000;
  /// Lines that are looked at under one lock: `add`, on the engine thread, waits no longer.
  static constexpr std::size_t kLookedAt = 256;

  /// Lines with their numbers, oldest first.
  using Numbered = std::vector<std::pair<std::uint64_t, LogLine>>;
  struct Filter {
    std::string scenario;          ///< Empty: of all.
    std::optional<Instant> since;  ///< Not older.
  };

  /// Numbers grow from one process to the next, as long as the clock does.
  explicit RecentLog(Instant start);
  void add(LogLine line);
  /// The first `limit` that fit and have a number greater than `number`.
  Numbered after(std::uint64_t number, const Filter& filter, std::size_t limit = kMax) const;
  /// The newest `limit` that fit.
  Numbered newest(const Filter& filter, std::size_t limit) const;
  /// The greatest number given so far.
  std::uint64_t last() const;

 private:
  bool fits(const LogLine& line, const Filter& filter) const;

  mutable std::mutex mutex_;
  std::uint64_t last_;
  std::deque<LogLine> lines_;  // the last one has the number last_
};
}  // namespace onward
