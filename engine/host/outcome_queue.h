#pragma once
// Outcomes of attempts on their way from the sending threads to the engine thread. No threads of
// its own: whoever shares it holds a mutex around each call.
#include <chrono>
#include <cstddef>
#include <vector>

#include "engine/core/delivery/delivery.h"

namespace onward {
/// First in, first out. The number of outcomes is bounded by the deliveries that are out, since
/// each has one attempt at a time.
class OutcomeQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// That many are recorded at once, without waiting for inputs to share a commit with.
  static constexpr std::size_t kMany = 256;
  /// The sizes of a slice. The least is small, so that inputs that come meanwhile do not wait long.
  static constexpr std::size_t kSliceMin = 64, kSliceMax = 1'000;

  /// `responses_max`: bytes of excerpts of responses that wait here.
  explicit OutcomeQueue(std::size_t responses_max) : responses_max_{responses_max} {}

  /// The excerpts are for people: one for which there is no room, because the engine is held up, is
  /// left out, and its outcome stays.
  void add(std::vector<AttemptResult> outcomes, Time now);
  /// Takes the oldest ones: as many as the engine takes inputs in a round, within the bounds of a
  /// slice. With fewer, outcomes fall behind the events under load, and what is not recorded is
  /// sent again after a crash.
  std::vector<AttemptResult> take(std::size_t inputs_of_round);

  bool empty() const { return new_.empty() && taken_ == slices_.size(); }
  /// Whether some are to be recorded now: the rest of a slice, or many.
  bool urgent() const { return taken_ < slices_.size() || new_.size() >= kMany; }
  /// When the oldest of those that came since the last slice was added; only where there are some.
  Time since() const { return since_; }
  /// Of excerpts of responses: those that wait, and those of the slices under way.
  std::size_t response_bytes() const { return new_bytes_ + slice_bytes_; }

 private:
  const std::size_t responses_max_;
  std::vector<AttemptResult> new_;
  Time since_{};
  std::vector<AttemptResult> slices_;  // taken up to `taken_`
  std::size_t taken_ = 0;
  std::size_t new_bytes_ = 0, slice_bytes_ = 0;
};
}  // namespace onward
