#pragma once
// Writes what people set up. These rows are rare: they are not in the journal, but in the tables at
// once, in the transaction of their commit.
#include <string>

#include "engine/store/control_rows.h"
#include "engine/store/sqlite/database.h"

namespace onward {
class ControlRowWriter {
 public:
  explicit ControlRowWriter(SQLite::Database& database);

  /// All rows of a change.
  void write(const ControlChange& change);
  // Texts whose version was never committed: the process ended between them, or it was refused.
  bool has_unused_texts();
  void drop_unused_texts();

 private:
  void scenario(const ScenarioRecord& record);
  void text_part(const TextPart& part);
  void version(const VersionRecord& record);
  void token(const TokenRecord& record);
  void admin(const AdminRecord& record);
  void activity(const Activity& activity);

  SQLite::Database& database_;
  Query scenario_, text_part_, text_part_erase_, version_, token_, token_erase_, admin_,
      admin_erase_, activity_, activity_erase_;
  std::string scratch_;
};
}  // namespace onward
