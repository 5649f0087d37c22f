#pragma once
// Inputs and outcomes of attempts, from memory into commits: as many as fit into one, and each
// alone where a commit of several is refused, so that they share no fate.
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/outbox.h"
#include "engine/cell/quarantine.h"
#include "engine/cell/result_backlog.h"

namespace onward {
/// Every error is the store's, and fatal: a fault of one input is answered there. One thread.
class InputWriter {
 public:
  /// All must outlive it.
  struct Parts {
    CellContext& cell;
    CommitWriter& writer;
    Outbox& outbox;
    ResultBacklog& backlog;
    Quarantine& quarantine;
  };
  explicit InputWriter(const Parts& parts);

  /// Commits all, in order, in one commit or several. `rows` are part of the commit of the last of
  /// them. While nothing can be written inputs are answered so, and results are kept.
  Status write(std::span<const Work> work, std::span<const AttemptResult> results,
               std::span<const AdminRecord> rows = {});

  /// How much of its input a step took.
  struct Taken {
    std::size_t work = 0, results = 0;
    std::optional<Error> refused;  ///< The store cannot be written; all are answered so.
  };
  /// The first step of `write`: one commit, where its rows are sound.
  Status write_some(std::span<const Work> work, std::span<const AttemptResult> results,
                    std::span<const AdminRecord> rows, Taken& taken);

  /// Commits what `batch` holds; then memory follows, and its deliveries leave.
  Status commit(Batch& batch) { return commit(batch, batch.finish()); }

 private:
  Status commit(Batch& batch, const Commit& commit);
  /// Commits the first of them: as many as fit into one commit (`commit_bytes_max`), at least one.
  /// `taken` says how many, also after an error.
  Status commit_once(std::span<const Work> work, std::span<const AttemptResult> results,
                     std::span<const AdminRecord> rows, Taken& taken);
  /// One input or one result: it always fits.
  Status commit_one(std::span<const Work> work, std::span<const AttemptResult> results) {
    Taken taken;
    return commit_once(work, results, {}, taken);
  }
  Status commit_one_by_one(std::span<const Work> work, std::span<const AttemptResult> results);
  /// Takes into `batch` what `commit_once` commits.
  Status fill(Batch& batch, WorkWatch& watch, std::span<const Work> work,
              std::span<const AttemptResult> results, Taken& taken,
              std::vector<WorkItem>& rejected);
  Status fill(Batch& batch, WorkWatch& watch, const AttemptResult& result,
              std::vector<WorkItem>& rejected);
  Status leave_out(std::span<const Work> work, std::span<const AttemptResult> results,
                   const Error& error);
  Status give_up(const Work& work, const Error& error);
  Status give_up(const AttemptResult& result, const Error& error);
  void count(std::span<const Work> work);

  CellContext& cell_;
  CommitWriter& writer_;
  Outbox& outbox_;
  ResultBacklog& backlog_;
  Quarantine& quarantine_;
};

/// Answers inputs that were not taken.
void answer_all(std::span<const Work> work, const Error& error);
}  // namespace onward
