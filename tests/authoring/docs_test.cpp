// The examples of the reference are scenarios and segments that work.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/authoring/load.h"
#include "nodes/nodes.h"

using namespace onward;

namespace {
/// The blocks of YAML in a page, without their indentation marks.
std::vector<std::string> examples(const char* page) {
  std::ifstream in{page};
  std::vector<std::string> blocks;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "```yaml") {
      inside = true;
      blocks.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

/// A segment's example as part of a scenario: `if:` becomes that of a condition.
std::string with_condition(const std::string& segment) {
  std::string text =
      "scenario: x\nnodes:\n  start: { kind: trigger, event: subscription, next: ask }\n"
      "  ask:\n    kind: condition\n    yes: end\n    no: end\n";
  std::istringstream lines{segment};
  for (std::string line; std::getline(lines, line);) text += "    " + line + "\n";
  return text;
}

void check(const std::string& text) {
  INFO(text);
  const Loaded loaded = load_scenario(text, node_kinds());
  for (const Diagnostic& found : loaded.diagnostics)
    FAIL_CHECK(found.at.line << ":" << found.at.column << " " << found.message);
  CHECK(loaded.scenario);
}
}  // namespace

TEST_CASE("the examples of the scenario reference are right", "[authoring][docs]") {
  int found = 0;
  for (const std::string& text : examples("docs/scenarios.md")) {
    ++found;
    check(text);
  }
  CHECK(found >= 6);
}

TEST_CASE("the examples of what starts a scenario are right", "[authoring][docs]") {
  const auto found = examples("docs/events.md");
  for (const std::string& text : found) check(text);
  CHECK(found.size() >= 1);
}

TEST_CASE("the examples of the segment reference are right", "[authoring][docs]") {
  int found = 0;
  for (const std::string& text : examples("docs/segments.md")) {
    ++found;
    check(with_condition(text));
  }
  CHECK(found >= 1);
}
