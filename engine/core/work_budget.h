#pragma once
// How much work one input may cause. Counted in steps and bytes, never in time, so that server,
// simulator and replay decide alike.
#include <cstddef>
#include <cstdint>

namespace onward {
/// Bytes that one input may render for requests and for changes of its contact.
inline constexpr std::uint64_t kInputRenderMax = std::uint64_t{16} << 20;

/// An amount of work that is left. Plain; one thread.
class WorkBudget {
 public:
  explicit WorkBudget(std::uint64_t amount) : left_{amount} {}

  /// Takes `amount`. False, and nothing is taken, if less is left.
  bool spend(std::uint64_t amount) {
    if (amount > left_) return false;
    left_ -= amount;
    return true;
  }
  /// Takes `amount`, or what is left: the work is done already.
  void charge(std::uint64_t amount) { left_ -= amount < left_ ? amount : left_; }
  std::uint64_t left() const { return left_; }

 private:
  std::uint64_t left_;
};
}  // namespace onward
