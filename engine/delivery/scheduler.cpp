#include "engine/delivery/scheduler.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <iterator>
#include <list>
#include <set>
#include <unordered_map>
#include <utility>

#include "engine/delivery/pace.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// An origin that cannot be reached, an endpoint that says it has too much, and one whose errors
/// may be of single requests: in falling order of what they prove.
constexpr BreakerRule kUnreachable{.failures = 5, .first = 1s, .longest = 60s};
constexpr BreakerRule kOverloaded{.failures = 3, .first = 1s, .longest = 60s};
constexpr BreakerRule kErrors{.failures = 10, .first = 1s, .longest = 30s};
/// Failures in a row that make an origin unhealthy, before its breaker opens.
constexpr std::uint32_t kDoubtful = 3;

/// How far an origin is trusted. Each class has a share of the slots, so that those which hang
/// leave room for those which answer.
enum Trust : std::uint8_t { kProven, kUnknown, kUnhealthy };
constexpr Trust kTrusts[] = {kProven, kUnknown, kUnhealthy};
/// Of the slots, for all origins together that have never answered.
constexpr double kUnknownShare = 0.5;

struct KeyHash {
  std::size_t operator()(const EndpointKey& key) const noexcept {
    std::uint64_t mixed = key.scenario.value * 0x9e3779b97f4a7c15ULL;
    mixed = (mixed ^ key.node.value) * 0xff51afd7ed558ccdULL;
    mixed = (mixed ^ key.version) * 0xc4ceb9fe1a85ec53ULL;
    return mixed ^ (mixed >> 32);
  }
};

struct Origin;

/// The queue of one node towards one origin, whatever the version, and what its receiver said.
struct Endpoint {
  Origin* origin = nullptr;
  std::list<DeliveryTask> ordinary;
  std::list<DeliveryTask> last;  ///< Last attempts: they pass every pause.
  std::size_t in_flight = 0;
  Breaker breaker;
  bool in_ring = false, in_last_ring = false;

  std::list<DeliveryTask>& queue_of(const DeliveryTask& task) {
    return task.last ? last : ordinary;
  }

  /// Whether an ordinary task may go: after a pause one at a time asks whether it is over.
  bool open() const {
    return !ordinary.empty() && !breaker.paused_until && (!breaker.half_open || in_flight == 0);
  }
};

struct Origin {
  std::string name;
  Pace pace;
  std::optional<Instant> paced_until;  ///< The pace lets none start before.
  Breaker breaker;
  Trust trust = kUnknown;
  std::size_t in_flight = 0, waiting = 0;
  std::size_t unrecorded = 0, slots = 0;  ///< Attempts whose outcome is not recorded; at most.
  std::deque<Endpoint*> ring;             ///< In turn. Some may have closed since they were put in.
  std::deque<Endpoint*> last_ring;        ///< Those with last attempts.
  bool last_turn = true;
  bool in_ring = false;
  std::list<Origin*>::iterator place;  ///< In the ring of its class, or among those at rest.
  std::unordered_map<std::uint64_t, std::unique_ptr<Endpoint>> endpoints;

  /// To ordinary tasks.
  bool closed() const {
    return breaker.paused_until || (breaker.half_open && in_flight > 0) || paced_until;
  }

  /// Whether a task may start, the slots of all aside. Drops what closed from the rings' fronts.
  bool ready() {
    while (!ring.empty() && !ring.front()->open()) {
      ring.front()->in_ring = false;
      ring.pop_front();
    }
    while (!last_ring.empty() && last_ring.front()->last.empty()) {
      last_ring.front()->in_last_ring = false;
      last_ring.pop_front();
    }
    return in_flight < pace.limit() && in_flight + unrecorded < slots &&
           (!last_ring.empty() || (!closed() && !ring.empty()));
  }
};

/// A pause that ends; exactly one of the two is set. An origin's is of its breaker or its pace.
struct Wakeup {
  Instant at;
  Origin* origin = nullptr;
  Endpoint* endpoint = nullptr;
  bool of_pace = false;
  auto operator<=>(const Wakeup&) const = default;
};
}  // namespace

