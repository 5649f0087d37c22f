#pragma once
// Delivery tasks for tests, told apart by what matters to a test.
#include <map>
#include <memory>
#include <string>

#include "engine/delivery/scheduler.h"

namespace onward {
struct TaskParts {
  std::string origin = "http://a:80";
  std::uint64_t node = 1;
  bool last = false;
  Version version = 1;
};

/// The delivery's number, towards an origin. Policies live as long as the tests.
inline DeliveryTask task(std::uint64_t number, const TaskParts& parts = {}) {
  static std::map<std::string, std::shared_ptr<DeliveryPolicy>> policies;
  std::shared_ptr<DeliveryPolicy>& policy = policies[parts.origin];
  if (!policy) {
    policy = std::make_shared<DeliveryPolicy>(DeliveryPolicy{.origin = parts.origin, .retry = {}});
  }
  DeliveryTask made;
  made.delivery = DeliveryKey{number};
  made.endpoint = {ScenarioKey{1}, NodeNumber{static_cast<std::uint32_t>(parts.node)},
                   parts.version};
  made.last = parts.last;
  made.policy = policy.get();
  made.owner = policy;
  return made;
}
}  // namespace onward
