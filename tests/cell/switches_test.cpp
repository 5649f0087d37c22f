// Nodes that are paused.
#include <catch2/catch.hpp>

#include "tests/support/relay.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
void pause(Stage& stage, bool paused = true) {
  REQUIRE(stage.engine().deliveries().switch_node("relay", "tell", paused, "jane"));
}
std::int64_t parked(Stage& stage) { return stage.counts("tell")[Counter::PendingParked]; }
}  // namespace

TEST_CASE("a paused node parks its deliveries, contacts go on, and its window stands still",
          "[cell][switches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kRelay, sqlite};
  stage->event("before", "opened");
  stage->reply(503);
  const Instant deadline = stage->deliveries().at(0).deadline;
  stage->pass(1h);
  const std::size_t tried = stage->deliveries().at(0).attempts;
  pause(*stage);
  stage->pass(0s);
  stage->event("after", "opened");
  CHECK(stage->place_of("after") == "done");
  CHECK(parked(*stage) == 2);
  CHECK(stage->counts("tell")[Counter::Pending] == 2);
  CHECK(stage->engine().views().stats("relay", 0)->live.nodes.at(1).paused);
  CHECK(stage->sink().tasks.empty());
  stage.restart();
  stage->pass(48h);
  CHECK(stage->sink().tasks.empty());
  CHECK(parked(*stage) == 2);

  pause(*stage, false);
  stage->pass(0s);
  CHECK(parked(*stage) == 0);
  CHECK(stage->sink().tasks.size() == 2);
  CHECK(stage->deliveries().at(0).deadline == deadline + 48h);
  CHECK(stage->deliveries().at(0).attempts == tried);
  CHECK_FALSE(stage->deliveries().at(0).parked_since);
  stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == 2);
  CHECK(stage->broken().empty());
  CHECK_FALSE(stage->engine().views().stats("relay", 0)->live.nodes.at(1).paused);
  stage.restart();
  stage->event("later", "opened");
  CHECK(stage->sink().tasks.size() == 1);
}

TEST_CASE("an answer that comes in after the pause counts", "[cell][switches]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  stage.event("bob", "opened");
  std::vector<DeliveryTask> in_flight = stage.sink().tasks;
  pause(stage);
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.sink().withdrawn.size() == 2);
  stage.pass(0s);
  CHECK(parked(stage) == 2);
  stage.sink().tasks = {in_flight[0]};
  stage.reply(200);
  stage.sink().tasks = {in_flight[1]};
  stage.reply(503);
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
  CHECK(parked(stage) == 1);
  CHECK(stage.deliveries().at(1).attempts == 1);
  stage.pass(1h);
  CHECK(stage.sink().tasks.empty());
  pause(stage, false);
  stage.pass(0s);
  REQUIRE(stage.sink().tasks.size() == 1);
  CHECK(stage.sink().tasks[0].number == 2);
  CHECK(stage.broken().empty());
}

