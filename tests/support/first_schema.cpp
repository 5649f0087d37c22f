#include "tests/support/first_schema.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <set>
#include <string>
#include <utility>

#include "engine/store/sqlite/migrations/migrations.h"

namespace onward {
namespace {
std::set<std::string> names(SQLite::Database& database, const std::string& query) {
  SQLite::Statement rows{database, query};
  std::set<std::string> found;
  while (rows.executeStep()) found.insert(rows.getColumn(0).getString());
  return found;
}

/// Tables that a migration made; those of days are made when their day comes.
std::set<std::string> tables_of(SQLite::Database& database) {
  return names(database,
               "SELECT name FROM sqlite_schema WHERE type = 'table'"
               " AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'seen_%'");
}
std::set<std::string> indexes_of(SQLite::Database& database) {
  return names(database, "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL");
}
std::set<std::string> columns_of(SQLite::Database& database, const std::string& table) {
  return names(database, "SELECT name FROM pragma_table_info('" + table + "')");
}

/// Whatever is in `now` and was not in `then`.
std::set<std::string> added(const std::set<std::string>& then, const std::set<std::string>& now) {
  std::set<std::string> more;
  for (const std::string& name : now)
    if (!then.contains(name)) more.insert(name);
  return more;
}
}  // namespace

void back_to_first_schema(const std::filesystem::path& path) {
  SQLite::Database first{":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
  first.exec(std::string{migrations().front().sql});
  SQLite::Database database{path.string(), SQLite::OPEN_READWRITE};
  database.exec("BEGIN");
  for (const std::string& table : added(tables_of(first), tables_of(database)))
    database.exec("DROP TABLE " + table);
  for (const std::string& index : added(indexes_of(first), indexes_of(database)))
    database.exec("DROP INDEX " + index);
  for (const std::string& table : tables_of(first))
    for (const std::string& column : added(columns_of(first, table), columns_of(database, table)))
      database.exec("ALTER TABLE " + table + " DROP COLUMN " + column);
  database.exec("PRAGMA user_version = 1");
  database.exec("COMMIT");
}

int schema_of(const std::filesystem::path& path) {
  return SQLite::Database{path.string()}.execAndGet("PRAGMA user_version").getInt();
}
}  // namespace onward
