#pragma once
// One thread that runs jobs in the order in which they were given.
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace onward {
/// For what takes longer than the io thread may be away: requests, and replies. What waits is
/// bounded by the clients, each of whom has one request under way.
class WorkThread {
 public:
  WorkThread() = default;
  ~WorkThread() { stop(); }
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  void start(const char* name);  ///< At most 15 characters.
  /// Any thread. After `stop` the job is destroyed without having run.
  void post(std::function<void()> job);
  /// Waits for the job that is running; those that wait are destroyed.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};
}  // namespace onward
