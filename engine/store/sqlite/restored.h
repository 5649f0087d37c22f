#pragma once
// A copied database becomes a store of its own.
#include <filesystem>

#include "engine/core/base/result.h"
#include "engine/store/store.h"

namespace onward {
/// Gives the store in `folder`, which nobody uses, a new epoch: what it makes from now on is never
/// named like what the original made after the copy was drawn. What it holds keeps its names.
/// Commits `marks` first; a `kBackupMark` stays where it is. Migrates and replays as a start does.
Result<Epochs> begin_new_epoch(const std::filesystem::path& folder, const Commit& marks);
}  // namespace onward
