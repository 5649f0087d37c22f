// A wall clock that somebody moves, and what the server makes of it.
#include "engine/host/monitored_clock.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/delivery/attempt.h"
#include "engine/host/runtime.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "nodes/nodes.h"
#include "tests/support/asked.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/stage.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
const Instant kStart = parse_instant("2026-05-01T09:00:00Z").value();

/// A wall clock and a time since boot, which a test moves under a running server.
class Machine final : public Clock {
 public:
  Instant now() const override { return wall_; }
  std::function<Duration()> since_boot() {
    return [this] { return boot_.load(); };
  }
  /// Both go on.
  void pass(Duration time) {
    boot_ = boot_.load() + time;
    wall_ = wall_.load() + time;
  }
  /// Somebody sets the wall clock.
  void set(Duration by) { wall_ = wall_.load() + by; }

 private:
  std::atomic<Instant> wall_{kStart};
  std::atomic<Duration> boot_{100s};
};

TEST_CASE("fault 54: a wall clock that is moved is followed when it has held", "[host][clock]") {
  using Kind = MonitoredClock::Change::Kind;
  for (const Duration by : {Duration{24h}, Duration{-24h}}) {
    Machine machine;
    MonitoredClock clock{machine, machine.since_boot()};
    machine.pass(10s);
    CHECK(clock.now() == kStart + 10s);
    CHECK_FALSE(clock.take_change());
    machine.set(by);
    machine.pass(10s);
    CHECK(clock.now() == kStart + 20s);
    CHECK(clock.wall() == kStart + 20s + by);
    const auto moved = clock.take_change();
    REQUIRE(moved);
    CHECK(moved->kind == Kind::Moved);
    CHECK(moved->by == by);
    CHECK_FALSE(clock.take_change());  // told once
    CHECK(clock.state().held_until == kStart + 20s + MonitoredClock::kHold);
    machine.pass(MonitoredClock::kHold - 1ms);
    CHECK(clock.now() == kStart + 20s + MonitoredClock::kHold - 1ms);
    machine.pass(1ms);
    CHECK(clock.now() == kStart + 20s + MonitoredClock::kHold + by);
    CHECK(clock.take_change()->kind == Kind::Accepted);
    CHECK_FALSE(clock.state().held_until);
    CHECK_FALSE(clock.uncertain_until());
  }
}

TEST_CASE("fault 54: a clock that comes back is as if it had never been moved", "[host][clock]") {
  Machine machine;
  MonitoredClock clock{machine, machine.since_boot()};
  for (int i = 0; i < 10; ++i) {
    machine.set(24h);
    machine.pass(4min);
    CHECK(clock.now() == kStart + i * 6min + 4min);
    machine.set(-24h);
    machine.pass(2min);
    CHECK(clock.now() == kStart + i * 6min + 6min);
    CHECK(clock.take_change()->kind == MonitoredClock::Change::Kind::Back);
  }
  // Each new time must hold by itself.
  for (int i = 0; i < 10; ++i) {
    machine.set(1h);
    machine.pass(4min);
    CHECK(clock.now() == kStart + 60min + (i + 1) * 4min);
  }
}

TEST_CASE("fault 54: an operator accepts a clock at once", "[host][clock]") {
  Machine machine;
  MonitoredClock clock{machine, machine.since_boot()};
  CHECK_FALSE(clock.accept());
  machine.set(24h);
  CHECK(clock.now() == kStart);
  CHECK(clock.accept());
  CHECK(clock.now() == kStart + 24h);
  CHECK_FALSE(clock.accept());
}

TEST_CASE("fault 54: a machine that slept has moved no clock, and a leap second is no jump",
          "[host][clock]") {
  Machine machine;
  MonitoredClock clock{machine, machine.since_boot()};
  machine.pass(13h);
  CHECK(clock.now() == kStart + 13h);
  machine.set(-1s);
  CHECK(clock.now() == kStart + 13h - 1s);
  CHECK_FALSE(clock.take_change());
}

TEST_CASE("fault 54: a clock that is put right slowly never adds up to a move", "[host][clock]") {
  Machine machine;
  MonitoredClock clock{machine, machine.since_boot()};
  for (int hour = 1; hour <= 100; ++hour) {
    machine.pass(1h);
    machine.set(2s);
    CHECK(clock.now() == machine.now());
  }
  CHECK_FALSE(clock.take_change());
}

