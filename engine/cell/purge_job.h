#pragma once
// Purges an archived scenario: ends the runs that are left, then deletes all ended runs with what
// their deliveries said.
#include <cstdint>
#include <optional>
#include <string>

#include "engine/cell/background_job.h"
#include "engine/cell/context.h"
#include "engine/cell/scenario_pass.h"

namespace onward {
class PurgeJob final : public BackgroundJob {
 public:
  PurgeJob(CellContext& cell, ScenarioPass pass)
      : cell_{cell}, state_{std::move(pass)}, next_{state_} {}

  std::string name() const override { return state_.name(); }
  std::optional<std::string> cursor() const override { return to_row(next_); }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override;
  /// Runs deleted so far.
  std::uint64_t done() const override { return state_.done; }

  const ScenarioPass& state() const { return state_; }

 private:
  Result<JobStep> end_runs(const ScenarioRecord& record, std::size_t rows);
  Result<JobStep> delete_runs(const ScenarioRecord& record, std::size_t rows);
  JobStep end();

  CellContext& cell_;
  ScenarioPass state_, next_;  ///< As committed, and as the step leaves it.
  bool last_page_ = false;     ///< The step deletes the last of them.
  bool all_deleted_ = false;   ///< Only the end is left.
  bool ended_ = false;
};
}  // namespace onward
