// Deliveries that go out together.
#include <catch2/catch.hpp>
#include <map>

#include "engine/cell/gathered.h"
#include "engine/core/base/value.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tests/support/counting_store.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kFeed = R"(
scenario: feed
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", envelope: events,
          batch: { max: 3, linger: 1s }, retry: { permanent: [410, 400] }, next: end }
)";

/// The contacts whose events a request tells, in order.
std::string told(const Request& request) {
  const auto body = parse_json(request.body);
  REQUIRE(body);
  std::string ids;
  for (const Value& event : *body->find("events")->list())
    ids += (ids.empty() ? "" : " ") + to_text(*event.find_path("contact.base.0"));
  return ids;
}

std::vector<std::string> told(const Stage& /*stage*/, FakeSink& sink) {
  std::vector<std::string> all;
  for (const DeliveryTask& task : sink.tasks) all.push_back(told(*task.request));
  return all;
}
using Told = std::vector<std::string>;
}  // namespace

TEST_CASE("a batch goes out when it is full, or its oldest member has waited long enough",
          "[cell][batches]") {
  Stage stage{kFeed};
  stage.event("a", "opened");
  stage.pass(600ms);
  stage.event("b", "opened");
  CHECK(stage.sink().tasks.empty());
  stage.event("c", "opened");
  CHECK(told(stage, stage.sink()) == Told{"a b c"});
  stage.event("d", "opened");
  stage.pass(999ms);
  CHECK(stage.sink().tasks.size() == 1);
  stage.event("e", "opened");
  stage.pass(1ms);
  CHECK(told(stage, stage.sink()) == Told{"a b c", "d e"});
  CHECK(stage.counts("tell")[Counter::Pending] == 5);
  CHECK(stage.reply(200) == 2);
  CHECK(stage.counts("tell")[Counter::Accepted] == 5);
  CHECK(stage.counts("tell")[Counter::Pending] == 0);
  CHECK(stage.broken().empty());
  for (const Delivery& delivery : stage.deliveries()) CHECK(delivery.attempts == 1);
}

TEST_CASE("a post of many events makes full batches, in order of creation", "[cell][batches]") {
  Stage stage{kFeed};
  std::vector<EventInput> inputs;
  for (const char* who : {"a", "b", "c", "d", "e", "f", "g"})
    inputs.push_back(stage.input(who, "opened"));
  stage.send(std::move(inputs));
  CHECK(told(stage, stage.sink()) == Told{"a b c", "d e f"});
  stage.pass(1s);
  CHECK(told(stage, stage.sink()) == Told{"a b c", "d e f", "g"});
}

TEST_CASE("every attempt of a batch has the same bytes under one webhook-id, in any process",
          "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kFeed, sqlite};
  for (const char* who : {"a", "b", "c"}) stage->event(who, "opened");
  REQUIRE(stage->sink().tasks.size() == 1);
  const std::string body = stage->sink().tasks[0].request->body;
  const std::string id = stage->sink().tasks[0].webhook_id;
  CHECK(id == format_delivery(stage->engine().context().epochs, stage->deliveries().at(0).key));
  for (int round = 0; round < 4; ++round) {
    if (round % 2 == 0) stage.restart();
    // What comes meanwhile joins no batch that is fixed.
    stage->event("late" + std::to_string(round), "opened");
    stage->pass(0s);
    const auto found = std::ranges::find(stage->sink().tasks, id, &DeliveryTask::webhook_id);
    REQUIRE(found != stage->sink().tasks.end());
    CHECK(found->request->body == body);
    CHECK(found->number == static_cast<std::uint32_t>(round + 1));
    stage->reply(503);
    CHECK(stage->broken().empty());
    stage->pass(10min);
  }
  stage->reply(200);
  stage->pass(1h);
  stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == 7);
  CHECK(stage->counts("tell")[Counter::Pending] == 0);
}

