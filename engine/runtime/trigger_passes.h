#pragma once
// The one sweep there is: triggers that depend on time or dates must learn of every contact when
// they become active, and checks at a set time ask everybody. Resumable: how far a pass has come is
// committed with each of its steps.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/journey/advance.h"
#include "engine/core/scenario/catalog.h"
#include "engine/store/store.h"

namespace onward {
/// Used by the engine thread alone. Rows that it hands out are committed, and then adopted.
class TriggerPasses {
 public:
  explicit TriggerPasses(const std::vector<AdminRecord>& admin);

  /// What a change of a scenario's life or version asks for. `before` is null where it is new;
  /// `last` is the greatest contact there is.
  std::vector<AdminRecord> on_change(const ScenarioRecord* before, const ScenarioRecord& after,
                                     const Scenario& current, ContactKey last, Instant now) const;

  /// Checks at a set time that fall due, `most` of them: each begins a pass, or is missed where it
  /// is too late. Once these rows are adopted the next ones follow.
  struct DueChecks {
    std::vector<AdminRecord> rows;
    std::vector<ScenarioKey> missed;
  };
  DueChecks due_checks(const Catalog& catalog, ContactKey last, Instant now,
                       std::size_t most) const;
  /// When the next one is due.
  std::optional<Instant> next_check(const Catalog& catalog) const;

  /// The next step of a pass under way: at most `inputs` of them, and the row that says so. Passes
  /// take turns.
  struct Step {
    std::vector<Input> inputs;
    AdminRecord row;
  };
  std::optional<Step> next_step(const Catalog& catalog, std::size_t inputs);
  bool any() const { return !passes_.empty(); }

  void adopt(std::span<const AdminRecord> rows);

 private:
  struct Pass {
    ScenarioKey scenario;
    Version version = 0;
    ContactKey next, last;
    std::size_t done = 0;                            ///< Of `nodes`, for the contact `next`.
    std::vector<std::pair<NodeNumber, bool>> nodes;  ///< And whether those who match enter.
    std::string check;                               ///< Of a check: its time.
  };
  static AdminRecord row_of(const std::string& name, const Pass& pass);
  static std::optional<Pass> read(std::string_view content);

  std::map<std::string, Pass, std::less<>> passes_;
  std::string turn_;                                         ///< The pass that was stepped last.
  std::map<std::string, std::string, std::less<>> checked_;  ///< Check -> the time that is done.
};
}  // namespace onward
