// The judge of the crash harness can say no: each planted fault is found, by its name.
#include "tests/crash/oracle.h"

#include <catch2/catch.hpp>

namespace onward::crash {
namespace {
constexpr Nanos kMs = 1'000'000;
constexpr Allowed kAllowed{.known_for = 10 * kMs, .repeats = 2};

/// Three events of two contacts; a kill, and a request that it caught in flight.
Record sound() {
  Record record;
  record.events = {{1, {1, "tell"}}, {2, {1, "tell"}}, {3, {2, "late"}}};
  record.kills = {{100 * kMs, "before a sync"}};
  record.arrivals = {
      {"evt_1", 1, 11, 10 * kMs, 11 * kMs, 200},
      {"evt_2", 2, 22, 20 * kMs, 21 * kMs, 500},  // refused: comes again
      {"evt_2", 2, 22, 40 * kMs, 41 * kMs, 200},
      {"evt_3", 3, 33, 95 * kMs, 97 * kMs, 200},  // not yet written down at the kill
      {"evt_3", 3, 33, 150 * kMs, 151 * kMs, 200, 1},
  };
  record.entered = record.done = 3;
  record.counts = {{"tell", {.visits = 2, .unique = 1, .requests = 2, .accepted = 2}},
                   {"late", {.visits = 1, .unique = 1, .requests = 1, .accepted = 1}}};
  return record;
}

std::string found(const Record& record) {
  std::string names;
  for (const Finding& finding : judge(record, kAllowed).findings) names += finding.what + ";";
  return names;
}
}  // namespace

TEST_CASE("a sound record is found sound, and what it cost is told", "[crash][oracle]") {
  const Verdict verdict = judge(sound(), kAllowed);
  CHECK(verdict.findings.empty());
  CHECK(verdict.figures.requests == 5);
  CHECK(verdict.figures.repeats == 1);
  CHECK(verdict.figures.longest == 3 * kMs);
  CHECK(verdict.figures.most_repeats == 1);
}

TEST_CASE("an acknowledged event without its request is found", "[crash][oracle]") {
  Record record = sound();
  record.arrivals.erase(record.arrivals.begin());
  CHECK(found(record) == "lost_event;");
  record = sound();
  record.arrivals[0].status = 500;
  CHECK(found(record) == "lost_event;");
}

TEST_CASE("another body under one id is found", "[crash][oracle]") {
  Record record = sound();
  record.arrivals[2].body = 23;
  CHECK(found(record) == "body_differs;");
}

TEST_CASE("a second id for one event is found", "[crash][oracle]") {
  Record record = sound();
  record.arrivals[4].webhook_id = "evt_4";
  CHECK(found(record) == "second_id;");
}

TEST_CASE("a repeat that no kill explains is found", "[crash][oracle]") {
  Record record = sound();
  record.arrivals.push_back({"evt_1", 1, 11, 60 * kMs, 61 * kMs, 200});
  CHECK(found(record) == "needless_repeat;");
  record = sound();
  record.arrivals.push_back({"evt_1", 1, 11, 160 * kMs, 161 * kMs, 200, 1});  // known for 89 ms
  CHECK(found(record) == "needless_repeat;");
}

TEST_CASE("more repeats after one kill than can have been in flight are found", "[crash][oracle]") {
  Record record = sound();
  record.kills.push_back({200 * kMs, "after a sync"});
  for (Arrival& arrival : record.arrivals)
    if (arrival.accepted()) arrival.answered = 97 * kMs;
  record.arrivals.pop_back();
  for (const int n : {1, 2, 3}) {
    Arrival again = record.arrivals[n == 1 ? 0U : static_cast<std::size_t>(n)];
    again.arrived = again.answered = 199 * kMs;
    again.life = 1;
    record.arrivals.push_back(std::move(again));
  }
  CHECK(found(record) == "many_repeats;");
  // As many, but of two kills.
  record.arrivals[0].life = record.arrivals[0].answered = 0;
  record.arrivals.push_back({"evt_1", 1, 11, 250 * kMs, 251 * kMs, 200, 2});
  CHECK(found(record) == "");
  CHECK(judge(record, kAllowed).figures.repeats == 3);
}

TEST_CASE("a request before the end of its wait is found", "[crash][oracle]") {
  Record record = sound();
  record.events[2].posted = 1 * kMs;
  record.events[2].waits = 19 * kMs;
  CHECK(found(record) == "");
  record.events[2].waits = 30 * kMs;
  CHECK(found(record) == "early;");
}

TEST_CASE("each event of a batch is judged", "[crash][oracle]") {
  Record record = sound();
  record.events[4] = {3, "bulk"};
  record.events[5] = {4, "bulk"};
  record.arrivals.push_back({"evt_4", 4, 44, 60 * kMs, 61 * kMs, 200, 0, {5}});
  record.entered = record.done = 5;
  record.counts["bulk"] = {.visits = 2, .unique = 2, .requests = 2, .accepted = 2};
  CHECK(found(record) == "");
  Record other = record;
  other.arrivals.back().others.clear();
  CHECK(found(other) == "lost_event;");
  other = record;
  other.arrivals.push_back({"evt_5", 5, 55, 160 * kMs, 161 * kMs, 200, 1});
  CHECK(found(other) == "second_id;");
  other = record;
  other.arrivals.back().others = {5, 5};
  CHECK(found(other) == "large_batch;");
  other = record;
  for (int number = 6; number <= 9; ++number) {
    other.arrivals.back().others.push_back(number);
    other.events[number] = {number, "bulk"};
  }
  CHECK(found(other).starts_with("large_batch;"));
}

TEST_CASE("a wait that ended twice, and a run on an old version, are found", "[crash][oracle]") {
  Record record = sound();
  record.waits["late"] = 1;
  CHECK(found(record) == "");
  record.waits["late"] = 2;
  CHECK(found(record) == "counter;");
  record = sound();
  record.events[4] = {3, "moved"};
  record.arrivals.push_back({"evt_4", 4, 44, 60 * kMs, 61 * kMs, 200});
  record.entered = record.done = 4;
  record.counts["moved"] = {.visits = 1, .unique = 1, .requests = 1, .accepted = 1};
  record.moved = 1;
  CHECK(found(record) == "");
  record.moved = 0;
  CHECK(found(record) == "counter;");
}

TEST_CASE("a request of an event that nobody sent is found", "[crash][oracle]") {
  Record record = sound();
  record.arrivals.push_back({"evt_9", 9, 99, 60 * kMs, 61 * kMs, 200});
  CHECK(found(record) == "unknown_event;");
}

TEST_CASE("a counter that is off by one is found", "[crash][oracle]") {
  for (std::int64_t Counts::*counter :
       {&Counts::visits, &Counts::unique, &Counts::requests, &Counts::accepted, &Counts::pending,
        &Counts::failed, &Counts::cancelled}) {
    Record record = sound();
    ++(record.counts["tell"].*counter);
    CHECK(found(record) == "counter;");
  }
  Record record = sound();
  --record.entered;
  CHECK(found(record) == "counter;");
  record = sound();
  record.set_aside = 1;
  CHECK(found(record) == "needless_poison;");
  record = sound();
  record.unaccepted = "evt_1";
  CHECK(found(record) == "not_accepted;");
}
}  // namespace onward::crash
