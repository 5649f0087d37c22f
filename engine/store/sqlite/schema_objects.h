#pragma once
// Whether a database has our tables and indexes and nothing else: a trigger, for example, would run
// with every row that we write.
#include <string>
#include <vector>

#include <SQLiteCpp/Database.h>

namespace onward {
/// Something in a database's schema that our migrations do not make, or make otherwise.
struct ForeignObject {
  std::string what;   ///< "trigger \"x\" on \"contacts\"", "table \"runs\" (changed)"
  bool acts = false;  ///< It can change what our statements do: no server starts with it.
};
/// Compares with what our migrations make up to the schema that the database has. Throws
/// SQLite::Exception.
std::vector<ForeignObject> foreign_objects(SQLite::Database& database);
}  // namespace onward
