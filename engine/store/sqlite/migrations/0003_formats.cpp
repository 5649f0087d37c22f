#include "engine/store/sqlite/migrations/migrations.h"

namespace onward {
// The format of the rules that checked each version (engine/core/source/rules_format.h). Versions
// stored before this column were checked by the first ones.
const std::string_view kMigration3 = R"sql(
ALTER TABLE versions ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
)sql";
}  // namespace onward
