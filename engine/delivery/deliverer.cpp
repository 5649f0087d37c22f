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
}  // namespace

struct Deliverer::Impl {
  Impl(std::unique_ptr<HttpClient> http, DelivererOptions given)
      : client{std::move(http)}, options{std::move(given)}, scheduler{options.limits} {
    assert(client && options.report && options.clock);
  }

  void run();
  void round(Duration longest);
  void name(std::vector<DeliveryKey>& list, const std::vector<DeliveryKey>& deliveries);
  void take_inbox();
  void add(DeliveryTask task);
  bool start_tasks();
  void start_probes(Instant now);
  void answer(std::function<void(AttemptResult)> done, AttemptResult result);
  void finish(HttpReply reply);
  void end(const DeliveryTask& task, AttemptResult result);
  void hold(Instant now);
  void rouse();
  Instant pace();
  bool starts_none() const { return paused || last_started; }
  Duration until_next();
  void wait(Duration longest, std::vector<HttpReply>& replies);
  void drain();
  void report();

  struct Flight {
    DeliveryTask task;
    Instant started;
    std::vector<std::string> hidden;          ///< See HttpRequest.
    std::function<void(AttemptResult)> done;  ///< Of a probe.
  };
  struct Probe {
    DeliveryTask task;
    std::function<void(AttemptResult)> done;
  };

  const std::unique_ptr<HttpClient> client;
  const DelivererOptions options;

  // Handed over between threads.
  std::mutex inbox_mutex;
  std::vector<DeliveryTask> inbox;
  std::vector<DeliveryKey> withdrawn, expedited, recorded;
  std::vector<Probe> probes;
  std::atomic<std::size_t> probing = 0;  ///< Waiting or in flight.
  std::atomic<bool> arrived = false;     ///< The inbox may hold something.
  /// `recorded` may hold something; and whether a sleeper waits for it.
  std::atomic<bool> recorded_arrived = false, waits_for_slots = false;
  std::atomic<bool> asleep = false;
  std::atomic<bool> paused = false, last_started = false;
  std::atomic<bool> stopping = false;
  std::atomic<Duration::rep> patience = 0;
  std::thread thread;

  /// Held by the deliver thread but while it waits, so that `figures` may look.
  mutable std::mutex state_mutex;
  Scheduler scheduler;
  std::unordered_map<std::uint64_t, Flight> flights;
  std::unordered_map<DeliveryKey, std::uint32_t> flying;  ///< Numbers of `flights`, by delivery.
  /// Later attempts that were handed in while an earlier one is in flight.
  std::unordered_map<DeliveryKey, DeliveryTask> next_attempts;
  std::uint64_t started = 0, reused = 0, blocked = 0;

  // The deliver thread's own.
  std::uint64_t next_token = 1;
  std::vector<Probe> probes_due;
  std::vector<std::function<void()>> answers;  ///< Of probes; called without the lock.
  std::vector<AttemptResult> results;
  std::vector<HttpReply> replies;
  Instant paced_at{}, seen{};  ///< See `pace`; the clock when it was last asked.
  std::optional<Instant> held_until;
  Duration held_for{};
};

/// Time for pauses: as the clock goes, but never back. Were the clock set back by a day, a pause of
/// a second would last one.
Instant Deliverer::Impl::pace() {
  const Instant now = options.clock();
  paced_at = seen == Instant{} ? now : paced_at + std::max(now - seen, Duration::zero());
  seen = now;
  return paced_at;
}

/// One round more than it would have made, whether it sleeps or is about to.
void Deliverer::Impl::rouse() {
  arrived = true;
  if (asleep.exchange(false)) client->wake();
}

/// Adds to a list of the inbox, and wakes a sleeper.
void Deliverer::Impl::name(std::vector<DeliveryKey>& list,
                           const std::vector<DeliveryKey>& deliveries) {
  {
    const std::lock_guard lock{inbox_mutex};
    list.insert(list.end(), deliveries.begin(), deliveries.end());
  }
  rouse();
}

void Deliverer::Impl::take_inbox() {
  const bool any = arrived.exchange(false);
  if (!recorded_arrived.exchange(false) && !any) return;
  std::vector<DeliveryTask> tasks;
  std::vector<DeliveryKey> gone, late, settled;
  {
    const std::lock_guard lock{inbox_mutex};
    tasks.swap(inbox);
    gone.swap(withdrawn);
    late.swap(expedited);
    settled.swap(recorded);
    std::move(probes.begin(), probes.end(), std::back_inserter(probes_due));
    probes.clear();
  }
  scheduler.recorded(settled);
  // First: what was withdrawn and then handed in again stays in.
  if (!gone.empty()) scheduler.drop(gone);
  for (const DeliveryKey key : gone) next_attempts.erase(key);
  for (DeliveryTask& task : tasks) add(std::move(task));
  if (!late.empty()) scheduler.expedite(late);
}

/// An attempt that was withdrawn and handed in again while it is in flight is not made twice: its
/// outcome decides what comes next.
void Deliverer::Impl::add(DeliveryTask task) {
  const auto flight = flying.find(task.delivery);
  if (flight == flying.end())
    scheduler.add(std::move(task));
  else if (flight->second != task.number)
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
    flights.emplace(request->token, Flight{std::move(probe.task), now, std::move(request->hidden),
                                           std::move(probe.done)});
    client->start(std::move(*request));
  }
}

