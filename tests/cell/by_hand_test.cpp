// Deliveries that people retry or cancel.
#include <catch2/catch.hpp>

#include "tests/support/relay.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
/// Works through all that fit, to the end.
Result<ByHandAnswer> by_hand(Stage& stage, ByHand act, const DeliveryQuery& which,
                             bool dry_run = false) {
  std::optional<Result<ByHandAnswer>> answer;
  stage.engine().deliveries().by_hand(
      act, which, dry_run, "jane", [&](Result<ByHandAnswer> given) { answer = std::move(given); });
  stage.pass(0s);
  REQUIRE(answer);
  return *answer;
}
}  // namespace

TEST_CASE("a failed delivery is retried under its id with its bytes, in a new window",
          "[cell][by_hand]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kRelay, sqlite};
  stage->event("ada", "opened");
  const DeliveryTask first = stage->sink().tasks.at(0);
  stage->reply(410);
  CHECK(stage->counts("tell")[Counter::Failed] == 1);
  stage->pass(24h);
  const DeliveryKey key = stage->deliveries().at(0).key;
  CHECK(stage->engine().deliveries().by_hand(ByHand::Cancel, key).error().code == "not_pending");
  CHECK(stage->engine().deliveries().by_hand(ByHand::Retry, key)->changed == 1);
  CHECK(stage->counts("tell")[Counter::Failed] == 0);
  CHECK(stage->counts("tell")[Counter::Pending] == 1);
  stage.restart();
  REQUIRE(stage->sink().tasks.size() == 1);
  const DeliveryTask& again = stage->sink().tasks[0];
  CHECK(again.webhook_id == first.webhook_id);
  CHECK(again.request->body == first.request->body);
  CHECK(again.number == 2);
  CHECK_FALSE(again.last);
  stage->reply(503);
  const Delivery delivery = stage->deliveries().at(0);
  CHECK(delivery.series == 1);
  CHECK(delivery.deadline == stage->clock().now() + 12h);
  // The delays of the new series begin anew.
  CHECK(*delivery.due <= stage->clock().now() + 6s);
  CHECK(stage->engine().deliveries().by_hand(ByHand::Retry, key).error().code == "not_settled");
  CHECK(stage->engine().deliveries().by_hand(ByHand::Cancel, key)->changed == 1);
  CHECK(stage->deliveries().at(0).reason == "by_hand");
  CHECK(stage->engine().deliveries().by_hand(ByHand::Retry, key)->changed == 1);
  stage->pass(0s);
  stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == 1);
  CHECK(stage->engine().deliveries().by_hand(ByHand::Retry, key).error().code == "not_settled");
  CHECK(stage->broken().empty());
}

TEST_CASE("what cannot be sent is not retried", "[cell][by_hand]") {
  Stage stage{R"(
scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in",
          headers: { X-Name: "{{ contact.first_name }}" }, next: end }
)"};
  stage.event("ada", "opened", "{}", R"({"first_name": "A\r\nX-Evil: 1"})");
  stage.event("bob", "opened");
  stage.command(stage.contact("bob").contact.key, Forget{});
  const std::vector<Delivery> all = stage.deliveries();
  REQUIRE(all.size() == 2);
  CHECK(stage.engine().deliveries().by_hand(ByHand::Retry, all[0].key).error().code ==
        "never_sendable");
  CHECK(stage.engine().deliveries().by_hand(ByHand::Retry, all[1].key).error().code ==
        "body_purged");
  CHECK(stage.engine().deliveries().by_hand(ByHand::Retry, {1}).error().code == "unknown_delivery");
  for (const DeliveryState state : {DeliveryState::Failed, DeliveryState::Cancelled}) {
    const auto answer = by_hand(stage, ByHand::Retry, {.scenario = "relay", .state = state});
    CHECK(answer->changed == 0);
    CHECK(answer->skipped == 1);
  }
  CHECK(stage.broken().empty());
}

