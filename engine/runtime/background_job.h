#pragma once
// Long work over the store, done a step at a time between two rounds of the engine.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/base/result.h"
#include "engine/runtime/batch.h"

namespace onward {
/// What one step of a job did.
struct JobStep {
  std::optional<Batch> changes;  ///< To be committed with the job's row; may be empty.
  bool ended = false;            ///< Nothing is left to do after it.
};

/// Work that may take minutes: bulk retry and cancel, pauses of nodes, expiry. It lives on the
/// engine's thread. A job that has a row is restartable: the row is committed with every step, so
/// that a crash repeats one step at most.
class BackgroundJob {
 public:
  virtual ~BackgroundJob() = default;
  /// Unique among the jobs of an engine, and the key of its row: "bulk/17".
  virtual std::string name() const = 0;
  /// Looks at about `rows` rows, and changes nothing but what it returns: until `committed` the job
  /// stays as it was, and a step whose commit was refused is taken once more. An error ends the job
  /// (`fail`), but for those of the store: Unavailable comes to an end, Io ends the engine.
  virtual Result<JobStep> step(std::size_t rows) = 0;
  /// The last step is committed.
  virtual void committed() = 0;
  /// How far the last step came, for the row that is committed with it, and for `restore` of the
  /// kind after a restart. Nothing: it has no row, and a restart forgets it.
  virtual std::optional<std::string> cursor() const { return std::nullopt; }
  /// Whether the row stays when the job has ended.
  virtual bool keeps_row() const { return false; }
  /// Rows dealt with so far, for people.
  virtual std::uint64_t done() const { return 0; }
  /// It is given up, or the engine ends: answers those who wait for its end.
  virtual void fail(const Error&) {}
};

/// Its row as its last step leaves it; nothing where it has none.
std::optional<AdminRecord> row_of(const BackgroundJob& job);
}  // namespace onward