/// Whether more may start at once.
bool Deliverer::Impl::start_tasks() {
  const Instant now = options.clock();
  start_probes(now);
  const Instant paced_now = pace();
  if (starts_none()) return false;
  if (held_until && paced_now < *held_until) return false;
  held_until.reset();
  std::vector<DeliveryTask> tasks = scheduler.start(paced_now, kStartedMax);
  for (DeliveryTask& task : tasks) {
    const Noted noted{options.note, task.delivery};
    auto request = request_of(task, options.secrets, now);
    if (!request) {
      end(task, result_of(task, request.error(), now));
      continue;
    }
    request->token = next_token++;
    ++started;
    flying.emplace(task.delivery, task.number);
    flights.emplace(request->token, Flight{std::move(task), now, std::move(request->hidden), {}});
    client->start(std::move(*request));
  }
  return tasks.size() == kStartedMax;
}

void Deliverer::Impl::finish(HttpReply reply) {
  auto node = flights.extract(reply.token);
  if (!node) return;  // Of before a stop whose patience ran out.
  Flight& flight = node.mapped();
  const Noted noted{options.note, flight.task.delivery};
  const Instant now = options.clock();
  const bool was_reused = reply.reused, was_blocked = reply.blocked;
  mask(reply, flight.hidden);
  AttemptResult result = result_of(flight.task, std::move(reply), flight.started, now);
  if (flight.done) return answer(std::move(flight.done), std::move(result));
  flying.erase(flight.task.delivery);
  auto waiting = next_attempts.extract(flight.task.delivery);
  reused += was_reused;
  blocked += was_blocked;
  if (result.code == "local") {
    hold(pace());
  } else {
    held_for = {};
  }
  end(flight.task, std::move(result));
  if (waiting) scheduler.add(std::move(waiting.mapped()));
}

void Deliverer::Impl::end(const DeliveryTask& task, AttemptResult result) {
  scheduler.finished(task, verdict_of(result), result.took, pace());
  results.push_back(std::move(result));
}

/// Trying on at full speed would only fail as fast.
void Deliverer::Impl::hold(Instant now) {
  if (held_until) return;
  held_for = std::clamp(held_for * 2, kHoldFirst, kHoldLongest);
  held_until = now + held_for;
}

Duration Deliverer::Impl::until_next() {
  if (starts_none()) return kIdle;
  std::optional<Instant> next = scheduler.next_change();
  if (held_until && scheduler.waiting() > 0) next = held_until;
  if (!next) return kIdle;
  return std::clamp<Duration>(*next - pace(), 0ms, kIdle);
}

/// The flag goes up before the inbox is looked at again, so that whoever puts something in after
/// that look sees it and wakes us.
void Deliverer::Impl::wait(Duration longest, std::vector<HttpReply>& done) {
  if (longest > 0ms) asleep = true;
  if (arrived || stopping || (waits_for_slots && recorded_arrived)) longest = 0ms;
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
    arrived = true;  // Somebody may have put something in and not said so yet.
    take_inbox();
    held_until.reset();
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
    for (auto& [token, flight] : flights)
      if (flight.done) answer(std::move(flight.done), result_of(flight.task, stopped, now));
    for (Probe& probe : probes_due)
      answer(std::move(probe.done), result_of(probe.task, stopped, now));
    probes_due.clear();
    scheduler = Scheduler{options.limits};
    flights.clear();
    flying.clear();
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
  {
    const std::lock_guard lock{impl_->inbox_mutex};
    if (impl_->inbox.empty()) {
      impl_->inbox = std::move(tasks);
    } else {
      impl_->inbox.insert(impl_->inbox.end(), std::make_move_iterator(tasks.begin()),
                          std::make_move_iterator(tasks.end()));
    }
  }
  impl_->rouse();
}

void Deliverer::withdraw(std::vector<DeliveryKey> deliveries) {
  std::ranges::sort(deliveries);
  {
    const std::lock_guard lock{impl_->inbox_mutex};
    std::erase_if(impl_->inbox, [&](const DeliveryTask& task) {
      return std::ranges::binary_search(deliveries, task.delivery);
    });
  }
  impl_->name(impl_->withdrawn, deliveries);
}

void Deliverer::expedite(const std::vector<DeliveryKey>& deliveries) {
  impl_->name(impl_->expedited, deliveries);
}

void Deliverer::recorded(const std::vector<DeliveryKey>& deliveries) {
  if (deliveries.empty()) return;
  {
    const std::lock_guard lock{impl_->inbox_mutex};
    impl_->recorded.insert(impl_->recorded.end(), deliveries.begin(), deliveries.end());
  }
  impl_->recorded_arrived = true;
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
  {
    const std::lock_guard lock{impl_->inbox_mutex};
    // Whoever comes after the last look at the inbox sees that we stop.
    if (impl_->stopping) {
      --impl_->probing;
      return fail(ErrorKind::Unavailable, "stopping", "the server is stopping");
    }
    impl_->probes.push_back({std::move(task), std::move(done)});
  }
  impl_->rouse();
  return {};
}

DelivererFigures Deliverer::figures() const {
  std::size_t in_inbox = 0;
  {
    const std::lock_guard lock{impl_->inbox_mutex};
    in_inbox = impl_->inbox.size();
  }
  const std::lock_guard lock{impl_->state_mutex};
  return {.in_flight = impl_->scheduler.in_flight(),
          .waiting = impl_->scheduler.waiting() + in_inbox,
          .unrecorded = impl_->scheduler.unrecorded(),
          .started = impl_->started,
          .reused = impl_->reused,
          .blocked = impl_->blocked,
          .names = impl_->client->names(),
          .origins = impl_->scheduler.origins()};
}

void Deliverer::step(Duration longest) { impl_->round(longest); }
}  // namespace onward