TEST_CASE("what is being purged is not retried", "[cell][by_hand]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  stage.reply(410);
  REQUIRE(stage.engine().scenarios().archive("relay", false));
  REQUIRE(stage.engine().scenarios().purge("relay"));
  const DeliveryKey key = stage.deliveries().at(0).key;
  const auto answer = stage.engine().deliveries().by_hand(ByHand::Retry, key);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "body_purged");
  stage.pass(0s);
  CHECK(stage.counts("tell")[Counter::Failed] == 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("all deliveries that fit are retried or cancelled, a chunk at a time",
          "[cell][by_hand]") {
  Stage stage{kRelay, nullptr, {.endpoint_window = 10}};
  for (int i = 0; i < 1'100; ++i) stage.event("ada", "opened");
  while (stage.counts("tell")[Counter::Pending] > 0) stage.reply(410);
  stage.pass(1h);
  const Instant later = stage.clock().now();
  stage.event("bob", "opened");
  stage.reply(410);

  const DeliveryQuery old{.scenario = "relay", .until = later, .code = "410"};
  CHECK(by_hand(stage, ByHand::Retry, old, /*dry_run=*/true)->changed == 1'100);
  CHECK(stage.counts("tell")[Counter::Failed] == 1'101);
  // One step does a part.
  std::optional<Result<ByHandAnswer>> answer;
  stage.engine().deliveries().by_hand(
      ByHand::Retry, old, false, "jane",
      [&](Result<ByHandAnswer> given) { answer = std::move(given); });
  stage.event("ada", "clicked");
  CHECK_FALSE(answer);
  CHECK(stage.counts("tell")[Counter::Pending] > 0);
  CHECK(stage.counts("tell")[Counter::Pending] < 1'100);
  stage.pass(0s);
  REQUIRE(answer);
  CHECK((*answer)->changed == 1'100);
  CHECK(stage.counts("tell")[Counter::Failed] == 1);

  CHECK(by_hand(stage, ByHand::Retry, {.scenario = "relay", .code = "503"})->changed == 0);
  CHECK(by_hand(stage, ByHand::Cancel, {.scenario = "relay", .node = "tell"})->changed == 1'100);
  CHECK(stage.counts("tell")[Counter::Cancelled] == 1'100);
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.broken().empty());
  CHECK(by_hand(stage, ByHand::Retry, {.scenario = "relax"}).error().code == "unknown_scenario");
  CHECK(by_hand(stage, ByHand::Retry, {.scenario = "relay", .node = "x"}).error().code ==
        "unknown_node");
  CHECK(by_hand(stage, ByHand::Cancel, {.scenario = "relay", .state = DeliveryState::Failed})
            .error()
            .code == "bad_state");
}

TEST_CASE("a delivery of a paused node is retried into the parking place", "[cell][by_hand]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  stage.reply(410);
  REQUIRE(stage.engine().deliveries().switch_node("relay", "tell", true));
  CHECK(by_hand(stage, ByHand::Retry, {.scenario = "relay"})->changed == 1);
  CHECK(stage.counts("tell")[Counter::PendingParked] == 1);
  CHECK(stage.sink().tasks.empty());
  REQUIRE(stage.engine().deliveries().switch_node("relay", "tell", false));
  stage.pass(0s);
  CHECK(stage.reply(200) == 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("deliveries of an archived scenario and of an old version are retried too",
          "[cell][by_hand]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  stage.reply(410);
  std::string second{kRelay};
  second.replace(second.find("/in"), 3, "/on");
  stage.apply(second);
  stage.restart();
  REQUIRE(stage.engine().scenarios().archive("relay", false));
  CHECK(by_hand(stage, ByHand::Retry, {.scenario = "relay"})->changed == 1);
  REQUIRE(stage.sink().tasks.size() == 1);
  CHECK(stage.sink().tasks[0].request->url == "https://crm.example.com/in");
  stage.reply(200);
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
}