struct Scheduler::Impl {
  /// Where a waiting task is.
  struct Place {
    Endpoint* endpoint;
    std::list<DeliveryTask>::iterator task;
  };
  using Places = std::unordered_multimap<DeliveryKey, Place>;

  explicit Impl(const ConcurrencyLimits& given);

  /// Takes one waiting task out of its queue; O(1), however many wait.
  DeliveryTask extract(Places::iterator place);
  /// The entry of a waiting task.
  Places::iterator place_of(const Endpoint& endpoint, std::list<DeliveryTask>::iterator task);

  Endpoint& endpoint_of(const DeliveryTask& task);
  void offer(Endpoint& endpoint);
  void offer(Origin& origin);
  Origin* next_origin(Trust trust);
  DeliveryTask take(Origin& origin, Instant now);
  void end_pauses(Instant now);
  void pause(Breaker& breaker, Wakeup wakeup, Instant now);
  void judge(Endpoint& endpoint, const DeliveryTask& task, const Verdict& verdict, Instant started,
             Instant now);
  void judge(Origin& origin, const Verdict& verdict, Duration took, Instant now);
  void reached(Origin& origin, Instant now);
  void unreached(Origin& origin, Instant started, Instant now);
  void set_trust(Origin& origin, Trust trust);

  ConcurrencyLimits limits;
  std::size_t slots[std::size(kTrusts)];
  std::size_t in_flight_of[std::size(kTrusts)] = {};
  std::size_t waiting = 0, in_flight = 0;
  std::unordered_multimap<DeliveryKey, Origin*> unrecorded;  ///< Ended, and not recorded.
  std::list<Origin*> rings[std::size(kTrusts)];  ///< In turn. Some may have closed meanwhile.
  std::list<Origin*> resting;                    ///< Those that may not start anything.
  std::unordered_map<std::string, std::unique_ptr<Origin>> origins;
  std::unordered_map<EndpointKey, Endpoint*, KeyHash> by_key;
  Places places;  ///< Of all that wait, so that a withdrawal looks at no other task.
  std::set<Wakeup> wakeups;
};

Scheduler::Impl::Places::iterator Scheduler::Impl::place_of(
    const Endpoint& endpoint, std::list<DeliveryTask>::iterator task) {
  auto [place, end] = places.equal_range(task->delivery);
  while (place->second.endpoint != &endpoint || place->second.task != task) {
    ++place;
    assert(place != end && "each waiting task has its entry");
  }
  return place;
}

DeliveryTask Scheduler::Impl::extract(Places::iterator place) {
  const auto [endpoint, from] = place->second;
  DeliveryTask task = std::move(*from);
  endpoint->queue_of(task).erase(from);
  places.erase(place);
  --endpoint->origin->waiting;
  --waiting;
  return task;
}

Scheduler::Impl::Impl(const ConcurrencyLimits& given) : limits{given} {
  limits.first = std::max<std::size_t>(1, limits.first);
  limits.most = std::max(limits.first, limits.most);
  limits.total = std::max<std::size_t>(1, limits.total);
  const auto share = [&](double part) {
    const auto share_of = static_cast<std::size_t>(static_cast<double>(limits.total) * part);
    return std::clamp<std::size_t>(share_of, 1, limits.total);
  };
  slots[kProven] = limits.total;
  slots[kUnknown] = share(kUnknownShare);
  slots[kUnhealthy] = share(limits.unhealthy_share);
}

