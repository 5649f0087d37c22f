#pragma once
// Long work, done a step at a time; the queue (job_queue.h) gives each job its turn.
#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
/// Work that may take minutes. A job that has a row is restartable: the row is committed with every
/// step, so that a crash repeats one step at most. One thread.
class Job {
 public:
  virtual ~Job() = default;
  /// Unique in its queue, and the key of its row: "bulk/17".
  virtual std::string name() const = 0;
  /// How far the last step came, for the row that is committed with it, and for `restore` of the
  /// kind after a restart. Nothing: it has no row, and a restart forgets it.
  virtual std::optional<std::string> cursor() const { return std::nullopt; }
  /// When its next step is due: at once, unless it rests.
  virtual Instant due(Instant now) const { return now; }
  /// Whether the row stays when the job has ended.
  virtual bool keeps_row() const { return false; }
  /// Rows dealt with so far, for people.
  virtual std::uint64_t done() const { return 0; }
  /// It is given up, or the engine ends: answers those who wait for its end.
  virtual void fail(const Error&) {}
};
}  // namespace onward
