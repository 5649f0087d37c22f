#include "engine/delivery/scheduler.h"

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <queue>
#include <set>

#include "tests/delivery/tasks.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
using Kind = Verdict::Kind;

/// Receivers in virtual time: every started task ends after what `reply` says.
class Receivers {
 public:
  struct Reply {
    Verdict verdict;
    Duration took;
  };
  explicit Receivers(ConcurrencyLimits limits = {}) : scheduler{limits} {}

  /// Runs until `until`, or until nothing more can happen.
  void run(Duration until) {
    const Instant end = kBegin + until;
    for (;;) {
      for (DeliveryTask& task : scheduler.start(now)) {
        started.push_back({task, now});
        const Reply answer = reply(task);
        pending.push({now + answer.took, answer, count++, std::move(task)});
      }
      most_in_flight = std::max(most_in_flight, scheduler.in_flight());
      std::optional<Instant> next = scheduler.next_change();
      if (!pending.empty() && (!next || pending.top().at < *next)) next = pending.top().at;
      if (!next || *next > end) break;
      REQUIRE(*next >= now);
      now = *next;
      while (!pending.empty() && pending.top().at <= now) {
        const Pending done = pending.top();
        pending.pop();
        ended.push_back({done.task, now});
        scheduler.finished(done.task, done.reply.verdict, done.reply.took, now);
      }
    }
    now = std::max(now, end);
  }

  std::size_t ended_of(const std::string& origin) const {
    return static_cast<std::size_t>(std::count_if(ended.begin(), ended.end(), [&](const Seen& s) {
      return s.task.policy->origin == origin;
    }));
  }
  Scheduler::OriginState state(const std::string& origin) const {
    for (auto& state : scheduler.origins()) {
      if (state.origin == origin) return state;
    }
    return {};
  }

  struct Seen {
    DeliveryTask task;
    Instant at;
    Duration since_begin() const { return at - kBegin; }
  };
  static constexpr Instant kBegin{1'800'000'000'000ms};
  Instant now = kBegin;
  Scheduler scheduler;
  std::function<Reply(const DeliveryTask&)> reply = [](auto&) { return Reply{{}, 10ms}; };
  std::vector<Seen> started, ended;
  std::size_t most_in_flight = 0;

 private:
  struct Pending {
    Instant at;
    Reply reply;
    std::uint64_t order;
    DeliveryTask task;
    bool operator<(const Pending& other) const {
      return std::pair{at, order} > std::pair{other.at, other.order};
    }
  };
  std::priority_queue<Pending> pending;
  std::uint64_t count = 0;
};

using Reply = Receivers::Reply;
}  // namespace

TEST_CASE("the tasks of an endpoint start in the order in which they came",
          "[delivery][scheduler]") {
  Receivers world;
  for (std::uint64_t n = 1; n <= 30; ++n) world.scheduler.add(task(n, {.node = 1}));
  world.run(1s);
  REQUIRE(world.started.size() == 30);
  for (std::uint64_t n = 1; n <= 30; ++n) CHECK(world.started[n - 1].task.delivery.value == n);
}

TEST_CASE("endpoints of one origin take turns", "[delivery][scheduler]") {
  Receivers world;
  for (std::uint64_t n = 1; n <= 1000; ++n) world.scheduler.add(task(n, {.node = 1}));
  for (std::uint64_t n = 2001; n <= 2004; ++n) world.scheduler.add(task(n, {.node = 2}));
  const auto first = world.scheduler.start(world.now);
  REQUIRE(first.size() == 8);
  CHECK(std::count_if(first.begin(), first.end(),
                      [](const auto& t) { return t.endpoint.node.value == 2; }) == 4);
}

