#include "tests/upgrade/folder.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace onward {
namespace fs = std::filesystem;
namespace {
constexpr auto kOwnerOnly = fs::perms::owner_read | fs::perms::owner_write;

std::string to_hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text + "\n";
}

std::string from_hex(std::string text) {
  std::erase(text, '\n');
  std::string bytes;
  for (std::size_t at = 0; at + 2 <= text.size(); at += 2)
    bytes += static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16));
  return bytes;
}

/// The columns of `table` by which its rows are sorted in the text: its primary key.
std::string key_of(SQLite::Database& database, const std::string& table) {
  SQLite::Statement columns{
      database, "SELECT name FROM pragma_table_info('" + table + "') WHERE pk > 0 ORDER BY pk"};
  std::string key;
  while (columns.executeStep()) key += (key.empty() ? "" : ", ") + columns.getColumn(0).getString();
  return key.empty() ? "rowid" : key;
}

void dump_rows(SQLite::Database& database, const std::string& table, std::string& sql) {
  SQLite::Statement names{database, "SELECT name FROM pragma_table_info('" + table + "')"};
  std::string columns, quoted;
  while (names.executeStep()) {
    const std::string name = names.getColumn(0).getString();
    columns += (columns.empty() ? "" : ", ") + name;
    quoted += (quoted.empty() ? "" : " || ', ' || ") + ("quote(" + name + ")");
  }
  SQLite::Statement rows{
      database, "SELECT " + quoted + " FROM " + table + " ORDER BY " + key_of(database, table)};
  bool first = true;
  while (rows.executeStep()) {
    if (first) sql += fmt::format("\n-- {} ({})\n", table, columns);
    // Inserting rows above has numbered them.
    if (first && table.starts_with("sqlite_")) sql += fmt::format("DELETE FROM {};\n", table);
    first = false;
    sql += fmt::format("INSERT INTO {} ({}) VALUES ({});\n", table, columns,
                       rows.getColumn(0).getString());
  }
}
}  // namespace

std::string dump_database(const fs::path& path) {
  SQLite::Database database{path.string(), SQLite::OPEN_READONLY};
  database.exec("BEGIN");
  std::string sql = fmt::format("PRAGMA application_id = {};\nPRAGMA user_version = {};\n",
                                database.execAndGet("PRAGMA application_id").getInt(),
                                database.execAndGet("PRAGMA user_version").getInt());
  std::vector<std::string> tables, indexes;
  SQLite::Statement schema{database,
                           "SELECT type, name, sql FROM sqlite_schema"
                           " WHERE sql IS NOT NULL ORDER BY type DESC, name"};
  while (schema.executeStep()) {
    const std::string name = schema.getColumn(1).getString();
    if (schema.getColumn(0).getString() == "index") {
      indexes.push_back(schema.getColumn(2).getString());
      continue;
    }
    tables.push_back(name);
    // SQLite makes the table of AUTOINCREMENT numbers itself.
    if (!name.starts_with("sqlite_")) sql += "\n" + schema.getColumn(2).getString() + ";\n";
  }
  for (const std::string& table : tables) dump_rows(database, table, sql);
  sql += "\n";
  for (const std::string& index : indexes) sql += index + ";\n";
  return sql;
}

void write_texts(const fs::path& folder, const std::string& sql, const fs::path& texts) {
  fs::create_directories(texts);
  write_file(texts / kDatabaseText, sql);
  write_file(texts / kKeyText, to_hex(read_file(folder / "secret.key")));
  write_file(texts / kTokenText, read_file(folder / "token"));
}

void make_data_folder(const fs::path& texts, const fs::path& folder) {
  fs::create_directories(folder);
  fs::permissions(folder, fs::perms::owner_all);
  SQLite::Database database{(folder / "onward.db").string(),
                            SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
  database.exec("PRAGMA page_size = 4096; BEGIN");
  database.exec(read_file(texts / kDatabaseText));
  database.exec("COMMIT");
  write_file(folder / "secret.key", from_hex(read_file(texts / kKeyText)));
  write_file(folder / "token", read_file(texts / kTokenText));
  for (const char* name : {"onward.db", "secret.key", "token"})
    fs::permissions(folder / name, kOwnerOnly);
}

std::string read_file(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) throw std::runtime_error{"cannot read " + path.string()};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream out{path, std::ios::binary};
  out << text;
  if (!out.flush()) throw std::runtime_error{"cannot write " + path.string()};
}
}  // namespace onward
