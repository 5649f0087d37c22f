#pragma once
// Long work over the store, done a step at a time between two transactions of the cell.
#include <cstddef>
#include <optional>
#include <vector>

#include "engine/cell/batch.h"
#include "engine/control/change.h"
#include "engine/core/base/result.h"
#include "engine/core/journey/advance.h"
#include "engine/jobs/job.h"

namespace onward {
/// What one step of a job did: one of the three, or nothing. It is committed with the job's row.
struct JobStep {
  std::optional<Batch> changes;   ///< Rows; may be empty.
  std::optional<Change> control;  ///< Of what people set up.
  /// To be advanced: many, in several commits, the row with the last of them. After a crash the
  /// step is taken once more, so inputs that were taken before must have no further effect.
  std::vector<Input> inputs;
  bool ended = false;  ///< Nothing is left to do after it.
};

/// A job that changes what the cell keeps: bulk retry and cancel, pauses of nodes, expiry,
/// backfills, migrations. It lives on the cell's thread.
class BackgroundJob : public Job {
 public:
  /// Looks at about `rows` rows, and changes nothing but what it returns: until `committed` the job
  /// stays as it was, and a step whose commit was refused is taken once more. An error ends the job
  /// (`fail`), except errors of the store: after Unavailable the step is taken again, Io ends the
  /// cell.
  virtual Result<JobStep> step(std::size_t rows) = 0;
  /// The last step is committed.
  virtual void committed() = 0;
};

/// Its row as its last step leaves it; nothing where it has none.
std::optional<AdminRecord> row_of(const Job& job);
}  // namespace onward