TEST_CASE("fault 54: a start far from the newest stored time is uncertain", "[host][clock]") {
  Machine machine;
  SECTION("soon after it: not") {
    MonitoredClock clock{machine, machine.since_boot()};
    clock.begin_after(kStart - 23h);
    CHECK_FALSE(clock.uncertain_until());
    CHECK(clock.now() == kStart);
  }
  SECTION("long after it: the server was down, or the clock is wrong") {
    MonitoredClock clock{machine, machine.since_boot()};
    clock.begin_after(kStart - 25h);
    CHECK(clock.now() == kStart);
    CHECK(clock.uncertain_until() == kStart + MonitoredClock::kHold);
    machine.pass(4min);
    machine.set(-24h);  // It was wrong.
    CHECK(clock.now() == kStart + 4min);
    CHECK(clock.uncertain_until() == kStart + 4min + MonitoredClock::kHold);
    machine.pass(MonitoredClock::kHold);
    CHECK(clock.now() == kStart + 4min + MonitoredClock::kHold - 24h);
    CHECK_FALSE(clock.uncertain_until());
  }
  SECTION("before it: the clock is wrong, or was") {
    MonitoredClock clock{machine, machine.since_boot()};
    clock.begin_after(kStart + 2h);
    CHECK(clock.now() == kStart + 2h);
    CHECK(clock.uncertain_until() == kStart + 2h + MonitoredClock::kHold);
    machine.set(2h + 30s);  // It is put right.
    CHECK(clock.now() == kStart + 2h + 30s);
    CHECK(clock.uncertain_until());
    machine.pass(MonitoredClock::kHold);
    CHECK_FALSE(clock.uncertain_until());
  }
  SECTION("an operator knows") {
    MonitoredClock clock{machine, machine.since_boot()};
    clock.begin_after(kStart + 2h);
    CHECK(clock.accept());
    CHECK(clock.now() == kStart);
    CHECK_FALSE(clock.uncertain_until());
  }
}

constexpr std::string_view kScenario = R"(
scenario: slow
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: rest }
  rest: { kind: wait, for: 1d, next: end }
)";

/// A server whose receiver is down.
class House {
 public:
  House(Machine& machine, const std::filesystem::path& folder) {
    RuntimeOptions options{.keep_bodies = 24h, .keep_runs = 24h};
    options.since_boot = machine.since_boot();
    options.log = [this](const LogRecord& record) {
      const std::lock_guard lock{mutex_};
      if (record.event.starts_with("clock.")) told_.emplace_back(record.event);
    };
    runtime_ = Runtime::open(open_sqlite_store({.folder = folder}).value(), node_kinds(),
                             std::make_unique<FakeHttpClient>([](const HttpRequest&) {
                               return FakeHttpClient::Answer{.status = 503};
                             }),
                             {}, machine, options)
                   .value();
    runtime_->start();
  }
  ~House() { (void)runtime_->stop(5s); }

  void begin() {
    REQUIRE(apply(*runtime_, {.id = "slow", .text = std::string{kScenario}}));
    REQUIRE(activate(*runtime_, "slow"));
    for (const char* id : {"a", "b", "c"}) {
      const EventInput opened{.who = {.id = ExternalId{id}},
                              .event = {.type = "opened", .at = runtime_->clock().now()}};
      REQUIRE(post(*runtime_, {opened}).value().front().kind == EventAnswer::Kind::Accepted);
    }
    while (runtime_->figures().attempts_refused < 3) look();
  }
  /// The engine looks at the clock before it waits for work: between the answers to some calls,
  /// one after the other, it has looked, and has done what is due.
  void look() {
    for (int i = 0; i < 4; ++i) REQUIRE(list_scenarios(*runtime_));
  }
  std::int64_t count(Counter counter) {
    look();
    const auto stats = stats_of(*runtime_, "slow");
    REQUIRE(stats);
    std::int64_t sum = 0;
    for (const auto& node : stats->live.nodes) sum += node.counts[counter];
    return sum;
  }
  bool accept() {
    return asked<bool>([&](Reply<bool> reply) { runtime_->accept_clock(std::move(reply), "eve"); })
        .value();
  }
  std::vector<std::string> told() {
    look();
    const std::lock_guard lock{mutex_};
    return told_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> told_;
  std::unique_ptr<Runtime> runtime_;
};

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "onward-clock-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST_CASE("fault 54: a clock that is three days ahead for a moment ends no wait and no request",
          "[host][clock]") {
  const TempFolder folder;
  Machine machine;
  House house{machine, folder.path()};
  house.begin();
  for (const Duration by : {Duration{72h}, Duration{24h * 365}}) {
    machine.set(by);
    machine.pass(4s);
    CHECK(house.count(Counter::Waiting) == 3);
    CHECK(house.count(Counter::Pending) == 3);
    machine.set(-by);
    machine.pass(4s);
    CHECK(house.count(Counter::Waiting) == 3);
    CHECK(house.count(Counter::Failed) == 0);
  }
  CHECK(house.told() ==
        std::vector<std::string>{"clock.moved", "clock.back", "clock.moved", "clock.back"});
  machine.set(72h);
  CHECK(house.count(Counter::Waiting) == 3);
  CHECK(house.accept());
  while (house.count(Counter::Waiting) > 0) house.look();
  while (house.count(Counter::Failed) < 3) house.look();
  CHECK_FALSE(house.accept());
}

