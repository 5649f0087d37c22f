#include <malloc.h>
#include <sqlite3.h>

#include <map>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "tests/support/relay.h"
#include "tests/support/stage.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {}

TEST_CASE("a refused delivery is tried again under one id with the same bytes until accepted",
          "[cell][deliveries]") {
  Stage stage{kRelay};
  for (int i = 0; i < 50; ++i) stage.event("c" + std::to_string(i), "opened");
  CHECK(stage.counts("tell")[Counter::Pending] == 50);

  std::map<DeliveryKey, std::string> bodies;
  std::map<DeliveryKey, std::string> ids;
  for (int round = 0; round < 4; ++round) {
    for (const DeliveryTask& task : stage.sink().tasks) {
      const auto [body, first] = bodies.emplace(task.delivery, task.request->body);
      CHECK(body->second == task.request->body);
      const auto [id, fresh] = ids.emplace(task.delivery, task.webhook_id);
      CHECK(id->second == task.webhook_id);
      CHECK(task.request->body.find(task.webhook_id) != std::string::npos);
    }
    // Refused, not answered in time, refused, accepted.
    stage.reply(round == 1 ? 0 : round < 3 ? 503 : 200);
    CHECK(stage.broken().empty());
    stage.pass(10min);
    if (round == 1) stage.restart();
  }
  CHECK(ids.size() == 50);
  CHECK(stage.counts("tell")[Counter::Accepted] == 50);
  CHECK(stage.counts("tell")[Counter::Pending] == 0);
  for (const Delivery& delivery : stage.deliveries()) CHECK(delivery.attempts == 4);
}

TEST_CASE("contacts are done before anything is accepted", "[cell][deliveries]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.counts("tell")[Counter::Accepted] == 0);
}

TEST_CASE("a delivery that is refused for twelve hours fails, and the numbers add up",
          "[cell][deliveries]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  int attempts = 0;
  for (int i = 0; i < 100 && stage.counts("tell")[Counter::Pending] > 0; ++i) {
    attempts += static_cast<int>(stage.reply(0));
    stage.pass(10min);
  }
  CHECK(stage.counts("tell")[Counter::Failed] == 1);
  CHECK(stage.deliveries().at(0).reason == "deadline");
  CHECK(stage.deliveries().at(0).attempts == static_cast<std::uint32_t>(attempts));
  CHECK(stage.broken().empty());
  stage.pass(24h * 30);
  CHECK(stage.sink().tasks.empty());
}

TEST_CASE("what is pending at a restart is picked up, each once", "[cell][deliveries]") {
  Stage stage{kRelay};
  for (int i = 0; i < 20; ++i) stage.event("ada", "opened");
  stage.restart();
  CHECK(stage.sink().tasks.size() == 20);
  stage.reply(200);
  CHECK(stage.counts("tell")[Counter::Accepted] == 20);
  stage.restart();
  CHECK(stage.sink().tasks.empty());
}

TEST_CASE("memory holds a window of an endpoint, and the rest follows", "[cell][deliveries]") {
  Stage stage{kRelay, nullptr, {.endpoint_window = 10}};
  for (int i = 0; i < 200; ++i) stage.event("ada", "opened");
  CHECK(stage.sink().tasks.size() == 10);
  int rounds = 0;
  while (stage.counts("tell")[Counter::Pending] > 0 && ++rounds < 200) {
    CHECK(stage.sink().tasks.size() <= 10);
    stage.reply(200);
  }
  CHECK(stage.counts("tell")[Counter::Accepted] == 200);
  CHECK(stage.deliveries().size() == 200);
}

TEST_CASE("a window full of refused deliveries hides none that is due", "[cell][deliveries]") {
  Stage stage{kRelay, nullptr, {.endpoint_window = 10}};
  for (int i = 0; i < 60; ++i) stage.event("ada", "opened");
  for (int i = 0; i < 6; ++i) stage.reply(503);
  // All have been tried once; nobody was tried twice before everybody's turn.
  for (const Delivery& delivery : stage.deliveries()) CHECK(delivery.attempts == 1);
  stage.pass(1min);
  while (stage.reply(200) > 0) {
  }
  CHECK(stage.counts("tell")[Counter::Accepted] == 60);
}

