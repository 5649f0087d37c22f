#pragma once
// What time causes: timers of contacts, checks at set times, the daily expiry of event ids.
#include <optional>

#include "engine/cell/backfills.h"
#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/input_writer.h"
#include "engine/cell/pause.h"
#include "engine/cell/quarantine.h"
#include "engine/jobs/job_queue.h"

namespace onward {
class DueWork {
 public:
  /// All must outlive it.
  struct Parts {
    CellContext& cell;
    CommitWriter& writer;
    InputWriter& inputs;
    Backfills& backfills;
    Quarantine& quarantine;
    JobQueue& jobs;
  };
  explicit DueWork(const Parts& parts) : parts_{parts}, cell_{parts.cell} {}

  /// Timers that are due, some hundreds at once; then the rest waits behind new inputs. The error
  /// is fatal.
  Status take_timers();
  /// Checks at a set time whose time has come: each becomes a job.
  Status begin_checks();
  /// Begins a job that expires event ids, once a day.
  void expire_seen();
  /// No timer fires for a second.
  void defer_timers() { timers_.begin(cell_.now()); }
  /// When a timer or a check is due.
  std::optional<Instant> next() const;

 private:
  bool may_fire() const;

  Parts parts_;
  CellContext& cell_;
  ShortPause timers_;    // none is taken before its end
  Date seen_expired_{};  // when a job for it was last begun
};
}  // namespace onward
