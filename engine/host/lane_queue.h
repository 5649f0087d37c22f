#pragma once
// What waits for a cell: tasks of other threads and outcomes of attempts, admitted by their load.
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/cell/options.h"
#include "engine/cell/task.h"
#include "engine/core/base/result.h"
#include "engine/host/outcome_queue.h"

namespace onward {
/// What a task takes of the load until it is answered. No events: it is a call.
struct TaskWeight {
  std::size_t events = 0;
  std::size_t bytes = 0;
};

/// What is admitted, and not answered yet.
struct LaneLoad {
  std::size_t events = 0, event_bytes = 0;
};

/// Any thread, unless a function says otherwise.
class LaneQueue {
 public:
  using Steady = std::chrono::steady_clock;
  /// `options` must outlive it.
  explicit LaneQueue(const RuntimeOptions& options)
      : options_{options}, outcomes_{options.results_bytes_max} {}

  /// From now on tasks are taken.
  void open();
  /// Takes no more tasks; what is under way continues.
  void close();
  /// Takes no more tasks, and wakes the engine thread, which ends when all that waits is done;
  /// large tasks may wait until `bulk_until`.
  void stop(Steady::time_point bulk_until);
  /// Whether calls are taken; else `stopping` or `not_running`.
  Status check_open() const;
  /// Whether it has been opened and has not ended: also while what is under way finishes.
  Status check_alive() const;
  /// Whether events are taken: also the store can be written.
  Status ready() const;
  LaneLoad load() const { return {.events = intake_->count, .event_bytes = intake_->bytes}; }

  Status push(Task task, TaskWeight weight);
  /// `bytes` of what the call holds, where that may be much.
  Status call(CallTask task, std::size_t bytes = 0) {
    return push(std::move(task), {.events = 0, .bytes = kCallBytes + bytes});
  }
  /// Also where there is no room: the engine's own, or the next step of what was admitted.
  Status call_anyway(CallTask task);
  /// The share of a call that does not go to the engine at once.
  Result<std::shared_ptr<LoadShare>> admit_call(std::size_t bytes);
  /// Outcomes of attempts.
  void report(std::vector<AttemptResult> finished);
  /// Nothing can be made durable any more: the engine thread ends.
  void cannot_sync(const Error& error);

  // Engine thread.
  /// Why no events are taken for now; nullopt: they are.
  void show_read_only(std::optional<Error> error);
  /// What the cell has to do, for the decision how long to sleep.
  struct Outlook {
    Steady::time_point wake;                       ///< At the latest.
    bool due = false;                              ///< A timer has passed.
    std::uint64_t inputs_of_turn = 0;              ///< See OutcomeQueue::take.
    bool results_left = false, bulk_left = false;  ///< See Cell.
  };
  struct Work {
    std::vector<Task> tasks;
    std::vector<AttemptResult> outcomes;
    bool ends = false;       ///< Nothing will come any more.
    bool overslept = false;  ///< The process was stopped while it slept.
    bool empty() const { return tasks.empty() && outcomes.empty(); }
  };
  /// Waits until there is something to do, or the time of `outlook`, and takes all that waits.
  Work wait(const Outlook& outlook);
  /// Takes nothing any more; what still waits.
  std::vector<Task> end();
  /// See `cannot_sync`.
  std::optional<Error> sync_error() const;

 private:
  static constexpr std::size_t kCallBytes = 1'024;  // of a call without much of its own

  // With the mutex:
  bool takes_tasks() const { return started_ && !closing_ && !ended_; }
  tl::unexpected<Error> not_running() const;
  Result<LoadShare> admit(TaskWeight weight);
  void enqueue(Task task);
  void wake_up();

  const RuntimeOptions& options_;
  const std::shared_ptr<Load> intake_ = std::make_shared<Load>();
  const std::shared_ptr<Load> calls_ = std::make_shared<Load>();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> tasks_;  // guarded by mutex_, as all below
  OutcomeQueue outcomes_;
  bool asleep_ = false, started_ = false, closing_ = false, stopping_ = false, ended_ = false;
  Steady::time_point bulk_until_{};  // of large tasks, while it stops
  std::optional<Error> read_only_;
  std::optional<Error> unsynced_;
};
}  // namespace onward
