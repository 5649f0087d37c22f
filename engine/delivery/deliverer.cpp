#include "engine/delivery/deliverer.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "engine/delivery/attempt.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

/// An idle thread sleeps as long as libcurl lets it; it is woken for work.
constexpr Duration kIdle = 1h;
/// How long nothing is started after local trouble (no descriptors, no ports), doubling.
constexpr Duration kHoldFirst = 100ms;
constexpr Duration kHoldLongest = 5s;
/// Started in one round. With many to one receiver, those to another that come meanwhile wait for
/// so many at most.
constexpr std::size_t kStartedMax = 64;
/// Probes under way at once.
constexpr std::size_t kProbesMax = 8;

struct Probe {
  DeliveryTask task;
  std::function<void(AttemptResult)> done;
};

/// What other threads hand over to the deliver thread. Any thread.
class Inbox {
 public:
  struct Content {
    std::vector<DeliveryTask> tasks;
    std::vector<DeliveryKey> withdrawn, expedited, recorded;
    std::vector<Probe> probes;
  };

  void submit(std::vector<DeliveryTask> tasks) {
    const std::lock_guard lock{mutex_};
    if (content_.tasks.empty())
      content_.tasks = std::move(tasks);
    else
      content_.tasks.insert(content_.tasks.end(), std::make_move_iterator(tasks.begin()),
                            std::make_move_iterator(tasks.end()));
  }
  void withdraw(std::vector<DeliveryKey> deliveries) {
    std::ranges::sort(deliveries);
    const std::lock_guard lock{mutex_};
    std::erase_if(content_.tasks, [&](const DeliveryTask& task) {
      return std::ranges::binary_search(deliveries, task.delivery);
    });
    append(content_.withdrawn, deliveries);
  }
  void expedite(const std::vector<DeliveryKey>& deliveries) {
    const std::lock_guard lock{mutex_};
    append(content_.expedited, deliveries);
  }
  void record(const std::vector<DeliveryKey>& deliveries) {
    {
      const std::lock_guard lock{mutex_};
      append(content_.recorded, deliveries);
    }
    recorded_ = true;
  }
  /// False where `stopping`: nobody would look at it.
  bool probe(Probe probe, const std::atomic<bool>& stopping) {
    const std::lock_guard lock{mutex_};
    if (stopping) return false;
    content_.probes.push_back(std::move(probe));
    return true;
  }

  /// The inbox may hold something that is to be taken at once.
  void say_arrived() { arrived_ = true; }
  bool has_arrived() const { return arrived_; }
  /// It may hold recorded outcomes, which may wait until something else is taken.
  bool has_recorded() const { return recorded_; }
  /// Nothing where nobody said that something is there.
  std::optional<Content> take() {
    const bool any = arrived_.exchange(false);
    if (!recorded_.exchange(false) && !any) return std::nullopt;
    const std::lock_guard lock{mutex_};
    return std::exchange(content_, {});
  }
  std::size_t tasks() const {
    const std::lock_guard lock{mutex_};
    return content_.tasks.size();
  }

 private:
  static void append(std::vector<DeliveryKey>& list, const std::vector<DeliveryKey>& more) {
    list.insert(list.end(), more.begin(), more.end());
  }

  mutable std::mutex mutex_;
  Content content_;
  std::atomic<bool> arrived_ = false, recorded_ = false;
};

/// Requests under way, by their tokens, and which deliveries are among them.
class Flights {
 public:
  struct Flight {
    DeliveryTask task;
    Instant started;
    std::vector<std::string> hidden;          ///< See HttpRequest.
    std::function<void(AttemptResult)> done;  ///< Of a probe.
  };

  void begin(std::uint64_t token, Flight flight) {
    if (!flight.done) numbers_.emplace(flight.task.delivery, flight.task.number);
    flights_.emplace(token, std::move(flight));
  }
  /// Nothing where none has this token.
  std::optional<Flight> end(std::uint64_t token) {
    auto node = flights_.extract(token);
    if (!node) return std::nullopt;
    if (!node.mapped().done) numbers_.erase(node.mapped().task.delivery);
    return std::move(node.mapped());
  }
  /// Of the attempt of `delivery` that is under way.
  std::optional<std::uint32_t> number(DeliveryKey delivery) const {
    const auto found = numbers_.find(delivery);
    return found == numbers_.end() ? std::nullopt : std::optional{found->second};
  }
  /// Ends all, and hands out the probes among them.
  std::vector<Probe> end_all() {
    std::vector<Probe> probes;
    for (auto& [token, flight] : flights_)
      if (flight.done) probes.push_back({std::move(flight.task), std::move(flight.done)});
    flights_.clear();
    numbers_.clear();
    return probes;
  }

