// What every store knows of a scenario's runs: the live ones in the order of their contacts, the
// ended ones in stretches, and how they are purged.
#include <catch2/catch.hpp>

#include "tests/store/conformance.h"

namespace onward {
namespace {
using Keys = std::vector<std::uint64_t>;

#define SUBJECT(subject)                                                    \
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays))); \
  INFO(name_of(way));                                                       \
  Subject subject { way }

/// All live runs, `contacts` contacts at a time.
Keys live(Subject& subject, std::size_t contacts) {
  Keys keys;
  ContactKey after;
  for (int calls = 0; calls < 100; ++calls) {
    const LiveRuns found = must(subject->live_runs(after, contacts));
    for (const Run& run : found.runs) keys.push_back(run.key.value);
    if (found.end) return keys;
    CHECK(found.last > after);
    after = found.last;
  }
  FAIL("no end");
  return keys;
}

std::vector<Run> ended(Subject& subject, std::uint32_t scenario, std::size_t limit) {
  std::vector<Run> runs;
  RunKey after;
  for (int calls = 0; calls < 100; ++calls) {
    EndedRuns found = must(subject->ended_runs({scenario}, after, limit));
    for (Run& run : found.runs) runs.push_back(std::move(run));
    if (found.end) return runs;
    CHECK(found.last > after);
    after = found.last;
  }
  FAIL("no end");
  return runs;
}

Keys keys_of(const std::vector<Run>& runs) {
  Keys keys;
  for (const Run& run : runs) keys.push_back(run.key.value);
  return keys;
}
}  // namespace

TEST_CASE("live runs come in the order of their contacts, however few at a time", "[store]") {
  SUBJECT(subject);
  CHECK(live(subject, 1).empty());
  subject.commit({.runs = {a_run(256, 9), a_run(512, 3), a_run(768, 3, RunState::Done),
                           a_run(1024, 5, RunState::Parked), a_run(1280, 3)}});
  subject.commit({.runs = {a_run(1536, 4), a_run(512, 3, RunState::Done)}});
  for (const std::size_t contacts : {1, 2, 3, 10})
    CHECK(live(subject, contacts) == Keys{1280, 1536, 1024, 256});
  const LiveRuns two = must(subject->live_runs({4}, 10));
  CHECK(two.end);
  CHECK(same(two.runs, {a_run(1024, 5, RunState::Parked), a_run(256, 9)}));
}

TEST_CASE("ended runs of a scenario are found stretch by stretch", "[store]") {
  SUBJECT(subject);
  Run other = a_run(512, 3, RunState::Done);
  other.scenario = {2};
  subject.commit({.runs = {a_run(256, 9, RunState::Done), other, a_run(768, 3, RunState::Exited),
                           a_run(1024, 5), a_run(1280, 4, RunState::Stopped)}});
  for (const std::size_t limit : {1, 2, 3, 10}) {
    CHECK(keys_of(ended(subject, 1, limit)) == Keys{256, 768, 1280});
    CHECK(keys_of(ended(subject, 2, limit)) == Keys{512});
    CHECK(keys_of(ended(subject, 0, limit)) == Keys{256, 512, 768, 1280});
    CHECK(ended(subject, 3, limit).empty());
  }
  subject.commit({.runs = {a_run(1024, 5, RunState::Done)}});
  CHECK(keys_of(ended(subject, 1, 2)) == Keys{256, 768, 1024, 1280});
}

