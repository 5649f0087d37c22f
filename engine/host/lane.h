#pragma once
// A cell with its queue, its thread and the publisher of its commits. One machine has one lane.
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/cell/cell.h"
#include "engine/host/lane_queue.h"
#include "engine/host/monitored_clock.h"
#include "engine/host/release_thread.h"

namespace onward {
/// Any thread, but `start` and `stop`: one at a time.
class Lane {
 public:
  struct Parts {
    Cell& cell;
    DeliverySink& sink;
    MonitoredClock& clock;
    const RuntimeOptions& options;
    /// On the engine thread: at its start, and after each turn.
    std::function<void()> after_turn;
  };
  /// All must outlive it.
  explicit Lane(Parts parts);
  ~Lane() { stop(); }

  void start();
  /// Ends the thread when all that waits is done; large posts and imports that take longer than a
  /// few seconds are refused, since they are sent again.
  void stop();
  /// Whether it was started, and `stop` has not returned. As `start` and `stop`.
  bool is_running() const { return thread_.joinable(); }
  /// Why it ended without being stopped (the disk failed); empty while it runs.
  std::string failure() const;
  /// Called once, on the engine thread, when that happens.
  void on_failure(std::function<void(std::string)> call);

  LaneQueue& queue() { return queue_; }
  ReleaseThread& publisher() { return publisher_; }

 private:
  using Steady = LaneQueue::Steady;

  void run();
  bool wait_for_work(LaneQueue::Work& work);
  void log_clock();
  bool fold_in_quiet();
  Steady::time_point fold_from() const;
  void fail(const Error& error);

  Parts parts_;
  Cell& cell_;
  LaneQueue queue_;

  // The engine thread's own.
  Steady::time_point unfolded_since_{}, last_work_{};

  mutable std::mutex mutex_;
  std::string failure_;  // guarded by mutex_, as the next one
  std::function<void(std::string)> on_failure_;

  ReleaseThread publisher_;
  std::thread thread_;
};
}  // namespace onward
