#pragma once
// Cancels what is pending at an archived scenario, node by node, oldest first; parked deliveries as
// well, and a batch with all its members at once. Meanwhile none of it is sent.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/cell/background_job.h"
#include "engine/cell/context.h"
#include "engine/cell/delivery_walk.h"
#include "engine/cell/outbox.h"

namespace onward {
/// "cancel/welcome"
std::string cancel_name(const std::string& scenario);
/// The scenario of such a name; nothing of others.
std::optional<std::string> cancelled_scenario(std::string_view name);
/// While what is pending at a scenario's nodes is cancelled, none of it is sent.
void hold_nodes(CellContext& cell, Outbox& outbox, const ScenarioRecord& record, bool held);

class CancelJob final : public BackgroundJob {
 public:
  struct State {
    WalkPlace place;  ///< Among the nodes as the scenario's record has them.
    std::uint64_t cancelled = 0;
    std::string who;  ///< Asked for it: the name of a token.
  };
  CancelJob(CellContext& cell, Outbox& outbox, std::string scenario, State state);

  std::string name() const override { return cancel_name(scenario_); }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override;
  std::optional<std::string> cursor() const override;
  std::uint64_t done() const override { return state_.cancelled; }

  static std::optional<State> read(std::string_view cursor);

 private:
  CellContext& cell_;
  Outbox& outbox_;
  const std::string scenario_;
  State state_, next_;  ///< As committed, and as the step leaves it.
  bool ended_ = false;
};
}  // namespace onward
