#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kPatient = R"(
scenario: patient
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 1h, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)";
constexpr std::string_view kPatientTwo = R"(
scenario: patient
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 1h, next: other }
  other:  { kind: send_webhook, url: "https://mailer.example.com/two", next: end }
)";
}  // namespace

TEST_CASE("a waiting contact goes on when its time is up, not before", "[cell][lifecycle]") {
  Stage stage{kPatient};
  stage.event("ada", "subscription");

  stage.pass(59min);
  CHECK(stage.place_of("ada") == "pause");
  CHECK(stage.deliveries().empty());
  CHECK(stage.counts("pause")[Counter::Waiting] == 1);

  stage.pass(1min);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.deliveries().size() == 1);
  CHECK(stage.counts("pause")[Counter::Waiting] == 0);
}

TEST_CASE("a wait that ends while the engine is down goes on at the start", "[cell][lifecycle]") {
  Stage stage{kPatient};
  stage.event("ada", "subscription");
  stage.clock().pass(5h);
  stage.restart();
  CHECK(stage.place_of("ada") == "done");
  stage.restart();
  stage.pass(24h);
  CHECK(stage.deliveries().size() == 1);
}

TEST_CASE("a run finishes on the version on which it began", "[cell][lifecycle]") {
  Stage stage{kPatient};
  stage.event("ada", "subscription");
  stage.apply(kPatientTwo);
  stage.event("bob", "subscription");
  stage.restart();
  stage.pass(2h);
  CHECK(stage.path_of("ada") == "joined pause hello");
  CHECK(stage.path_of("bob") == "joined pause other");
  CHECK(stage.counts("hello")[Counter::Accepted] == 0);
  stage.reply(200);
  CHECK(stage.counts("hello")[Counter::Accepted] == 1);
  CHECK(stage.counts("other")[Counter::Accepted] == 1);
  CHECK(stage.counts("joined")[Counter::Visits] == 2);
  const ScenarioStats first = stage.engine().views().stats("patient", 1).value();
  CHECK(first.live.scenario[Counter::Entered] == 1);
}

TEST_CASE("the same text makes no version", "[cell][lifecycle]") {
  Stage stage{kPatient};
  const ApplyAnswer same =
      stage.engine().scenarios().apply("patient", std::string{kPatient}).value();
  CHECK_FALSE(same.changed);
  CHECK(same.scenario.version == 1);
}

TEST_CASE("a node keeps its kind for ever", "[cell][lifecycle]") {
  Stage stage{kPatient};
  const ApplyAnswer answer = stage.engine()
                                 .scenarios()
                                 .apply("patient", R"(
scenario: patient
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: condition, if: { in_group: vip }, yes: end, no: end }
)")
                                 .value();
  CHECK(answer.refused);
  REQUIRE_FALSE(answer.diagnostics.empty());
  CHECK(answer.diagnostics.back().code == "kind_changed");
  CHECK(stage.engine().control().scenarios.find("patient")->newest == 1);
}