TEST_CASE("an attempt holds its slots until its outcome is recorded", "[delivery][scheduler]") {
  Scheduler scheduler{{.first = 4, .most = 5, .total = 7, .until_recorded = true}};
  Instant now = Receivers::kBegin;
  for (std::uint64_t n = 1; n <= 20; ++n) scheduler.add(task(n, {.origin = "http://a:80"}));
  for (std::uint64_t n = 21; n <= 30; ++n) scheduler.add(task(n, {.origin = "http://b:80"}));
  std::map<std::string, std::vector<DeliveryKey>> unrecorded;
  // Answers all at once, until nothing more may start.
  const auto exhaust = [&] {
    for (;;) {
      const std::vector<DeliveryTask> tasks = scheduler.start(now);
      if (tasks.empty()) return;
      for (const DeliveryTask& one : tasks) {
        scheduler.finished(one, {}, 1ms, now += 1ms);
        unrecorded[one.policy->origin].push_back(one.delivery);
      }
    }
  };
  exhaust();
  CHECK(scheduler.in_flight() == 0);
  CHECK(scheduler.unrecorded() == 7);
  CHECK(unrecorded["http://a:80"].size() <= 5);
  CHECK(unrecorded["http://b:80"].size() <= 5);
  CHECK(unrecorded["http://a:80"].size() + unrecorded["http://b:80"].size() == 7);
  // Those that nobody knows free nothing, and those that are known once each.
  scheduler.recorded({{999}, {30}});
  exhaust();
  CHECK(scheduler.unrecorded() == 7);
  for (int round = 0; round < 30 && scheduler.waiting() > 0; ++round) {
    for (auto& [origin, keys] : unrecorded) {
      CHECK(keys.size() <= 5);
      scheduler.recorded(std::exchange(keys, {}));
    }
    CHECK(scheduler.unrecorded() == 0);
    exhaust();
  }
  CHECK(scheduler.waiting() == 0);
}

TEST_CASE("one origin keeps its unrecorded outcomes within its limit", "[delivery][scheduler]") {
  Scheduler scheduler{{.first = 8, .most = 8, .total = 100, .until_recorded = true}};
  Instant now = Receivers::kBegin;
  for (std::uint64_t n = 1; n <= 20; ++n) scheduler.add(task(n));
  std::vector<DeliveryTask> flying = scheduler.start(now);
  REQUIRE(flying.size() == 8);
  for (int i = 0; i < 3; ++i) scheduler.finished(flying[i], {}, 1ms, now += 1ms);
  CHECK(scheduler.start(now).empty());  // 5 in flight and 3 unrecorded
  scheduler.recorded({flying[0].delivery, flying[2].delivery});
  CHECK(scheduler.start(now).size() == 2);
  CHECK(scheduler.unrecorded() == 1);
}

TEST_CASE("origins take turns when the slots of all are short", "[delivery][scheduler]") {
  Receivers world{{.first = 8, .most = 512, .total = 20}};
  for (std::uint64_t n = 1; n <= 500; ++n) world.scheduler.add(task(n, {.origin = "http://a:80"}));
  for (std::uint64_t n = 1001; n <= 1005; ++n) {
    world.scheduler.add(task(n, {.origin = "http://b:80", .node = 2}));
  }
  std::map<std::string, int> started;
  for (const auto& one : world.scheduler.start(world.now)) ++started[one.policy->origin];
  CHECK(started["http://a:80"] == 5);
  CHECK(started["http://b:80"] == 5);
}

TEST_CASE("of many that may start, a few are taken from every origin", "[delivery][scheduler]") {
  Receivers world;
  for (std::uint64_t n = 1; n <= 8; ++n) world.scheduler.add(task(n, {.origin = "http://a:80"}));
  for (std::uint64_t n = 11; n <= 13; ++n)
    world.scheduler.add(task(n, {.origin = "http://b:80", .node = 2}));
  std::vector<std::map<std::string, int>> slices;
  for (int slice = 0; slice < 4; ++slice)
    for (const auto& one : world.scheduler.start(world.now, 4)) {
      slices.resize(static_cast<std::size_t>(slice) + 1);
      ++slices.back()[one.policy->origin];
    }
  CHECK(slices == std::vector<std::map<std::string, int>>{{{"http://a:80", 2}, {"http://b:80", 2}},
                                                          {{"http://a:80", 3}, {"http://b:80", 1}},
                                                          {{"http://a:80", 3}}});
  CHECK(world.scheduler.in_flight() == 11);
}

