#include "engine/host/author_thread.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "engine/guard/guarded.h"
#include "engine/guard/thread_priority.h"

namespace onward {
namespace {
tl::unexpected<Error> stopping() {
  return fail(ErrorKind::Unavailable, "stopping", "the server is stopping");
}
}  // namespace

/// Ends the turn of its scenario when it goes.
class AuthorQueue::Holder {
 public:
  Holder(std::shared_ptr<AuthorQueue> queue, std::string scenario, std::size_t bytes)
      : queue_{std::move(queue)}, scenario_{std::move(scenario)}, bytes_{bytes} {}
  ~Holder() { queue_->end(scenario_, bytes_); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

 private:
  const std::shared_ptr<AuthorQueue> queue_;
  const std::string scenario_;
  const std::size_t bytes_;
};

Status AuthorQueue::ask(std::string scenario, std::size_t bytes, Task task) {
  const std::lock_guard lock{mutex_};
  if (stopped_) return stopping();
  if (waiting_.size() >= limits_.tasks || (bytes_ > 0 && bytes_ + bytes > limits_.bytes))
    return fail(ErrorKind::Busy, "busy",
                "too many scenario files wait to be read; try again in a moment");
  add({.scenario = std::move(scenario), .bytes = bytes, .task = std::move(task)});
  return {};
}

void AuthorQueue::ask_anyway(std::string scenario, Task task) {
  {
    const std::lock_guard lock{mutex_};
    if (!stopped_) return add({.scenario = std::move(scenario), .task = std::move(task)});
  }
  task(stopping());
}

void AuthorQueue::again(Turn turn, Task task) {
  {
    const std::lock_guard lock{mutex_};
    if (!stopped_) {
      continued_.push_back({.turn = std::move(turn), .task = std::move(task)});
      wake_.notify_one();
      return;
    }
  }
  task(stopping());
}

void AuthorQueue::add(Waiting waiting) {
  bytes_ += waiting.bytes;
  waiting_.push_back(std::move(waiting));
  wake_.notify_one();
}

bool AuthorQueue::has(std::string_view scenario) const {
  const std::lock_guard lock{mutex_};
  return held_.contains(scenario) ||
         std::ranges::find(waiting_, scenario, &Waiting::scenario) != waiting_.end();
}

void AuthorQueue::end(const std::string& scenario, std::size_t bytes) {
  const std::lock_guard lock{mutex_};
  bytes_ -= bytes;
  if (!scenario.empty()) held_.erase(scenario);
  wake_.notify_one();
}

/// The first whose scenario has no turn under way: nothing of one scenario overtakes.
std::deque<AuthorQueue::Waiting>::iterator AuthorQueue::next() {
  return std::ranges::find_if(waiting_,
                              [this](const Waiting& one) { return !held_.contains(one.scenario); });
}

bool AuthorQueue::run_one() {
  std::unique_lock lock{mutex_};
  const auto garbage = std::exchange(garbage_, {});
  if (!continued_.empty()) {
    Continued one = std::move(continued_.front());
    continued_.pop_front();
    lock.unlock();
    one.task(std::move(one.turn));
    return true;
  }
  const auto found = next();
  if (found == waiting_.end()) {
    lock.unlock();  // before the garbage goes
    return false;
  }
  Waiting one = std::move(*found);
  waiting_.erase(found);
  if (!one.scenario.empty()) held_.insert(one.scenario);
  lock.unlock();
  one.task(
      Turn{std::make_shared<const Holder>(shared_from_this(), std::move(one.scenario), one.bytes)});
  return true;
}

bool AuthorQueue::wait() {
  std::unique_lock lock{mutex_};
  wake_.wait(lock, [this] { return stopped_ || any(); });
  return !stopped_;
}

void AuthorQueue::stop() {
  std::deque<Waiting> waiting;
  std::deque<Continued> continued;
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    waiting.swap(waiting_);
    continued.swap(continued_);
    for (const Waiting& one : waiting) bytes_ -= one.bytes;
  }
  wake_.notify_all();
  for (const Continued& one : continued) one.task(stopping());
  for (const Waiting& one : waiting) one.task(stopping());
}

void AuthorQueue::discard(std::shared_ptr<const void> garbage) {
  const std::lock_guard lock{mutex_};
  if (stopped_) return;
  garbage_.push_back(std::move(garbage));
  wake_.notify_one();
}

AuthorThread::AuthorThread(LogSink log)
    : queue_{std::make_shared<AuthorQueue>(AuthorQueue::Limits{})},
      thread_{[queue = queue_, log = std::move(log)] {
        ::pthread_setname_np(::pthread_self(), "onward-author");
        give_way_to_events();  // reading a file can wait
        // A task changes nothing but what it hands on, so one that throws is only given up.
        while (queue->wait()) (void)guarded("author.task", log, [&] { queue->run_one(); });
      }} {}

void AuthorThread::stop() {
  queue_->stop();
  if (thread_.joinable()) thread_.join();
}
}  // namespace onward
