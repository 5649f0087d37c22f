// Scenarios that start and end by themselves. The stage's clock begins on 2026-05-01 at 09:00 UTC.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
/// `times` are whole lines of the file.
std::string campaign(std::string_view times) {
  return fmt::format(R"(scenario: campaign
reentry: never
{}nodes:
  joined: {{ kind: trigger, event: subscription, next: pause }}
  pause:  {{ kind: wait, for: 30d, next: end }}
)",
                     times);
}
ScenarioState state(Stage& stage) {
  return stage.engine().control().scenarios.find("campaign")->state;
}

std::vector<std::pair<std::string, Activity>> activity(Stage& stage) {
  std::vector<std::pair<std::string, Activity>> rows;
  auto reader = stage.engine().store().open_reader();
  REQUIRE(reader);
  const auto list = (*reader)->activity("campaign", 100, "");
  REQUIRE(list);
  for (const auto& [number, row] : list->rows) rows.emplace_back(row.what, row);
  return rows;
}
}  // namespace

TEST_CASE("a scenario that is activated before its start waits for it", "[cell][schedule]") {
  Stage stage;
  stage.apply(campaign("start_at: 2026-05-02T09:00\n"), /*activate=*/false);
  const ScenarioInfo info = stage.engine().scenarios().activate("campaign", std::nullopt).value();
  CHECK(info.state == ScenarioState::Scheduled);
  CHECK_FALSE(info.activated);
  REQUIRE(info.next);
  CHECK(info.next->what == "start");
  CHECK(info.next->at == stage.clock().now() + 24h);

  stage.event("early", "subscription");
  stage.restart();
  stage.pass(24h - 1ms);
  CHECK(state(stage) == ScenarioState::Scheduled);
  stage.event("early", "subscription");
  CHECK(stage.place_of("early").empty());

  stage.pass(1ms);
  CHECK(state(stage) == ScenarioState::Active);
  stage.event("ada", "subscription");
  CHECK(stage.place_of("ada") == "pause");
  CHECK(stage.place_of("early").empty());  // what came before counts for nothing
  CHECK_FALSE(stage.engine().views().info("campaign")->next);
  const auto rows = activity(stage);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].first == "scenario.activated");
  CHECK(rows[1].first == "scenario.scheduled");
  CHECK(rows[0].second.who == "engine");
}

TEST_CASE("a start that fell into a downtime comes at once, before any event", "[cell][schedule]") {
  Stage stage;
  stage.apply(campaign("start_at: 2026-05-02T09:00\n"), /*activate=*/false);
  REQUIRE(stage.engine().scenarios().activate("campaign", std::nullopt));
  stage.clock().pass(72h);
  stage.restart();
  CHECK(state(stage) == ScenarioState::Active);
  CHECK(stage.engine().control().scenarios.find("campaign")->activated == stage.clock().now());
}

TEST_CASE("at its end a scenario goes on hold, and those inside finish", "[cell][schedule]") {
  Stage stage{campaign("end_at: 2026-05-03T09:00\n")};
  CHECK(stage.engine().views().info("campaign")->next->what == "hold");
  stage.event("ada", "subscription");
  stage.pass(48h);
  CHECK(state(stage) == ScenarioState::OnHold);
  stage.event("bob", "subscription");
  CHECK(stage.place_of("bob").empty());
  const auto refused = stage.engine().scenarios().activate("campaign", std::nullopt);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "ended");
  CHECK(refused.error().message.find("2026-05-03T09:00") != std::string::npos);
  stage.pass(30 * 24h);
  CHECK(stage.place_of("ada") == "done");
  CHECK_FALSE(stage.engine().next_wake());  // it ended once, and that is all

  // A later end opens it again, by hand.
  stage.apply(campaign("end_at: 2026-08-01T09:00\n"));
  CHECK(state(stage) == ScenarioState::Active);
}

TEST_CASE("at its end a scenario is archived where it says so, on hold as well",
          "[cell][schedule]") {
  for (const bool held : {false, true}) {
    Stage stage{campaign("end_at: 2026-05-03T09:00\nat_end: archive\n")};
    if (held) REQUIRE(stage.engine().scenarios().hold("campaign"));
    stage.pass(48h);
    CHECK(state(stage) == ScenarioState::Archived);
    CHECK(stage.engine().control().scenarios.find("campaign")->archived == stage.clock().now());
    CHECK(activity(stage).at(0).first == "scenario.archived");
  }
}