 private:
  std::unordered_map<std::uint64_t, Flight> flights_;
  std::unordered_map<DeliveryKey, std::uint32_t> numbers_;
};

/// Time for pauses: as the clock goes, but never back. Were the clock set back by a day, a pause of
/// a second would last one.
class PauseClock {
 public:
  Instant at(Instant now) {
    at_ = seen_ == Instant{} ? now : at_ + std::max(now - seen_, Duration::zero());
    seen_ = now;
    return at_;
  }

 private:
  Instant at_{}, seen_{};
};

/// While it lasts, nothing is started: after local trouble, trying on at full speed would only fail
/// as fast.
class LocalHold {
 public:
  void begin(Instant now) {
    if (until_) return;
    last_ = std::clamp(last_ * 2, kHoldFirst, kHoldLongest);
    until_ = now + last_;
  }
  /// Ends a hold that is over. Whether one lasts.
  bool lasts(Instant now) {
    if (until_ && now < *until_) return true;
    until_.reset();
    return false;
  }
  void end() { until_.reset(); }
  /// The next one is short again.
  void forget() { last_ = {}; }
  const std::optional<Instant>& until() const { return until_; }

 private:
  std::optional<Instant> until_;
  Duration last_{};
};
}  // namespace

struct Deliverer::Impl {
  Impl(std::unique_ptr<HttpClient> http, DelivererOptions given)
      : client{std::move(http)}, options{std::move(given)}, scheduler{options.limits} {
    assert(client && options.report && options.clock);
  }

  void run();
  void round(Duration longest);
  void take_inbox();
  void add(DeliveryTask task);
  bool start_tasks();
  void start_probes(Instant now);
  void answer(std::function<void(AttemptResult)> done, AttemptResult result);
  void finish(HttpReply reply);
  void end(const DeliveryTask& task, AttemptResult result);
  void rouse();
  Instant pace() { return pause_clock.at(options.clock()); }
  bool starts_none() const { return paused || last_started; }
  Duration until_next();
  void wait(Duration longest, std::vector<HttpReply>& replies);
  void drain();
  void report();

  struct Counts {
    std::uint64_t started = 0, reused = 0, blocked = 0;
  };

  const std::unique_ptr<HttpClient> client;
  const DelivererOptions options;

  // Handed over between threads.
  Inbox inbox;
  std::atomic<std::size_t> probing = 0;       ///< Probes that wait or are in flight.
  std::atomic<bool> waits_for_slots = false;  ///< A sleeper waits for recorded outcomes.
  std::atomic<bool> asleep = false;
  std::atomic<bool> paused = false, last_started = false;
  std::atomic<bool> stopping = false;
  std::atomic<Duration::rep> patience = 0;
  std::thread thread;

  /// Held by the deliver thread but while it waits, so that `figures` may look.
  mutable std::mutex state_mutex;
  Scheduler scheduler;
  Flights flights;
  /// Later attempts that were handed in while an earlier one is in flight.
  std::unordered_map<DeliveryKey, DeliveryTask> next_attempts;
  Counts counts;

  // The deliver thread's own.
  std::uint64_t next_token = 1;
  std::vector<Probe> probes_due;
  std::vector<std::function<void()>> answers;  ///< Of probes; called without the lock.
  std::vector<AttemptResult> results;
  std::vector<HttpReply> replies;
  PauseClock pause_clock;
  LocalHold hold;
};

/// One round more than it would have made, whether it sleeps or is about to.
void Deliverer::Impl::rouse() {
  inbox.say_arrived();
  if (asleep.exchange(false)) client->wake();
}

void Deliverer::Impl::take_inbox() {
  auto taken = inbox.take();
  if (!taken) return;
  auto& [tasks, withdrawn, expedited, recorded, probes] = *taken;
  std::move(probes.begin(), probes.end(), std::back_inserter(probes_due));
  scheduler.recorded(recorded);
  // First: what was withdrawn and then handed in again stays in.
  if (!withdrawn.empty()) scheduler.drop(withdrawn);
  for (const DeliveryKey key : withdrawn) next_attempts.erase(key);
  for (DeliveryTask& task : tasks) add(std::move(task));
  if (!expedited.empty()) scheduler.expedite(expedited);
}

