#pragma once
// Passes over all contacts: triggers that depend on time or dates must learn of every contact when
// they become active, and checks at a set time ask everybody. Each is a job, so it is restartable.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cell/background_job.h"
#include "engine/cell/context.h"
#include "engine/jobs/job_queue.h"

namespace onward {
/// One thread.
class Backfills {
 public:
  /// Both must outlive it.
  Backfills(CellContext& cell, JobQueue& jobs) : cell_{cell}, jobs_{jobs} {}

  /// Rows that begin or end a backfill, for a change of a scenario's state or version that is not
  /// applied yet. `built` is the version that it adds; null where it adds none.
  std::vector<AdminRecord> rows_for(const ScenarioRecord& after, const Scenario* built) const;
  /// Takes over committed rows: begins and ends jobs. Rows of others are skipped.
  void follow(std::span<const AdminRecord> rows);

  /// Checks at a set time that fall due, `rows_max` of them: each begins a job, or is missed where
  /// it is too late. Once these rows are committed and followed the next ones are named.
  struct DueChecks {
    std::vector<AdminRecord> rows;
    std::vector<ScenarioKey> missed;
  };
  DueChecks due_checks(Instant now, std::size_t rows_max) const;
  /// When the next check is due. Costs a look at all triggers after a change of the catalog only.
  std::optional<Instant> next_check() const;

 private:
  const Scenario* current_of(const ScenarioRecord& record) const;

  CellContext& cell_;
  JobQueue& jobs_;
  std::map<std::string, std::string, std::less<>> checked_;  ///< Check -> the time that is done.
  mutable std::optional<std::uint64_t> known_for_;           ///< The generation of `next_check_`.
  mutable std::optional<Instant> next_check_;
};
}  // namespace onward
