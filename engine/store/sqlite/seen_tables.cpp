#include "engine/store/sqlite/seen_tables.h"

#include <string>

namespace onward {
SeenTables::SeenTables(SQLite::Database& database) : database_{database} {
  Query tables{database_, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"};
  auto rows = tables();
  while (rows.next())
    if (const auto day = seen_day(rows.bytes(0))) days_.insert(*day);
}

std::optional<Hash128> SeenTables::find(Date day, std::string_view key) {
  auto query = find_.find(day);
  if (query == find_.end())
    query = find_
                .try_emplace(day, database_,
                             "SELECT fingerprint FROM " + seen_table(day) + " WHERE key = ?")
                .first;
  auto rows = query->second(key);
  if (!rows.next() || rows.bytes(0).size() != 16) return std::nullopt;
  return hash_of(rows.bytes(0));
}

void SeenTables::put(const Hash128& key, const OverlaySeen& row) {
  const std::string table = seen_table(row.day);
  if (days_.insert(row.day).second) {
    made_.push_back(row.day);
    database_.exec("CREATE TABLE IF NOT EXISTS " + table + std::string{kSeenColumns});
  }
  auto query = put_.find(row.day);
  if (query == put_.end())
    query = put_.try_emplace(row.day, database_,
                             "REPLACE INTO " + table + " (key, fingerprint) VALUES (?, ?)")
                .first;
  const std::string key_bytes = to_bytes(key);
  const std::string fingerprint = to_bytes(row.fingerprint);
  query->second.run(std::string_view{key_bytes}, std::string_view{fingerprint});
}

bool SeenTables::erase(Date day, std::size_t most) {
  const std::string table = seen_table(day);
  return database_.exec("DELETE FROM " + table + " WHERE key IN (SELECT key FROM " + table +
                        " ORDER BY key LIMIT " + std::to_string(most) + ")") > 0;
}

void SeenTables::drop(Date day) {
  dropped_ = day;
  put_.erase(day);
  database_.exec("DROP TABLE " + seen_table(day));
}

void SeenTables::committed() {
  made_.clear();
  if (!dropped_) return;
  days_.erase(*dropped_);
  find_.erase(*dropped_);
  dropped_.reset();
}

void SeenTables::rolled_back() {
  for (const Date day : made_) {
    days_.erase(day);
    put_.erase(day);
  }
  made_.clear();
  dropped_.reset();
}

std::string to_bytes(const Hash128& hash) {
  std::string bytes;
  for (const std::uint64_t half : {hash.high, hash.low})
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(half >> shift));
  return bytes;
}

Hash128 hash_of(std::string_view bytes) {
  Hash128 hash;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::uint64_t& half = i < 8 ? hash.high : hash.low;
    half = half << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  return hash;
}
}  // namespace onward
