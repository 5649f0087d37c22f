#pragma once
// Jobs of a single purpose without a state that others ask for.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/cell/background_job.h"
#include "engine/cell/context.h"
#include "engine/cell/load.h"
#include "engine/cell/outbox.h"

namespace onward {
/// Drops remembered event ids that are so old that a repeat counts as new. Its cursor is the table:
/// what is deleted is not found again. `abandoned` is called where the clock is not certain.
std::unique_ptr<BackgroundJob> expire_seen_job(CellContext& cell, std::function<void()> abandoned);

/// Drops the parts of a long text of `bytes` that no version came to name.
std::unique_ptr<BackgroundJob> drop_text_job(CellContext& cell, TextKey text, std::size_t bytes);

/// After the policy was changed: what it had refused, and allows now, is attempted at once. It has
/// no row: after a restart what was refused follows its retry schedule.
std::unique_ptr<BackgroundJob> recheck_blocked_job(CellContext& cell, const Outbox& outbox);

/// The dry run of an import: nothing of it is kept, so it has no row. `done` is called at the end.
struct DryRun {
  std::uint64_t number = 0;  ///< Its own.
  std::vector<Input> inputs;
  Done<Result<std::vector<WorkAnswer>>> done;
  LoadShare admission;  ///< Of the call that began it.
};
std::unique_ptr<BackgroundJob> dry_run_job(CellContext& cell, DryRun dry_run);
}  // namespace onward
