#pragma once
// The tables of remembered events: one for each day of arrival, so that a day is forgotten whole.
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/time.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/overlay_layers.h"

namespace onward {
/// Writes are inside the caller's transaction.
class SeenTables {
 public:
  explicit SeenTables(SQLite::Database& database);

  /// Days that have a table, oldest first.
  const std::set<Date>& days() const { return days_; }
  /// A day table's fingerprint of an event, by the bytes of its key.
  std::optional<Hash128> find(Date day, std::string_view key);

  void put(const Hash128& key, const OverlaySeen& row);
  /// Erases `most` rows of a day's table, the first ones. False: there were none.
  bool erase(Date day, std::size_t most);
  void drop(Date day);
  /// The transaction's end, for what is remembered of its tables.
  void committed();
  void rolled_back();

 private:
  SQLite::Database& database_;
  std::map<Date, Query> find_, put_;
  std::set<Date> days_;
  std::vector<Date> made_;       ///< Tables made in this transaction.
  std::optional<Date> dropped_;  ///< The day dropped in it.
};

/// A hash as it stands in a key column: its bytes, highest first, so that both sort alike.
std::string to_bytes(const Hash128& hash);
Hash128 hash_of(std::string_view bytes);
}  // namespace onward
