#pragma once
// Opens a `Ready` without a sync: for judges that look into it, and for the mistakes that they must
// find.
#include <utility>

#include "engine/cell/ready.h"

namespace onward {
struct ReadyAccess {
  static Effects take(Ready ready) { return std::move(ready.effects_); }
  static void let_out(Effects effects, DeliverySink& sink) {
    Publisher::let_out(std::move(effects), sink);
  }
};
}  // namespace onward
