#pragma once
// What deliveries met lately, for people: a ring in memory that begins anew with the process.
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/runtime/runtime.h"

namespace onward {
/// Any thread.
class RecentLog {
 public:
  static constexpr std::size_t kMax = 10'000;

  /// Numbers grow from one process to the next, as long as the clock does.
  explicit RecentLog(Instant start);
  void add(LogLine line);
  /// Those with a number greater than `number`, oldest first; `scenario` empty: of all.
  std::vector<std::pair<std::uint64_t, LogLine>> after(std::uint64_t number,
                                                       std::string_view scenario) const;
  /// The greatest number given so far.
  std::uint64_t last() const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t last_;
  std::deque<LogLine> lines_;  // the last one has the number last_
};
}  // namespace onward
