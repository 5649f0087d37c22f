#pragma once
// Answers that clients have not read yet: how much memory they may take, and for how long.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <list>

#include "engine/core/base/time.h"

namespace onward {
/// How long a client may take to read an answer of `bytes`: `patience`, and the time that it takes
/// at `rate_min` bytes a second.
inline Duration answer_time(std::size_t bytes, Duration patience, std::size_t rate_min) {
  using std::chrono::milliseconds;
  return patience + milliseconds{bytes * 1'000 / std::max<std::size_t>(rate_min, 1)};
}

/// Counts answers that wait for their clients, in all connections together. `Holder` is what holds
/// one answer. One thread.
template <class Holder>
class UnreadAnswers {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Answer {
    Holder* holder;
    std::size_t bytes;
    TimePoint until;  ///< When the client must have read it.
  };
  using Place = typename std::list<Answer>::iterator;

  explicit UnreadAnswers(std::size_t bytes_max) : bytes_max_{bytes_max} {}

  Place add(Holder* holder, std::size_t bytes, TimePoint until = TimePoint::max()) {
    bytes_ += bytes;
    return answers_.insert(answers_.end(), {holder, bytes, until});
  }
  void remove(Place place) {
    bytes_ -= place->bytes;
    answers_.erase(place);
  }
  /// While the answers take too much memory: the holder of the one that has waited longest. One
  /// answer alone is never too much. Null where all fit.
  Holder* excess() const {
    return bytes_ > bytes_max_ && answers_.size() > 1 ? answers_.front().holder : nullptr;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::list<Answer> answers_;  // the one that has waited longest first
};
}  // namespace onward