/// The queue of a task, made where there is none yet. Queues stay: there are as many as authors
/// wrote nodes.
Endpoint& Scheduler::Impl::endpoint_of(const DeliveryTask& task) {
  assert(task.policy);
  const auto known = by_key.find(task.endpoint);
  if (known != by_key.end() && known->second->origin->name == task.policy->origin) {
    return *known->second;
  }
  std::unique_ptr<Origin>& origin = origins[task.policy->origin];
  if (!origin) {
    origin = std::make_unique<Origin>();
    origin->name = task.policy->origin;
    origin->pace = Pace{limits.first, limits.most};
    origin->slots = limits.most;
    origin->place = resting.insert(resting.end(), origin.get());
  }
  const std::uint64_t name =
      (std::uint64_t{task.endpoint.scenario.value} << 32) | task.endpoint.node.value;
  std::unique_ptr<Endpoint>& endpoint = origin->endpoints[name];
  if (!endpoint) {
    endpoint = std::make_unique<Endpoint>();
    endpoint->origin = origin.get();
  }
  by_key[task.endpoint] = endpoint.get();
  return *endpoint;
}

void Scheduler::Impl::offer(Endpoint& endpoint) {
  Origin& origin = *endpoint.origin;
  if (endpoint.open() && !endpoint.in_ring) {
    endpoint.in_ring = true;
    origin.ring.push_back(&endpoint);
  }
  if (!endpoint.last.empty() && !endpoint.in_last_ring) {
    endpoint.in_last_ring = true;
    origin.last_ring.push_back(&endpoint);
  }
  offer(origin);
}

void Scheduler::Impl::offer(Origin& origin) {
  if (origin.in_ring || !origin.ready()) return;
  origin.in_ring = true;
  std::list<Origin*>& ring = rings[origin.trust];
  ring.splice(ring.end(), resting, origin.place);
}

/// Takes the next ready origin of a class out of its ring.
Origin* Scheduler::Impl::next_origin(Trust trust) {
  std::list<Origin*>& ring = rings[trust];
  while (!ring.empty()) {
    Origin* origin = ring.front();
    resting.splice(resting.end(), ring, ring.begin());
    origin->in_ring = false;
    if (origin->ready()) return origin;
  }
  return nullptr;
}

/// The next task of a ready origin; last attempts and ordinary ones take turns.
DeliveryTask Scheduler::Impl::take(Origin& origin, Instant now) {
  const bool ordinary = !origin.closed() && !origin.ring.empty();
  const bool last = !origin.last_ring.empty() && (origin.last_turn || !ordinary);
  origin.last_turn = !last;
  assert(last || ordinary);

  std::deque<Endpoint*>& ring = last ? origin.last_ring : origin.ring;
  Endpoint& endpoint = *ring.front();
  ring.pop_front();
  (last ? endpoint.in_last_ring : endpoint.in_ring) = false;
  std::list<DeliveryTask>& queue = last ? endpoint.last : endpoint.ordinary;
  DeliveryTask task = extract(place_of(endpoint, queue.begin()));

  if (origin.in_flight == 0) origin.pace.begin(now);
  ++endpoint.in_flight;
  ++origin.in_flight;
  ++in_flight_of[origin.trust];
  ++in_flight;
  if (origin.waiting > 0 && origin.in_flight >= origin.pace.limit()) origin.pace.held_back();
  if (!last) {
    origin.paced_until = origin.pace.started(now);
    if (origin.paced_until) wakeups.insert({*origin.paced_until, &origin, nullptr, true});
  }
  offer(endpoint);
  return task;
}

void Scheduler::Impl::end_pauses(Instant now) {
  while (!wakeups.empty() && wakeups.begin()->at <= now) {
    const Wakeup wakeup = *wakeups.begin();
    wakeups.erase(wakeups.begin());
    if (wakeup.endpoint) {
      wakeup.endpoint->breaker.paused_until.reset();
      offer(*wakeup.endpoint);
    } else {
      (wakeup.of_pace ? wakeup.origin->paced_until : wakeup.origin->breaker.paused_until).reset();
      offer(*wakeup.origin);
    }
  }
}

/// Begins a pause, or moves the end of the present one. `wakeup.at` is its end.
void Scheduler::Impl::pause(Breaker& breaker, Wakeup wakeup, Instant now) {
  if (breaker.paused_until) {
    if (*breaker.paused_until >= wakeup.at) return;
    wakeups.erase({*breaker.paused_until, wakeup.origin, wakeup.endpoint});
  }
  breaker.paused_until = wakeup.at;
  breaker.paused_at = now;
  breaker.half_open = true;
  wakeups.insert(wakeup);
}

