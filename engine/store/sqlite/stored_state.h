#pragma once
// The newest state of a database that is only looked at. Throws what `guarded` catches.
#include <deque>
#include <utility>

#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/marks.h"
#include "engine/store/sqlite/newest.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/replay.h"
#include "engine/store/sqlite/tables.h"
#include "engine/store/unreadable.h"

namespace onward {
struct StoredState {
  /// Within a read transaction of `database`, which must outlive this.
  StoredState(SQLite::Database& from, UnreadableRows::Report report)
      : database{from},
        unreadable{std::move(report)},
        tables{from, unreadable},
        marks{from, unreadable},
        journal{replay(from, marks, overlay)},
        newest{overlay, tables, unreadable} {}
  StoredState(const StoredState&) = delete;
  StoredState& operator=(const StoredState&) = delete;

  SQLite::Database& database;
  UnreadableRows unreadable;
  Tables tables;
  Marks marks;
  Overlay overlay;
  std::deque<JournalRow> journal;
  Newest newest;
};
}  // namespace onward
