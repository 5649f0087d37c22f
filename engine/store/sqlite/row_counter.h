#pragma once
// Reads every row of a database, checks it, and counts once more what the counters say.
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/store/recount.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/stored_state.h"

namespace onward {
/// What cannot be read, or leads elsewhere, is added to the unreadable rows of `state`. Throws what
/// `guarded` catches.
class RowCounter {
 public:
  /// `state` must outlive this; it is of a database of this schema.
  RowCounter(StoredState& state, int schema);
  /// `unreadable` and `unreadable_count` are left to the caller.
  Recount count(Instant now);

 private:
  /// Reads what was used so far from the marks and the journal, not from the rows to be checked.
  void read_marks();
  bool is_used(ContactKey contact) const { return contact && contact <= last_contact_; }
  /// Of a run, a delivery or a request.
  bool is_used(std::uint64_t key) const {
    return key > 0 && key <= numbered(last_seq_, kOrdinals - 1);
  }
  bool exists(ContactKey contact);
  void count_contacts(Recount& count);
  void check_names(const Contact& contact);
  void count_ledger(Recount& count);
  void count_runs(Recount& count);
  void count_deliveries(Recount& count, Instant now);
  void count_names();
  void count_texts();
  void report(const char* table, const char* what, std::uint64_t number) {
    state_.unreadable.add(
        {table, std::string{what} + " " + std::to_string(static_cast<std::int64_t>(number))});
  }

  StoredState& state_;
  const int schema_;
  Query contact_exists_;
  std::set<std::pair<ScenarioKey, Version>> versions_;
  Sequence last_seq_ = 0;    ///< Greatest that was ever used.
  ContactKey last_contact_;  ///< Greatest that was ever used.
};
}  // namespace onward
