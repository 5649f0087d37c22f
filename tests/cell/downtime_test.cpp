// A day that the engine missed, or that the clock took or gave: the engine and the scheduler of
// deliveries in virtual time, with a receiver that takes its time to answer.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/cell/cell.h"
#include "engine/delivery/attempt.h"
#include "engine/simulation/simulation.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "nodes/nodes.h"
#include "tests/support/relay.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
const Instant kStart = parse_instant("2026-05-01T09:00:00Z").value();
constexpr std::string_view kPause = R"(
scenario: pause
nodes:
  any:  { kind: trigger, event: clicked, next: hold }
  hold: { kind: wait, for: 6h, next: end }
)";

/// Paces requests as the deliverer does, and answers all alike.
class Receiver final : public DeliverySink {
 public:
  void submit(std::vector<DeliveryTask> tasks) override {
    for (DeliveryTask& task : tasks) scheduler_.add(std::move(task));
  }
  void withdraw(std::vector<DeliveryKey> deliveries) override { scheduler_.drop(deliveries); }
  void expedite(std::vector<DeliveryKey> deliveries) override { scheduler_.expedite(deliveries); }
  void pause(bool) override {}

  void start(Instant now) {
    for (DeliveryTask& task : scheduler_.start(pace(now))) {
      ++attempts[task.delivery];
      flying_.emplace(paced_ + latency, Flight{std::move(task), now});
    }
    most = std::max(most, scheduler_.in_flight());
  }
  std::vector<AttemptResult> take(Instant now) {
    std::vector<AttemptResult> results;
    pace(now);
    while (!flying_.empty() && flying_.begin()->first <= paced_) {
      const Flight flight = std::move(flying_.extract(flying_.begin()).mapped());
      AttemptResult result{.delivery = flight.task.delivery,
                           .number = flight.task.number,
                           .started = flight.started,
                           .took = latency,
                           .status = status,
                           .code = status == 0 ? "connect_refused" : ""};
      scheduler_.finished(flight.task, verdict_of(result), result.took, paced_);
      results.push_back(std::move(result));
    }
    return results;
  }
  std::optional<Instant> next() const {
    std::optional<Instant> next = scheduler_.next_change();
    if (!flying_.empty() && (!next || flying_.begin()->first < *next))
      next = flying_.begin()->first;
    if (next) *next -= paced_ - seen_;
    return next;
  }

  int status = 200;  ///< 0: refuses connections.
  Duration latency = 20ms;
  std::map<DeliveryKey, int> attempts;
  std::size_t most = 0;  ///< In flight at once.

 private:
  struct Flight {
    DeliveryTask task;
    Instant started;
  };
  /// As the deliverer reckons: by the clock, but never back.
  Instant pace(Instant now) {
    paced_ = seen_ == Instant{} ? now : paced_ + std::max(now - seen_, Duration::zero());
    seen_ = now;
    return paced_;
  }

  Instant paced_{}, seen_{};
  Scheduler scheduler_{ConcurrencyLimits{}};
  std::multimap<Instant, Flight> flying_;
};

class World {
 public:
  World() : store_{make_memory_store()} {
    restart();
    for (const std::string_view text : {kRelay, kPause}) {
      const std::string id = text == kRelay ? "relay" : "pause";
      REQUIRE(engine->scenarios().apply(id, std::string{text}));
      REQUIRE(engine->scenarios().activate(id, std::nullopt));
    }
  }
  /// As a process that begins with what is in the store.
  void restart() {
    engine.reset();
    receiver = std::make_unique<Receiver>();
    auto opened =
        Cell::open(std::make_unique<PassingStore>(store_), node_kinds(), *receiver, clock, {});
    REQUIRE(opened);
    engine = std::move(*opened);
  }
  EventInput event(int contact, std::string_view type) const {
    EventInput input{.event = {.type = std::string{type}, .at = clock.now()}};
    input.who.id = ExternalId{.text = "c" + std::to_string(contact)};
    return input;
  }
  /// One call of the engine; how many of the events were accepted in it.
  int post(int count, std::string_view type, int first = 0) {
    EventsTask job;
    for (int i = 0; i < count; ++i) job.inputs.emplace_back(event(first + i, type));
    int accepted = 0;
    job.done = [&accepted](const std::vector<EventAnswer>& answers) {
      accepted = static_cast<int>(
          std::ranges::count(answers, EventAnswer::Kind::Accepted, &EventAnswer::kind));
    };
    std::vector<Task> jobs;
    jobs.emplace_back(std::move(job));
    REQUIRE(drive(*engine, std::move(jobs), {}));
    return accepted;
  }
  /// Works until nothing is left to do before `end`.
  void run_until(Instant end) {
    while (true) {
      REQUIRE(drive(*engine, {}, receiver->take(clock.now())));
      receiver->start(clock.now());
      std::optional<Instant> next = engine->next_wake();
      if (const auto answer = receiver->next(); answer && (!next || *answer < *next)) next = answer;
      if (!next || *next > end) break;
      clock.set(std::max(clock.now(), *next));
    }
    clock.set(std::max(clock.now(), end));
  }
  void run(Duration length) { run_until(clock.now() + length); }