TEST_CASE("what was not fixed before a restart is grouped again, each once", "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kFeed, sqlite};
  stage->event("a", "opened");
  stage->pass(100ms);
  stage->event("b", "opened");
  stage.restart();
  CHECK(stage->sink().tasks.empty());
  stage->pass(1s);
  CHECK(told(*stage, stage->sink()) == Told{"a b"});
  stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == 2);
  stage.restart();
  stage->pass(1h);
  CHECK(stage->sink().tasks.empty());
}

TEST_CASE("a permanent refusal and the window's end are the end of every member",
          "[cell][batches]") {
  Stage stage{kFeed};
  for (const char* who : {"a", "b", "c"}) stage.event(who, "opened");
  stage.reply(400);
  CHECK(stage.counts("tell")[Counter::Failed] == 3);
  for (const Delivery& delivery : stage.deliveries()) CHECK(delivery.reason == "status_400");
  stage.event("d", "opened");
  stage.pass(500ms);
  stage.event("e", "opened");
  for (int i = 0; i < 100 && stage.counts("tell")[Counter::Pending] > 0; ++i) {
    stage.pass(10min);
    stage.reply(503);
  }
  CHECK(stage.counts("tell")[Counter::Failed] == 5);
  CHECK(stage.deliveries().back().reason == "deadline");
  CHECK(stage.deliveries().back().attempts == stage.deliveries().at(3).attempts);
  CHECK(stage.broken().empty());
}

TEST_CASE("only requests with the same address and headers share a batch", "[cell][batches]") {
  Stage stage{R"(
scenario: feed
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/{{ contact.country }}",
          headers: { X-Language: "{{ contact.language }}" }, envelope: events,
          batch: { max: 10, linger: 1s }, next: end }
)"};
  stage.event("a", "opened", "{}", R"({"country": "CA", "language": "fr"})");
  stage.event("b", "opened", "{}", R"({"country": "BE", "language": "fr"})");
  stage.event("c", "opened", "{}", R"({"country": "CA", "language": "en"})");
  stage.event("d", "opened", "{}", R"({"country": "CA", "language": "fr"})");
  stage.pass(1s);
  Told all = told(stage, stage.sink());
  std::ranges::sort(all);
  CHECK(all == Told{"a d", "b", "c"});
}

TEST_CASE("a batch is no larger than a request may be", "[cell][batches]") {
  Stage stage{kFeed};
  const std::string big = R"({"x": ")" + std::string(400'000, 'x') + "\"}";
  for (const char* who : {"a", "b", "c"}) stage.event(who, "opened", big);
  stage.pass(1s);
  CHECK(told(stage, stage.sink()) == Told{"a b", "c"});
  for (const DeliveryTask& task : stage.sink().tasks)
    CHECK(task.request->body.size() <= kRequestBodyMax);
}

TEST_CASE("a contact that is forgotten leaves its batch, which goes on without it",
          "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kFeed, sqlite};
  const auto forget = [&](std::string_view who) {
    stage->command(stage->contact(who).contact.key, Forget{});
  };
  stage->event("a", "opened");
  stage->event("gone", "opened");
  forget("gone");
  stage->event("b", "opened");
  stage->event("c", "opened");
  CHECK(told(*stage, stage->sink()) == Told{"a b c"});
  const std::string id = stage->sink().tasks.at(0).webhook_id;
  stage->reply(503);

  // The one that carries it, and another one, between two attempts.
  forget("a");
  forget("c");
  CHECK(stage->broken().empty());
  stage.restart();
  stage->pass(1min);
  REQUIRE(stage->sink().tasks.size() == 1);
  CHECK(stage->sink().tasks[0].webhook_id == id);
  CHECK(stage->sink().tasks[0].number == 2);
  CHECK(told(*stage, stage->sink()) == Told{"b"});
  stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == 1);
  CHECK(stage->counts("tell")[Counter::Cancelled] == 3);
  CHECK(stage->counts("tell")[Counter::Pending] == 0);
  CHECK(stage->broken().empty());
}

