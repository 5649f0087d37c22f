#pragma once
// Which deliveries and runs a list, or work on many of them, is about.
#include <optional>
#include <string>

#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/run.h"

namespace onward {
/// Which deliveries are meant, of all or by any of these.
struct DeliveryQuery {
  std::string scenario, node;  ///< Ids; empty: all. A node wants its scenario.
  std::optional<DeliveryState> state;
  std::optional<Instant> since, until;  ///< Created from `since` on, before `until`.
  std::string code;                     ///< Of the last attempt, "503" or "timeout", or the reason.
};
bool fits(const DeliveryQuery& query, const Delivery& delivery);

/// Which live runs are meant.
struct RunQuery {
  std::string scenario, node;  ///< Ids; empty: all.
  std::optional<RunState> state;
  std::string reason;  ///< Of a parked one.
};
}  // namespace onward
