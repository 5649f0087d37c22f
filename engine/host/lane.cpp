#include "engine/host/lane.h"

#include <pthread.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/authoring/yaml_reader.h"

namespace onward {
namespace {
/// What was committed stays in the journal at least so long.
constexpr std::chrono::seconds kQuiet{1};
/// A pause in which a fold of its own keeps nobody waiting.
constexpr std::chrono::milliseconds kMoment{3};
/// The engine looks at the clock at least this often, in case somebody moved it.
constexpr std::chrono::seconds kSleepMax{60};
/// Large posts and imports that are not done by then at a stop are refused: they are sent again.
constexpr Duration kBulkPatience = std::chrono::seconds{5};
}  // namespace

Lane::Lane(Parts parts)
    : parts_{std::move(parts)},
      cell_{parts_.cell},
      queue_{parts_.options},
      publisher_{cell_.store(), parts_.sink,
                 [this](const Error& error) { queue_.cannot_sync(error); }} {}

void Lane::run() {
  ::pthread_setname_np(::pthread_self(), "onward-engine");
  const NoReading no_reading;
  LaneQueue::Work work;
  parts_.after_turn();
  while (wait_for_work(work)) {
    Cell::Turn turn = cell_.step(std::move(work.tasks), std::move(work.outcomes));
    // Empty or not: what was committed is to be durable soon, also where nobody waits for it.
    publisher_.pass(std::move(turn.ready));
    if (!turn.status) return fail(turn.status.error());
    parts_.after_turn();
    last_work_ = Steady::now();
    if (cell_.store().fold_pending() && unfolded_since_ == Steady::time_point{})
      unfolded_since_ = last_work_;
  }
  if (const auto fault = queue_.sync_error()) return fail(*fault);
  (void)queue_.end();  // nothing waits: it has taken no tasks since it was closed
}

/// Sleeps until there is something to do; uses quiet moments to fold. False: stop.
bool Lane::wait_for_work(LaneQueue::Work& work) {
  while (true) {
    log_clock();
    // Before the mutex of the queue is taken, since it reads the store and every post waits for the
    // mutex. Only this thread changes what it depends on, so it holds until the thread works again.
    const std::optional<Instant> next = cell_.next_wake();
    LaneQueue::Outlook outlook{.wake = Steady::now() + kSleepMax,
                               .inputs_of_turn = cell_.inputs_of_turn(),
                               .results_left = cell_.results_left(),
                               .bulk_left = cell_.bulk_left()};
    if (next) {
      const Duration left = *next - parts_.clock.now();
      outlook.due = left <= Duration::zero();
      outlook.wake = std::min(outlook.wake, Steady::now() + std::max(left, Duration{0}));
    }
    if (cell_.store().fold_pending()) outlook.wake = std::min(outlook.wake, fold_from());
    work = queue_.wait(outlook);
    // Clients may have written to the process while it was stopped.
    if (work.overslept) cell_.defer_timers();
    if (work.ends) return false;
    if (!work.empty() || (next && *next <= parts_.clock.now())) return true;
    if (!fold_in_quiet()) return false;
  }
}

void Lane::log_clock() {
  using Kind = MonitoredClock::Change::Kind;
  const auto change = parts_.clock.take_change();
  const LogSink& log = parts_.options.log;
  if (!change || !log) return;
  const Value by = count_value(change->by.count());
  if (change->kind == Kind::Moved)
    log({"clock.moved",
         {{"by_ms", by},
          {"hint",
           "the server goes by the time since the machine started until the new time has "
           "held for 5 minutes, or until `onward clock accept`"}},
         LogLevel::Warning});
  else
    log({change->kind == Kind::Back ? "clock.back" : "clock.accepted",
         {{"by_ms", by}},
         LogLevel::Warning});
}

/// When the thread may fold by itself: what was committed is a second old, and nothing has come for
/// a moment. While something comes, folds ride in its commits.
Lane::Steady::time_point Lane::fold_from() const {
  return std::max(unfolded_since_ + kQuiet, last_work_ + kMoment);
}

/// One slice, where a second of quiet has passed. False: the store failed.
bool Lane::fold_in_quiet() {
  if (!cell_.store().fold_pending() || Steady::now() < fold_from()) return true;
  auto more = cell_.store().fold_slice();
  if (more) {
    if (!*more) unfolded_since_ = {};
    return true;
  }
  if (more.error().kind == ErrorKind::Unavailable) {
    unfolded_since_ = Steady::now();  // no room: the next quiet moment may have some
    return true;
  }
  fail(more.error());
  return false;
}

/// The store is gone: to continue in memory would be lying.
void Lane::fail(const Error& error) {
  std::function<void(std::string)> report;
  {
    const std::lock_guard lock{mutex_};
    failure_ = error.message;
    report = on_failure_;
  }
  std::vector<Task> orphans = queue_.end();
  refuse(orphans, error);
  cell_.abandon(error);
  if (parts_.options.log)
    parts_.options.log({"engine.stopped", {{"message", error.message}}, LogLevel::Error});
  if (report) report(error.message);
}

// ---- life ----

void Lane::start() {
  queue_.open();
  thread_ = std::thread{[this] { run(); }};
}

void Lane::stop() {
  if (thread_.joinable()) {
    queue_.stop(Steady::now() + kBulkPatience);
    thread_.join();
    cell_.abandon({ErrorKind::Unavailable, "stopping", "the server is stopping"});
  }
  publisher_.stop();
}

std::string Lane::failure() const {
  const std::lock_guard lock{mutex_};
  return failure_;
}

void Lane::on_failure(std::function<void(std::string)> call) {
  const std::lock_guard lock{mutex_};
  on_failure_ = std::move(call);
}
}  // namespace onward
