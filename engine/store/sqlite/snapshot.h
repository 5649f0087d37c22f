#pragma once
// What an engine needs in memory at start. Throws what `guarded` catches.
#include "engine/store/rows.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/marks.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/unreadable.h"

namespace onward {
/// Of the tables and the rows that are not folded yet. What cannot be read is added to `unreadable`
/// and left out.
Snapshot snapshot_of(SQLite::Database& database, Marks& marks, const Overlay& overlay,
                     UnreadableRows& unreadable);
}  // namespace onward
