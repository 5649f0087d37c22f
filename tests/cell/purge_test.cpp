// What an archived scenario leaves when it is purged.
#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kText = R"(scenario: spring
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/in", next: pause }
  pause:  { kind: wait, for: 7d, next: end }
)";
constexpr std::string_view kOther = R"(scenario: other
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/other", next: end }
)";
bool purged(Stage& stage) { return stage.engine().views().info("spring")->purged.has_value(); }
}  // namespace

TEST_CASE("a purge takes runs and bodies and keeps the numbers", "[cell][purge]") {
  Stage stage{kOther};
  stage.apply(kText);
  for (const char* who : {"ada", "bob"}) stage.event(who, "subscription");
  stage.reply(200);
  stage.pass(7 * 24h);
  stage.event("eve", "subscription");
  stage.reply(200);
  const auto early = stage.engine().scenarios().purge("spring");
  REQUIRE_FALSE(early);
  CHECK(early.error().code == "not_archived");
  REQUIRE(stage.engine().scenarios().archive("spring", false));

  const ScenarioInfo begun = stage.engine().scenarios().purge("spring").value();
  REQUIRE(begun.progress);
  CHECK(begun.progress->what == "purge");
  CHECK_FALSE(begun.purged);
  stage.pass(0s);
  CHECK(purged(stage));
  CHECK_FALSE(stage.engine().views().info("spring")->progress);
  CHECK(stage.broken() == "");

  // Of each contact the other scenario's run is left.
  for (const char* who : {"ada", "eve"}) {
    const auto runs = stage.runs_of(who);
    REQUIRE(runs.size() == 1);
    CHECK(stage.engine().control().scenarios.find(runs[0].scenario)->id == "other");
  }
  std::size_t bodies = 0;
  const auto deliveries = stage.deliveries();
  CHECK(deliveries.size() == 6);
  for (const Delivery& delivery : deliveries) {
    const bool whole = stage.request_of(delivery.key) != nullptr;
    CHECK(whole ==
          (stage.engine().control().scenarios.find(delivery.endpoint.scenario)->id == "other"));
    bodies += whole ? 1 : 0;
  }
  CHECK(bodies == 3);
  CHECK(stage.counts("tell")[Counter::Accepted] == 3);
  CHECK(stage.counts("")[Counter::Entered] == 3);
  CHECK(stage.counts("")[Counter::Done] == 2);
  CHECK(stage.counts("")[Counter::Stopped] == 1);

  // It is done once; a restart changes nothing.
  stage.restart();
  CHECK(purged(stage));
  const Instant when = *stage.engine().views().info("spring")->purged;
  stage.pass(1h);
  CHECK(stage.engine().scenarios().purge("spring")->purged == when);
  CHECK(stage.counts("tell")[Counter::Accepted] == 3);
}

TEST_CASE("a purge goes on after a restart", "[cell][purge]") {
  Stage stage{kText};
  for (int i = 0; i < 700; ++i) stage.event("c" + std::to_string(i), "subscription");
  while (stage.reply(200) > 0) {
  }
  REQUIRE(stage.engine().scenarios().archive("spring", false));
  REQUIRE(stage.engine().scenarios().purge("spring"));
  for (int piece = 0; piece < 5; ++piece) {
    CHECK_FALSE(purged(stage));
    stage.restart();  // one piece of work
  }
  stage.pass(0s);
  CHECK(purged(stage));
  CHECK(stage.counts("")[Counter::Stopped] == 700);
  CHECK(stage.counts("")[Counter::Inside] == 0);
  CHECK(stage.broken() == "");
  CHECK(stage.runs_of("c0").empty());
  CHECK(stage.runs_of("c699").empty());
  const auto next = stage.engine().next_wake();
  CHECK((!next || *next > stage.clock().now()));  // idle again
}

TEST_CASE("a purge waits for requests that are still pending", "[cell][purge]") {
  Stage stage{kText};
  stage.event("ada", "subscription");
  REQUIRE(stage.engine().scenarios().archive("spring", false));
  const auto refused = stage.engine().scenarios().purge("spring");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "requests_pending");
  REQUIRE(stage.engine().scenarios().archive("spring", /*cancel_pending=*/true));
  REQUIRE(stage.engine().scenarios().purge("spring"));
  stage.pass(0s);
  CHECK(purged(stage));
  CHECK(stage.counts("tell")[Counter::Cancelled] == 1);
}

TEST_CASE("a purge whose step finds the disk full takes the step again", "[cell][purge]") {
  const int full_at = GENERATE(0, 1, 2, 3);
  auto faults = std::make_shared<Faults>();
  Stage stage{kText, make_faulty_store(make_memory_store(), faults)};
  for (const char* who : {"ada", "bob"}) stage.event(who, "subscription");
  stage.reply(200);
  REQUIRE(stage.engine().scenarios().archive("spring", false));
  REQUIRE(stage.engine().scenarios().purge("spring"));
  for (int turn = 0; turn < full_at; ++turn) REQUIRE(drive(stage.engine()));
  faults->full = true;
  REQUIRE(drive(stage.engine()));
  faults->full = false;
  stage.pass(1min);
  CHECK(purged(stage));
  for (const char* who : {"ada", "bob"}) CHECK(stage.runs_of(who).empty());
  CHECK(stage.broken() == "");
}
