// Which pending deliveries are out, and what the rest costs that waits in the store.
#include "engine/cell/dispatcher.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

constexpr EndpointKey kEndpoint{.scenario = {1}, .node = {1}, .version = 1};
constexpr std::size_t kWindow = 256;
const Instant kStart{std::chrono::hours{24 * 365 * 50}};

void must(const Status& done) { REQUIRE(done); }

/// Counts the rows of queues that it gives out.
class CountingStore final : public PassingStore {
 public:
  CountingStore() : PassingStore{make_memory_store()} {}
  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, const DueDelivery& after,
                                       Instant until, std::size_t limit) override {
    auto found = PassingStore::due(endpoint, after, until, limit);
    if (found) rows_ += found->size();
    return found;
  }
  std::size_t rows() const { return rows_; }

 private:
  std::size_t rows_ = 0;
};

/// An endpoint's deliveries, and the time.
class Queue {
 public:
  /// Comes to be pending: out at once, or left to the store.
  DeliveryKey create() {
    Delivery delivery{.key = {++last_}, .endpoint = kEndpoint};
    delivery.due = delivery.created = now;
    delivery.deadline = now + 12h;
    must(store.commit({.deliveries = {delivery}}));
    std::vector<Dispatcher::Handout> handouts;
    dispatcher.created(delivery, nullptr, handouts);
    take(handouts);
    return delivery.key;
  }
  void refill() {
    std::vector<Dispatcher::Handout> handouts;
    must(dispatcher.refill(store, now, handouts));
    take(handouts);
  }
  /// Whatever refills have to do now.
  void refill_all() {
    while (dispatcher.next() && *dispatcher.next() <= now) {
      const std::size_t before = out.size();
      refill();
      if (out.size() == before && ++idle_ > 100) FAIL("refills do not end");
    }
    idle_ = 0;
  }
  /// The oldest that is out is accepted, or is due again.
  DeliveryKey settle(std::optional<Instant> again = {}) {
    Delivery delivery = out.front();
    out.pop_front();
    ++delivery.attempts;
    delivery.due = again;
    if (!again) delivery.state = DeliveryState::Accepted;
    must(store.commit({.deliveries = {delivery}}));
    dispatcher.settled(delivery);
    return delivery.key;
  }

  Instant now = kStart;
  CountingStore store;
  Dispatcher dispatcher{{.endpoint = kWindow, .total = 10 * kWindow}};
  std::deque<Delivery> out;

 private:
  void take(const std::vector<Dispatcher::Handout>& handouts) {
    for (const auto& one : handouts) out.push_back(one.delivery);
  }
  std::uint64_t last_ = 0;
  int idle_ = 0;
};

TEST_CASE("a burst that fills the window costs each of its rows one look, and so does what follows",
          "[dispatcher]") {
  Queue queue;
  constexpr std::size_t kBurst = 4'000, kAfter = 4'000;
  for (std::size_t i = 0; i < kBurst; ++i) queue.create();
  CHECK(queue.out.size() == kWindow);
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < kBurst + kAfter; ++i) {
    queue.now += 1ms;
    const std::uint64_t key = queue.settle().value;
    CHECK(key == last + 1);  // in the order of their dues
    last = key;
    if (i < kAfter) queue.create();
    queue.refill_all();
  }
  CHECK(queue.out.empty());
  // Those that were out before anything waited are never looked at.
  CHECK(queue.store.rows() <= kBurst + kAfter);
}

TEST_CASE("what comes to wait before others that were looked at goes out as well", "[dispatcher]") {
  Queue queue;
  for (std::size_t i = 0; i < 2 * kWindow; ++i) queue.create();
  for (std::size_t i = 0; i < kWindow; ++i) queue.settle();
  queue.refill_all();
  REQUIRE(queue.out.size() == kWindow);
  SECTION("taken back by a pause") {
    CHECK(queue.dispatcher.recall(kEndpoint.scenario).size() == kWindow);
    queue.out.clear();
    queue.refill_all();
    CHECK(queue.out.size() == kWindow);
  }
  SECTION("due again at a time that has passed, as after a clock was set back") {
    const DeliveryKey early = queue.settle(queue.now - 1h);
    // A refill waits until it is worth a look.
    for (std::size_t i = 0; i < kWindow / 2; ++i) queue.settle();
    queue.refill_all();
    CHECK(std::ranges::any_of(queue.out, [&](const Delivery& one) { return one.key == early; }));
  }
  SECTION("due at the same time, with a lower number") {
    const DeliveryKey again = queue.settle(queue.now);
    for (std::size_t i = 0; i < kWindow / 2; ++i) queue.settle();
    queue.refill_all();
    CHECK(queue.out.back().key == again);
  }
  SECTION("made while the clock stands earlier") {
    queue.now -= 1h;
    const DeliveryKey made = queue.create();
    for (std::size_t i = 0; i < kWindow; ++i) queue.settle();
    queue.refill_all();
    REQUIRE(queue.out.size() == 1);
    CHECK(queue.out.front().key == made);
  }
}
}  // namespace

TEST_CASE("a refill hands out batches up to a number of members, and the next one goes on",
          "[dispatcher]") {
  constexpr std::uint64_t kBatches = 5, kMembers = 300, kMembersMost = 500;
  const auto store = make_memory_store();
  Commit commit;
  for (std::uint64_t batch = 1; batch <= kBatches; ++batch) {
    Delivery carrier{.key = {batch * 1'000}, .endpoint = kEndpoint};
    carrier.due = carrier.created = kStart;
    carrier.deadline = kStart + 12h;
    carrier.batch = carrier.key;
    for (std::uint64_t i = 0; i < kMembers; ++i) carrier.members.push_back({carrier.key.value + i});
    commit.deliveries.push_back(std::move(carrier));
  }
  must(store->commit(commit));
  Dispatcher dispatcher{{.endpoint = kWindow, .total = 10 * kWindow}};
  dispatcher.restore(store->due_endpoints().value());
  std::vector<DeliveryKey> out;
  for (int refills = 0; out.size() < kBatches && refills < 10; ++refills) {
    std::vector<Dispatcher::Handout> handouts;
    must(dispatcher.refill(*store, kStart, handouts));
    std::size_t members = 0;
    for (const auto& one : handouts) {
      members += one.delivery.members.size();
      out.push_back(one.delivery.key);
    }
    CHECK(members <= kMembersMost);
  }
  REQUIRE(out.size() == kBatches);
  for (std::uint64_t batch = 1; batch <= kBatches; ++batch)
    CHECK(out.at(batch - 1).value == batch * 1'000);
}
}  // namespace onward
