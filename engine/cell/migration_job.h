#pragma once
// Moves runs under way to another version of their scenario, contact by contact.
#include <cstdint>
#include <optional>
#include <string>

#include "engine/cell/background_job.h"
#include "engine/cell/catalog_builder.h"
#include "engine/cell/context.h"
#include "engine/cell/scenario_pass.h"

namespace onward {
class MigrationJob final : public BackgroundJob {
 public:
  /// Both must outlive it.
  MigrationJob(CellContext& cell, CatalogBuilder& builder, ScenarioPass pass);

  std::string name() const override { return state_.name(); }
  std::optional<std::string> cursor() const override { return to_row(next_); }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override;
  /// Runs moved so far.
  std::uint64_t done() const override;

  const ScenarioPass& state() const { return state_; }

 private:
  Result<JobStep> end(const std::string& why);
  std::int64_t moved() const;
  void count_stayed(ScenarioPass& pass) const;

  CellContext& cell_;
  CatalogBuilder& builder_;
  ScenarioPass state_, next_;           ///< As committed, and as the step leaves it.
  bool last_page_ = false;              ///< The step looked at the last contact with live runs.
  bool all_seen_ = false;               ///< No contact with live runs is left.
  std::optional<std::string> summary_;  ///< Of its end, once that is decided.
};
}  // namespace onward
