#pragma once
// A journal row: everything one commit changed, in the form that Overlay::apply takes in.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/store/rows.h"
#include "engine/store/sqlite/overlay.h"

namespace onward {
/// What a commit's `forgotten`, `purged_deliveries` and `purged_attempts` come to, row by row;
/// found out before the commit is written, so that a replay needs no tables.
struct Erasure {
  std::vector<LedgerKey> ledger;
  std::vector<Run> runs;              ///< Blanked.
  std::vector<Delivery> deliveries;   ///< Without the response.
  std::vector<DeliveryKey> requests;  ///< Purged.
  std::vector<AttemptRow> attempts;   ///< Without the response.
  std::vector<std::pair<DeliveryKey, std::uint32_t>> attempts_gone;
  std::vector<IdentityChange> identities;
};

/// Blanks what a run says about its contact.
void blank(Run& run);

/// The row. Scenarios, versions and tokens are not in it: they are rare, and written at once.
std::string encode_journal(const Commit& commit, const Erasure& erasure);

/// First bytes of the sections of a journal row. Stored: append only.
enum class Section : std::uint8_t {
  End,
  Contacts,
  Engagements,
  Ledger,
  Runs,
  Deliveries,
  Requests,
  Attempts,
  TimersCleared,
  TimersSet,
  Seen,
  Identities,
  Counters,
};
inline constexpr std::uint8_t kJournalFormat = 1;
}  // namespace onward
