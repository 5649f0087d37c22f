#include "engine/api/work_thread.h"

#include <pthread.h>

#include <utility>

namespace onward {
void WorkThread::start(const char* name) {
  thread_ = std::thread{[this, name] {
    pthread_setname_np(pthread_self(), name);
    run();
  }};
}

void WorkThread::post(std::function<void()> job) {
  const std::lock_guard lock{mutex_};
  if (stopping_) return;
  jobs_.push_back(std::move(job));
  changed_.notify_one();
}

void WorkThread::stop() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    dropped.swap(jobs_);
    changed_.notify_one();
  }
  dropped.clear();  // Outside the lock: a reply that nobody gives may end up anywhere.
  if (thread_.joinable()) thread_.join();
}

void WorkThread::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}
}  // namespace onward
