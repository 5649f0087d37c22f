#pragma once
// What the store has used so far: the greatest numbers, and the epochs in which requests were made.
// Throws what `guarded` catches.
#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/base/ids.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/unreadable.h"

namespace onward {
/// Sequences stay below this, so that the keys of runs and deliveries fit into their columns.
inline constexpr std::uint64_t kSequenceMax = std::uint64_t{1} << 54;
/// Keys of contacts stay below this. A row with a greater key is damaged.
inline constexpr std::uint64_t kContactMax = std::uint64_t{1} << 53;
/// Single values of the table `meta`.
class Marks {
 public:
  /// What cannot be read is added to `unreadable`, which must outlive this.
  Marks(SQLite::Database& database, UnreadableRows& unreadable);

  std::optional<std::uint64_t> value(const std::string& name);
  Epochs epochs();
  // One that is missing or impossible is made up from the greatest keys in the tables.
  Sequence last_seq();
  ContactKey last_contact();

 private:
  UnreadableRows& unreadable_;
  Query value_, last_delivery_, last_run_, last_contact_;
};
}  // namespace onward