  CounterRow counts(const std::string& id, std::string_view node) const {
    const auto stats = engine->views().stats(id, 0);
    REQUIRE(stats);
    return std::ranges::find(stats->live.nodes, node, &NodeStats::id)->counts;
  }
  std::int64_t tell(Counter counter) const { return counts("relay", "tell")[counter]; }
  std::vector<Delivery> deliveries() {
    REQUIRE(engine->store().fold());
    const ScenarioRecord* record = engine->control().scenarios.find("relay");
    auto list = store_->open_reader().value()->deliveries(record->key,
                                                          record->nodes.front().first == "tell"
                                                              ? record->nodes.front().second
                                                              : record->nodes.back().second,
                                                          std::nullopt, 200'000, "");
    REQUIRE(list);
    return list->deliveries;
  }
  void check_numbers() const { CHECK(check_counters(engine->context().counters).empty()); }

  VirtualClock clock{kStart};
  std::unique_ptr<Receiver> receiver;
  std::unique_ptr<Cell> engine;

 private:
  std::shared_ptr<Store> store_;
};

// A tenth under sanitizers, which take twenty times as long.
#ifdef ONWARD_SANITIZED
constexpr int kMany = 10'000;
#else
constexpr int kMany = 100'000;
#endif

/// Asks for `kMany` requests of a receiver that refuses connections, and tries for ten minutes.
void fill(World& world) {
  world.receiver->status = 0;
  for (int i = 0; i < kMany; i += 1'000) REQUIRE(world.post(1'000, "opened", i) == 1'000);
  world.run(10min);
  REQUIRE(world.tell(Counter::Pending) == kMany);
}

std::map<DeliveryKey, std::uint32_t> attempts_so_far(World& world) {
  std::map<DeliveryKey, std::uint32_t> attempts;
  for (const Delivery& delivery : world.deliveries()) attempts[delivery.key] = delivery.attempts;
  REQUIRE(attempts.size() == kMany);
  return attempts;
}

/// Each of them got one attempt more and ended.
void check_one_more(World& world, const std::map<DeliveryKey, std::uint32_t>& before,
                    DeliveryState state) {
  std::size_t wrong = 0;
  for (const Delivery& delivery : world.deliveries()) {
    const auto known = before.find(delivery.key);
    if (known == before.end()) continue;
    const bool right = delivery.state == state && delivery.attempts == known->second + 1 &&
                       delivery.reason == (state == DeliveryState::Failed ? "deadline" : "");
    if (!right) ++wrong;
  }
  CHECK(wrong == 0);
}
}  // namespace

TEST_CASE(
    "fault 55: after a day of downtime each of 100,000 overdue requests gets one last attempt",
    "[cell][downtime]") {
  World world;
  fill(world);
  const auto before = attempts_so_far(world);
  const bool well = GENERATE(false, true);
  world.clock.pass(24h);
  world.restart();
  world.receiver->status = well ? 200 : 0;

  // Intake is live at once: the first call of the engine answers.
  CHECK(world.post(1, "clicked") == 1);
  world.receiver->start(world.clock.now());
  CHECK(world.receiver->most == ConcurrencyLimits{}.first);  // no storm
  world.run(6h - 1s);
  CHECK(world.tell(Counter::Pending) == 0);
  CHECK(world.tell(well ? Counter::Accepted : Counter::Failed) == kMany);
  check_one_more(world, before, well ? DeliveryState::Accepted : DeliveryState::Failed);
  CHECK(world.receiver->attempts.size() == kMany);
  CHECK(world.receiver->most <= (well ? ConcurrencyLimits{}.most : ConcurrencyLimits{}.first));
  CHECK(world.counts("pause", "hold")[Counter::Waiting] == 1);
  world.check_numbers();
}

TEST_CASE(
    "fault 54: a clock that is set forward by a day releases what is overdue at the usual pace",
    "[cell][downtime]") {
  World world;
  fill(world);
  REQUIRE(world.post(1'000, "clicked") == 1'000);
  const auto before = attempts_so_far(world);
  world.receiver->most = 0;
  world.receiver->attempts.clear();
  world.clock.pass(24h);
  world.receiver->status = 200;
  CHECK(world.post(1, "opened", kMany) == 1);
  world.run(1h);
  CHECK(world.tell(Counter::Accepted) == kMany + 1);
  check_one_more(world, before, DeliveryState::Accepted);
  CHECK(world.receiver->most <= ConcurrencyLimits{}.most);
  CHECK(world.counts("pause", "hold")[Counter::Waiting] == 0);
  world.check_numbers();
}

TEST_CASE("fault 54: a clock that is set back by a day makes timers late, and nothing else",
          "[cell][downtime]") {
  World world;
  REQUIRE(world.post(1'000, "clicked") == 1'000);
  world.receiver->status = 503;
  REQUIRE(world.post(1'000, "opened") == 1'000);
  world.run(10min);
  REQUIRE(world.tell(Counter::Pending) == 1'000);

  world.clock.set(world.clock.now() - 24h);
  world.receiver->status = 200;
  world.run(1min);
  CHECK(world.post(1'000, "opened", 5'000) == 1'000);
  world.run(12h);
  CHECK(world.tell(Counter::Accepted) >= 1'000);  // new ones go at once
  CHECK(world.counts("pause", "hold")[Counter::Waiting] == 1'000);
  world.run_until(kStart + 6h - 1ms);
  CHECK(world.counts("pause", "hold")[Counter::Waiting] == 1'000);  // none early
  world.run_until(kStart + 24h);
  CHECK(world.counts("pause", "hold")[Counter::Waiting] == 0);  // none lost
  CHECK(world.tell(Counter::Accepted) == 2'000);
  CHECK(world.tell(Counter::Pending) == 0);
  world.check_numbers();
}
