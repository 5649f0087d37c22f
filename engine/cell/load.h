#pragma once
// How much of what clients ask for is in memory: from the moment it is taken until it is answered,
// wherever it is meanwhile (queue, engine, waiting for the disk). So one bound holds for all of it.
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace onward {
/// Both are bounds: whichever is reached first.
struct LoadLimits {
  std::size_t count = 0;
  std::size_t bytes = 0;
};

/// What is admitted now. Any thread.
struct Load {
  std::atomic<std::size_t> count = 0, bytes = 0;
};

/// A share of a load, given back when this is destroyed.
class LoadShare {
 public:
  LoadShare() = default;
  ~LoadShare() { give_back(); }
  LoadShare(LoadShare&& other) noexcept
      : load_{std::exchange(other.load_, nullptr)}, count_{other.count_}, bytes_{other.bytes_} {}
  LoadShare& operator=(LoadShare&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    load_ = std::exchange(other.load_, nullptr);
    count_ = other.count_;
    bytes_ = other.bytes_;
    return *this;
  }

  /// Nothing where a limit would be passed. What alone is larger than the limits is admitted when
  /// nothing else is. One thread at a time.
  static std::optional<LoadShare> take(const std::shared_ptr<Load>& load, const LoadLimits& limits,
                                       std::size_t count, std::size_t bytes) {
    const std::size_t held = load->count;
    if (held > 0 && (held + count > limits.count || load->bytes + bytes > limits.bytes))
      return std::nullopt;
    load->count += count;
    load->bytes += bytes;
    LoadShare taken;
    taken.load_ = load;
    taken.count_ = count;
    taken.bytes_ = bytes;
    return taken;
  }

 private:
  void give_back() {
    if (!load_) return;
    load_->count -= count_;
    load_->bytes -= bytes_;
  }

  std::shared_ptr<Load> load_;
  std::size_t count_ = 0, bytes_ = 0;
};
}  // namespace onward
