#pragma once
// Retries or cancels all deliveries that match a filter, node by node, oldest first.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/cell/answers.h"
#include "engine/cell/background_job.h"
#include "engine/cell/catalog_builder.h"
#include "engine/cell/context.h"
#include "engine/cell/delivery_walk.h"
#include "engine/cell/load.h"
#include "engine/control/filters.h"
#include "engine/jobs/job_queue.h"

namespace onward {
/// Of deliveries that are to be retried or cancelled, where no state is named: what was cancelled
/// was meant to be.
DeliveryState usual_state(ByHand act);

class BulkDeliveriesJob final : public BackgroundJob {
 public:
  /// Its row holds what was asked for, and how far it came.
  struct State {
    ByHand act = ByHand::Retry;
    DeliveryQuery which;  ///< With a state.
    std::string who;
    ScenarioKey scenario;
    WalkPlace place;  ///< Among the nodes as the scenario's record has them.
    ByHandAnswer answer;
  };
  struct Parts {
    CellContext& cell;
    CatalogBuilder& builder;
    JobQueue& jobs;
  };
  struct Caller {
    bool dry_run = false;             ///< Only counts; then it has no row.
    Done<Result<ByHandAnswer>> done;  ///< Empty after a restart: nobody waits any more.
    LoadShare admission;              ///< Of the call that began it.
  };
  BulkDeliveriesJob(const Parts& parts, std::string name, State state, Caller caller);

  std::string name() const override { return name_; }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override;
  std::optional<std::string> cursor() const override;
  std::uint64_t done() const override { return state_.answer.changed; }
  void fail(const Error& error) override;

  static std::optional<State> read(std::string_view cursor);

 private:
  Result<bool> take(BatchDeliveries& changes, const LoadedDelivery& one);
  void note_end(Batch& batch) const;

  CellContext& cell_;
  CatalogBuilder& builder_;
  JobQueue& jobs_;
  const std::string name_;
  Caller caller_;
  State state_, next_;  ///< As committed, and as the step leaves it.
  bool ended_ = false, missing_version_ = false;
};
}  // namespace onward
