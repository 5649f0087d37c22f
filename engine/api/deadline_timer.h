#pragma once
// The deadline of a connection, in active time. Includes Asio; only the connection includes this
// file.
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "engine/core/base/active_time.h"
#include "engine/core/base/time.h"

namespace onward {
/// Calls `timer_fired` of its owner, which then asks `passed`, on the io thread.
template <class Owner>
class DeadlineTimer {
 public:
  using Clock = std::chrono::steady_clock;

  template <class Executor>
  DeadlineTimer(Executor executor, ActiveTime& time) : timer_{executor}, time_{time} {}

  /// Before the first `set`. The call does not keep the owner alive.
  void bind(std::weak_ptr<Owner> owner) { owner_ = std::move(owner); }

  /// Replaces the deadline before.
  void set(Duration from_now) {
    deadline_ = time_.look(Clock::now()) + from_now;
    // A later deadline needs no new timer: the armed one looks again when it fires.
    if (deadline_ < armed_until_) arm();
  }
  /// Whether the deadline has passed. If not, the timer is armed again.
  bool passed() {
    armed_until_ = Clock::time_point::max();
    if (time_.look(Clock::now()) >= deadline_) return true;
    if (deadline_ != Clock::time_point::max()) arm();
    return false;
  }
  /// No deadline.
  void clear() { deadline_ = Clock::time_point::max(); }
  void cancel() { timer_.cancel(); }

 private:
  void arm() {
    armed_until_ = deadline_;
    timer_.expires_at(deadline_ + time_.lost());
    timer_.async_wait([weak = owner_](boost::system::error_code error) {
      if (error) return;
      if (const auto owner = weak.lock()) owner->timer_fired();
    });
  }

  boost::asio::steady_timer timer_;
  ActiveTime& time_;
  std::weak_ptr<Owner> owner_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point armed_until_ = Clock::time_point::max();
};
}  // namespace onward
