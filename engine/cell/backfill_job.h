#pragma once
// One pass over all contacts for the triggers of a scenario.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cell/background_job.h"
#include "engine/cell/context.h"

namespace onward {
/// How far a pass has come, and for what.
struct Backfill {
  ScenarioKey scenario;
  Version version = 0;
  ContactKey next, last;
  std::size_t done = 0;                            ///< Of `nodes`, for the contact `next`.
  std::vector<std::pair<NodeNumber, bool>> nodes;  ///< And whether contacts that match enter.
  std::string check;                               ///< Of a check at a set time: that time.

  std::string to_row() const;
  static std::optional<Backfill> read(std::string_view row);
};
/// The content of the row of a check that is done.
std::string done_check(const std::string& time);

class BackfillJob final : public BackgroundJob {
 public:
  BackfillJob(CellContext& cell, std::string name, Backfill state)
      : cell_{cell}, name_{std::move(name)}, state_{std::move(state)}, next_{state_} {}

  std::string name() const override { return name_; }
  std::optional<std::string> cursor() const override;
  /// Of a check: that it is done stays known.
  bool keeps_row() const override { return !state_.check.empty(); }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override { state_ = next_; }

  const Backfill& state() const { return state_; }

 private:
  bool is_wanted() const;

  CellContext& cell_;
  const std::string name_;
  Backfill state_, next_;  ///< As committed, and as the step leaves it.
  bool ended_ = false;
};
}  // namespace onward
