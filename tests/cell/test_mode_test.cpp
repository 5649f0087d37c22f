// Both ways to test a webhook before everybody's contacts pass it: by a condition, as seed S2
// advises, and by test mode.
#include <catch2/catch.hpp>

#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kGuarded = R"(scenario: welcome
title: Welcome, being tested
reentry: after_exit
nodes:
  signed_up: { kind: trigger, event: subscription, next: is_tester }
  is_tester: # only our own address for now
    kind: condition
    if: { email: { is: jane.tester@example.org } }
    yes: tell_crm
    no: end
  tell_crm: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)";

void subscribe(Stage& stage, std::string_view who, std::string_view email) {
  stage.event(who, "subscription", "{}", "{\"email\": \"" + std::string{email} + "\"}");
}
}  // namespace

TEST_CASE("a condition on the address tests a webhook, and the copy goes to work",
          "[cell][test_mode]") {
  Stage stage{kGuarded};
  subscribe(stage, "jane", "Jane.Tester@example.org");
  subscribe(stage, "ada", "ada@example.org");
  CHECK(stage.reply(503) == 1);
  stage.pass(5s);
  CHECK(stage.reply(200) == 1);

  // The numbers above the node: one contact came, one request was accepted.
  CHECK(stage.counts("tell_crm")[Counter::UniqueContacts] == 1);
  CHECK(stage.counts("tell_crm")[Counter::Accepted] == 1);
  CHECK(stage.counts("tell_crm")[Counter::Pending] == 0);
  CHECK(stage.counts("tell_crm")[Counter::Failed] == 0);
  CHECK(stage.counts("is_tester").named ==
        std::vector<std::pair<std::string, std::int64_t>>{{"no", 1}, {"yes", 1}});

  const ScenarioInfo copy = stage.engine().scenarios().duplicate("welcome", "welcome-2").value();
  CHECK(copy.state == ScenarioState::Draft);
  const std::string text = *stage.engine().control().scenarios.text("welcome-2", 1);
  CHECK(text.find("scenario: welcome-2\n") == 0);
  CHECK(text.find("# only our own address for now") != std::string::npos);
  REQUIRE(stage.engine().scenarios().archive("welcome", false));

  // The copy without its guard.
  std::string open = text;
  const std::size_t guard = open.find("next: is_tester");
  open.replace(guard, 15, "next: tell_crm");
  open.erase(open.find("  is_tester:"), open.find("  tell_crm:") - open.find("  is_tester:"));
  stage.apply(open);
  subscribe(stage, "jane", "jane.tester@example.org");
  subscribe(stage, "ada", "ada@example.org");
  CHECK(stage.reply(200) == 2);
  CHECK(stage.counts("tell_crm")[Counter::Accepted] == 2);  // of the copy, from zero
  const ScenarioStats old = stage.engine().views().stats("welcome", 0).value();
  CHECK(old.state == ScenarioState::Archived);
  CHECK(old.live.scenario[Counter::Entered] == 2);
  CHECK(stage.broken() == "");

  // What is archived never runs again, and its id is taken.
  CHECK(stage.engine().scenarios().activate("welcome", std::nullopt).error().code == "archived");
  CHECK(stage.engine().scenarios().apply("welcome", std::string{kGuarded}).error().code ==
        "archived");
  CHECK(stage.engine().scenarios().hold("welcome").error().code == "archived");
  CHECK(stage.engine().scenarios().duplicate("welcome-2", "welcome").error().code == "id_used");
  CHECK(stage.engine().scenarios().remove_draft("welcome").error().code == "has_run");
}

TEST_CASE("test mode lets one address in at will, counts it apart and is left",
          "[cell][test_mode]") {
  Stage stage;
  std::string text{kGuarded};
  text.replace(text.find("after_exit"), 10, "never");
  stage.apply(text, /*activate=*/false);
  stage.activate("welcome", {"jane.tester@example.org"});
  for (int i = 0; i < 3; ++i) subscribe(stage, "jane", "jane.tester@example.org");
  subscribe(stage, "ada", "ada@example.org");
  CHECK(stage.reply(200) == 3);
  CHECK(stage.counts("tell_crm", /*test=*/true)[Counter::Accepted] == 3);
  CHECK(stage.counts("tell_crm", /*test=*/true)[Counter::UniqueContacts] == 1);
  CHECK(stage.counts("tell_crm")[Counter::Visits] == 0);
  CHECK(stage.counts("").named ==
        std::vector<std::pair<std::string, std::int64_t>>{{"test_mode", 1}});
  CHECK(stage.counts("", /*test=*/true)[Counter::Entered] == 3);

  REQUIRE(stage.engine().scenarios().activate("welcome", std::nullopt));
  subscribe(stage, "jane", "jane.tester@example.org");  // for the first time, as it counts
  subscribe(stage, "jane", "jane.tester@example.org");
  CHECK(stage.reply(200) == 1);
  CHECK(stage.counts("tell_crm")[Counter::Accepted] == 1);
  CHECK(stage.counts("tell_crm", /*test=*/true)[Counter::Accepted] == 3);
  CHECK(stage.broken() == "");
}

TEST_CASE("a draft is deleted for good, and its id is never used again", "[cell][lifecycle]") {
  Stage stage;
  stage.apply(kGuarded, /*activate=*/false);
  REQUIRE(stage.engine().scenarios().remove_draft("welcome"));
  CHECK(stage.engine().scenarios().apply("welcome", std::string{kGuarded}).error().code ==
        "id_used");
  CHECK(stage.engine().scenarios().activate("welcome", std::nullopt).error().code ==
        "unknown_scenario");
  stage.restart();
  CHECK(stage.engine().scenarios().apply("welcome", std::string{kGuarded}).error().code ==
        "id_used");
  CHECK(stage.engine().views().list().empty());

  stage.apply(R"(scenario: shelved
reentry: never
nodes: { start: { kind: trigger, event: subscription, next: end } }
)",
              /*activate=*/false);
  REQUIRE(stage.engine().scenarios().archive("shelved", false));
  CHECK(stage.engine().scenarios().remove_draft("shelved").error().code == "archived");
}

TEST_CASE("a test mode of many addresses, as earlier releases stored them, keeps working",
          "[cell][test_mode]") {
  Stage stage;
  stage.apply(kGuarded, /*activate=*/false);
  std::vector<std::string> testers{"zoe@example.org"};
  for (int i = 0; i < 20'000; ++i) testers.push_back("t" + std::to_string(i) + "@example.org");
  stage.activate("welcome", testers);
  stage.restart();
  CHECK(stage.engine().views().info("welcome")->test_emails == testers);
  for (const char* who : {"zoe", "t0", "t19999", "ada", "t20000"})
    subscribe(stage, who, std::string{who} + "@example.org");
  CHECK(stage.counts("", /*test=*/true)[Counter::Entered] == 3);
  CHECK(stage.counts("").named ==
        std::vector<std::pair<std::string, std::int64_t>>{{"test_mode", 2}});
}