/// An attempt that was withdrawn and handed in again while it is in flight is not made twice: its
/// outcome decides what comes next.
void Deliverer::Impl::add(DeliveryTask task) {
  const auto number = flights.number(task.delivery);
  if (!number)
    scheduler.add(std::move(task));
  else if (*number != task.number)
    next_attempts.insert_or_assign(task.delivery, std::move(task));
}

/// Judges what came of a probe, and lets another one in.
void Deliverer::Impl::answer(std::function<void(AttemptResult)> done, AttemptResult result) {
  answers.push_back([this, done = std::move(done), result = std::move(result)]() mutable {
    --probing;
    done(std::move(result));
  });
}

void Deliverer::Impl::start_probes(Instant now) {
  for (Probe& probe : std::exchange(probes_due, {})) {
    auto request = request_of(probe.task, options.secrets, now);
    if (!request) {
      answer(std::move(probe.done), result_of(probe.task, request.error(), now));
      continue;
    }
    request->token = next_token++;
    flights.begin(request->token,
                  {std::move(probe.task), now, std::move(request->hidden), std::move(probe.done)});
    client->start(std::move(*request));
  }
}

/// Whether more may start at once.
bool Deliverer::Impl::start_tasks() {
  const Instant now = options.clock();
  start_probes(now);
  const Instant paced_now = pace();
  if (starts_none()) return false;
  if (hold.lasts(paced_now)) return false;
  std::vector<DeliveryTask> tasks = scheduler.start(paced_now, kStartedMax);
  for (DeliveryTask& task : tasks) {
    const Noted noted{options.note, task.delivery};
    auto request = request_of(task, options.secrets, now);
    if (!request) {
      end(task, result_of(task, request.error(), now));
      continue;
    }
    request->token = next_token++;
    ++counts.started;
    flights.begin(request->token, {std::move(task), now, std::move(request->hidden), {}});
    client->start(std::move(*request));
  }
  return tasks.size() == kStartedMax;
}

void Deliverer::Impl::finish(HttpReply reply) {
  auto flight = flights.end(reply.token);
  if (!flight) return;  // Of before a stop whose patience ran out.
  const Noted noted{options.note, flight->task.delivery};
  const Instant now = options.clock();
  const bool was_reused = reply.reused, was_blocked = reply.blocked;
  mask(reply, flight->hidden);
  AttemptResult result = result_of(flight->task, std::move(reply), flight->started, now);
  if (flight->done) return answer(std::move(flight->done), std::move(result));
  auto waiting = next_attempts.extract(flight->task.delivery);
  counts.reused += was_reused;
  counts.blocked += was_blocked;
  if (result.code == "local") {
    hold.begin(pace());
  } else {
    hold.forget();
  }
  end(flight->task, std::move(result));
  if (waiting) scheduler.add(std::move(waiting.mapped()));
}

void Deliverer::Impl::end(const DeliveryTask& task, AttemptResult result) {
  scheduler.finished(task, verdict_of(result), result.took, pace());
  results.push_back(std::move(result));
}

Duration Deliverer::Impl::until_next() {
  if (starts_none()) return kIdle;
  std::optional<Instant> next = scheduler.next_change();
  if (hold.until() && scheduler.waiting() > 0) next = hold.until();
  if (!next) return kIdle;
  return std::clamp<Duration>(*next - pace(), 0ms, kIdle);
}

/// The flag goes up before the inbox is looked at again, so that whoever puts something in after
/// that look sees it and wakes us.
void Deliverer::Impl::wait(Duration longest, std::vector<HttpReply>& done) {
  if (longest > 0ms) asleep = true;
  if (inbox.has_arrived() || stopping || (waits_for_slots && inbox.has_recorded())) longest = 0ms;
  client->poll(longest, done);
  asleep = false;
}

void Deliverer::Impl::round(Duration longest) {
  {
    const std::lock_guard lock{state_mutex};
    take_inbox();
    const bool more = start_tasks();
    waits_for_slots = scheduler.unrecorded() > 0 && scheduler.waiting() > 0;
    const bool waits = !more && results.empty() && answers.empty();
    longest = waits ? std::min(longest, until_next()) : 0ms;
  }
  wait(longest, replies);
  {
    const std::lock_guard lock{state_mutex};
    for (HttpReply& reply : replies) finish(std::move(reply));
    replies.clear();
  }
  report();
}

