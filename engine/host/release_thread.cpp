#include "engine/host/release_thread.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace onward {
namespace {
/// Inputs that may wait for the disk, answered but not told.
constexpr std::size_t kInputsMax = 20'000;
/// How long a commit stays in the kernel's hands where nobody waits to hear of it: the outcome of
/// an attempt, which after a power failure would be made once more.
constexpr std::chrono::milliseconds kUnawaited{2};
}  // namespace

ReleaseThread::ReleaseThread(CellStore& store, DeliverySink& sink,
                             std::function<void(const Error&)> failed)
    : store_{store}, sink_{sink}, failed_{std::move(failed)}, thread_{[this] { run(); }} {}

ReleaseThread::~ReleaseThread() { stop(); }

void ReleaseThread::around_answers(Answering call) {
  const std::lock_guard lock{mutex_};
  answering_ = std::move(call);
}

void ReleaseThread::pass(Ready ready) {
  const std::size_t inputs = ready.inputs();
  std::unique_lock lock{mutex_};
  if (ready.empty()) {
    if (!std::exchange(unsynced_, true) && waiting_.empty()) arrived_.notify_one();
    return;
  }
  taken_.wait(lock, [&] { return inputs_ == 0 || inputs_ + inputs <= kInputsMax; });
  inputs_ += inputs;
  waiting_.push_back(std::move(ready));
  if (waiting_.size() == 1) arrived_.notify_one();
}

void ReleaseThread::when_durable(Given give) {
  if (store_.is_synced()) return give({});
  {
    const std::lock_guard lock{mutex_};
    if (!stopping_) {
      asked_.push_back(std::move(give));
      if (asked_.size() == 1) arrived_.notify_one();
      return;
    }
  }
  give(store_.sync());
}

void ReleaseThread::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

/// Sleeps until somebody waits for the disk, or a while when nobody does. False: stop.
bool ReleaseThread::take(Round& round) {
  std::unique_lock lock{mutex_};
  const auto awaited = [&] { return stopping_ || !waiting_.empty() || !asked_.empty(); };
  arrived_.wait(lock, [&] { return awaited() || unsynced_; });
  arrived_.wait_for(lock, kUnawaited, awaited);
  if (waiting_.empty() && asked_.empty() && !unsynced_) return false;
  round = {.ready = std::exchange(waiting_, {}),
           .asked = std::exchange(asked_, {}),
           .answering = answering_};
  inputs_ = 0;
  unsynced_ = false;
  return true;
}

void ReleaseThread::run() {
  ::pthread_setname_np(::pthread_self(), "onward-release");
  bool failed = false;
  Publisher publisher{store_, sink_};
  Round round;
  while (take(round)) {
    taken_.notify_one();
    const Status synced = publisher.publish(round.ready, [&](const Status& done) {
      if (!done && !std::exchange(failed, true)) failed_(done.error());
      if (round.answering) round.answering(true);
    });
    for (const Given& give : round.asked) give(synced);
    if (round.answering) round.answering(false);
  }
}
}  // namespace onward