TEST_CASE("pausing and resuming many goes on where a crash came between", "[cell][switches]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kRelay, sqlite, {.endpoint_window = 10}};
  std::vector<EventInput> inputs;
  for (int i = 0; i < 2'500; ++i) inputs.push_back(stage->input("ada", "opened"));
  stage->send(std::move(inputs));
  pause(*stage);
  // One step of the engine, and it is gone.
  stage->event("ada", "clicked");
  CHECK(parked(*stage) == 250);
  stage.restart();
  CHECK(stage->sink().tasks.empty());
  stage->pass(0s);
  CHECK(parked(*stage) == 2'500);

  pause(*stage, false);
  stage->event("ada", "clicked");
  CHECK(parked(*stage) == 2'250);
  CHECK(stage->sink().tasks.size() == 10);
  stage.restart();
  stage->pass(0s);
  CHECK(parked(*stage) == 0);
  for (int i = 0; i < 400 && stage->counts("tell")[Counter::Pending] > 0; ++i) stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == 2'500);
  CHECK(stage->broken().empty());
}

TEST_CASE("a node paused again while it is being resumed loses nothing", "[cell][switches]") {
  Stage stage{kRelay, nullptr, {.endpoint_window = 10}};
  for (int i = 0; i < 1'200; ++i) stage.event("ada", "opened");
  pause(stage);
  stage.pass(0s);
  CHECK(parked(stage) == 1'200);
  pause(stage, false);
  stage.event("ada", "clicked");
  CHECK(parked(stage) == 950);
  pause(stage);
  stage.pass(0s);
  CHECK(parked(stage) == 1'200);
  CHECK(stage.sink().tasks.empty());
  pause(stage, false);
  pause(stage, false);
  stage.pass(0s);
  while (stage.reply(200) > 0) {
  }
  CHECK(stage.counts("tell")[Counter::Accepted] == 1'200);
  CHECK(stage.broken().empty());
}

TEST_CASE("what a pause called back goes out again, however soon the node is resumed",
          "[cell][switches]") {
  Stage stage{kRelay};
  for (int i = 0; i < 1'500; ++i) stage.event("ada", "opened");
  REQUIRE(stage.sink().tasks.size() == 1'000);
  pause(stage);
  CHECK(stage.sink().tasks.empty());
  CHECK_FALSE(stage.engine().oldest_due());
  SECTION("at once") {}
  SECTION("when the first thousand were parked") { stage.event("ada", "clicked"); }
  pause(stage, false);
  stage.pass(0s);
  while (stage.reply(200) > 0) {
  }
  CHECK(stage.counts("tell")[Counter::Accepted] == 1'500);
  CHECK(stage.broken().empty());
}

TEST_CASE("a request that was called back in flight and sent again is settled once",
          "[cell][switches]") {
  const int status = GENERATE(200, 410, 500);
  Stage stage{kRelay};
  stage.event("ada", "opened");
  const std::vector<DeliveryTask> in_flight = stage.sink().tasks;
  pause(stage);
  pause(stage, false);
  stage.pass(0s);
  REQUIRE(stage.sink().tasks.size() == 1);
  stage.sink().tasks.insert(stage.sink().tasks.end(), in_flight.begin(), in_flight.end());
  CHECK(stage.reply(status) == 2);
  CHECK(stage.counts("tell")[Counter::Pending] == (status == 500 ? 1 : 0));
  CHECK(stage.deliveries().at(0).attempts == 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("active: false is the first value of the switch, and no more", "[cell][switches]") {
  constexpr std::string_view kQuiet = R"(
scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", active: false, next: end }
)";
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kQuiet, sqlite};
  stage->event("ada", "opened");
  CHECK(parked(*stage) == 1);
  stage.restart();
  CHECK(parked(*stage) == 1);
  // A version that says nothing of it changes nothing.
  stage->apply(kRelay);
  stage->event("ada", "opened");
  CHECK(parked(*stage) == 2);
  pause(*stage, false);
  stage->pass(0s);
  CHECK(stage->sink().tasks.size() == 2);
  // And one that says it again neither.
  stage->apply(kQuiet);
  stage->event("ada", "opened");
  CHECK(parked(*stage) == 0);
  CHECK(stage->sink().tasks.size() == 3);
}

TEST_CASE("only nodes that send can be paused", "[cell][switches]") {
  Stage stage{kRelay};
  CHECK(stage.engine().deliveries().switch_node("relay", "any", true).error().code ==
        "not_sending");
  CHECK(stage.engine().deliveries().switch_node("relay", "tel", true).error().code ==
        "unknown_node");
  CHECK(stage.engine().deliveries().switch_node("relax", "tell", true).error().code ==
        "unknown_scenario");
  const auto answer = stage.engine().deliveries().switch_node("relay", "tell", true).value();
  CHECK(answer.paused);
  CHECK(answer.pending == 0);
}

TEST_CASE("parked deliveries are taken back like others", "[cell][switches]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  stage.event("bob", "opened");
  pause(stage);
  stage.pass(0s);
  stage.command(stage.contact("bob").contact.key, Forget{});
  CHECK(parked(stage) == 1);
  REQUIRE(stage.engine().scenarios().archive("relay", /*cancel_pending=*/true));
  CHECK(stage.counts("tell")[Counter::Cancelled] == 2);
  CHECK(parked(stage) == 0);
  CHECK(stage.broken().empty());
}

TEST_CASE("a node that only tests reached is resumed when no version has it any more",
          "[cell][switches]") {
  Stage stage{kRelay};
  stage.activate("relay", {"ada@example.org"});
  pause(stage);
  stage.event("ada", "opened", "{}", R"({"email": "ada@example.org"})");
  REQUIRE(stage.counts("tell", /*test=*/true)[Counter::PendingParked] == 1);
  stage.apply(R"(scenario: relay
reentry: parallel
nodes:
  opened: { kind: trigger, event: opened, next: other }
  other: { kind: send_webhook, url: "https://crm.example.com/other", next: end }
)");
  pause(stage, false);
  stage.pass(0s);
  CHECK(stage.sink().tasks.size() == 1);
  stage.reply(200);
  CHECK(stage.counts("tell", /*test=*/true)[Counter::Accepted] == 1);
}

TEST_CASE("a paused node is resumed although no version has it any more and nobody came yet",
          "[cell][switches]") {
  Stage stage{R"(scenario: relay
reentry: parallel
nodes:
  opened: { kind: trigger, event: opened, next: rest }
  rest: { kind: wait, for: 1d, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)"};
  stage.event("ada", "opened");
  pause(stage);
  stage.apply(R"(scenario: relay
reentry: parallel
nodes:
  opened: { kind: trigger, event: opened, next: other }
  other: { kind: send_webhook, url: "https://crm.example.com/other", next: end }
)");
  pause(stage, false);
  stage.pass(25h);
  CHECK(stage.sink().tasks.size() == 1);
}
