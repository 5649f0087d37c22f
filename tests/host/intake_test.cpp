// What of clients' requests is in memory, and what they wait for.
#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/cell/weight.h"
#include "engine/core/base/hash.h"
#include "engine/host/runtime.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "nodes/nodes.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/faulty_store.h"

namespace onward {
namespace {
constexpr std::chrono::seconds kPatience{20};

/// Holds the engine in its first look-up until it is released.
class HeldStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    if (!asked.try_wait()) {
      asked.count_down();
      goes_on.wait();
    }
    return PassingStore::seen(keys, now);
  }
  std::latch asked{1}, goes_on{1};
};

/// A call of the runtime from another thread, while the engine asks for its next timer.
class WatchedStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  std::optional<Instant> next_timer() override {
    if (Runtime* const runtime = watched; runtime && held == 0) {
      auto called = std::make_shared<std::promise<void>>();
      auto done = called->get_future();
      std::thread{[runtime, called] {
        (void)runtime->ready();
        called->set_value();
      }}.detach();
      ++asked;
      if (done.wait_for(kPatience) != std::future_status::ready) ++held;
    }
    return PassingStore::next_timer();
  }
  std::atomic<Runtime*> watched = nullptr;
  std::atomic<int> asked = 0, held = 0;
};

struct Running {
  explicit Running(std::unique_ptr<Store> store, RuntimeOptions options = {}) {
    auto opened = Runtime::open(std::move(store), node_kinds(), std::make_unique<FakeHttpClient>(),
                                {}, system_clock(), std::move(options));
    REQUIRE(opened);
    runtime = std::move(*opened);
  }
  ~Running() { (void)runtime->stop(kPatience); }
  std::unique_ptr<Runtime> runtime;
};

EventInput event(const std::string& id, std::size_t bytes = 0) {
  EventInput input{.source = "test",
                   .id = id,
                   .who = {.id = ExternalId{.text = "c" + id}},
                   .event = {.type = "opened", .at = system_clock().now()},
                   .fingerprint = hash128(id)};
  if (bytes > 0) input.event.data = ValueMap{{"text", std::string(bytes, 'x')}};
  return input;
}

/// Whether the post was admitted: what refuses it is replied at once.
Status posted(const Running& server, std::vector<EventInput> events,
              Done<std::vector<EventAnswer>> answered) {
  const auto refused = std::make_shared<Status>();
  server.runtime->intake().events(
      [refused, answered = std::move(answered)](Result<std::vector<EventAnswer>> given) {
        if (given)
          answered(std::move(*given));
        else
          *refused = tl::make_unexpected(std::move(given.error()));
      },
      std::move(events));
  return *refused;
}

TEST_CASE("the mutex of posts is free while the engine asks for its next timer", "[host][intake]") {
  auto watched = std::make_unique<WatchedStore>(make_memory_store());
  WatchedStore& store = *watched;
  const Running server{std::move(watched)};
  store.watched = server.runtime.get();
  server.runtime->start();
  std::promise<void> answered;
  server.runtime->intake().events(
      [&](const Result<std::vector<EventAnswer>>& given) {
        REQUIRE(given);
        answered.set_value();
      },
      {event("1")});
  REQUIRE(answered.get_future().wait_for(kPatience) == std::future_status::ready);
  store.watched = nullptr;
  CHECK(store.asked > 0);
  CHECK(store.held == 0);
}

TEST_CASE("while the engine is held up, posts beyond the bound of bytes are refused as busy",
          "[host][intake]") {
  constexpr std::size_t kPosts = 200;
  constexpr std::size_t kBytes = 80'000;  // For 8 MiB: the figures are scaled down.
  auto held = std::make_unique<HeldStore>(make_memory_store());
  HeldStore& store = *held;
  const RuntimeOptions options{.intake_bytes_max = 8 * kBytes};
  std::atomic<std::size_t> answers = 0;
  const Running server{std::move(held), options};
  server.runtime->start();
  const auto post = [&](const std::string& id, std::size_t bytes) {
    return posted(server, {event(id, bytes)}, [&](const std::vector<EventAnswer>& given) {
      REQUIRE(given.size() == 1);
      CHECK(given[0].kind == EventAnswer::Kind::Accepted);
      ++answers;
    });
  };
  // The engine works on one, which counts until it is answered.
  REQUIRE(post("first", kBytes));
  store.asked.wait();
  std::size_t taken = 1;
  for (std::size_t i = 0; i < kPosts; ++i) {
    const Status admitted = post(std::to_string(i), kBytes);
    if (admitted)
      ++taken;
    else
      CHECK(admitted.error().code == "busy");
    CHECK(server.runtime->figures().queued_bytes <= options.intake_bytes_max);
  }
  CHECK(taken == options.intake_bytes_max / kBytes - 1);  // An event is more than its text.
  CHECK(server.runtime->figures().queued == taken);
  CHECK(post("small", 0));  // For which there is room.
  ++taken;
  store.goes_on.count_down();
  REQUIRE(server.runtime->stop(kPatience));
  CHECK(answers == taken);
  CHECK(server.runtime->figures().queued == 0);
  CHECK(server.runtime->figures().queued_bytes == 0);
}