TEST_CASE("a slow receiver that takes all it gets has hundreds in flight within two seconds",
          "[delivery][scheduler]") {
  Receivers world;
  world.reply = [](auto&) { return Reply{{}, 200ms}; };
  for (std::uint64_t n = 1; n <= 20'000; ++n) world.scheduler.add(task(n));
  world.run(2s);
  CHECK(world.state("http://a:80").limit == 512);
  CHECK(world.scheduler.in_flight() == 512);
}

TEST_CASE("requests to a slow receiver spread over its round trip, and lose nothing by that",
          "[delivery][scheduler]") {
  Receivers world;
  world.reply = [](auto&) { return Reply{{}, 200ms}; };
  for (std::uint64_t n = 1; n <= 40'000; ++n) world.scheduler.add(task(n));
  world.run(6s);
  const std::size_t before = world.ended.size();
  const std::size_t first = world.started.size();
  world.run(12s);
  CHECK(world.ended.size() - before >= 6 * 2'500);
  std::map<Instant, std::size_t> at_once;
  for (std::size_t i = first; i < world.started.size(); ++i) ++at_once[world.started[i].at];
  const auto most = std::ranges::max_element(at_once, {}, [](auto& one) { return one.second; });
  CHECK(most->second <= 32);  // of 512
}

TEST_CASE("a receiver that was slow and is fast again is asked as fast", "[delivery][scheduler]") {
  const Duration slow = GENERATE(2s, 15s);
  Receivers world;
  world.reply = [&](auto&) {
    return Reply{{}, world.now - Receivers::kBegin < 300s ? slow : Duration{5ms}};
  };
  for (std::uint64_t n = 1; n <= 100'000; ++n) world.scheduler.add(task(n));
  world.run(300s);
  CHECK(world.ended.size() < 90'000);
  world.run(325s);
  CHECK(world.ended.size() == 100'000);
}

TEST_CASE("a last attempt passes the spreading of requests", "[delivery][scheduler]") {
  Receivers world{{.first = 40}};
  world.reply = [](auto&) { return Reply{{}, 4s}; };
  for (std::uint64_t n = 1; n <= 2'000; ++n) world.scheduler.add(task(n));
  world.run(121s);
  CHECK(world.scheduler.start(world.now).empty());
  CHECK(world.state("http://a:80").in_flight < world.state("http://a:80").limit);
  DeliveryTask last = task(5'000);
  last.last = true;
  world.scheduler.add(std::move(last));
  CHECK(world.scheduler.start(world.now).size() == 1);
}

TEST_CASE("the limit stops growing where answers do not come faster", "[delivery][scheduler]") {
  Receivers world;
  // Ten answers at a time, 10 ms each: whatever is sent beyond that only waits.
  world.reply = [&](auto&) {
    const auto waiting = static_cast<std::int64_t>(world.scheduler.in_flight());
    return Reply{{}, 10ms * std::max<std::int64_t>(1, (waiting + 9) / 10)};
  };
  for (std::uint64_t n = 1; n <= 50'000; ++n) world.scheduler.add(task(n));
  world.run(20s);
  CHECK(world.state("http://a:80").limit >= 10);
  CHECK(world.most_in_flight <= 64);
}

TEST_CASE("a receiver that becomes slower for good gets more at a time", "[delivery][scheduler]") {
  Receivers world;
  // Eight at a time at first; later slow, but as many at a time as anybody likes.
  world.reply = [&](auto&) {
    const auto waiting = static_cast<std::int64_t>(world.scheduler.in_flight());
    if (world.now - Receivers::kBegin > 5s) return Reply{{}, 500ms};
    return Reply{{}, 10ms * std::max<std::int64_t>(1, (waiting + 7) / 8)};
  };
  for (std::uint64_t n = 1; n <= 100'000; ++n) world.scheduler.add(task(n));
  world.run(5s);
  CHECK(world.state("http://a:80").limit <= 32);
  world.run(40s);
  CHECK(world.state("http://a:80").limit == 512);
}

TEST_CASE("overload halves the limit once per round trip, not once per answer",
          "[delivery][scheduler]") {
  Receivers world{{.first = 64}};
  for (std::uint64_t n = 1; n <= 1000; ++n) world.scheduler.add(task(n, {.node = n % 40}));
  world.reply = [](auto&) { return Reply{{.kind = Kind::Overloaded}, 100ms}; };
  world.run(100ms);
  CHECK(world.ended.size() == 64);
  CHECK(world.state("http://a:80").limit == 32);
  world.run(200ms);
  CHECK(world.state("http://a:80").limit == 16);
}

TEST_CASE("a dead origin neither slows a healthy one nor holds more than its share",
          "[delivery][scheduler]") {
  const auto run = [](bool with_dead) {
    Receivers world;
    world.reply = [](const DeliveryTask& t) {
      return t.policy->origin == "http://dead:80" ? Reply{{.kind = Kind::Unreachable}, 5s}
                                                  : Reply{{}, 20ms};
    };
    for (std::uint64_t n = 1; with_dead && n <= 10'000; ++n) {
      world.scheduler.add(task(n, {.origin = "http://dead:80", .node = 9}));
    }
    for (std::uint64_t n = 20'001; n <= 24'000; ++n) world.scheduler.add(task(n));
    world.run(60s);
    CHECK(world.ended_of("http://a:80") == 4000);
    CHECK(world.ended_of("http://dead:80") < (with_dead ? 40 : 1));
    Instant finished{};
    for (const auto& end : world.ended) {
      if (end.task.policy->origin == "http://a:80") finished = end.at;
    }
    return finished;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("origins that never answered leave room for those that do", "[delivery][scheduler]") {
  Receivers world;
  world.reply = [](const DeliveryTask& t) {
    return t.policy->origin == "http://a:80" ? Reply{{}, 20ms}
                                             : Reply{{.kind = Kind::Unreachable}, 15s};
  };
  world.scheduler.add(task(1));
  world.run(1s);  // It has answered once.
  for (std::uint64_t n = 1; n <= 10'000; ++n) {
    const std::string origin = "http://dead" + std::to_string(n % 1000) + ":80";
    world.scheduler.add(task(n + 10, {.origin = origin, .node = 2 + n % 1000}));
  }
  for (std::uint64_t n = 50'001; n <= 52'000; ++n) world.scheduler.add(task(n));
  world.run(6s);
  CHECK(world.ended_of("http://a:80") == 2001);
  CHECK(world.scheduler.in_flight() == 1024);
  world.run(3min);  // By now all dead ones are known to be unhealthy.
  CHECK(world.scheduler.in_flight() <= 512);
}

TEST_CASE("an origin that cannot be reached is asked by one request at a time, less and less often",
          "[delivery][scheduler]") {
  Receivers world;
  bool alive = false;
  world.reply = [&](auto&) {
    return alive ? Reply{{}, 10ms} : Reply{{.kind = Kind::Unreachable}, 10ms};
  };
  for (std::uint64_t n = 1; n <= 2000; ++n) world.scheduler.add(task(n));
  world.run(10min);
  // 8 at first, then after 1, 2, 4, 8, 16, 32 s, then each minute.
  CHECK(world.started.size() >= 8 + 6 + 8);
  CHECK(world.started.size() <= 8 + 6 + 10);
  CHECK_FALSE(world.state("http://a:80").healthy);
  CHECK(world.state("http://a:80").paused_until.has_value());

  alive = true;
  world.run(12min);
  CHECK(world.ended.size() == 2000);
  CHECK(world.state("http://a:80").healthy);
  CHECK_FALSE(world.state("http://a:80").paused_until);
}

TEST_CASE("Retry-After pauses its endpoint and no other of the origin", "[delivery][scheduler]") {
  Receivers world;
  world.reply = [&](const DeliveryTask& t) {
    const bool refuse = t.delivery.value == 1;
    return refuse ? Reply{{Kind::Overloaded, 120s}, 10ms} : Reply{{}, 10ms};
  };
  world.scheduler.add(task(1, {.node = 1}));
  world.run(1s);
  for (std::uint64_t n = 2; n <= 20; ++n) world.scheduler.add(task(n, {.node = 1}));
  for (std::uint64_t n = 102; n <= 120; ++n) world.scheduler.add(task(n, {.node = 2}));
  CHECK(world.scheduler.start(world.now).size() == 4);  // Of the other one; the limit was halved.
}

TEST_CASE("after Retry-After the endpoint is asked no sooner, and first by one request",
          "[delivery][scheduler]") {
  Receivers world;
  world.reply = [&](const DeliveryTask& t) {
    return t.delivery.value == 1 ? Reply{{Kind::Overloaded, 120s}, 10ms} : Reply{{}, 10ms};
  };
  for (std::uint64_t n = 1; n <= 40; ++n) world.scheduler.add(task(n));
  world.run(100s);
  CHECK(world.started.size() < 12);
  const std::size_t before = world.started.size();
  world.run(10min);
  REQUIRE(world.started.size() == 40);
  CHECK(world.started[before].since_begin() >= 120s);
  CHECK(world.started[before].since_begin() < 121s);
  CHECK(world.started[before + 1].at >= world.started[before].at + 10ms);
}

TEST_CASE("a Retry-After past the window pauses for the window only", "[delivery][scheduler]") {
  Receivers world;
  world.reply = [](const DeliveryTask& t) {
    return t.delivery.value == 1 ? Reply{{Kind::Overloaded, 24h * 365 * 1000}, 10ms}
                                 : Reply{{}, 10ms};
  };
  world.scheduler.add(task(1));
  world.run(1s);
  world.scheduler.add(task(2));
  REQUIRE(world.scheduler.next_change());
  CHECK(*world.scheduler.next_change() - world.now <= 12h);
}

TEST_CASE("errors in a row pause their endpoint; other endpoints of the origin go on",
          "[delivery][scheduler]") {
  // What is of single requests, perhaps, and what the receiver says of itself.
  const auto [kind, at_least] =
      GENERATE(table<Kind, int>({{Kind::Error, 10}, {Kind::Overloaded, 3}}));
  Receivers world;
  world.reply = [trouble = kind](const DeliveryTask& t) {
    return Reply{{.kind = t.endpoint.node.value == 1 ? trouble : Kind::Good}, 10ms};
  };
  for (std::uint64_t n = 1; n <= 500; ++n) world.scheduler.add(task(n, {.node = 1}));
  for (std::uint64_t n = 1001; n <= 1500; ++n) world.scheduler.add(task(n, {.node = 2}));
  world.run(20s);
  const auto of_node = [&](std::uint32_t node) {
    return std::count_if(world.ended.begin(), world.ended.end(),
                         [&](const auto& seen) { return seen.task.endpoint.node.value == node; });
  };
  CHECK(of_node(2) == 500);
  CHECK(of_node(1) < 200);
  CHECK(of_node(1) >= at_least);
}

TEST_CASE("an endpoint that flaps is neither shut for ever nor starved", "[delivery][scheduler]") {
  Receivers world;
  constexpr int kRun = 15;  // More than are needed for a pause.
  int asked = 0;
  world.reply = [&](auto&) {
    return Reply{{.kind = asked++ / kRun % 2 == 0 ? Kind::Error : Kind::Good}, 10ms};
  };
  for (std::uint64_t n = 1; n <= 3000; ++n) world.scheduler.add(task(n));
  world.run(10min);
  REQUIRE(world.ended.size() == 3000);
  int pauses = 0;
  for (std::size_t n = 1; n < world.started.size(); ++n)
    pauses += world.started[n].at - world.started[n - 1].at >= 1s;
  CHECK(pauses > 0);
}

TEST_CASE("last attempts pass every pause, within the limits", "[delivery][scheduler]") {
  Receivers world;
  world.reply = [](const DeliveryTask& t) {
    return Reply{{.kind = t.endpoint.node.value == 9 ? Kind::Overloaded : Kind::Unreachable,
                  .retry_after = 1h},
                 10ms};
  };
  for (std::uint64_t n = 1; n <= 20; ++n) world.scheduler.add(task(n));
  for (std::uint64_t n = 21; n <= 30; ++n) {
    world.scheduler.add(task(n, {.origin = "http://b:80", .node = 9}));
  }
  world.run(500ms);
  CHECK(world.state("http://a:80").paused_until.has_value());

  for (std::uint64_t n = 101; n <= 150; ++n) world.scheduler.add(task(n, {.last = true}));
  for (std::uint64_t n = 151; n <= 200; ++n) {
    world.scheduler.add(task(n, {.origin = "http://b:80", .node = 9, .last = true}));
  }
  const std::size_t limit = world.state("http://a:80").limit + world.state("http://b:80").limit;
  const auto at_once = world.scheduler.start(world.now);
  CHECK(at_once.size() == limit);
  for (const auto& one : at_once) {
    CHECK(one.last);
    world.scheduler.finished(one, {.kind = Kind::Unreachable}, 1ms, world.now);
  }
  world.run(2s);
  const auto ended_last = std::count_if(world.ended.begin(), world.ended.end(),
                                        [](const auto& seen) { return seen.task.last; });
  CHECK(static_cast<std::size_t>(ended_last) == 100 - limit);
}

TEST_CASE("local trouble says nothing of anybody", "[delivery][scheduler]") {
  Receivers world;
  world.reply = [](auto&) { return Reply{{.kind = Kind::Local}, 0ms}; };
  for (std::uint64_t n = 1; n <= 100; ++n) world.scheduler.add(task(n));
  world.run(1s);
  CHECK(world.ended.size() == 100);
  CHECK(world.state("http://a:80").limit == 8);
  CHECK(world.state("http://a:80").healthy);
}

TEST_CASE("waiting tasks of an endpoint can be taken back", "[delivery][scheduler]") {
  Receivers world;
  for (std::uint64_t n = 1; n <= 10; ++n) world.scheduler.add(task(n, {.node = 1}));
  for (std::uint64_t n = 11; n <= 12; ++n) world.scheduler.add(task(n, {.node = 1, .last = true}));
  for (std::uint64_t n = 21; n <= 24; ++n) world.scheduler.add(task(n, {.node = 1, .version = 2}));
  const auto taken = world.scheduler.take_back(task(0, {.node = 1}).endpoint);
  CHECK(taken.size() == 12);
  CHECK(world.scheduler.waiting() == 4);
  CHECK(world.scheduler.take_back(task(0, {.node = 77}).endpoint).empty());
  world.run(1s);
  CHECK(world.ended.size() == 4);
}

TEST_CASE("a hundred thousand tasks over five thousand origins all come to their end",
          "[delivery][scheduler]") {
  Receivers world;
  world.reply = [](const DeliveryTask& t) {
    return Reply{{}, Duration{5 + static_cast<int>(t.delivery.value % 50)}};
  };
  for (std::uint64_t n = 0; n < 100'000; ++n) {
    world.scheduler.add(
        task(n, {.origin = "http://o" + std::to_string(n % 5000) + ":80", .node = 1 + n % 5000}));
  }
  world.run(1min);
  CHECK(world.ended.size() == 100'000);
  CHECK(world.most_in_flight <= 2048);
}

TEST_CASE("a waiting task whose window ends passes the pause that it waits for",
          "[delivery][scheduler]") {
  Scheduler scheduler{{}};
  Instant now{1h};
  scheduler.add(task(1));
  for (const DeliveryTask& started : scheduler.start(now))
    scheduler.finished(started, {Verdict::Kind::Overloaded, 10h}, 5ms, now);
  scheduler.add(task(2));
  scheduler.add(task(3));
  REQUIRE(scheduler.start(now).empty());
  scheduler.expedite({DeliveryKey{2}});
  const auto started = scheduler.start(now);
  REQUIRE(started.size() == 1);
  CHECK(started[0].delivery == DeliveryKey{2});
  CHECK(started[0].last);
  CHECK(scheduler.waiting() == 1);
}

TEST_CASE("cancelled tasks are dropped while they wait", "[delivery][scheduler]") {
  Scheduler scheduler{{}};
  for (std::uint64_t i = 1; i <= 4; ++i) scheduler.add(task(i));
  scheduler.drop({DeliveryKey{2}, DeliveryKey{3}, DeliveryKey{99}});
  CHECK(scheduler.waiting() == 2);
  CHECK(scheduler.start(Instant{1h}).size() == 2);
}

TEST_CASE("dropping and expediting find their tasks among all endpoints and versions",
          "[delivery][scheduler]") {
  Scheduler scheduler{{}};
  std::uint64_t number = 0;
  for (std::uint64_t node = 1; node <= 20; ++node)
    for (Version version = 1; version <= 2; ++version)
      for (int i = 0; i < 50; ++i)
        scheduler.add(task(++number, {.origin = "http://o" + std::to_string(node) + ":80",
                                      .node = node,
                                      .last = i % 5 == 0,
                                      .version = version}));
  std::vector<DeliveryKey> dropped, expedited;
  for (std::uint64_t key = 1; key <= number; key += 3) dropped.push_back({key});
  for (std::uint64_t key = 2; key <= number; key += 3) expedited.push_back({key});
  scheduler.expedite(expedited);
  scheduler.drop(dropped);
  CHECK(scheduler.waiting() == number - dropped.size());
  std::set<std::uint64_t> seen;
  for (Instant now{1h}; scheduler.waiting() > 0; now += 1s)
    for (const DeliveryTask& started : scheduler.start(now)) {
      const std::uint64_t key = started.delivery.value;
      CHECK(seen.insert(key).second);
      CHECK(key % 3 != 1);
      if (key % 3 == 2) CHECK(started.last);
      scheduler.finished(started, {}, 1ms, now);
    }
  CHECK(seen.size() == number - dropped.size());
}
}  // namespace onward
