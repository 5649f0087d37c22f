#include "engine/core/journey/migration.h"

#include <catch2/catch.hpp>

#include "engine/authoring/load.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
/// Versions of one scenario, numbered together.
struct Versions {
  std::vector<std::pair<std::string, NodeNumber>> known;

  std::shared_ptr<const Scenario> read(std::string_view nodes) {
    Loaded loaded =
        load_scenario("scenario: x\nreentry: never\nnodes:\n" + std::string{nodes}, node_kinds());
    for (const Diagnostic& found : loaded.diagnostics) UNSCOPED_INFO(found.message);
    REQUIRE(loaded.scenario);
    loaded.scenario->number_nodes(known);
    return std::move(loaded.scenario);
  }
  NodeNumber operator[](std::string_view id) const {
    for (const auto& [name, number] : known)
      if (name == id) return number;
    FAIL("no node " << id);
    return {};
  }
};

constexpr std::string_view kOne = R"(
  start: { kind: trigger, event: subscription, next: a }
  a: { kind: wait, for: 1d, next: b }
  b: { kind: wait, for: 1d, next: c }
  c: { kind: wait, for: 1d, next: d }
  d: { kind: send_webhook, url: "https://a.example.com/", next: end }
)";
}  // namespace

TEST_CASE("people keep their place where the new version has it", "[core][migration]") {
  Versions versions;
  const auto one = versions.read(kOne);
  const auto two = versions.read(R"(
  start: { kind: trigger, event: subscription, next: a }
  a: { kind: wait, for: 2d, next: new }
  new: { kind: wait, for: 1h, next: c }
  c: { kind: wait, for: 1d, next: end }
)");
  const Migration plain{two, {}};
  CHECK_FALSE(plain.refusal(*one, versions["a"]));
  CHECK_FALSE(plain.refusal(*one, versions["c"]));
  CHECK(plain.refusal(*one, versions["b"]) == "that node is not in the new version");
  CHECK_FALSE(Migration(two, {{versions["b"], versions["c"]}}).refusal(*one, versions["b"]));
  CHECK_FALSE(Migration(two, {{versions["b"], versions["new"]}}).refusal(*one, versions["b"]));
  CHECK(Migration(two, {{versions["b"], versions["start"]}})
            .refusal(*one, versions["b"])
            ->find("trigger") != std::string::npos);
  // Back to where they have been.
  CHECK(Migration(two, {{versions["b"], versions["a"]}})
            .refusal(*one, versions["b"])
            ->find("\"a\" already") != std::string::npos);
}

TEST_CASE("nobody is led to a node a second time", "[core][migration]") {
  Versions versions;
  const auto one = versions.read(kOne);
  // The same nodes, another order: who waits at c has been at b.
  const auto two = versions.read(R"(
  start: { kind: trigger, event: subscription, next: a }
  a: { kind: wait, for: 1d, next: c }
  c: { kind: wait, for: 1d, next: b }
  b: { kind: wait, for: 1d, next: end }
)");
  const Migration plain{two, {}};
  CHECK_FALSE(plain.refusal(*one, versions["a"]));
  CHECK_FALSE(plain.refusal(*one, versions["b"]));
  CHECK(plain.refusal(*one, versions["c"])->find("\"b\" already") != std::string::npos);
}

TEST_CASE("a run is judged by the path that it took", "[core][migration]") {
  Versions versions;
  const auto one = versions.read(R"(
  start: { kind: trigger, event: subscription, next: ask }
  ask: { kind: condition, if: { in_group: vip }, yes: long, no: short }
  long: { kind: wait, for: 2d, next: rest }
  short: { kind: wait, for: 1d, next: rest }
  rest: { kind: wait, for: 1d, next: end }
)");
  const auto two = versions.read(R"(
  start: { kind: trigger, event: subscription, next: rest }
  rest: { kind: wait, for: 1d, next: long }
  long: { kind: wait, for: 2d, next: end }
)");
  const Migration plain{two, {}};
  CHECK(plain.refusal(*one, versions["rest"]));
  const auto run = [&](std::string_view by) {
    Run made;
    for (const std::string_view id : {std::string_view{"start"}, by, std::string_view{"rest"}})
      made.path.push_back({.node = versions[id]});
    return made;
  };
  using Why = MoveRefusal::Why;
  const auto refusal = [&](const Run& of) { return move_refusal(of, *two, of.place()); };
  REQUIRE(refusal(run("long")));
  CHECK(refusal(run("long"))->why == Why::AlreadyVisited);
  CHECK(refusal(run("long"))->node == versions["long"]);
  CHECK_FALSE(refusal(run("short")));
  CHECK(refusal(Run{.path = {{.node = versions["start"]}}})->why == Why::IsTrigger);
  CHECK(refusal(Run{.path = {{.node = versions["short"]}}})->why == Why::NoSuchNode);
}

TEST_CASE("ahead and behind are the two directions of the arrows", "[core][migration]") {
  Versions versions;
  const auto one = versions.read(kOne);
  CHECK(nodes_ahead(*one, versions["c"]) == std::set<NodeNumber>{versions["c"], versions["d"]});
  CHECK(nodes_behind(*one, versions["b"]) ==
        std::set<NodeNumber>{versions["start"], versions["a"]});
  CHECK(nodes_ahead(*one, NodeNumber{99}).empty());
}
}  // namespace onward