TEST_CASE("the bound of events holds for those that wait and those that are worked on together",
          "[host][intake]") {
  auto held = std::make_unique<HeldStore>(make_memory_store());
  HeldStore& store = *held;
  const Running server{std::move(held), {.intake_max = 5}};
  server.runtime->start();
  std::atomic<std::size_t> answers = 0;
  const auto post = [&](const std::string& id, std::size_t count) {
    std::vector<EventInput> events;
    for (std::size_t i = 0; i < count; ++i) events.push_back(event(id + std::to_string(i)));
    return posted(server, std::move(events), [&](const auto& given) { answers += given.size(); });
  };
  REQUIRE(post("larger than the bound, alone", 9));
  store.asked.wait();
  CHECK(post("beside it", 1).error().code == "busy");
  store.goes_on.count_down();
  while (answers < 9) std::this_thread::yield();
  while (server.runtime->figures().queued > 0) std::this_thread::yield();
  CHECK(post("a", 5));
  REQUIRE(server.runtime->stop(kPatience));
  CHECK(answers == 14);
}

TEST_CASE("who is told that the disk is full finds the server not ready", "[host][intake]") {
  auto faults = std::make_shared<Faults>();
  const Running server{make_faulty_store(make_memory_store(), faults)};
  server.runtime->start();
  faults->full = true;
  std::promise<std::string> told, ready;
  server.runtime->calls().post(
      Reply<bool>{[&](const Result<bool>& given) {
        const Status now = server.runtime->ready();
        ready.set_value(now ? "ready" : now.error().code);
        told.set_value(given ? "" : given.error().code);
      }},
      [](Cell& cell) {
        return cell.access().declare_field({.name = "plan", .type = FieldType::Text});
      });
  CHECK(told.get_future().get() == "disk_full");
  CHECK(ready.get_future().get() == "disk_full");
  faults->full = false;
}

TEST_CASE("calls are bounded in number and in bytes, apart from events", "[host][intake]") {
  auto held = std::make_unique<HeldStore>(make_memory_store());
  HeldStore& store = *held;
  const Running server{std::move(held), {.calls_max = 3, .calls_bytes_max = 100'000}};
  server.runtime->start();
  std::atomic<int> answers = 0;
  REQUIRE(posted(server, {event("1")}, [](const auto&) {}));
  store.asked.wait();
  const auto activate = [&](std::size_t bytes) {
    const auto refused = std::make_shared<Status>();
    server.runtime->calls().post(
        Reply<ScenarioInfo>{[&, refused](const Result<ScenarioInfo>& given) {
          if (!given && given.error().code == "busy")
            *refused = tl::make_unexpected(given.error());
          else
            ++answers;
        }},
        [](Cell& cell) { return cell.scenarios().activate("a", {}); }, bytes);
    return *refused;
  };
  CHECK(activate(90'000));
  CHECK(activate(90'000).error().code == "busy");
  CHECK(activate(10));
  CHECK(activate(10));
  CHECK(activate(10).error().code == "busy");
  CHECK(posted(server, {event("2")}, [](const auto&) {}));
  store.goes_on.count_down();
  REQUIRE(server.runtime->stop(kPatience));
  CHECK(answers == 3);
}

TEST_CASE("the weight of an input is about what it takes of memory", "[host][intake]") {
  const std::size_t empty = weight_of(Input{EventInput{}});
  CHECK(empty >= sizeof(EventInput));
  CHECK(weight_of(Input{event("1", 10'000)}) >= empty + 10'000);
  CHECK(weight_of(Input{event("1", 10'000)}) <= empty + 11'000);
  // A list of small numbers takes more than its text.
  EventInput list;
  list.event.data = ValueList(1'000, Value{1});
  CHECK(weight_of(Input{list}) >= empty + 1'000 * sizeof(Value));
  PatchInput patch;
  patch.patch.custom = {{"a", std::string(5'000, 'x')}};
  patch.patch.groups_add = {std::string(5'000, 'x')};
  CHECK(weight_of(Input{patch}) >= 10'000);
}
}  // namespace
}  // namespace onward
