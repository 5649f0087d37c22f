#include "engine/store/store.h"

#include <cassert>

namespace onward {
bool Commit::empty() const {
  return contacts.empty() && engagements.empty() && ledger.empty() && runs.empty() &&
         deliveries.empty() && requests.empty() && attempts.empty() && timers_set.empty() &&
         timers_cleared.empty() && seen.empty() && identities.empty() && counters.empty() &&
         scenarios.empty() && text_parts.empty() && versions.empty() && tokens.empty() &&
         admin.empty() && activity.empty() && purged_runs.empty() && purged_deliveries.empty() &&
         purged_attempts.empty() && forgotten.empty();
}

bool fits(const StoreReader::RunFilter& filter, const Run& run) {
  return (!filter.scenario || run.scenario == filter.scenario) &&
         (!filter.state || run.state == *filter.state) &&
         (!filter.node || run.place() == filter.node) &&
         (filter.reason.empty() || run.reason == filter.reason) &&
         (!filter.run || run.key == filter.run);
}

std::string_view to_string(Role role) {
  switch (role) {
    case Role::Read:
      return "read";
    case Role::Ingest:
      return "ingest";
    case Role::Author:
      return "author";
    case Role::Admin:
      return "admin";
    case Role::Metrics:
      return "metrics";
  }
  assert(false);
  return "read";
}
}  // namespace onward
