#include <set>

#include "tests/nodes/node_stage.h"

using namespace onward;
using namespace std::chrono_literals;

TEST_CASE("each kind says of itself what others need to know", "[nodes]") {
  std::set<std::string_view> names;
  for (const NodeKind& kind : node_kinds()) {
    CAPTURE(kind.name);
    CHECK(names.insert(kind.name).second);
    CHECK(kind.summary.ends_with('.') + kind.summary.ends_with("No.") > 0);
    CHECK_FALSE(kind.ports.empty());
    CHECK(kind.make);
    for (const SettingSpec& spec : kind.settings) {
      CAPTURE(spec.key);
      CHECK_FALSE(spec.summary.empty());
      if (!spec.schema.empty()) CHECK(parse_json(spec.schema));
      if (spec.type == SettingType::Choice) CHECK_FALSE(spec.choices.empty());
    }
  }
  CHECK(find_kind(node_kinds(), "wait")->family == NodeFamily::Wait);
  CHECK(find_kind(node_kinds(), "wiat") == nullptr);
}

TEST_CASE("a trigger listens for events by their canonical names, each once", "[nodes][trigger]") {
  const Loaded loaded = load_scenario(
      "scenario: x\nreentry: never\nnodes:\n  start: { kind: trigger, event: [opened, email_open, "
      "my_own], where: { event.form: a }, next: end }\n",
      node_kinds());
  REQUIRE(loaded.scenario);
  const auto& listen = std::get<EventListen>(loaded.scenario->nodes[0].node->listens());
  CHECK(listen.events == std::vector<std::string>{"opened", "my_own"});
  CHECK_FALSE(listen.where.always());
}

TEST_CASE("a trigger lets its contact go on", "[nodes][trigger]") {
  const NodeStage stage{"{ kind: wait, for: 1h, next: end }"};
  REQUIRE(stage.loaded.scenario);
  const Outcome outcome = stage.loaded.scenario->find("start")->node->enter(stage.visit());
  CHECK(std::get<Leave>(outcome.next).port == "next");
}

TEST_CASE("a trigger wants an event", "[nodes][trigger]") {
  for (const char* event : {"", "event: [],", "event: { a: b },", "event: ,", "event: \"a b\","}) {
    CAPTURE(event);
    const Loaded loaded = load_scenario(
        std::string{"scenario: x\nnodes:\n  start: { kind: trigger, "} + event + " next: end }\n",
        node_kinds());
    CHECK_FALSE(loaded.scenario);
  }
}

TEST_CASE("a condition leaves by yes or by no", "[nodes][condition]") {
  NodeStage stage{"{ kind: condition, if: { company: Example }, yes: end, no: end }"};
  Outcome outcome = stage.enter();
  CHECK(std::get<Leave>(outcome.next).port == "no");
  stage.contact.set(Field::Company, "Example");
  outcome = stage.enter();
  CHECK(std::get<Leave>(outcome.next).port == "yes");
  CHECK_FALSE(outcome.unknown);
  CHECK_FALSE(outcome.request);
}

TEST_CASE("what cannot be told counts as no, and is counted", "[nodes][condition]") {
  NodeStage stage{"{ kind: condition, if: { event.total: { gt: 5 } }, yes: end, no: end }"};
  const Outcome outcome = stage.enter();
  CHECK(std::get<Leave>(outcome.next).port == "no");
  CHECK(outcome.unknown);
}

TEST_CASE("a wait holds for its time and then lets go", "[nodes][wait]") {
  const NodeStage stage{"{ kind: wait, for: 1h30m, next: end }"};
  const Outcome outcome = stage.enter();
  CHECK(std::get<Hold>(outcome.next).until == stage.visit().now.at + 90min);
  const Outcome after = stage.node().wake(stage.visit(), {});
  CHECK(std::get<Leave>(after.next).port == "next");
}

TEST_CASE("a wait wants a sensible time", "[nodes][wait]") {
  for (const char* time : {"soon", "-1h", "12", "4000d", "[1h]", "~"}) {
    CAPTURE(time);
    const NodeStage stage{std::string{"{ kind: wait, for: "} + time + ", next: end }"};
    CHECK_FALSE(stage.loaded.scenario);
    CHECK(stage.codes().find("bad_duration") != std::string::npos);
  }
}

TEST_CASE("a condition says why", "[nodes][condition]") {
  NodeStage stage{"{ kind: condition, if: { company: Example }, yes: end, no: end }"};
  CHECK(stage.enter().note == R"(company is "Example": not set)");
  stage.contact.set(Field::Company, "Example");
  CHECK(stage.enter().note == R"(company is "Example": found "Example")");
}
