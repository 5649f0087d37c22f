#include <map>

#include "tests/nodes/node_stage.h"

using namespace onward;

namespace {
constexpr std::string_view kHalves =
    "{ kind: split, ways: { a: 50, b: 50 }, next: { a: end, b: end } }";

std::string way_of(const Node& node, std::uint64_t contact, Visit visit,
                   std::string_view scenario = "welcome") {
  const Contact other{.key = ContactKey{contact}};
  const Visit own{.contact = other,
                  .engagement = visit.engagement,
                  .event = nullptr,
                  .now = visit.now,
                  .run = visit.run,
                  .scenario = scenario,
                  .scenario_title = {},
                  .timezone = "UTC",
                  .node = visit.node,
                  .delivery_id = {},
                  .account_id = 0};
  return std::string{std::get<Leave>(node.enter(own).next).port};
}

/// How far the numbers of `contacts` contacts are from what the weights promise.
double chi_square(const NodeStage& stage, const std::map<std::string, double>& weights,
                  std::uint64_t contacts) {
  std::map<std::string, double> found;
  for (std::uint64_t key = 1; key <= contacts; ++key)
    ++found[way_of(stage.node(), key, stage.visit())];
  double total = 0, sum = 0;
  for (const auto& [way, weight] : weights) total += weight;
  for (const auto& [way, weight] : weights) {
    const double expected = static_cast<double>(contacts) * weight / total;
    sum += (found[way] - expected) * (found[way] - expected) / expected;
  }
  return sum;
}
}  // namespace

TEST_CASE("a split divides contacts by the weights of its ways", "[nodes][split]") {
  // Contacts have consecutive numbers, so this is the same sum on every machine. Bounds: one in a
  // thousand fair splits would be further off.
  CHECK(chi_square(NodeStage{kHalves}, {{"a", 50}, {"b", 50}}, 20'000) < 10.83);
  const NodeStage thirds{
      "{ kind: split, ways: { a: 1, b: 1, c: 1 }, next: { a: end, b: end, c: end } }"};
  CHECK(chi_square(thirds, {{"a", 1}, {"b", 1}, {"c", 1}}, 20'000) < 13.82);
  const NodeStage uneven{
      "{ kind: split, ways: { most: 90%, some: 9%, few: 1% }, next: { most: end, some: end, few: "
      "end } }"};
  CHECK(chi_square(uneven, {{"most", 90}, {"some", 9}, {"few", 1}}, 20'000) < 13.82);
}

TEST_CASE("a contact goes the same way whenever it comes", "[nodes][split]") {
  const NodeStage first{kHalves};
  const NodeStage loaded_again{kHalves};
  for (std::uint64_t key = 1; key <= 200; ++key) {
    Visit later = first.visit();
    later.now = {.at = later.now.at + std::chrono::days{400}, .seq = 99'999};
    later.run = RunKey{123'456};
    CHECK(way_of(first.node(), key, first.visit()) == way_of(loaded_again.node(), key, later));
  }
}

TEST_CASE("the way of a contact never changes with the software", "[nodes][split]") {
  const NodeStage stage{kHalves};
  std::string ways;
  for (std::uint64_t key = 1; key <= 16; ++key) ways += way_of(stage.node(), key, stage.visit());
  CHECK(ways == "ababbbbbabbbbbba");
}

TEST_CASE("splits divide contacts independently of one another", "[nodes][split]") {
  const Loaded loaded = load_scenario(
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: one }\n"
      "  one: { kind: split, ways: { a: 50, b: 50 }, next: { a: two, b: two } }\n"
      "  two: { kind: split, ways: { a: 50, b: 50 }, next: { a: end, b: end } }\n",
      node_kinds());
  REQUIRE(loaded.scenario);
  const NodeStage stage{kHalves};
  const auto way = [&](const char* node, std::uint64_t key, std::string_view scenario) {
    return way_of(*loaded.scenario->find(node)->node, key, stage.visit(), scenario);
  };
  int same_node = 0, same_scenario = 0;
  for (std::uint64_t key = 1; key <= 10'000; ++key) {
    same_node += way("one", key, "x") == way("two", key, "x");
    same_scenario += way("one", key, "x") == way("one", key, "y");
  }
  // Five standard deviations.
  CHECK(std::abs(same_node - 5'000) < 250);
  CHECK(std::abs(same_scenario - 5'000) < 250);
}

TEST_CASE("a split has a port for each way, in their order", "[nodes][split]") {
  const Loaded loaded = load_scenario(
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: ab }\n"
      "  ab: { kind: split, ways: { b: 1, a: 2 }, next: { a: tell, b: end } }\n"
      "  tell: { kind: send_webhook, url: \"https://a.example.com/\", next: end }\n",
      node_kinds());
  for (const Diagnostic& found : loaded.diagnostics) UNSCOPED_INFO(found.message);
  REQUIRE(loaded.scenario);
  const ScenarioNode& node = *loaded.scenario->find("ab");
  REQUIRE(node.ports.size() == 2);
  CHECK(node.ports[0].name == "b");
  CHECK(node.target("b") == kEnd);
  CHECK(node.target("a") == 2);
}

TEST_CASE("a split refuses what cannot be meant", "[nodes][split]") {
  std::string many;
  for (int i = 0; i <= 100; ++i) many += "w" + std::to_string(i) + ": 1, ";
  struct Case {
    std::string settings;
    std::string_view codes;
  };
  for (const Case& given : {
           Case{"next: { a: end }", "missing_key "},
           Case{"ways: { a: 50 }, next: { a: end }", "wrong_type "},
           Case{"ways: [a, b], next: { a: end, b: end }", "wrong_type "},
           Case{"ways: { " + many + "}, next: {}", "wrong_type "},
           Case{"ways: { a: 0, b: 1 }, next: { a: end, b: end }", "wrong_type "},
           Case{"ways: { a: -5, b: 1 }, next: { a: end, b: end }", "wrong_type "},
           Case{"ways: { a: 33.3%, b: 1 }, next: { a: end, b: end }", "wrong_type "},
           Case{"ways: { a: half, b: 1 }, next: { a: end, b: end }", "wrong_type "},
           Case{"ways: { \"a b\": 1, b: 1 }, next: { \"a b\": end, b: end }", "bad_id "},
           Case{"ways: { a: 1, b: 1 }, next: end", "wrong_type "},
           Case{"ways: { a: 1, b: 1 }, next: [start]", "wrong_type "},
           Case{"ways: { a: 1, b: 1 }, next: { a: end, b: end, c: end }", "unknown_key "},
           Case{"ways: { a: 1, b: 1 }, next: { a: nowhere, b: end }", "unknown_node "},
           Case{"ways: { a: 1, b: 1 }, next: { a: start, b: end }", "edge_to_trigger "},
           Case{"ways: { a: 1, b: 1 }, next: { a: node, b: end }", "cycle "},
       }) {
    CAPTURE(given.settings);
    const NodeStage stage{"{ kind: split, " + given.settings + " }"};
    CHECK_FALSE(stage.loaded.scenario);
    CHECK(stage.codes() == given.codes);
  }
}

TEST_CASE("a way that leads nowhere by name ends the run, with a warning", "[nodes][split]") {
  const NodeStage stage{"{ kind: split, ways: { a: 1, b: 1 }, next: { a: end } }"};
  CHECK(stage.loaded.scenario);
  CHECK(stage.codes() == "port_not_named ");
  CHECK(stage.loaded.diagnostics.front().message.find("\"next.b\"") != std::string::npos);
}
