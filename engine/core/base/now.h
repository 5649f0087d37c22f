#pragma once
// Time and order, as every pure function of the core gets them.
#include <cstdint>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"

namespace onward {
struct Now {
  Instant at{};
  Sequence seq = 0;     ///< Of this input; grows by one with each.
  bool certain = true;  ///< Else nothing fails for its deadline.
};
}  // namespace onward
