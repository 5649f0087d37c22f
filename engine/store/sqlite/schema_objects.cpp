#include "engine/store/sqlite/schema_objects.h"

#include <map>
#include <string_view>
#include <utility>

#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/migrations/migrations.h"

namespace onward {
namespace {
struct Object {
  std::string table, sql;
};
using Objects = std::map<std::pair<std::string, std::string>, Object>;  // by type and name

Objects objects_of(SQLite::Database& database) {
  Objects objects;
  Query all{database, "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema"};
  for (auto rows = all(); rows.next();)
    objects[{std::string{rows.bytes(0)}, std::string{rows.bytes(1)}}] = {
        .table = std::string{rows.bytes(2)}, .sql = std::string{rows.bytes(3)}};
  return objects;
}

Objects objects_of_schema(int version) {
  SQLite::Database ours{":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
  for (const SchemaMigration& migration : migrations())
    if (migration.version <= version) ours.exec(std::string{migration.sql});
  return objects_of(ours);
}

/// What SQLite makes by itself, for AUTOINCREMENT, keys and ANALYZE.
bool is_of_sqlite(std::string_view type, std::string_view name) {
  if (type == "index") return name.starts_with("sqlite_autoindex_");
  return type == "table" &&
         (name == "sqlite_sequence" || name == "sqlite_stat1" || name == "sqlite_stat4");
}

bool is_day_table(std::string_view type, const std::string& name, const Object& object) {
  return type == "table" && seen_day(name) &&
         object.sql == "CREATE TABLE " + name + std::string{kSeenColumns};
}
}  // namespace

std::vector<ForeignObject> foreign_objects(SQLite::Database& database) {
  std::vector<ForeignObject> found;
  const Objects ours = objects_of_schema(database.execAndGet("PRAGMA user_version").getInt());
  const Objects all = objects_of(database);
  for (const auto& [key, object] : all) {
    const auto& [type, name] = key;
    if (is_of_sqlite(type, name) || is_day_table(type, name, object)) continue;
    const auto known = ours.find(key);
    if (known != ours.end() && known->second.sql == object.sql) continue;
    std::string what = type + " \"" + name + "\"";
    if (known != ours.end())
      what += " (changed)";
    else if (object.table != name)
      what += " on \"" + object.table + "\"";
    found.push_back(
        {std::move(what), known != ours.end() || type == "trigger" || seen_day(name).has_value()});
  }
  for (const auto& [key, object] : ours)
    if (!all.contains(key))
      found.push_back({key.first + " \"" + key.second + "\" (missing)", true});
  return found;
}
}  // namespace onward
