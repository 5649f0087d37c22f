#include "engine/authoring/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "engine/authoring/load.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
constexpr std::string_view kJoined = R"(
scenario: s
title: 'a "b" #1'
nodes:
  in:    { kind: trigger, event: [opened, clicked], next: large }
  large: { kind: condition, if: { event.n: { gt: 1 } }, yes: sales, no: shop }
  sales: { kind: send_webhook, url: "https://x.example.com/", next: shop }
  shop:  { kind: wait, for: 1d, next: end }
)";

std::unique_ptr<Scenario> scenario_of(std::string_view text) {
  auto scenario = load_scenario(text, node_kinds()).scenario;
  REQUIRE(scenario);
  return scenario;
}

TEST_CASE("a tree draws a chain downwards, branches beside it, and a joint once",
          "[authoring][graph]") {
  CHECK(graph_text(*scenario_of(kJoined)) == R"(s: a "b" #1

● in        trigger: opened, clicked
● large     condition
├─ yes
│  ● sales  send_webhook
│  ● shop   wait
│  ■ end
└─ no
   → shop (above)
)");
}

TEST_CASE("a tree of any depth and width is drawn in lines of bounded length",
          "[authoring][graph]") {
  std::string text =
      "scenario: s\nreentry: never\nnodes:\n  t: { kind: trigger, next: n0, event: [begun";
  for (int i = 0; i < 1'000; ++i) text += ", e" + std::to_string(i);
  text += "] }\n";
  constexpr int kNodes = 6'000;
  for (int i = 0; i < kNodes; ++i)
    text += fmt::format("  n{}: {{ kind: condition, if: {{ email: a }}, yes: n{}, no: {} }}\n", i,
                        i + 1, i % 2 == 0 ? "end" : fmt::format("n{}", i + 1));
  text += fmt::format("  n{}: {{ kind: wait, for: 1d, next: end }}\n", kNodes);
  const std::string drawn = graph_text(*scenario_of(text));
  std::size_t lines = 0;
  std::size_t longest = 0;
  std::set<std::string> nodes;
  for (std::size_t at = 0; at < drawn.size(); ++lines) {
    const std::size_t end = drawn.find('\n', at);
    const std::string line = drawn.substr(at, end - at);
    longest = std::max(longest, line.size());
    if (const auto dot = line.find("● "); dot != std::string::npos)
      CHECK(nodes.insert(line.substr(dot, line.find(' ', dot + 4) - dot)).second);
    at = end + 1;
  }
  CHECK(nodes.size() == kNodes + 2);
  CHECK(longest < 250);
  CHECK(lines < 6 * kNodes);
  CHECK(drawn.find("begun, e0, e1, e2, e3, e4, e5, e6, e7, e8 and 991 more") != std::string::npos);
  CHECK(drawn.find("→ n16 (below)") != std::string::npos);
  CHECK(drawn.find("\n\n● n16") != std::string::npos);
}

TEST_CASE("numbers stand at nodes and ports", "[authoring][graph]") {
  const GraphNumbers numbers{{"large", {.visits = 3, .unique_contacts = 1, .ports = {{"yes", 2}}}},
                             {"sales", {.visits = 2, .requests = 2, .accepted = 1, .pending = 1}},
                             {"shop", {.visits = 3, .unique_contacts = 1, .waiting = 2}}};
  const auto scenario = scenario_of(kJoined);
  const std::string text = graph_text(*scenario, numbers);
  CHECK(text.find("● large     condition                 3 visits, 1 contact\n├─ yes 2\n") !=
        std::string::npos);
  CHECK(text.find("└─ no 0\n") != std::string::npos);
  CHECK(text.find("2 visits, 0 contacts; 1 accepted, 1 pending, 0 failed\n") != std::string::npos);
  CHECK(text.find("3 visits, 1 contact, 2 waiting\n") != std::string::npos);
  CHECK(graph_mermaid(*scenario, numbers).find("n2 -->|\"yes 2\"| n3\n") != std::string::npos);
  CHECK(graph_dot(*scenario, numbers).find("\"large\" -> \"sales\" [label=\"yes 2\"];\n") !=
        std::string::npos);
  const Value value = graph_value(*scenario, numbers);
  CHECK(to_json(*value.find_path("nodes.1.ports.0")) == R"({"port":"yes","to":"sales","count":2})");
}

TEST_CASE("Mermaid gets ids of ours, and labels that end nowhere early", "[authoring][graph]") {
  CHECK(mermaid_escaped("a\"b#c<d>&`;\\\n{x}") == "a#34;b#35;c#60;d#62;#38;#96;#59;#92;<br/>{x}");
  CHECK(graph_mermaid(*scenario_of(kJoined)) == R"(---
title: "a \"b\" #1"
---
flowchart TD
  n1(["in<br/>trigger: opened, clicked"])
  n2{"large<br/>condition"}
  n3["sales<br/>send_webhook"]
  n4{{"shop<br/>wait"}}
  stop(("end"))
  n1 --> n2
  n2 -->|"yes"| n3
  n2 -->|"no"| n4
  n3 --> n4
  n4 --> stop
)");
}

TEST_CASE("DOT strings are quoted", "[authoring][graph]") {
  CHECK(dot_quoted("a \"b\" \\n\nc\t") == R"("a \"b\" \\n\nc ")");
  const std::string dot = graph_dot(*scenario_of(kJoined));
  CHECK(dot.starts_with("digraph \"s\" {\n  label=\"a \\\"b\\\" #1\";\n"));
  CHECK(dot.find("  \"in\" [shape=oval, label=\"in\\ntrigger: opened, clicked\"];\n") !=
        std::string::npos);
  CHECK(dot.find("  \"shop\" -> \"end\";\n}\n") != std::string::npos);
}
}  // namespace
}  // namespace onward