TEST_CASE("a window full of others keeps no delivery from its last attempt in time",
          "[cell][deliveries]") {
  constexpr int kOld = 700;  // more than are looked at at once
  Stage stage{kRelay, nullptr, {.endpoint_window = 10}};
  const auto post = [&](int count) {
    std::vector<EventInput> inputs;
    for (int i = 0; i < count; ++i) inputs.push_back(stage.input("ada", "opened"));
    stage.send(std::move(inputs));
  };
  post(kOld);
  while (stage.counts("tell")[Counter::Pending] > 0 && stage.reply(429, 11h + 30min) > 0) {
  }
  for (const Delivery& delivery : stage.deliveries()) CHECK(delivery.attempts == 1);
  stage.pass(11h);
  post(40);  // ten of these are out from now on, and nobody answers
  REQUIRE(stage.sink().tasks.size() == 10);
  const bool restarted = GENERATE(false, true);
  if (restarted) stage.restart();
  stage.pass(59min);
  CHECK(stage.sink().tasks.size() == 10);

  stage.pass(1min);
  std::size_t last_attempts = 0;
  for (int round = 0; round < kOld; ++round) {
    std::vector<AttemptResult> answers;
    for (const DeliveryTask& task : stage.sink().tasks)
      if (task.last)
        answers.push_back({.delivery = task.delivery,
                           .number = task.number,
                           .started = stage.clock().now(),
                           .status = 503});
    if (answers.empty()) break;
    CHECK(answers.size() <= 10);  // memory stays a window, twice at most
    last_attempts += answers.size();
    std::erase_if(stage.sink().tasks, [](const DeliveryTask& task) { return task.last; });
    REQUIRE(drive(stage.engine(), {}, std::move(answers)));
    stage.pass(0s);
  }
  CHECK(last_attempts == kOld);
  CHECK(stage.counts("tell")[Counter::Failed] == kOld);
  CHECK(stage.sink().tasks.size() == 10);
  CHECK(stage.broken().empty());
}

