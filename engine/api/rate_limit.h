#pragma once
// How often somebody may do something. Time is an argument.
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "engine/core/base/time.h"

namespace onward {
/// At most `most` within any `window`, for each name apart. Names are few: those of tokens. Any
/// thread.
class RateLimit {
 public:
  RateLimit(std::size_t most, Duration window) : most_{most}, window_{window} {}
  /// Nothing where `name` may go ahead, which is counted; else how long it has to wait.
  std::optional<Duration> take(const std::string& name, Instant now);

 private:
  std::size_t most_;
  Duration window_;
  std::mutex mutex_;
  std::map<std::string, std::deque<Instant>> taken_;
};
}  // namespace onward