TEST_CASE("the node ids of all versions of a scenario together are bounded", "[cell][lifecycle]") {
  // A chain of `count` waits from number `first` on.
  const auto text = [](std::size_t first, std::size_t count, std::string_view title = "t") {
    std::string made = fmt::format(
        "scenario: chain\ntitle: {}\nnodes:\n"
        "  joined: {{ kind: trigger, event: subscription, next: n{} }}\n",
        title, first);
    for (std::size_t i = first; i < first + count; ++i)
      made += fmt::format("  n{}: {{ kind: wait, for: 1h, next: {} }}\n", i,
                          i + 1 < first + count ? fmt::format("n{}", i + 1) : "end");
    return made;
  };
  Stage stage;
  stage.apply(text(0, 9'990), /*activate=*/false);
  stage.apply(text(9'990, 9'990), /*activate=*/false);  // 19,981 with "joined"
  const auto code = [](const std::vector<Diagnostic>& found) {
    return found.empty() ? std::string{} : found.back().code;
  };
  const std::string beyond = text(20'000, 20);
  CHECK(code(validate_text(stage.engine().control().scenarios, "chain", beyond).value()) ==
        "too_many_node_ids");
  CHECK(code(stage.engine().views().plan("chain", beyond, {}).value().diagnostics) ==
        "too_many_node_ids");
  const ApplyAnswer refused = stage.engine().scenarios().apply("chain", beyond).value();
  CHECK(refused.refused);
  CHECK(refused.diagnostics.back().at.line == 24);
  CHECK(refused.diagnostics.back().message.find("have 20001, of which \"n20019\"") !=
        std::string::npos);
  // As a scenario of its own it is right, and so is one that uses known ids again.
  CHECK(code(validate_text(stage.engine().control().scenarios, "", beyond).value()) !=
        "too_many_node_ids");
  stage.apply(text(20'000, 19), /*activate=*/false);
  stage.apply(text(0, 9'990, "again"), /*activate=*/false);
  CHECK(stage.engine().control().scenarios.find("chain")->nodes.size() == kNodeNamesMax);
}

TEST_CASE("hold starts nothing and lets those inside finish", "[cell][lifecycle]") {
  Stage stage{kPatient};
  stage.event("ada", "subscription");
  REQUIRE(stage.engine().scenarios().hold("patient"));
  stage.event("bob", "subscription");
  stage.pass(2h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.place_of("bob").empty());
  REQUIRE(stage.engine().scenarios().activate("patient", std::nullopt));
  stage.pass(1h);
  CHECK(stage.place_of("bob").empty());
}

TEST_CASE("archiving stops runs when they would move, and takes no request back",
          "[cell][lifecycle]") {
  Stage stage{kPatient};
  stage.event("ada", "subscription");
  stage.pass(2h);
  stage.event("bob", "subscription");
  REQUIRE(stage.engine().scenarios().archive("patient", /*cancel_pending=*/false));
  stage.pass(2h);
  CHECK(stage.place_of("bob") == "stopped");
  CHECK(stage.reply(200) == 1);
  CHECK(stage.counts("hello")[Counter::Accepted] == 1);
  CHECK(stage.counts("")[Counter::Stopped] == 1);
  CHECK(stage.broken().empty());
  CHECK_FALSE(stage.engine().scenarios().activate("patient", std::nullopt));
  stage.restart();
  CHECK(stage.counts("hello")[Counter::Accepted] == 1);
}

TEST_CASE("fault 57: a pending request stays as it was asked for, whatever its scenario says now",
          "[cell][lifecycle]") {
  constexpr std::string_view kAsks = R"(
scenario: asks
nodes:
  joined: { kind: trigger, event: subscription, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/one", payload: { word: old }, next: end }
)";
  std::string edited{kAsks};
  edited.replace(edited.find("/one"), 4, "/two");
  edited.replace(edited.find("word: old"), 9, "word: new");
  Stage stage{kAsks};
  stage.event("ada", "subscription");
  REQUIRE(stage.sink().tasks.size() == 1);
  const DeliveryTask first = stage.sink().tasks[0];
  CHECK(first.request->url == "https://mailer.example.com/one");
  CHECK(first.request->body.find("old") != std::string::npos);

  stage.reply(503);
  stage.apply(edited);
  const bool restarted = GENERATE(false, true);
  if (restarted) stage.restart();
  stage.event("bob", "subscription");
  stage.pass(1min);
  REQUIRE(stage.sink().tasks.size() == 2);
  for (const DeliveryTask& task : stage.sink().tasks) {
    const bool again = task.delivery == first.delivery;
    CHECK(task.number == (again ? 2 : 1));
    CHECK((task.webhook_id == first.webhook_id) == again);
    CHECK((task.request->url == first.request->url) == again);
    CHECK((task.request->body == first.request->body) == again);
    CHECK((task.request->body.find("new") == std::string::npos) == again);
  }
  CHECK(stage.reply(200) == 2);
  CHECK(stage.counts("hello")[Counter::Accepted] == 2);
  CHECK(stage.broken().empty());
}

TEST_CASE("archiving can cancel what is pending", "[cell][lifecycle]") {
  Stage stage{kPatient};
  for (const char* who : {"ada", "bob", "eve"}) stage.event(who, "subscription");
  stage.pass(2h);
  REQUIRE(stage.engine().scenarios().archive("patient", /*cancel_pending=*/true));
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.counts("hello")[Counter::Cancelled] == 3);
  CHECK(stage.counts("hello")[Counter::Pending] == 0);
  CHECK(stage.broken().empty());
}

TEST_CASE("after_exit lets a contact in again once it is out", "[cell][lifecycle]") {
  std::string text{kPatient};
  text.insert(text.find("nodes:"), "reentry: after_exit\n");
  Stage stage{text};
  stage.event("ada", "subscription");
  stage.event("ada", "subscription");
  CHECK(stage.counts("").named.at(0) == std::pair<std::string, std::int64_t>{"inside", 1});
  stage.pass(2h);
  stage.event("ada", "subscription");
  CHECK(stage.counts("")[Counter::Entered] == 2);
}

TEST_CASE("restart ends the old run and leaves its deliveries alone", "[cell][lifecycle]") {
  std::string text{kPatient};
  text.insert(text.find("nodes:"), "reentry: restart\n");
  Stage stage{text};
  stage.event("ada", "subscription");
  stage.pass(30min);
  stage.event("ada", "subscription");
  stage.pass(45min);
  CHECK(stage.place_of("ada") == "pause");
  CHECK(stage.counts("")[Counter::Exited] == 1);
  stage.pass(15min);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.broken().empty());
}

TEST_CASE("test mode lets in one address, counts it apart and leaves the others nothing",
          "[cell][lifecycle]") {
  Stage stage{kPatient};
  stage.activate("patient", {"Jane@Example.org"});
  stage.event("ada", "subscription", "{}", R"({"email": "ada@example.org"})");
  CHECK(stage.place_of("ada").empty());
  CHECK(stage.counts("").named.at(0).first == "test_mode");

  for (int i = 0; i < 2; ++i)
    stage.event("jane", "subscription", "{}", R"({"email": "jane@example.org"})");
  CHECK(stage.counts("", /*test=*/true)[Counter::Entered] == 2);
  CHECK(stage.counts("")[Counter::Entered] == 0);

  REQUIRE(stage.engine().scenarios().activate("patient", std::nullopt));
  stage.event("ada", "subscription");
  stage.event("jane", "subscription");  // her test runs do not count against her
  stage.pass(2h);
  CHECK(stage.counts("hello")[Counter::UniqueContacts] == 2);
  CHECK(stage.counts("hello", /*test=*/true)[Counter::Requests] == 2);
  CHECK(stage.broken().empty());
}

TEST_CASE("a duplicate is a draft under a new id without runs or numbers", "[cell][lifecycle]") {
  Stage stage{kPatient};
  stage.event("ada", "subscription");
  const auto copy = stage.engine().scenarios().duplicate("patient", "patient2");
  REQUIRE(copy);
  CHECK(copy->state == ScenarioState::Draft);
  CHECK(stage.engine().views().stats("patient2", 0)->live.scenario[Counter::Entered] == 0);
  CHECK(stage.engine().scenarios().duplicate("patient", "patient2").error().code == "id_used");
  CHECK(stage.engine().scenarios().duplicate("patient", "no good").error().code == "invalid_id");
  CHECK(stage.engine().scenarios().duplicate("patien", "x").error().message.find("\"patient\"") !=
        std::string::npos);
  REQUIRE(stage.engine().scenarios().remove_draft("patient2"));
  CHECK(stage.engine().scenarios().duplicate("patient", "patient2").error().code == "id_used");
  CHECK(stage.engine().scenarios().remove_draft("patient").error().code == "has_run");
}

TEST_CASE("forgetting ends runs, cancels requests, and keeps the numbers", "[cell][lifecycle]") {
  Stage stage{R"(
scenario: both
reentry: parallel
nodes:
  joined: { kind: trigger, event: subscription, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: pause }
  pause:  { kind: wait, for: 1h, next: end }
)"};
  stage.event("ada", "subscription", "{}", R"({"email": "ada@example.org"})");
  const Delivery asked = stage.deliveries().at(0);
  const ContactKey ada = stage.contact("ada").contact.key;
  stage.command(ada, Forget{});

  CHECK(stage.engine().contacts().contact({.id = "ada"}).error().code == "unknown_contact");
  CHECK(stage.engine().contacts().contact({.email = "ada@example.org"}).error().code ==
        "unknown_contact");
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.counts("hello")[Counter::Cancelled] == 1);
  CHECK(stage.counts("hello")[Counter::UniqueContacts] == 1);
  CHECK(stage.counts("")[Counter::Exited] == 1);
  CHECK(stage.broken().empty());
  const auto request = stage.request_of(asked.key);
  CHECK((request == nullptr || request->body.empty()));
  stage.restart();
  stage.pass(2h);
  CHECK(stage.broken().empty());

  stage.event("ada", "subscription");
  CHECK(stage.contact("ada").contact.key != ada);
}

TEST_CASE("declared fields outlive the process", "[cell]") {
  Stage stage;
  REQUIRE(stage.engine().access().declare_field({"plan", FieldType::Number, "What they pay"}));
  REQUIRE(stage.engine().access().declare_field({"old"}));
  REQUIRE(stage.engine().access().remove_field("old"));
  stage.restart();
  const auto& fields = stage.engine().control().fields;
  REQUIRE(fields->all().size() == 1);
  CHECK(fields->all().front() == CustomField{"plan", FieldType::Number, "What they pay"});
  const auto refused = stage.engine().scenarios().apply(
      "x",
      "scenario: x\nnodes:\n  in: {kind: trigger, event: e, where: {custom.p: 1}, next: end}\n");
  REQUIRE(refused);
  CHECK(refused->refused);
}
