#pragma once
// Outcomes of attempts between their report and the commit that records them.
#include <functional>
#include <span>
#include <vector>

#include "engine/core/delivery/delivery.h"

namespace onward {
/// One thread.
class ResultBacklog {
 public:
  /// The deliverer reported these, and waits to learn that they are recorded.
  void report(std::span<const AttemptResult> results);
  /// An outcome that the cell itself decides: applied in the next turn.
  void add(AttemptResult result) { kept_.push_back(std::move(result)); }
  /// These could not be written: they are applied once the store can be written again.
  void keep(std::span<const AttemptResult> results) {
    kept_.insert(kept_.end(), results.begin(), results.end());
  }

  /// Deliveries that a result settles: a batch is settled with all its members.
  using Weight = std::function<std::size_t(const AttemptResult&)>;
  /// The results of a turn: those left from earlier turns, then `results`. What would settle too
  /// many deliveries is left to the next turn. `writable`: whether kept ones are tried again.
  std::vector<AttemptResult> take(std::vector<AttemptResult> results, bool writable,
                                  const Weight& weight);
  /// Reported results that were recorded since the last call, or have no delivery any more.
  std::vector<DeliveryKey> take_recorded();
  /// Whether results wait for a turn.
  bool empty() const { return kept_.empty() && later_.empty(); }

 private:
  std::vector<AttemptResult> kept_;
  std::vector<AttemptResult> later_;  // for the next turn, behind the kept ones
  std::vector<DeliveryKey> reported_;
};
}  // namespace onward
