#pragma once
// Something a contact did, or that happened to one.
#include <string>

#include "engine/core/time.h"
#include "engine/core/value.h"

namespace onward {
/// `type` is canonical (see vocabulary.h); `data` is a map or null; `at` is data and orders
/// nothing.
struct Event {
  std::string type;
  Instant at{};
  Value data;
  bool operator==(const Event&) const = default;
};
}  // namespace onward
