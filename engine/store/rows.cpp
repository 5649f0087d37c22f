#include "engine/store/rows.h"

namespace onward {
bool Commit::empty() const {
  return contacts.empty() && engagements.empty() && ledger.empty() && runs.empty() &&
         deliveries.empty() && requests.empty() && attempts.empty() && timers_set.empty() &&
         timers_cleared.empty() && seen.empty() && identities.empty() && counters.empty() &&
         control.empty() && purged_runs.empty() && purged_deliveries.empty() &&
         purged_attempts.empty() && forgotten.empty();
}
}  // namespace onward
