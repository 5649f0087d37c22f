// After the policy was changed: what it had refused, and allows now, is attempted at once.
#include "engine/runtime/engine.h"

namespace onward {
namespace {
constexpr std::string_view kBlockedCode = "blocked_policy";

std::vector<std::pair<ScenarioKey, NodeNumber>> pending_places(const Counters& counters) {
  std::vector<std::pair<ScenarioKey, NodeNumber>> places;
  for (const auto& [key, row] : counters) {
    if (!key.node || row[Counter::Pending] <= 0) continue;
    const std::pair place{key.scenario, key.node};
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
  void committed() override {
    place_ = next_place_;
    after_ = next_after_;
  }

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
  const std::vector<std::pair<ScenarioKey, NodeNumber>> places_;
  std::size_t place_ = 0, next_place_ = 0;  ///< As committed, and as the step leaves it.
  DeliveryKey after_, next_after_;
};

Result<JobStep> Engine::RecheckBlocked::step(std::size_t rows) {
  next_place_ = place_;
  next_after_ = after_;
  JobStep step;
  std::size_t looked_at = 0;
  for (std::size_t looks = 0; next_place_ < places_.size() && looks < rows; ++looks) {
    const auto [scenario, node] = places_[next_place_];
    const std::size_t limit = rows - looked_at;
    const auto keys =
        engine_.store_->deliveries_of(scenario, node, DeliveryState::Pending, next_after_, limit);
    if (!keys) return tl::make_unexpected(keys.error());
    const auto loaded = engine_.store_->deliveries(*keys);
    if (!loaded) return tl::make_unexpected(loaded.error());
    for (const auto& one : *loaded) {
      if (!one || !is_to_go(one->delivery)) continue;
      if (!step.changes) step.changes.emplace(engine_.new_batch());
      step.changes->make_due(one->delivery);
    }
    looked_at += keys->size();
    if (!keys->empty()) next_after_ = keys->back();
    if (keys->size() == limit) break;
    ++next_place_;
    next_after_ = {};
  }
  step.ended = next_place_ >= places_.size();
  return step;
}

void Engine::recheck_blocked() { jobs_.add(std::make_unique<RecheckBlocked>(*this)); }

std::string Engine::refused_origin(std::string_view origin) const {
  return options_.refuses_origin ? options_.refuses_origin(origin) : std::string{};
}
}  // namespace onward
