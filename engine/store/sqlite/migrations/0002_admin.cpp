#include "engine/store/sqlite/migrations/migrations.h"

namespace onward {
// What people set up beside scenarios and tokens, and what they are told has happened. Rare rows:
// written at once, not journaled.
const std::string_view kMigration2 = R"sql(
CREATE TABLE admin (
  kind INTEGER NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Numbers are never used twice, so that a cursor stays right while old rows go.
CREATE TABLE activity (
  id INTEGER PRIMARY KEY AUTOINCREMENT, scenario TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX activity_scenario ON activity (scenario);
)sql";
}  // namespace onward
