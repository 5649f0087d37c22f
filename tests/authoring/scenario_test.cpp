#include "engine/core/scenario/scenario.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "engine/authoring/load.h"
#include "nodes/nodes.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
std::string codes(const Loaded& loaded) {
  std::string text;
  for (const Diagnostic& found : loaded.diagnostics) text += found.code + " ";
  return text;
}
Loaded load(std::string_view text, const AuthorContext& context = {}) {
  return load_scenario(text, node_kinds(), context);
}
constexpr std::string_view kStart =
    "nodes:\n  start: { kind: trigger, event: subscription, next: end }\n";
}  // namespace

TEST_CASE("a scenario is read with its ports as edges", "[core][scenario]") {
  const Loaded loaded = load(R"(
scenario: welcome
title: 2026
timezone: America/Toronto
nodes:
  start: { kind: trigger, event: [subscription, opened], next: ask }
  ask:
    kind: condition
    if: { email: { is: jane@example.org } }
    yes: tell
    no: end
  tell: { kind: send_webhook, url: "https://crm.example.com/", next: end }
reentry: after_exit
tests:
  - { name: a, contact: { id: 1 }, events: [{ type: opened }], expect: { path: [start] } }
)");
  INFO(codes(loaded));
  REQUIRE(loaded.scenario);
  const Scenario& scenario = *loaded.scenario;
  CHECK(scenario.id == "welcome");
  CHECK(scenario.title == "2026");
  CHECK(scenario.timezone == "America/Toronto");
  CHECK(scenario.reentry.mode == ReentryMode::AfterExit);
  REQUIRE(scenario.nodes.size() == 3);
  CHECK(scenario.nodes[0].target("next") == 1);
  CHECK(scenario.nodes[1].target("yes") == 2);
  CHECK(scenario.nodes[1].target("no") == kEnd);
  CHECK(scenario.find("tell")->kind->name == "send_webhook");
  CHECK(scenario.find(NodeNumber{2})->id == "ask");
  CHECK(scenario.find(NodeNumber{4}) == nullptr);
  CHECK(scenario.find("nobody") == nullptr);
  CHECK(scenario.tests.items.size() == 1);
}

TEST_CASE("node numbers follow the ids across versions", "[core][scenario]") {
  std::vector<std::pair<std::string, NodeNumber>> known;
  Loaded first = load(
      "scenario: x\nnodes:\n  a: { kind: trigger, event: opened, next: b }\n"
      "  b: { kind: wait, for: 1d, next: end }\nreentry: never\n");
  REQUIRE(first.scenario);
  first.scenario->number_nodes(known);
  Loaded second = load(
      "scenario: x\nnodes:\n  c: { kind: trigger, event: opened, next: b }\n"
      "  b: { kind: wait, for: 2d, next: end }\nreentry: never\n");
  REQUIRE(second.scenario);
  second.scenario->number_nodes(known);
  CHECK(second.scenario->find("b")->number == NodeNumber{2});
  CHECK(second.scenario->find("c")->number == NodeNumber{3});
  CHECK(second.scenario->find(NodeNumber{1}) == nullptr);
  CHECK(second.scenario->find(NodeNumber{3})->id == "c");
  CHECK(known.size() == 3);
}

TEST_CASE("re-entry is one word, or a mapping", "[core][scenario]") {
  const Loaded loaded =
      load(fmt::format("scenario: x\nreentry: {{ mode: parallel, min_gap: 1d, key: "
                       "event.order.id }}\n{}",
                       kStart));
  REQUIRE(loaded.scenario);
  CHECK(loaded.scenario->reentry ==
        Reentry{.mode = ReentryMode::Parallel, .min_gap = Duration{24h}, .key_path = "order.id"});
  CHECK(load(fmt::format("scenario: x\nreentry: restart\n{}", kStart)).scenario->reentry.mode ==
        ReentryMode::Restart);
}

TEST_CASE("ids are letters, digits, - and _", "[core][scenario]") {
  CHECK(valid_id("a"));
  CHECK(valid_id("9-Lives_x"));
  CHECK(valid_id(std::string(64, 'a')));
  for (const char* wrong : {"", "-a", "_a", "a b", "a.b", "é", "a/b", "../a"}) {
    CAPTURE(wrong);
    CHECK_FALSE(valid_id(wrong));
  }
  CHECK_FALSE(valid_id(std::string(65, 'a')));
}

TEST_CASE("a secret that the server does not have is a mistake where that is known",
          "[core][scenario]") {
  const std::string_view text =
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: tell }\n"
      "  tell: { kind: send_webhook, url: \"https://a.example.com/{{ secret.path }}\", auth: { "
      "bearer: \"{{ secret.tokn }}\" }, next: end }\n";
  const Loaded offline = load(text);
  CHECK(offline.scenario);
  CHECK(codes(offline) == "unknown_secret unknown_secret ");
  CHECK(offline.diagnostics[0].severity == Severity::Warning);
  AuthorContext context;
  context.secrets = SecretNames{{"token", {}}, {"path", {SecretHosts::Rule::Any}}};
  const Loaded loaded = load(text, context);
  CHECK(codes(loaded) == "unknown_secret ");
  CHECK(loaded.diagnostics[0].nearest == "token");
}