TEST_CASE("a contact that is forgotten is not in a batch that leaves afterwards",
          "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kFeed, sqlite};
  for (const char* who : {"a", "b", "c"}) stage->event(who, "opened");
  REQUIRE(told(*stage, stage->sink()) == Told{"a b c"});
  const std::string id = stage->sink().tasks.at(0).webhook_id;
  // It waits for its turn in the deliverer.
  stage->command(stage->contact("b").contact.key, Forget{});
  stage->pass(0s);
  REQUIRE(stage->sink().tasks.size() == 1);
  CHECK(told(*stage, stage->sink()) == Told{"a c"});
  CHECK(stage->sink().tasks[0].webhook_id == id);
  stage->command(stage->contact("a").contact.key, Forget{});
  stage->pass(0s);
  CHECK(told(*stage, stage->sink()) == Told{"c"});
  stage->command(stage->contact("c").contact.key, Forget{});
  stage->pass(0s);
  CHECK(stage->sink().tasks.empty());
  CHECK(stage->counts("tell")[Counter::Cancelled] == 3);
  CHECK(stage->broken().empty());
}

TEST_CASE("what a receiver repeats of a forgotten contact is not stored", "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  const int status = GENERATE(200, 503, 400);
  LastingStage stage{kFeed, sqlite};
  for (const char* who : {"a", "b", "c"}) stage->event(who, "opened");
  AttemptResult result{.delivery = stage->sink().tasks.at(0).delivery,
                       .number = 1,
                       .started = stage->clock().now(),
                       .took = 1ms,
                       .status = status,
                       .error = "about b",
                       .response = "you sent b"};
  stage->command(stage->contact("b").contact.key, Forget{});
  REQUIRE(drive(stage->engine(), {}, {result}));  // Its request had left before.
  std::size_t attempts = 0;
  for (const Delivery& delivery : stage->deliveries()) {
    if (!delivery.last) continue;
    ++attempts;
    CHECK(delivery.last->response.empty());
    CHECK(delivery.last->error.empty());
  }
  CHECK(attempts >= 1);
  CHECK(stage->broken().empty());
}

TEST_CASE("archiving with its pending requests takes back every member", "[cell][batches]") {
  Stage stage{kFeed};
  for (const char* who : {"a", "b", "c", "d"}) stage.event(who, "opened");
  REQUIRE(stage.engine().scenarios().archive("feed", /*cancel_pending=*/true));
  CHECK(stage.counts("tell")[Counter::Cancelled] == 4);
  CHECK(stage.sink().tasks.empty());
  stage.pass(24h);
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.broken().empty());
}

TEST_CASE("a retried batch is the same batch", "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kFeed, sqlite};
  for (const char* who : {"a", "b", "c"}) stage->event(who, "opened");
  const std::string body = stage->sink().tasks.at(0).request->body;
  const std::string id = stage->sink().tasks.at(0).webhook_id;
  stage->reply(400);
  // By any of its members.
  const auto answer =
      stage->engine().deliveries().by_hand(ByHand::Retry, stage->deliveries().at(1).key).value();
  CHECK(answer.changed == 3);
  CHECK(stage->counts("tell")[Counter::Pending] == 3);
  stage.restart();
  REQUIRE(stage->sink().tasks.size() == 1);
  CHECK(stage->sink().tasks[0].request->body == body);
  CHECK(stage->sink().tasks[0].webhook_id == id);
  CHECK(stage->sink().tasks[0].number == 2);
  stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == 3);
  CHECK(stage->broken().empty());
}

