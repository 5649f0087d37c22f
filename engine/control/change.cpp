#include "engine/control/change.h"

namespace onward {
Change::Change(BookChange change, std::vector<AdminRecord> admin)
    : rows_{.scenarios = std::move(change.scenarios),
            .versions = std::move(change.versions),
            .admin = std::move(admin),
            .activity = std::move(change.activity)},
      built_{std::move(change.built)} {
  effect_ = [built = built_, names = std::move(change.names)](ControlState& state,
                                                              ControlChange& rows) {
    BookChange committed{.built = built, .names = names};
    // Moved, not copied: a text may have 4 MiB, and a record the names of 20,000 nodes.
    committed.scenarios = std::move(rows.scenarios);
    committed.versions = std::move(rows.versions);
    state.scenarios.adopt(std::move(committed));
  };
}
}  // namespace onward
