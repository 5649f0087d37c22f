#include "engine/host/outcome_queue.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace onward {
void OutcomeQueue::add(std::vector<AttemptResult> outcomes, Time now) {
  for (AttemptResult& outcome : outcomes) {
    if (response_bytes() + outcome.response.size() > responses_max_)
      std::string{}.swap(outcome.response);
    new_bytes_ += outcome.response.size();
  }
  if (new_.empty()) {
    new_ = std::move(outcomes);
    since_ = now;
  } else {
    std::move(outcomes.begin(), outcomes.end(), std::back_inserter(new_));
  }
}

std::vector<AttemptResult> OutcomeQueue::take(std::size_t inputs_of_round) {
  if (taken_ == slices_.size()) {
    slices_.clear();
    slices_.swap(new_);
    slice_bytes_ = std::exchange(new_bytes_, 0);
    taken_ = 0;
  }
  const std::size_t size = std::min(slices_.size() - taken_,
                                    std::clamp<std::size_t>(inputs_of_round, kSliceMin, kSliceMax));
  const auto begin = slices_.begin() + static_cast<std::ptrdiff_t>(taken_);
  taken_ += size;
  return {std::make_move_iterator(begin),
          std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(size))};
}
}  // namespace onward
