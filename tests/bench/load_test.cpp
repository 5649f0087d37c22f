#include "tools/bench/load.h"

#include <atomic>
#include <set>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/support/local_receiver.h"
#include "tools/bench/receiver.h"
#include "tools/bench/wire.h"

using namespace onward::bench;

namespace {
LoadPlan thousand_events(std::uint16_t port) {
  LoadPlan plan;
  plan.port = port;
  plan.connections = 4;
  plan.seconds = 60;  // it ends with the last event
  plan.events_max = 1'000;
  plan.write_event = [](std::string& out, std::uint64_t number, std::int64_t sent_ns) {
    out += R"({"mark":")" + mark(number, sent_ns) + R"("})";
  };
  return plan;
}

/// A receiver counts just after it has answered.
void wait_for(const Receiver& receiver, std::uint64_t requests) {
  while (receiver.requests() < requests) std::this_thread::yield();
}
}  // namespace

TEST_CASE("every posted event arrives once, with the time it was under way", "[bench]") {
  Receiver receiver;
  const LoadResult result = run_load(thousand_events(receiver.port()));
  wait_for(receiver, 1'000);
  CHECK(result.accepted == 1'000);
  CHECK(result.posts == 1'000);
  CHECK(result.refused == 0);
  CHECK(result.answered_us.size() == 1'000);
  CHECK(receiver.distinct() == 1'000);
  CHECK(receiver.requests() == 1'000);
  CHECK(receiver.take().latencies_us.size() == 1'000);
  CHECK(receiver.take().requests == 0);
}

TEST_CASE("a receiver tells repeats from first arrivals", "[bench]") {
  Receiver receiver;
  run_load(thousand_events(receiver.port()));
  run_load(thousand_events(receiver.port()));
  wait_for(receiver, 2'000);
  CHECK(receiver.requests() == 2'000);
  CHECK(receiver.distinct() == 1'000);
}

TEST_CASE("a post put off with 429 is posted again, as it was", "[bench]") {
  std::atomic<int> asked{0};
  onward::LocalReceiver busy{[&](onward::Peer& peer) {
    while (peer.read()) {
      peer.send(onward::http_reply(++asked % 3 == 0 ? 429 : 200, R"({"accepted":1})"));
    }
  }};
  LoadPlan plan = thousand_events(busy.port());
  plan.events_max = 20;
  const LoadResult result = run_load(plan);
  CHECK(result.accepted == 20);
  CHECK(result.busy > 0);
  CHECK(result.refused == 0);
  std::set<std::string> bodies;
  for (const onward::ReceivedRequest& request : busy.requests()) bodies.insert(request.body);
  CHECK(bodies.size() == 20);
}

TEST_CASE("event ids are random UUIDs of version 4", "[bench]") {
  std::set<std::string> ids;
  for (int i = 0; i < 1'000; ++i) ids.insert(random_uuid());
  CHECK(ids.size() == 1'000);
  for (const std::string& id : ids) {
    REQUIRE(id.size() == 36);
    CHECK(id[14] == '4');
    CHECK(std::string{"89ab"}.find(id[19]) != std::string::npos);
  }
}
