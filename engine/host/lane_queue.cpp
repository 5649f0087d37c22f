#include "engine/host/lane_queue.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace onward {
namespace {
/// No busy machine lets the engine thread sleep that much too long.
constexpr std::chrono::seconds kOversleepMax{2};
/// Nobody waits for the outcome of an attempt to be recorded, so it waits a moment for inputs to
/// share a commit with; many do not wait.
constexpr std::chrono::milliseconds kOutcomesWait{2};

tl::unexpected<Error> not_now(const Error& read_only) {
  return fail(read_only.kind, read_only.code,
              read_only.message + "; events are taken again as soon as that is over");
}

tl::unexpected<Error> busy() {
  return fail(ErrorKind::Busy, "busy", "the intake queue is full; try again in a moment");
}
}  // namespace

void LaneQueue::open() {
  const std::lock_guard lock{mutex_};
  started_ = true;
}

void LaneQueue::close() {
  const std::lock_guard lock{mutex_};
  closing_ = true;
}

void LaneQueue::stop(Steady::time_point bulk_until) {
  {
    const std::lock_guard lock{mutex_};
    closing_ = stopping_ = true;
    bulk_until_ = bulk_until;
  }
  wake_.notify_one();
}

tl::unexpected<Error> LaneQueue::not_running() const {
  return fail(ErrorKind::Unavailable, closing_ ? "stopping" : "not_running",
              closing_ ? "the server is stopping" : "the engine is not running");
}

Status LaneQueue::check_open() const {
  const std::lock_guard lock{mutex_};
  return takes_tasks() ? Status{} : not_running();
}

Status LaneQueue::check_alive() const {
  const std::lock_guard lock{mutex_};
  if (started_ && !ended_) return {};
  return fail(ErrorKind::Unavailable, "not_running", "the engine is not running");
}

Status LaneQueue::ready() const {
  const std::lock_guard lock{mutex_};
  if (!takes_tasks())
    return fail(ErrorKind::Unavailable, "not_ready",
                "The engine is starting, stopping or has failed.");
  if (read_only_) return not_now(*read_only_);
  return {};
}

Result<LoadShare> LaneQueue::admit(TaskWeight weight) {
  const bool events = weight.events > 0;
  if (!takes_tasks()) return not_running();
  if (events && read_only_) return not_now(*read_only_);
  const LoadLimits limits =
      events ? LoadLimits{.count = options_.intake_max, .bytes = options_.intake_bytes_max}
             : LoadLimits{.count = options_.calls_max, .bytes = options_.calls_bytes_max};
  auto admission = LoadShare::take(events ? intake_ : calls_, limits,
                                   std::max<std::size_t>(weight.events, 1), weight.bytes);
  if (!admission) return busy();
  return *std::move(admission);
}

Status LaneQueue::push(Task task, TaskWeight weight) {
  const std::lock_guard lock{mutex_};
  auto admission = admit(weight);
  if (!admission) return tl::make_unexpected(std::move(admission.error()));
  std::visit([&](auto& one) { one.admission = *std::move(admission); }, task);
  enqueue(std::move(task));
  return {};
}

Result<std::shared_ptr<LoadShare>> LaneQueue::admit_call(std::size_t bytes) {
  const std::lock_guard lock{mutex_};
  auto admission = admit({.events = 0, .bytes = kCallBytes + bytes});
  if (!admission) return tl::make_unexpected(std::move(admission.error()));
  return std::make_shared<LoadShare>(*std::move(admission));
}

Status LaneQueue::call_anyway(CallTask task) {
  const std::lock_guard lock{mutex_};
  if (!takes_tasks()) return not_running();
  enqueue(std::move(task));
  return {};
}

void LaneQueue::enqueue(Task task) {
  tasks_.push_back(std::move(task));
  wake_up();
}

void LaneQueue::wake_up() {
  if (std::exchange(asleep_, false)) wake_.notify_one();
}

void LaneQueue::report(std::vector<AttemptResult> finished) {
  const std::lock_guard lock{mutex_};
  const bool first = outcomes_.empty();
  outcomes_.add(std::move(finished), Steady::now());
  if (first || outcomes_.urgent()) wake_up();
}

void LaneQueue::cannot_sync(const Error& error) {
  {
    const std::lock_guard lock{mutex_};
    unsynced_ = error;
  }
  wake_.notify_one();
}

std::optional<Error> LaneQueue::sync_error() const {
  const std::lock_guard lock{mutex_};
  return unsynced_;
}

void LaneQueue::show_read_only(std::optional<Error> error) {
  const std::lock_guard lock{mutex_};
  read_only_ = std::move(error);
}

LaneQueue::Work LaneQueue::wait(const Outlook& outlook) {
  std::unique_lock lock{mutex_};
  const auto pressing = [&] {
    return stopping_ || unsynced_ || !tasks_.empty() || outcomes_.urgent();
  };
  const bool sleeps = !outlook.due && !pressing();
  if (sleeps && outcomes_.empty()) {
    asleep_ = true;
    wake_.wait_until(lock, outlook.wake, [&] { return pressing() || !outcomes_.empty(); });
  }
  if (!outlook.due && !pressing() && !outcomes_.empty()) {
    asleep_ = true;
    wake_.wait_until(lock, std::min(outlook.wake, outcomes_.since() + kOutcomesWait), pressing);
  }
  asleep_ = false;
  Work work{.overslept = sleeps && Steady::now() - outlook.wake > kOversleepMax};
  work.ends = unsynced_.has_value();
  if (work.ends) return work;
  work.tasks.swap(tasks_);
  work.outcomes = outcomes_.take(outlook.inputs_of_turn);
  work.ends = stopping_ && work.empty() && !outlook.results_left &&
              !(outlook.bulk_left && Steady::now() < bulk_until_);
  return work;
}

std::vector<Task> LaneQueue::end() {
  const std::lock_guard lock{mutex_};
  ended_ = true;
  return std::exchange(tasks_, {});
}
}  // namespace onward
