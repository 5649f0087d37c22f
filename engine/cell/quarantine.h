#pragma once
// Crash-loop protection: what a crash may come from is marked while the cell works on it, and an
// item that was marked at three crashes is quarantined.
#include <algorithm>
#include <cstddef>
#include <span>

#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/result_backlog.h"
#include "engine/cell/work_item.h"
#include "engine/core/delivery/delivery.h"
#include "engine/guard/working_file.h"

namespace onward {
/// What a cell does with the marks. One thread.
class Quarantine {
 public:
  Quarantine(CellContext& cell, CommitWriter& writer, ResultBacklog& backlog);

  /// At a start: logs what the last process died on, and quarantines what it died on three times.
  /// Deliveries end here; inputs when they come again.
  Status load_suspects();
  /// Takes a quarantined input into `batch`: nothing comes of it, and its caller is told so.
  Status reject(Batch& batch, const Work& work) const;
  /// What the store has set aside from now on may be tried again by people. Inputs stay refused.
  void release(std::span<const WorkItem> rejected);
  bool holds(DeliveryKey delivery) const {
    return file() != nullptr && file()->is_poison(work_item(delivery));
  }
  /// Fails the delivery, for people to retry.
  AttemptResult failure_of(const Delivery& delivery) const;
  /// The file of the marks; may be null.
  WorkingFile* file() const { return cell_.options.working.get(); }

  /// Of `most` inputs, how many may be taken in one step: after a crash, one by one.
  std::size_t at_once(std::size_t most) const { return single_steps_ > 0 ? 1 : most; }
  bool is_single_stepping() const { return single_steps_ > 0; }
  void count(std::size_t inputs) { single_steps_ -= std::min(single_steps_, inputs); }

 private:
  Status quarantine(const Suspect& suspect);

  CellContext& cell_;
  CommitWriter& writer_;
  ResultBacklog& backlog_;
  std::size_t single_steps_;  // inputs that are still taken one by one
};
}  // namespace onward