void Deliverer::Impl::report() {
  for (const auto& call : std::exchange(answers, {})) call();
  if (results.empty()) return;
  options.report(std::exchange(results, {}));
}

void Deliverer::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "onward-deliver");
  while (!stopping) round(kIdle);
  drain();
}

/// What still waits is forgotten: it is pending in the store. What is in flight may finish.
void Deliverer::Impl::drain() {
  const auto end_at = Steady::now() + Duration{patience};
  {
    const std::lock_guard lock{state_mutex};
    inbox.say_arrived();  // Somebody may have put something in and not said so yet.
    take_inbox();
    hold.end();
  }
  while (client->in_flight() > 0) {
    const auto left = std::chrono::floor<Duration>(end_at - Steady::now());
    if (left <= 0ms) break;
    client->poll(std::min<Duration>(left, 100ms), replies);
    {
      const std::lock_guard lock{state_mutex};
      for (HttpReply& reply : replies) finish(std::move(reply));
      replies.clear();
    }
    report();
  }
  report();
  {
    const std::lock_guard lock{state_mutex};
    const Instant now = options.clock();
    const Error stopped{ErrorKind::Unavailable, "stopping", "the server stopped meanwhile"};
    std::vector<Probe> unanswered = flights.end_all();
    std::ranges::move(std::exchange(probes_due, {}), std::back_inserter(unanswered));
    for (Probe& probe : unanswered)
      answer(std::move(probe.done), result_of(probe.task, stopped, now));
    scheduler = Scheduler{options.limits};
    next_attempts.clear();
  }
  report();
}

Deliverer::Deliverer(std::unique_ptr<HttpClient> client, DelivererOptions options)
    : impl_{std::make_unique<Impl>(std::move(client), std::move(options))} {}

Deliverer::~Deliverer() { stop(0ms); }

void Deliverer::start() {
  assert(!impl_->thread.joinable());
  impl_->stopping = false;
  impl_->last_started = false;
  impl_->thread = std::thread{[this] { impl_->run(); }};
}

void Deliverer::submit(std::vector<DeliveryTask> tasks) {
  if (tasks.empty()) return;
  impl_->inbox.submit(std::move(tasks));
  impl_->rouse();
}

void Deliverer::withdraw(std::vector<DeliveryKey> deliveries) {
  impl_->inbox.withdraw(std::move(deliveries));
  impl_->rouse();
}

void Deliverer::expedite(const std::vector<DeliveryKey>& deliveries) {
  impl_->inbox.expedite(deliveries);
  impl_->rouse();
}

void Deliverer::recorded(const std::vector<DeliveryKey>& deliveries) {
  if (deliveries.empty()) return;
  impl_->inbox.record(deliveries);
  // Most outcomes are recorded while nothing waits for their slots: that wakes nobody.
  if (impl_->waits_for_slots) impl_->rouse();
}

void Deliverer::pause(bool paused) {
  if (impl_->paused.exchange(paused) && !paused) impl_->rouse();
}

void Deliverer::start_no_more() { impl_->last_started = true; }

void Deliverer::stop(Duration patience) {
  impl_->patience = patience.count();
  if (!impl_->thread.joinable()) return impl_->drain();
  impl_->stopping = true;
  impl_->client->wake();
  impl_->thread.join();
}

Status Deliverer::probe(DeliveryTask task, std::function<void(AttemptResult)> done) {
  if (++impl_->probing > kProbesMax) {
    --impl_->probing;
    return fail(ErrorKind::Busy, "busy", "eight tests are under way; try again in a moment");
  }
  // Whoever comes after the last look at the inbox sees that we stop.
  if (!impl_->inbox.probe({std::move(task), std::move(done)}, impl_->stopping)) {
    --impl_->probing;
    return fail(ErrorKind::Unavailable, "stopping", "the server is stopping");
  }
  impl_->rouse();
  return {};
}

DelivererFigures Deliverer::figures() const {
  const std::size_t in_inbox = impl_->inbox.tasks();
  const std::lock_guard lock{impl_->state_mutex};
  return {.in_flight = impl_->scheduler.in_flight(),
          .waiting = impl_->scheduler.waiting() + in_inbox,
          .unrecorded = impl_->scheduler.unrecorded(),
          .started = impl_->counts.started,
          .reused = impl_->counts.reused,
          .blocked = impl_->counts.blocked,
          .names = impl_->client->names(),
          .origins = impl_->scheduler.origins()};
}

void Deliverer::step(Duration longest) { impl_->round(longest); }
}  // namespace onward