void Scheduler::Impl::judge(Endpoint& endpoint, const DeliveryTask& task, const Verdict& verdict,
                            Instant started, Instant now) {
  Breaker& breaker = endpoint.breaker;
  const auto pause_until = [&](Instant end) { pause(breaker, {end, nullptr, &endpoint}, now); };
  if (verdict.kind == Verdict::Kind::Overloaded && verdict.retry_after > 0ms) {
    // The receiver's own word. Beyond the window there are only last attempts, which pass anyway.
    pause_until(now + std::min(*verdict.retry_after, task.policy->retry.window));
    return;
  }
  if (started < breaker.paused_at) return;  // It knows nothing that the pause did not.
  switch (verdict.kind) {
    case Verdict::Kind::Good:
      if (!breaker.paused_until) breaker.succeeded();
      return;
    case Verdict::Kind::Overloaded:
      if (const auto end = breaker.failed(kOverloaded, now)) pause_until(*end);
      return;
    case Verdict::Kind::Error:
      if (const auto end = breaker.failed(kErrors, now)) pause_until(*end);
      return;
    case Verdict::Kind::Unreachable:
    case Verdict::Kind::Local:
      return;
  }
}

void Scheduler::Impl::judge(Origin& origin, const Verdict& verdict, Duration took, Instant now) {
  switch (verdict.kind) {
    case Verdict::Kind::Good:
    case Verdict::Kind::Error:
      reached(origin, now);
      origin.pace.answered(took, now);
      return;
    case Verdict::Kind::Overloaded:
      reached(origin, now);
      origin.pace.halve(now - took, now);
      return;
    case Verdict::Kind::Unreachable:
      unreached(origin, now - took, now);
      return;
    case Verdict::Kind::Local:
      return;
  }
}

/// Any answer closes the origin's breaker at once.
void Scheduler::Impl::reached(Origin& origin, Instant now) {
  Breaker& breaker = origin.breaker;
  if (breaker.half_open) {
    origin.pace.restart(now);
    if (origin.paced_until) wakeups.erase({*origin.paced_until, &origin, nullptr, true});
    origin.paced_until.reset();
  }
  if (breaker.paused_until) wakeups.erase({*breaker.paused_until, &origin, nullptr});
  breaker.paused_until.reset();
  breaker.succeeded();
  set_trust(origin, kProven);
}

void Scheduler::Impl::unreached(Origin& origin, Instant started, Instant now) {
  origin.pace.halve(started, now);
  if (started < origin.breaker.paused_at) return;  // Under way since before the pause.
  if (const auto end = origin.breaker.failed(kUnreachable, now)) {
    pause(origin.breaker, {*end, &origin, nullptr}, now);
  }
  if (origin.breaker.failures >= kDoubtful) set_trust(origin, kUnhealthy);
}

void Scheduler::Impl::set_trust(Origin& origin, Trust trust) {
  in_flight_of[origin.trust] -= origin.in_flight;
  in_flight_of[trust] += origin.in_flight;
  if (origin.in_ring && trust != origin.trust) {
    rings[trust].splice(rings[trust].end(), rings[origin.trust], origin.place);
  }
  origin.trust = trust;
}

Scheduler::Scheduler(const ConcurrencyLimits& limits) : impl_{std::make_unique<Impl>(limits)} {}
Scheduler::~Scheduler() = default;
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;

void Scheduler::add(DeliveryTask task) {
  Endpoint& endpoint = impl_->endpoint_of(task);
  ++endpoint.origin->waiting;
  ++impl_->waiting;
  std::list<DeliveryTask>& queue = endpoint.queue_of(task);
  queue.push_back(std::move(task));
  const auto place = std::prev(queue.end());
  impl_->places.emplace(place->delivery, Impl::Place{&endpoint, place});
  impl_->offer(endpoint);
}