TEST_CASE("batches survive whatever happens, in any order, and the numbers add up",
          "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kFeed, sqlite};
  std::uint64_t seed = 7;
  const auto pick = [&](std::uint64_t n) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % n;
  };
  std::map<std::string, std::string> bodies;  // by webhook-id; where nobody is forgotten
  for (int step = 0; step < 300; ++step) {
    switch (pick(8)) {
      case 0:
      case 1:
      case 2:
        stage->event("c" + std::to_string(pick(9)), "opened");
        break;
      case 3:
        stage->pass(Duration{pick(2'000)});
        break;
      case 4:
        stage->reply(pick(2) == 0 ? 200 : 503);
        break;
      case 5:
        if (pick(8) == 0) stage.restart();
        break;
      case 6:
        if (!stage->engine().deliveries().switch_node("feed", "tell", pick(2) == 0)) REQUIRE(false);
        stage->pass(0s);
        break;
      case 7:
        stage->reply(400);
        for (const Delivery& delivery : stage->deliveries())
          if (delivery.state == DeliveryState::Failed && pick(4) == 0)
            REQUIRE((stage->engine().deliveries().by_hand(ByHand::Retry, delivery.key) || true));
        break;
    }
    for (const DeliveryTask& task : stage->sink().tasks) {
      const auto [known, fresh] = bodies.emplace(task.webhook_id, task.request->body);
      REQUIRE(known->second == task.request->body);
    }
    REQUIRE(stage->broken() == "");
  }
  REQUIRE(stage->engine().deliveries().switch_node("feed", "tell", false));
  for (int i = 0; i < 100 && stage->counts("tell")[Counter::Pending] > 0; ++i) {
    stage->pass(1h);
    stage->reply(200);
  }
  const CounterRow counts = stage->counts("tell");
  CHECK(counts[Counter::Pending] == 0);
  CHECK(counts[Counter::PendingParked] == 0);
  CHECK(counts[Counter::Visits] == counts[Counter::Accepted] + counts[Counter::Failed]);
}

namespace {
constexpr std::string_view kUnlike = R"(
scenario: feed
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", envelope: events,
          headers: { X-Contact: "{{ contact.id }}" }, batch: { max: 3, linger: 10s }, next: end }
)";
/// Loads of a delivery from its fixing to its end, and once more after a restart.
constexpr std::size_t kLoadsEach = 8;

/// Deliveries of `count` contacts come one by one within the linger of the first, and are sent.
std::size_t loads_of(std::size_t count, bool restarted) {
  auto store = std::make_unique<CountingStore>(std::shared_ptr<Store>{make_memory_store()});
  const CountingStore& counting = *store;
  Stage stage{kUnlike, std::move(store)};
  for (std::size_t i = 0; i < count; ++i) {
    stage.event("c" + std::to_string(i), "opened");
    stage.pass(Duration{8'000 / static_cast<std::int64_t>(count)});
  }
  CHECK(stage.sink().tasks.empty());
  if (restarted) stage.restart();
  for (int round = 0; round < 300; ++round) {
    stage.pass(100ms);
    stage.reply(200);
  }
  CHECK(stage.counts("tell")[Counter::Accepted] == static_cast<std::int64_t>(count));
  CHECK(stage.broken().empty());
  return counting.deliveries_loaded();
}
}  // namespace

TEST_CASE("requests with unlike headers are loaded a few times each, however many wait",
          "[cell][batches]") {
  const bool restarted = GENERATE(false, true);
  CHECK(loads_of(200, restarted) <= 200 * kLoadsEach);
  CHECK(loads_of(2'000, restarted) <= 2'000 * kLoadsEach);
}

TEST_CASE("groups of unlike requests survive whatever happens, and lose nothing",
          "[cell][batches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{R"(
scenario: feed
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", envelope: events,
          headers: { X-Kind: "{{ contact.custom.kind }}" }, batch: { max: 3, linger: 2s },
          next: end }
)",
                     sqlite};
  std::uint64_t seed = 11;
  const auto pick = [&](std::uint64_t n) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % n;
  };
  const auto kind_of = [](const Request& request) {
    for (const auto& [name, value] : request.headers)
      if (name == "X-Kind") return value;
    return std::string{};
  };
  const std::string big = R"({"x": ")" + std::string(400'000, 'x') + "\"}";
  std::size_t made = 0;
  for (int step = 0; step < 300; ++step) {
    const std::uint64_t contact = pick(12);
    const std::string who = "c" + std::to_string(contact);
    switch (pick(8)) {
      case 0:
      case 1:
      case 2:
      case 3:
        // The kind goes with the contact, so that a request of a mixed batch shows.
        stage->event(who, "opened", pick(12) == 0 ? big : "{}",
                     R"({"custom": {"kind": ")" +
                         std::string(1, static_cast<char>('a' + contact % 4)) + R"("}})");
        ++made;
        break;
      case 4:
        stage->pass(Duration{pick(2'500)});
        break;
      case 5:
        stage->reply(pick(3) == 0 ? 503 : 200);
        break;
      case 6:
        if (pick(6) == 0) stage.restart();
        if (pick(4) == 0 && stage->engine().contacts().find_contact({.id = who})->has_value())
          stage->command(stage->contact(who).contact.key, Forget{});
        break;
      case 7:
        REQUIRE(stage->engine().deliveries().switch_node("feed", "tell", pick(2) == 0));
        stage->pass(0s);
        break;
    }
    for (const DeliveryTask& task : stage->sink().tasks) {
      REQUIRE(task.request->body.size() <= kRequestBodyMax);
      const auto body = parse_json(task.request->body);
      REQUIRE(body);
      const auto& events = *body->find("events")->list();
      CHECK(events.size() <= 3);
      for (const Value& event : events) {
        const std::string id = to_text(*event.find_path("contact.base.0"));
        const int number = std::stoi(id.substr(1));
        CHECK(kind_of(*task.request) == std::string(1, static_cast<char>('a' + number % 4)));
      }
    }
    REQUIRE(stage->broken() == "");
  }
  REQUIRE(stage->engine().deliveries().switch_node("feed", "tell", false));
  for (int i = 0; i < 200 && stage->counts("tell")[Counter::Pending] > 0; ++i) {
    stage->pass(1h);
    stage->reply(200);
  }
  const CounterRow counts = stage->counts("tell");
  CHECK(counts[Counter::Pending] == 0);
  CHECK(counts[Counter::Visits] == static_cast<std::int64_t>(made));
  CHECK(counts[Counter::Visits] ==
        counts[Counter::Accepted] + counts[Counter::Failed] + counts[Counter::Cancelled]);
}

