#pragma once
// What earlier versions of this program left of deleted rows.
#include "engine/store/sqlite/owned_database.h"
#include "engine/store/sqlite/sqlite_options.h"

namespace onward {
/// Overwrites it, once for each folder, by a pass over the file, since it is not known where it is.
/// The pass is repeated at the next start where it cannot be done: a reader is in the log, the disk
/// is full. Throws what `guarded` catches.
void remove_leftovers(OwnedDatabase& database, const SqliteOptions& options);
}  // namespace onward
