#include "engine/runtime/clock_watch.h"

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/core/value.h"
#include "engine/runtime/runtime.h"
#include "engine/store/memory_store.h"
#include "nodes/nodes.h"
#include "tests/support/fake_http_client.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
const Instant kStart = parse_instant("2026-05-01T09:00:00Z").value();

/// A wall clock that a test moves under a running server.
class WallClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  void move(Duration by) { now_ = now_.load() + by; }

 private:
  std::atomic<Instant> now_{kStart};
};

/// By how much it was told that the clock was moved, each time.
struct Moves {
  std::mutex mutex;
  std::vector<Duration> all;

  LogSink sink() {
    return [this](const LogRecord& record) {
      if (record.event != "clock.moved") return;
      const std::lock_guard lock{mutex};
      for (const auto& [name, value] : record.fields)
        if (name == "by_ms") all.emplace_back(*value.get_if<std::int64_t>());
    };
  }
  std::vector<Duration> told() {
    const std::lock_guard lock{mutex};
    return all;
  }
};

TEST_CASE("fault 54: a wall clock that is moved is noticed once, either way", "[runtime]") {
  ClockWatch watch;
  CHECK_FALSE(watch.look(kStart, 100s));
  CHECK_FALSE(watch.look(kStart + 10s, 110s));
  CHECK(watch.look(kStart + 24h + 20s, 120s) == Duration{24h});
  CHECK_FALSE(watch.look(kStart + 24h + 30s, 130s));
  CHECK(watch.look(kStart + 40s, 140s) == Duration{-24h});
}

TEST_CASE("fault 54: a machine that slept has moved no clock, and a leap second is no jump",
          "[runtime]") {
  ClockWatch watch;
  CHECK_FALSE(watch.look(kStart, 100s));
  CHECK_FALSE(watch.look(kStart + 13h, 13h + 100s));
  CHECK_FALSE(watch.look(kStart + 13h + 9s, 13h + 110s));
}

TEST_CASE("fault 54: a clock that is put right slowly never adds up to a move", "[runtime]") {
  ClockWatch watch;
  CHECK_FALSE(watch.look(kStart, 0s));
  for (int hour = 1; hour <= 100; ++hour)
    CHECK_FALSE(watch.look(kStart + hour * 1h + hour * 2s, hour * 1h));
}

TEST_CASE("fault 54: a running server tells once of each move of its clock, and by how much",
          "[runtime]") {
  WallClock clock;
  Moves moves;
  auto runtime =
      Runtime::open(make_memory_store(), node_kinds(), std::make_unique<FakeHttpClient>(), {},
                    clock, {.log = moves.sink()});
  REQUIRE(runtime);
  (*runtime)->start();
  // The engine looks at the clock before it waits for work: between the answers to two calls, one
  // after the other, it has looked.
  const auto look = [&] {
    for (int i = 0; i < 3; ++i) {
      auto answered = std::make_shared<std::promise<void>>();
      REQUIRE((*runtime)->scenarios(
          [answered](const Result<std::vector<ScenarioInfo>>&) { answered->set_value(); }));
      answered->get_future().wait();
    }
  };
  look();
  CHECK(moves.told().empty());
  for (const Duration by : {Duration{24h}, Duration{-24h}}) {
    const std::size_t before = moves.told().size();
    clock.move(by);
    look();
    look();
    REQUIRE(moves.told().size() == before + 1);
    // The wall clock stands still here, and the machine's goes on.
    CHECK(moves.told().back() <= by);
    CHECK(moves.told().back() > by - ClockWatch::kMovedMin);
  }
  CHECK((*runtime)->stop(Duration{0}));
  CHECK(moves.told().size() == 2);
}
}  // namespace
}  // namespace onward
