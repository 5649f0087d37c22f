#include "engine/cell/clock.h"

namespace onward {
namespace {
/// The machine's wall clock.
class SystemClock final : public Clock {
 public:
  Instant now() const override {
    return std::chrono::floor<Duration>(std::chrono::system_clock::now());
  }
};
}  // namespace

const Clock& system_clock() {
  static const SystemClock kClock;
  return kClock;
}
}  // namespace onward