TEST_CASE("start and end that both fell into a downtime both happen", "[cell][schedule]") {
  Stage stage;
  stage.apply(campaign("start_at: 2026-05-02T09:00\nend_at: 2026-05-03T09:00\n"), false);
  REQUIRE(stage.engine().scenarios().activate("campaign", std::nullopt));
  stage.clock().pass(30 * 24h);
  stage.restart();
  CHECK(state(stage) == ScenarioState::OnHold);
  const auto rows = activity(stage);
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].first == "scenario.held");
  CHECK(rows[1].first == "scenario.activated");
}

TEST_CASE("a plan says that an end which is past comes at once", "[cell][schedule]") {
  Stage stage;
  const auto notes = [&](std::string_view times) {
    const auto plan = stage.engine().views().plan("campaign", campaign(times), MigrationRequest{});
    REQUIRE(plan);
    return fmt::format("{}", fmt::join(plan->notes, "; "));
  };
  stage.apply(campaign(""), /*activate=*/false);
  CHECK(notes("end_at: 2026-04-01\n") ==
        "its end, 2026-04-01T00:00:00Z, is past: it cannot be activated");
  stage.apply(campaign("title: Now\n"));
  CHECK(notes("end_at: 2026-04-01\nat_end: archive\n") ==
        "its end, 2026-04-01T00:00:00Z, is past: it is archived at once");
  CHECK(notes("start_at: 2026-04-01\nend_at: 2026-06-01\n") ==
        "it goes on hold by itself at 2026-06-01T00:00:00Z");
}

TEST_CASE("a version with other times counts at once", "[cell][schedule]") {
  Stage stage;
  stage.apply(campaign("start_at: 2026-06-01T09:00\n"), false);
  REQUIRE(stage.engine().scenarios().activate("campaign", std::nullopt));
  stage.apply(campaign("start_at: 2026-05-02T09:00\n"), false);
  CHECK(state(stage) == ScenarioState::Scheduled);
  stage.apply(campaign("title: Now\n"), false);
  CHECK(state(stage) == ScenarioState::Active);
  stage.event("ada", "subscription");

  // Later: nobody is let in until then, those inside go on.
  stage.apply(campaign("start_at: 2026-05-20T09:00\n"), false);
  CHECK(state(stage) == ScenarioState::Scheduled);
  stage.event("bob", "subscription");
  CHECK(stage.place_of("ada") == "pause");
  CHECK(stage.place_of("bob").empty());
  stage.pass(30 * 24h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(state(stage) == ScenarioState::Active);

  // An end that is over already.
  stage.apply(campaign("end_at: 2026-05-21T09:00\n"), false);
  CHECK(state(stage) == ScenarioState::OnHold);
}

TEST_CASE("a scheduled scenario can be taken back", "[cell][schedule]") {
  Stage stage;
  stage.apply(campaign("start_at: 2026-05-02T09:00\n"), false);
  REQUIRE(stage.engine().scenarios().activate("campaign", std::nullopt));
  const auto kept = stage.engine().scenarios().remove_draft("campaign");
  REQUIRE_FALSE(kept);
  CHECK(kept.error().code == "scheduled");
  REQUIRE(stage.engine().scenarios().hold("campaign"));
  stage.pass(48h);
  CHECK(state(stage) == ScenarioState::OnHold);
  CHECK(stage.engine().scenarios().remove_draft("campaign"));
}

TEST_CASE("tests need not wait for the start", "[cell][schedule]") {
  Stage stage;
  stage.apply(campaign("start_at: 2026-05-02T09:00\n"), false);
  stage.activate("campaign", {"jane@example.org"});
  stage.event("jane", "subscription", "{}", R"({"email": "jane@example.org"})");
  CHECK(stage.counts("", /*test=*/true)[Counter::Entered] == 1);
  REQUIRE(stage.engine().scenarios().activate("campaign", std::nullopt));
  CHECK(state(stage) == ScenarioState::Scheduled);
  stage.pass(24h);
  CHECK(state(stage) == ScenarioState::Active);
  CHECK(stage.counts("")[Counter::Entered] == 0);
}

TEST_CASE("a duplicate is a draft whatever its original is", "[cell][schedule]") {
  Stage stage;
  stage.apply(campaign("start_at: 2026-05-02T09:00\n"), false);
  REQUIRE(stage.engine().scenarios().activate("campaign", std::nullopt));
  REQUIRE(stage.engine().scenarios().duplicate("campaign", "copy"));
  stage.pass(48h);
  CHECK(stage.engine().control().scenarios.find("copy")->state == ScenarioState::Draft);
}
