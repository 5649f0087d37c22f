#pragma once
// Waits for the disk, so that the engine need not: syncs the store, then lets go of what waited for
// it. While one fsync is awaited the engine commits on, and the next one covers all of that.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/cell/ready.h"
#include "engine/store/cell_store.h"

namespace onward {
class ReleaseThread {
 public:
  /// Called around the answers of one sync, on the thread that gives them: `true` before the first,
  /// `false` after the last, so that their receiver is woken only once.
  using Answering = std::function<void(bool begins)>;
  /// Gives an answer: `synced` is the result of the sync.
  using Given = std::function<void(const Status& synced)>;

  /// Both must outlive it. `failed` is called once, on the thread, when the store cannot sync; from
  /// then on every answer says so, and no task leaves.
  ReleaseThread(CellStore& store, DeliverySink& sink, std::function<void(const Error&)> failed);
  ~ReleaseThread();
  /// Any thread; once.
  void around_answers(Answering call);

  /// From the engine thread. An empty one asks for a sync alone, within milliseconds. Waits
  /// while very much waits already: the disk is slower than what comes in.
  void pass(Ready ready);
  /// Calls `give` when all that a reader may see now is durable, and says how that went: at once
  /// where it is already, else on the thread. Any thread; after `stop` too.
  void when_durable(Given give);
  /// Lets go of all that was passed, then ends.
  void stop();

 private:
  /// What one sync is for.
  struct Round {
    std::vector<Ready> ready;
    std::vector<Given> asked;
    Answering answering;
  };
  bool take(Round& round);
  void run();

  CellStore& store_;
  DeliverySink& sink_;
  const std::function<void(const Error&)> failed_;

  std::mutex mutex_;
  std::condition_variable arrived_, taken_;
  std::vector<Ready> waiting_;  // guarded by the mutex, as all below
  std::vector<Given> asked_;
  std::size_t inputs_ = 0;  // of the waiting
  bool unsynced_ = false;   // something was committed that nobody waits to hear of
  Answering answering_;
  bool stopping_ = false;
  std::thread thread_;
};
}  // namespace onward
