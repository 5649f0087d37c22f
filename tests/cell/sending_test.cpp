// A restored copy: it takes what comes, and sends nothing until it is told to.
#include "engine/cell/sending.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/stage.h"

using namespace std::chrono_literals;

namespace onward {
namespace {
constexpr const char* kScenario = R"(
    scenario: welcome
    nodes:
      joined: {kind: trigger, event: signed_up, next: hello}
      hello:  {kind: send_webhook, url: "https://mailer.example.com/in", next: pause}
      pause:  {kind: wait, for: 1h, next: again}
      again:  {kind: send_webhook, url: "https://mailer.example.com/in", next: end}
)";

/// As a restore leaves it.
void hold(Stage& stage) {
  REQUIRE(
      stage.engine().store().commit({.control = {.admin = {sending_held(stage.clock().now())}}}));
  stage.sink().tasks.clear();
  stage.restart();
}
}  // namespace

TEST_CASE("a held engine takes events, and neither sends nor fires timers until it is resumed",
          "[cell][sending]") {
  Stage stage{kScenario};
  stage.event("ada", "signed_up");
  hold(stage);
  REQUIRE(stage.engine().control().held_since);

  CHECK(stage.event("bob", "signed_up").kind == EventAnswer::Kind::Accepted);
  stage.pass(2h);
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.place_of("ada") == "pause");
  CHECK(stage.place_of("bob") == "pause");
  CHECK(stage.counts("hello")[Counter::Pending] == 2);
  // Nothing asks to be woken for what may not happen.
  CHECK((!stage.engine().next_wake() || *stage.engine().next_wake() > stage.clock().now()));

  REQUIRE(stage.engine().deliveries().resume_sending("jane").value());
  const auto told = stage.reader()->activity("", 1, {});
  REQUIRE(told);
  REQUIRE(told->rows.size() == 1);
  CHECK(told->rows[0].second.what == "sending.resumed");
  CHECK(told->rows[0].second.who == "jane");
  stage.pass(0s);
  CHECK(stage.reply(200) == 4);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.counts("again")[Counter::Accepted] == 2);
  CHECK(stage.broken() == "");
  CHECK_FALSE(stage.engine().deliveries().resume_sending("jane").value());
}

TEST_CASE("the hold outlives restarts, and its end does as well", "[cell][sending]") {
  Stage stage{kScenario};
  stage.event("ada", "signed_up");
  hold(stage);
  stage.restart();
  stage.pass(1min);
  CHECK(stage.sink().tasks.empty());
  REQUIRE(stage.engine().deliveries().resume_sending("jane").value());
  stage.restart();
  CHECK_FALSE(stage.engine().control().held_since);
  stage.pass(0s);
  CHECK(stage.reply(200) == 1);
}

TEST_CASE("a hold that is longer than the window ends with one last attempt each",
          "[cell][sending]") {
  Stage stage{kScenario};
  stage.event("ada", "signed_up");
  hold(stage);
  stage.pass(24h);
  CHECK(stage.counts("hello")[Counter::Failed] == 0);
  REQUIRE(stage.engine().deliveries().resume_sending("jane").value());
  stage.pass(0s);
  const auto& tasks = stage.sink().tasks;  // the second request was asked for just now, late
  CHECK(std::count_if(tasks.begin(), tasks.end(), [](const auto& task) { return task.last; }) == 1);
  CHECK(stage.reply(200) == 2);
  CHECK(stage.counts("hello")[Counter::Accepted] == 1);
}

TEST_CASE("batches wait as well", "[cell][sending]") {
  Stage stage{R"(
    scenario: relay
    nodes:
      seen: {kind: trigger, event: seen, next: tell}
      tell: {kind: send_webhook, url: "https://x.example.com/in", envelope: events,
             batch: {max: 10, linger: 1s}, next: end}
  )"};
  stage.event("ada", "seen");
  hold(stage);
  stage.event("bob", "seen");
  stage.pass(1h);
  CHECK(stage.sink().tasks.empty());
  REQUIRE(stage.engine().deliveries().resume_sending("jane").value());
  stage.pass(2s);
  CHECK(stage.reply(200) >= 1);
  CHECK(stage.counts("tell")[Counter::Accepted] == 2);
}
}  // namespace onward
