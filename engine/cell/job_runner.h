#pragma once
// Runs the background jobs of a cell: each step in a commit of its own, with the job's row.
#include "engine/cell/background_job.h"
#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/control_writer.h"
#include "engine/cell/input_writer.h"
#include "engine/cell/quarantine.h"
#include "engine/jobs/job_queue.h"

namespace onward {
class JobRunner {
 public:
  /// All must outlive it.
  struct Parts {
    CellContext& cell;
    CommitWriter& writer;
    InputWriter& inputs;
    ControlWriter& control;
    Quarantine& quarantine;
    JobQueue& jobs;
  };
  explicit JobRunner(const Parts& parts) : parts_{parts} {}

  /// Steps of the jobs that are due, within the time budget of a turn. The error is fatal.
  Status run();
  /// The first step of a job that was just added, while its caller waits.
  Status run_first(const Job& job);

 private:
  JobQueue::Take take();
  Result<bool> take_step(BackgroundJob& job, std::size_t rows);
  Status commit(JobStep& step, std::optional<AdminRecord> row);
  Status commit_inputs(const std::vector<Input>& inputs, const std::optional<AdminRecord>& row);

  Parts parts_;
};
}  // namespace onward
