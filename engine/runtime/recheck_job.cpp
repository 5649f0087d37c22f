// After the policy was changed: what it had refused, and allows now, is attempted at once.
#include "engine/runtime/delivery_walk.h"
#include "engine/runtime/engine.h"

namespace onward {
namespace {
constexpr std::string_view kBlockedCode = "blocked_policy";

std::vector<NodePlace> pending_places(const Counters& counters) {
  std::vector<NodePlace> places;
  for (const auto& [key, row] : counters) {
    if (!key.node || row[Counter::Pending] <= 0) continue;
    const NodePlace place{key.scenario, key.node};
    if (places.empty() || places.back() != place) places.push_back(place);
  }
  return places;
}
}  // namespace

/// Looks at all that is pending, node by node. It has no row: after a restart what was refused
/// follows its retry schedule.
class Engine::RecheckBlocked final : public BackgroundJob {
 public:
  explicit RecheckBlocked(Engine& engine)
      : engine_{engine}, places_{pending_places(engine.counters_)} {}
  std::string name() const override { return "recheck_blocked"; }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override { place_ = next_; }

 private:
  /// Whether it was refused by the policy, waits for its next try, and is not refused as before.
  bool is_to_go(const Delivery& delivery) const {
    if (!delivery.pending() || delivery.parked || !delivery.due || !delivery.last ||
        delivery.last->code != kBlockedCode || *delivery.due <= engine_.clock_.now() ||
        engine_.dispatcher_.find(delivery.key) != nullptr)
      return false;
    const DeliveryPolicy* policy = engine_.policy_at(delivery.endpoint);
    return policy == nullptr || engine_.refused_origin(policy->origin).empty();
  }

  Engine& engine_;
  const std::vector<NodePlace> places_;
  WalkPlace place_, next_;  ///< As committed, and as the step leaves it.
};

Result<JobStep> Engine::RecheckBlocked::step(std::size_t rows) {
  next_ = place_;
  JobStep step;
  const WalkRange range{.nodes = places_.size(),
                        .node_at = [this](std::size_t i) { return std::optional{places_[i]}; },
                        .state = DeliveryState::Pending};
  const auto ended = walk_deliveries(*engine_.store_, range, rows, next_,
                                     [&](const LoadedDelivery& one) -> Result<bool> {
                                       if (!is_to_go(one.delivery)) return true;
                                       if (!step.changes) step.changes.emplace(engine_.new_batch());
                                       step.changes->make_due(one.delivery);
                                       return true;
                                     });
  if (!ended) return tl::make_unexpected(ended.error());
  step.ended = *ended;
  return step;
}

void Engine::recheck_blocked() { jobs_.add(std::make_unique<RecheckBlocked>(*this)); }

std::string Engine::refused_origin(std::string_view origin) const {
  return options_.refuses_origin ? options_.refuses_origin(origin) : std::string{};
}
}  // namespace onward
