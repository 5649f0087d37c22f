#pragma once
// Reads texts of scenarios, which may take seconds, on a thread of its own, so that neither events
// nor lists wait for them.
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/core/base/log_record.h"
#include "engine/core/base/result.h"

namespace onward {
/// What the author thread is asked to do, in order. Tasks of one scenario come one after another:
/// the next one begins when the turn of the one before has ended, which may be long after it ran.
/// Any thread.
class AuthorQueue : public std::enable_shared_from_this<AuthorQueue> {
 public:
  /// While one is held, its scenario's next task waits.
  using Turn = std::shared_ptr<const void>;
  /// Called once, without a lock: with its turn, or with why it gets none.
  using Task = std::function<void(Result<Turn>)>;
  struct Limits {
    std::size_t tasks = 64;
    std::size_t bytes = std::size_t{32} << 20;  ///< Of texts, those under way as well.
  };
  explicit AuthorQueue(Limits limits) : limits_{limits} {}

  /// `scenario` empty: it waits for no other one, and none waits for it. Busy where there is no
  /// room; then `task` is not called. One that is larger than all the room is taken alone.
  Status ask(std::string scenario, std::size_t bytes, Task task);
  /// Also where there is no room: what is small, or bounded elsewhere.
  void ask_anyway(std::string scenario, Task task);
  /// Goes on with what has its turn, before anything else.
  void again(Turn turn, Task task);
  /// Whether something of the scenario waits, or has its turn.
  bool has(std::string_view scenario) const;
  /// Runs the next task that may run, on the calling thread. False: there is none now.
  bool run_one();
  /// Waits until there is one. False: it was stopped.
  bool wait();
  /// What waits is refused, and all that comes from now on.
  void stop();
  /// Destroys it on the thread that runs the tasks: that of something large takes time as well.
  void discard(std::shared_ptr<const void> garbage);

 private:
  struct Waiting {
    std::string scenario;
    std::size_t bytes = 0;
    Task task;
  };
  struct Continued {
    Turn turn;
    Task task;
  };
  class Holder;
  void add(Waiting waiting);
  void end(const std::string& scenario, std::size_t bytes);
  std::deque<Waiting>::iterator next();
  bool any() { return !garbage_.empty() || !continued_.empty() || next() != waiting_.end(); }

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;  // guarded by mutex_, as all below
  std::deque<Continued> continued_;
  std::vector<std::shared_ptr<const void>> garbage_;
  std::set<std::string, std::less<>> held_;  // scenarios with a turn under way
  std::size_t bytes_ = 0;                    // of what waits or has its turn
  bool stopped_ = false;
};

class AuthorThread {
 public:
  /// `log` is told of a task that throws; it may be empty.
  explicit AuthorThread(LogSink log = {});
  ~AuthorThread() { stop(); }
  AuthorThread(const AuthorThread&) = delete;
  AuthorThread& operator=(const AuthorThread&) = delete;
  AuthorQueue& queue() { return *queue_; }
  /// Finishes the task that runs, refuses the others, and ends the thread.
  void stop();

 private:
  const std::shared_ptr<AuthorQueue> queue_;  // shared with the turns
  std::thread thread_;
};
}  // namespace onward
