#pragma once
// How many bytes of unfinished requests may be in memory, in all connections together.
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace onward {
struct BodyLimits {
  std::size_t unproven_max = 16u << 20;  ///< Of requests whose sender has shown no proof yet.
  std::size_t all_max = 256u << 20;      ///< Of all requests.
};

/// Counts the memory that requests take until they are handled: what is read and not parsed yet,
/// the parsed head, and the body. Any thread.
class BodyBudget : public std::enable_shared_from_this<BodyBudget> {
 public:
  explicit BodyBudget(BodyLimits limits) : limits_{limits} {}

  /// The share of one request. It is given back when the charge is destroyed.
  class Charge {
   public:
    Charge() = default;
    Charge(Charge&& other) noexcept
        : budget_{std::move(other.budget_)},
          bytes_{std::exchange(other.bytes_, 0)},
          proven_{other.proven_} {}
    Charge& operator=(Charge&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      std::swap(proven_, other.proven_);
      return *this;
    }
    ~Charge() {
      if (budget_) budget_->add(0 - bytes_, proven_);
    }
    /// The request takes `bytes` now. False: that is more than there is room for. The bytes count
    /// in this case, too, until the charge changes or is destroyed.
    bool set(std::size_t bytes) {
      if (!budget_ || bytes == bytes_) return true;
      const bool grows = bytes > bytes_;
      const bool fits = budget_->add(bytes - bytes_, proven_);
      bytes_ = bytes;
      return fits || !grows;
    }
    bool proven() const { return proven_; }

   private:
    friend class BodyBudget;
    Charge(std::shared_ptr<BodyBudget> budget, bool proven)
        : budget_{std::move(budget)}, proven_{proven} {}
    std::shared_ptr<BodyBudget> budget_;
    std::size_t bytes_ = 0;
    bool proven_ = false;
  };

  /// `proven`: the sender has shown a token or a secret.
  Charge open(bool proven) { return {shared_from_this(), proven}; }
  /// Whether the requests of that kind are within their limits.
  bool fits(bool proven) const {
    return bytes() <= limits_.all_max && (proven || unproven_bytes() <= limits_.unproven_max);
  }
  std::size_t bytes() const { return all_.load(std::memory_order_relaxed); }
  std::size_t unproven_bytes() const { return unproven_.load(std::memory_order_relaxed); }

 private:
  /// Adds `bytes`, modulo 2^64 so that a share can become smaller. False: beyond a limit.
  bool add(std::size_t bytes, bool proven) {
    all_.fetch_add(bytes, std::memory_order_relaxed);
    if (!proven) unproven_.fetch_add(bytes, std::memory_order_relaxed);
    return fits(proven);
  }

  BodyLimits limits_;
  std::atomic<std::size_t> all_ = 0;
  std::atomic<std::size_t> unproven_ = 0;
};
}  // namespace onward
