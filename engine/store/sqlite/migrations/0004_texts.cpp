#include "engine/store/sqlite/migrations/migrations.h"

namespace onward {
// Long texts of versions stand apart in parts, which are written one by one before their version.
// `id` of a part: key of the text * 65,536 + number of the part. `apart` of a version: the key, or
// 0 where the text is in the row itself.
const std::string_view kMigration4 = R"sql(
CREATE TABLE version_texts (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
ALTER TABLE versions ADD COLUMN apart INTEGER NOT NULL DEFAULT 0;
)sql";
}  // namespace onward
