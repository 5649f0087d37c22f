#pragma once
// Waits for the disk, so that the engine need not: syncs the store, then lets go of what waited for
// it. While one fsync is awaited the engine commits on, and the next one covers all of that.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/runtime/engine.h"

namespace onward {
/// Around the answers of one sync, on the thread that gives them: `true` before the first, `false`
/// after the last. Whoever takes the answers over needs to be woken but once.
using Answering = std::function<void(bool begins)>;
/// Of an answer: what a sync came to.
using Given = std::function<void(const Status& synced)>;

class ReleaseThread {
 public:
  /// Both must outlive it. `failed` is called once, on the thread, when the store cannot sync; from
  /// then on every answer says so, and no task leaves.
  ReleaseThread(Store& store, DeliverySink& sink, std::function<void(const Error&)> failed);
  ~ReleaseThread();
  /// Any thread; once.
  void around_answers(Answering call);

  /// From the engine thread. An empty release asks for a sync alone, within milliseconds. Waits
  /// while very much waits already: the disk is slower than what comes in.
  void pass(Release release);
  /// Calls `give` when all that a reader may see now is durable, and says how that went: at once
  /// where it is already, else on the thread. Any thread; after `stop` too.
  void when_durable(Given give);
  /// Lets go of all that was passed, then ends.
  void stop();

 private:
  /// What one sync is for.
  struct Round {
    std::vector<Release> releases;
    std::vector<Given> asked;
    Answering answering;
  };
  bool take(Round& round);
  void run();

  Store& store_;
  DeliverySink& sink_;
  const std::function<void(const Error&)> failed_;

  std::mutex mutex_;
  std::condition_variable arrived_, taken_;
  std::vector<Release> waiting_;  // guarded by the mutex, as all below
  std::vector<Given> asked_;
  std::size_t inputs_ = 0;  // of the waiting
  bool unsynced_ = false;   // something was committed that nobody waits to hear of
  Answering answering_;
  bool stopping_ = false;
  std::thread thread_;
};
}  // namespace onward