std::vector<DeliveryTask> Scheduler::take_back(const EndpointKey& key) {
  const auto known = impl_->by_key.find(key);
  if (known == impl_->by_key.end()) return {};
  Endpoint& endpoint = *known->second;
  std::vector<DeliveryTask> taken;
  for (std::list<DeliveryTask>* queue : {&endpoint.ordinary, &endpoint.last})
    for (auto task = queue->begin(); task != queue->end();) {
      const auto here = task++;
      if (here->endpoint == key) taken.push_back(impl_->extract(impl_->place_of(endpoint, here)));
    }
  return taken;
}

void Scheduler::drop(const std::vector<DeliveryKey>& deliveries) {
  for (const DeliveryKey key : deliveries)
    for (auto place = impl_->places.find(key); place != impl_->places.end();
         place = impl_->places.find(key))
      impl_->extract(place);
}

void Scheduler::expedite(const std::vector<DeliveryKey>& deliveries) {
  std::vector<DeliveryTask> tasks;
  for (const DeliveryKey key : deliveries) {
    for (auto [place, end] = impl_->places.equal_range(key); place != end;) {
      const auto here = place++;
      if (!here->second.task->last) tasks.push_back(impl_->extract(here));
    }
  }
  for (DeliveryTask& task : tasks) {
    task.last = true;
    add(std::move(task));
  }
}

std::vector<DeliveryTask> Scheduler::start(Instant now, std::size_t most) {
  Impl& impl = *impl_;
  impl.end_pauses(now);
  std::vector<DeliveryTask> started;
  for (bool any = true; any;) {
    any = false;
    for (const Trust trust : kTrusts) {
      if (impl.in_flight + impl.unrecorded.size() >= impl.limits.total || started.size() == most)
        return started;
      if (impl.in_flight_of[trust] >= impl.slots[trust]) continue;
      Origin* origin = impl.next_origin(trust);
      if (!origin) continue;
      started.push_back(impl.take(*origin, now));
      any = true;
    }
  }
  return started;
}

void Scheduler::finished(const DeliveryTask& task, const Verdict& verdict, Duration took,
                         Instant now) {
  Impl& impl = *impl_;
  Endpoint& endpoint = impl.endpoint_of(task);
  Origin& origin = *endpoint.origin;
  assert(endpoint.in_flight > 0 && origin.in_flight > 0);
  --endpoint.in_flight;
  --origin.in_flight;
  --impl.in_flight_of[origin.trust];
  --impl.in_flight;
  if (impl.limits.until_recorded) {
    impl.unrecorded.emplace(task.delivery, &origin);
    ++origin.unrecorded;
  }
  impl.judge(endpoint, task, verdict, now - took, now);
  impl.judge(origin, verdict, took, now);
  impl.offer(endpoint);
}

void Scheduler::recorded(const std::vector<DeliveryKey>& deliveries) {
  for (const DeliveryKey key : deliveries) {
    const auto found = impl_->unrecorded.find(key);
    if (found == impl_->unrecorded.end()) continue;
    Origin& origin = *found->second;
    impl_->unrecorded.erase(found);
    --origin.unrecorded;
    impl_->offer(origin);
  }
}

std::optional<Instant> Scheduler::next_change() const {
  if (impl_->waiting == 0 || impl_->wakeups.empty()) return std::nullopt;
  return impl_->wakeups.begin()->at;
}

std::size_t Scheduler::waiting() const { return impl_->waiting; }
std::size_t Scheduler::in_flight() const { return impl_->in_flight; }
std::size_t Scheduler::unrecorded() const { return impl_->unrecorded.size(); }

std::vector<Scheduler::OriginState> Scheduler::origins() const {
  std::vector<OriginState> states;
  states.reserve(impl_->origins.size());
  for (const auto& [name, origin] : impl_->origins) {
    states.push_back({.origin = name,
                      .limit = origin->pace.limit(),
                      .in_flight = origin->in_flight,
                      .waiting = origin->waiting,
                      .healthy = origin->trust != kUnhealthy,
                      .paused_until = origin->breaker.paused_until});
  }
  return states;
}
}  // namespace onward
