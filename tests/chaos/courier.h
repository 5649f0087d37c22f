#pragma once
// The real deliverer, driven a round at a time in virtual time, over a client that asks the
// receivers of the world.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "engine/cell/cell.h"
#include "engine/delivery/deliverer.h"
#include "tests/chaos/receiver.h"

namespace onward::chaos {
class WorldClient;

/// What is told of each attempt, before it is answered.
class AttemptWatch {
 public:
  virtual ~AttemptWatch() = default;
  /// A request leaves. How often its id left before.
  virtual std::uint64_t leaves(const HttpRequest& request) = 0;
  virtual void decided(const HttpRequest& request, const Verdicted& verdict) = 0;
  virtual void reported(const AttemptResult& result) = 0;
  virtual void withdrawn(DeliveryKey delivery) = 0;
};

class Courier final : public DeliverySink {
 public:
  Courier(const WorldClock& clock, const Receivers& receivers, AttemptWatch& watch,
          const SecretSource* secrets);
  ~Courier() override;
  void submit(std::vector<DeliveryTask> tasks) override;
  void withdraw(std::vector<DeliveryKey> deliveries) override;
  void expedite(std::vector<DeliveryKey> deliveries) override { deliverer_->expedite(deliveries); }
  void pause(bool paused) override { deliverer_->pause(paused); }

  /// Everything that can be done at this instant.
  void step();
  std::vector<AttemptResult> take_results() { return std::exchange(results_, {}); }
  /// When `step` has something to do, by the clock that only goes forward.
  std::optional<Instant> next() const;
  /// Handed in, and neither reported nor withdrawn.
  bool holds(DeliveryKey delivery) const { return held_.contains(delivery); }

 private:
  const WorldClock& clock_;
  AttemptWatch& watch_;
  WorldClient* client_;  // owned by the deliverer
  std::unique_ptr<Deliverer> deliverer_;
  std::vector<AttemptResult> results_;
  std::set<DeliveryKey> held_;
  bool dead_ = false;
};
}  // namespace onward::chaos