TEST_CASE("requests that are still stored are found stretch by stretch, in order", "[store]") {
  SUBJECT(subject);
  const auto request = std::make_shared<const Request>(a_request("Ada"));
  Commit commit;
  for (const std::uint64_t key : {257, 513, 769, 1025, 1281}) {
    commit.deliveries.push_back(a_delivery(key, 7, 100));
    if (key != 1025) commit.requests.push_back({{key}, request});
  }
  subject.commit(commit);
  Delivery settled = a_delivery(769, 7, 100);
  settled.state = DeliveryState::Accepted;
  settled.due.reset();
  subject.commit({.deliveries = {settled}});
  const auto stored = [&](std::size_t limit) {
    Keys keys;
    DeliveryKey after;
    for (int calls = 0; calls < 100; ++calls) {
      const StoredBodies found = must(subject->stored_bodies(after, limit));
      for (const Delivery& one : found.deliveries) {
        keys.push_back(one.key.value);
        CHECK(one.pending() == (one.key.value != 769));
      }
      if (found.end) return keys;
      CHECK(found.last > after);
      after = found.last;
    }
    FAIL("no end");
    return keys;
  };
  for (const std::size_t limit : {1, 2, 3, 10}) CHECK(stored(limit) == Keys{257, 513, 769, 1281});
  subject.commit({.purged_deliveries = {{257}, {769}}});
  for (const std::size_t limit : {1, 2, 10}) CHECK(stored(limit) == Keys{513, 1281});
  subject.commit({.purged_deliveries = {{513}, {1281}}});
  CHECK(stored(1).empty());
}

TEST_CASE("a purge takes runs and bodies, and leaves deliveries and numbers", "[store]") {
  SUBJECT(subject);
  Run gone = a_run(256, 7, RunState::Done);
  gone.path.back().delivery = DeliveryKey{257};
  Run stays = a_run(512, 7, RunState::Done);
  stays.scenario = {2};
  Delivery sent = a_delivery(257, 7, 100);
  sent.state = DeliveryState::Accepted;
  sent.due.reset();
  sent.attempts = 2;
  sent.last = Attempt{.number = 2, .started = at(30), .status = 200, .response = "hello Ada"};
  Delivery kept = a_delivery(513, 7, 100);
  kept.attempts = 1;
  const Attempt first{.number = 1, .started = at(20), .status = 500, .response = "sorry Ada"};
  const auto request = std::make_shared<const Request>(a_request("Ada"));
  CounterRow counts;
  counts.add(Counter::Done, 1);
  const CounterKey counter{.scenario = {1}, .version = 1};
  // It was live when it was first written, so that it may stand in two tables.
  Run live_before = a_run(256, 7);
  subject.commit({.contacts = {a_contact(7, "c7")}, .runs = {live_before}});
  subject.commit({.runs = {gone, stays},
                  .deliveries = {sent, kept},
                  .requests = {{{257}, request}, {{513}, request}},
                  .attempts = {{{257}, first}},
                  .counters = {{counter, counts}}});

  for (int times = 0; times < 2; ++times) {
    subject.commit({.purged_runs = {{{256}, {7}}}, .purged_deliveries = {{257}}});
    CHECK(ended(subject, 1, 10).empty());
    CHECK(keys_of(ended(subject, 2, 10)) == Keys{512});
    CHECK(live(subject, 10).empty());
    const std::vector<DeliveryKey> keys{{257}, {513}};
    const auto loaded = must(subject->deliveries(keys));
    CHECK(!loaded[0]->request);
    CHECK(loaded[0]->delivery.state == DeliveryState::Accepted);
    CHECK(same(loaded[1]->request, request));
  }
  const auto reader = subject.reader();
  CHECK(keys_of(must(reader->runs({7}, 10, "")).runs) == Keys{512});
  const auto detail = must(reader->delivery({257}));
  REQUIRE(detail);
  CHECK(!detail->request);
  REQUIRE(detail->attempts.size() == 2);
  CHECK(detail->attempts[0].status == 500);
  CHECK(detail->attempts[0].response.empty());
  CHECK(detail->attempts[1].response.empty());
  CHECK(must(subject->snapshot()).counters.at(counter) == counts);

  // Of its attempts the last one stays, in its own row.
  subject.commit({.attempts = {{{513}, first}}, .purged_attempts = {{257}}});
  CHECK(must(subject.reader()->delivery({257}))->attempts.size() == 1);
  CHECK(must(subject.reader()->delivery({513}))->attempts.size() == 1);
  subject.commit({.purged_deliveries = {{257}}});
  CHECK(must(subject.reader()->delivery({257}))->attempts.size() == 1);

  // A contact that is forgotten later has nothing left of it to blank.
  subject.commit({.forgotten = {{7}}});
  CHECK(keys_of(must(subject.reader()->runs({7}, 10, "")).runs) == Keys{512});
}
}  // namespace onward