TEST_CASE("fault 54: a start with a clock that is three days ahead fails nothing at once",
          "[host][clock]") {
  const TempFolder folder;
  Machine machine;
  House{machine, folder.path()}.begin();
  machine.set(72h);
  {
    House house{machine, folder.path()};
    CHECK(house.count(Counter::Waiting) == 3);
    CHECK(house.count(Counter::Pending) == 3);
    CHECK(house.count(Counter::Failed) == 0);
    machine.set(-72h);
    machine.pass(4s);
    CHECK(house.count(Counter::Waiting) == 3);
    CHECK(house.count(Counter::Failed) == 0);
  }
  machine.pass(100h);  // Now it is true.
  House house{machine, folder.path()};
  CHECK(house.count(Counter::Waiting) == 3);
  machine.pass(MonitoredClock::kHold);
  while (house.count(Counter::Waiting) > 0) house.look();
  while (house.count(Counter::Failed) < 3) {
    machine.pass(1min);
    house.look();
  }
}

/// A clock that is in doubt as long as a test says so.
class DoubtedClock final : public Clock {
 public:
  Instant now() const override { return at; }
  std::optional<Instant> uncertain_until() const override {
    return doubted ? std::optional{at + 5min} : std::nullopt;
  }
  Instant at = kStart;
  bool doubted = false;
};

TEST_CASE("fault 54: while the clock is in doubt no attempt is taken for the last one",
          "[host][clock]") {
  DoubtedClock clock;
  FakeSink sink;
  const auto engine = Cell::open(make_memory_store(), node_kinds(), sink, clock, {}).value();
  REQUIRE(engine->scenarios().apply("slow", std::string{kScenario}));
  REQUIRE(engine->scenarios().activate("slow", std::nullopt));
  EventsTask job{.done = [](const std::vector<EventAnswer>&) {}};
  job.inputs.emplace_back(
      EventInput{.who = {.id = ExternalId{"a"}}, .event = {.type = "opened", .at = clock.at}});
  std::vector<Task> jobs;
  jobs.emplace_back(std::move(job));
  REQUIRE(drive(*engine, std::move(jobs), {}));
  const auto refuse = [&] {
    const DeliveryTask task = std::move(sink.tasks.at(0));
    sink.tasks.clear();
    REQUIRE(drive(
        *engine, {},
        {result_of(task, Error{ErrorKind::Io, "connect_refused", "nobody listens"}, clock.at)}));
  };
  refuse();
  clock.at += 100h;
  clock.doubted = true;
  REQUIRE(drive(*engine));
  REQUIRE(sink.tasks.size() == 1);
  CHECK_FALSE(sink.tasks.front().last);
  refuse();
  CHECK(engine->views().stats("slow", 0)->live.nodes.at(1).counts[Counter::Pending] == 1);
  clock.doubted = false;
  clock.at += 100h;
  REQUIRE(drive(*engine));
  REQUIRE(sink.tasks.size() == 1);
  CHECK(sink.tasks.front().last);
}
}  // namespace
}  // namespace onward