TEST_CASE("a node after a wrong kind is not called unreachable", "[core][scenario]") {
  const Loaded loaded = load(
      "scenario: x\nnodes:\n  start: { kind: triger, event: opened, next: a }\n"
      "  a: { kind: wait, for: 1d, next: end }\n");
  CHECK(codes(loaded) == "unknown_kind trailing_wait ");
}

TEST_CASE("a ring that nothing reaches is told once", "[core][scenario]") {
  const Loaded loaded = load(
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: end }\n"
      "  a: { kind: wait, for: 1d, next: b }\n  b: { kind: wait, for: 1d, next: a }\n");
  CHECK(codes(loaded) == "cycle unreachable ");
}

TEST_CASE("branches that join again are no cycle", "[core][scenario]") {
  const Loaded loaded = load(
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: ask }\n"
      "  ask: { kind: condition, if: { company: { exists: true } }, yes: a, no: b }\n"
      "  a: { kind: wait, for: 1d, next: b }\n"
      "  b: { kind: send_webhook, url: \"https://a.example.com/\", next: end }\n");
  CHECK(codes(loaded).empty());
  CHECK(loaded.scenario);
}

namespace {
/// A chain of waits behind one trigger; the last leads to `last`.
std::string chain(int length, std::string_view last) {
  std::string text =
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: n0 }\n";
  for (int i = 0; i + 1 < length; ++i)
    text += fmt::format("  n{}:\n    kind: wait\n    for: 1h\n    next: n{}\n", i, i + 1);
  return text + fmt::format("  n{}: {{ kind: wait, for: 1h, next: {} }}\n", length - 1, last);
}
}  // namespace

TEST_CASE("a chain of 9,999 nodes is read without deep recursion", "[core][scenario]") {
  CHECK(load(chain(9'999, "end")).scenario);
  CHECK(codes(load(chain(10'000, "end"))) == "too_many_nodes ");
  const Loaded ring = load(chain(9'999, "n0"));
  REQUIRE(codes(ring) == "cycle ");
  CHECK(ring.diagnostics[0].message ==
        "a run could go round for ever: n0 -> n1 -> n2 -> n3 -> n4 -> n5 -> n6 -> n7 -> n8 -> n9 "
        "-> … 9987 more … -> n9997 -> n9998 -> n0");
}

TEST_CASE("of thousands of mistakes the first thousand are shown", "[core][scenario]") {
  std::string text =
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: end }\n";
  for (int i = 0; i < 5000; ++i)
    text += fmt::format("  n{0}: {{ kind: wait, for: 1h, next: wrong{0} }}\n", i);
  const Loaded loaded = load(text);
  REQUIRE(loaded.diagnostics.size() == 1001);
  // Each edge is wrong, and no node is reached.
  CHECK(loaded.diagnostics.back().message == "and 9000 more");
}

TEST_CASE("a scenario has rules for its exit and its goal", "[core][scenario]") {
  const Loaded loaded =
      load(fmt::format("scenario: x\n"
                       "exit:\n"
                       "  - {{ event: [unsubscribe, my_own], where: {{ event.form: a }} }}\n"
                       "  - {{ if: {{ in_group: customers }} }}\n"
                       "goal: {{ event: order }}\n{}",
                       kStart));
  INFO(codes(loaded));
  REQUIRE(loaded.scenario);
  const auto& exit = loaded.scenario->exit;
  REQUIRE(exit.size() == 2);
  CHECK(exit[0].events == std::vector<std::string>{"unsubscribe", "my_own"});
  CHECK(exit[0].segment.reads().event_data);
  CHECK(exit[0].at == Position{3, 5});
  CHECK(exit[1].events.empty());
  CHECK(exit[1].segment.reads().fields.contains("groups"));
  REQUIRE(loaded.scenario->goal.size() == 1);
  CHECK(loaded.scenario->goal[0].events == std::vector<std::string>{"new_order"});
  CHECK(loaded.scenario->goal[0].segment.always());
}

TEST_CASE("a wait at the end is a habit, but not where a goal is waited for", "[core][scenario]") {
  const std::string nodes =
      "nodes:\n"
      "  start: { kind: trigger, event: subscription, next: pause }\n"
      "  pause: { kind: wait, for: 3d, next: end }\n";
  CHECK(codes(load("scenario: x\n" + nodes)) == "trailing_wait ");
  CHECK(codes(load("scenario: x\ngoal: { event: order }\n" + nodes)).empty());
}

TEST_CASE("a scenario has a time to begin and one to end, in its zone", "[core][scenario]") {
  const Loaded loaded = load(
      fmt::format("start_at: 2026-05-01T09:00\nend_at: 2026-06-01\nat_end: archive\nscenario: x\n"
                  "timezone: America/Toronto\n{}",
                  kStart));
  INFO(codes(loaded));
  REQUIRE(loaded.scenario);
  CHECK(loaded.scenario->start_at == parse_instant("2026-05-01T13:00:00Z"));
  CHECK(loaded.scenario->end_at == parse_instant("2026-06-01T04:00:00Z"));
  CHECK(loaded.scenario->at_end == AtEnd::Archive);
  const Loaded plain = load(fmt::format("scenario: x\n{}", kStart));
  CHECK_FALSE(plain.scenario->start_at);
  CHECK_FALSE(plain.scenario->end_at);
  CHECK(plain.scenario->at_end == AtEnd::Hold);
  CHECK(plain.scenario->exit.empty());
}