TEST_CASE(
    "fault 59: whatever waits for dead origins, memory holds a window, and one that is well is "
    "served at once",
    "[cell][deliveries]") {
  Stage stage{"", nullptr, {.endpoint_window = 100, .window = 300}};
  constexpr int kDead = 20;
  for (int i = 0; i <= kDead; ++i)
    stage.apply(
        fmt::format("scenario: s{0}\nreentry: parallel\nnodes:\n"
                    "  any:  {{ kind: trigger, event: e{0}, next: tell }}\n"
                    "  tell: {{ kind: send_webhook, url: \"https://o{0}.example.com/in\", "
                    "next: end }}\n",
                    i));
  const auto post = [&](int origin, int count) {
    std::vector<EventInput> inputs;
    for (int i = 0; i < count; ++i)
      inputs.push_back(stage.input(fmt::format("c{}", i), fmt::format("e{}", origin)));
    stage.send(std::move(inputs));
  };
  for (int origin = 1; origin <= kDead; ++origin) post(origin, 1'000);
  // Full, and a share of 16 of each endpoint beyond that.
  const auto out = [&] { return stage.sink().tasks.size(); };
  CHECK(out() <= 300 + kDead * 16);
  stage.restart();
  stage.pass(0s);  // a refill takes several steps
  CHECK(out() <= 300 + kDead * 16);
  const std::size_t before = out();
  post(0, 5);
  CHECK(out() == before + 5);
  for (std::size_t i = before; i < out(); ++i)
    CHECK(stage.sink().tasks[i].policy->origin == "https://o0.example.com:443");
}

#if defined(__GLIBC__) && !defined(ONWARD_SANITIZED)
TEST_CASE("fault 59: what is held in memory does not grow with what is pending",
          "[cell][deliveries]") {
  // SQLite's cache is bounded, and is filled only in time.
  const auto held = [] {
    const struct mallinfo2 all = ::mallinfo2();
    return static_cast<std::int64_t>(all.uordblks + all.hblkhd) - sqlite3_memory_used();
  };
  LastingStage stage{kRelay, /*sqlite=*/true, {.endpoint_window = 100, .window = 300}};
  int pending = 0;
  const auto post_until = [&](int many) {
    while (pending < many) {
      std::vector<EventInput> inputs;
      for (int i = 0; i < 1'000; ++i, ++pending)
        inputs.push_back(stage->input(fmt::format("c{}", i), "opened"));
      stage->send(std::move(inputs));
    }
    REQUIRE(stage->engine().store().fold());
  };
  constexpr int kFew = 20'000, kMany = 50'000;
  post_until(kFew);
  const std::int64_t with_few = held();
  post_until(kMany);
  const std::int64_t with_many = held();
  CHECK(stage->counts("tell")[Counter::Pending] == kMany);
  CHECK(stage->sink().tasks.size() == 100);
  // A word for each of them would be more.
  CHECK(with_many - with_few < (kMany - kFew) * 8);
}
#endif

TEST_CASE("a header value with a control character makes a delivery that is born failed",
          "[cell][deliveries]") {
  Stage stage{R"(
scenario: relay
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell:
    kind: send_webhook
    url: "https://crm.example.com/in"
    headers: { X-Name: "{{ contact.first_name }}" }
    next: end
)"};
  stage.event("ada", "opened", "{}", R"({"first_name": "A\r\nX-Evil: 1"})");
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.counts("tell")[Counter::Failed] == 1);
  CHECK(stage.deliveries().at(0).reason == "bad_header: X-Name");
  CHECK(stage.broken().empty());
}

TEST_CASE("numbers add up whatever happens, in any order", "[cell][deliveries]") {
  Stage stage{R"(
scenario: mixed
reentry: parallel
nodes:
  any:    { kind: trigger, event: [opened, clicked], next: first }
  first:  { kind: send_webhook, url: "https://a.example.com/in", next: pause }
  pause:  { kind: wait, for: 1h, next: vip }
  vip:    { kind: condition, if: { in_group: vip }, yes: second, no: end }
  second: { kind: send_webhook, url: "https://b.example.com/in", next: end }
)"};
  std::uint64_t seed = 42;
  const auto pick = [&](std::uint64_t n) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % n;
  };
  for (int step = 0; step < 600; ++step) {
    const std::string who = "c" + std::to_string(pick(20));
    switch (pick(7)) {
      case 0:
      case 1:
        stage.event(who, "opened");
        break;
      case 2:
        stage.event(who, "clicked", "{}", R"({"groups_add": ["vip"]})");
        break;
      case 3:
        stage.pass(Duration{pick(40) * 60'000});
        break;
      case 4:
        stage.reply(pick(2) == 0 ? 200 : 500);
        break;
      case 5:
        stage.reply(pick(2) == 0 ? 410 : 0);
        break;
      case 6:
        if (pick(10) == 0) stage.restart();
        break;
    }
    REQUIRE(stage.broken() == "");
  }
  for (int i = 0; i < 200; ++i) {
    stage.pass(1h);
    stage.reply(200);
  }
  CHECK(stage.counts("")[Counter::Inside] == 0);
  for (const char* node : {"first", "second"}) {
    const CounterRow counts = stage.counts(node);
    CHECK(counts[Counter::Pending] == 0);
    CHECK(counts[Counter::Visits] == counts[Counter::Accepted] + counts[Counter::Failed]);
  }
}

TEST_CASE("a contact is forgotten in the round in which its request is accepted",
          "[cell][deliveries]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  stage.event("bob", "opened");
  std::vector<AttemptResult> results;
  for (const DeliveryTask& task : stage.sink().tasks)
    results.push_back({.delivery = task.delivery,
                       .number = task.number,
                       .started = stage.clock().now(),
                       .status = 200});
  REQUIRE(results.size() == 2);
  std::vector<Task> jobs;
  jobs.emplace_back(ContactTask{
      .input = CommandInput{.contact = stage.contact("ada").contact.key, .command = Forget{}},
      .done = [](const Result<WorkAnswer>& answer) { CHECK(answer); }});
  REQUIRE(drive(stage.engine(), std::move(jobs), std::move(results)));
  const CounterRow counts = stage.counts("tell");
  CHECK(counts[Counter::Pending] == 0);
  CHECK(counts[Counter::Accepted] == 2);
  CHECK(counts[Counter::Cancelled] == 0);
  CHECK(stage.broken() == "");
}
