#pragma once
// What a forgotten contact has left where, so that it can be erased.
#include "engine/store/rows.h"
#include "engine/store/sqlite/journal.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/tables.h"

namespace onward {
/// Everything that `commit.forgotten`, `purged_deliveries` and `purged_attempts` come to: in the
/// commit itself, in the overlay and in the tables. Runs and deliveries stay, blanked, so that
/// numbers and lists go on working.
Erasure erasure_of(const Commit& commit, const Overlay& overlay, Tables& tables);
}  // namespace onward