TEST_CASE("more than may be gathered waits in the store, and goes out all the same",
          "[cell][batches]") {
  constexpr std::size_t kCount = 6'000;  // more than Gathered::Limits::endpoint
  Stage stage{R"(
scenario: feed
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", envelope: events,
          headers: { X-Contact: "{{ contact.id }}" }, batch: { max: 1000, linger: 10m }, next: end }
)"};
  for (std::size_t first = 0; first < kCount; first += 500) {
    std::vector<EventInput> inputs;
    for (std::size_t i = first; i < first + 500; ++i)
      inputs.push_back(stage.input("c" + std::to_string(i), "opened"));
    stage.send(std::move(inputs));
  }
  // Those that came first made room before their time.
  stage.pass(0s);
  CHECK(stage.sink().tasks.size() > 0);
  CHECK(stage.sink().tasks.size() < kCount);
  for (int i = 0; i < 100 && stage.counts("tell")[Counter::Pending] > 0; ++i) {
    stage.reply(200);
    stage.pass(1min);
  }
  CHECK(stage.counts("tell")[Counter::Accepted] == static_cast<std::int64_t>(kCount));
}

TEST_CASE("groups are given out full ones first, then by their time, and never more than may be",
          "[cell][batches]") {
  const EndpointKey one{{1}, {1}, 1}, two{{1}, {2}, 1};
  const BatchPolicy policy{.max = 3, .linger = 10s};
  const Instant now{1h};
  Gathered gathered{{.endpoint = 10, .total = 15}};
  const auto add = [&](const EndpointKey& to, std::uint64_t key, std::uint64_t address,
                       Duration wait, std::size_t bytes = 10) {
    return gathered.add(to, {{key}, {.high = address}, bytes, now + wait}, policy);
  };
  const auto keys = [](const std::optional<Gathered::Group>& group) {
    std::vector<std::uint64_t> list;
    if (group)
      for (const Gathered::Member& member : group->members) list.push_back(member.delivery.value);
    return list;
  };
  using Keys = std::vector<std::uint64_t>;
  CHECK(add(one, 1, 7, 5s));
  CHECK(add(one, 2, 8, 3s));
  CHECK(add(two, 3, 7, 4s));
  CHECK_FALSE(gathered.any_ready(now));
  CHECK(keys(gathered.take(now + 4s)) == Keys{2});
  CHECK(keys(gathered.take(now + 4s)) == Keys{3});
  CHECK_FALSE(gathered.take(now + 4s));
  CHECK(add(one, 9, 7, 9s));
  CHECK(add(one, 5, 7, 9s));
  CHECK(add(one, 6, 7, 9s));
  auto group = gathered.take(now);
  CHECK(keys(group) == Keys{1, 5, 6});
  CHECK(group->full);
  CHECK(gathered.contains(one, {9}));
  gathered.remove(one, {9});
  CHECK(gathered.size() == 0);

  // By bytes.
  CHECK(add(one, 11, 7, 9s, 600'000));
  CHECK(add(one, 12, 7, 9s, 600'000));
  group = gathered.take(now);
  CHECK(keys(group) == Keys{11});
  CHECK(group->full);
  CHECK_FALSE(gathered.take(now));
  gathered.forget(one);

  // While more is looked for, only full groups go.
  gathered.expect_more(one, true);
  CHECK(add(one, 21, 7, 1s));
  CHECK_FALSE(gathered.take(now + 1min));
  gathered.expect_more(one, false);
  CHECK(keys(gathered.take(now + 1min)) == Keys{21});

  // The room is used up: the one that is due first goes early.
  for (std::uint64_t key = 100; key < 110; ++key)
    CHECK(add(one, key, key, Duration{200 - key} * 1));
  CHECK_FALSE(add(one, 110, 110, 1s));
  group = gathered.take(now);
  CHECK(keys(group) == Keys{109});
  CHECK(group->early);
  CHECK(add(one, 110, 110, 1s));
  for (std::uint64_t key = 200; key < 205; ++key) CHECK(add(two, key, key, 9s));
  CHECK_FALSE(add(two, 205, 205, 9s));
  while (gathered.take(now)) {
  }
  CHECK(gathered.size() == 14);
}

TEST_CASE("where the room of all endpoints is used up, the group that is due first goes early",
          "[cell][batches]") {
  const BatchPolicy policy{.max = 3, .linger = 10s};
  const Instant now{1h};
  Gathered gathered{{.endpoint = 10, .total = 15}};
  for (std::uint64_t key = 1; key <= 15; ++key) {
    CHECK_FALSE(gathered.any_ready(now));
    const EndpointKey endpoint{{1}, {1 + static_cast<std::uint32_t>(key % 2)}, 1};
    CHECK(gathered.add(endpoint, {{key}, {.high = key}, 10, now + Duration{100 - key}}, policy));
  }
  const auto group = gathered.take(now);
  REQUIRE(group);
  CHECK(group->early);
  CHECK(group->members.front().delivery.value == 15);
  CHECK_FALSE(gathered.take(now));
}

TEST_CASE("the answer to a batch ends members that were parked meanwhile", "[cell][batches]") {
  Stage stage{kFeed};
  for (const char* who : {"a", "b", "c"}) stage.event(who, "opened");
  REQUIRE(stage.sink().tasks.size() == 1);
  const AttemptResult result{.delivery = stage.sink().tasks.at(0).delivery,
                             .number = 1,
                             .started = stage.clock().now(),
                             .status = 200};
  REQUIRE(stage.engine().deliveries().switch_node("feed", "tell", /*pause=*/true));
  stage.pass(0s);
  REQUIRE(stage.counts("tell")[Counter::PendingParked] > 0);
  REQUIRE(drive(stage.engine(), {}, {result}));
  CHECK(stage.counts("tell")[Counter::Accepted] == 3);
  CHECK(stage.counts("tell")[Counter::Pending] == 0);
  CHECK(stage.counts("tell")[Counter::PendingParked] == 0);
  CHECK(stage.broken() == "");
}
