#include "engine/authoring/load.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "nodes/nodes.h"

using namespace onward;

TEST_CASE("a copy differs in its id and in nothing else", "[authoring][load]") {
  struct Case {
    std::string before;
    std::string after;
  };
  const auto c =
      GENERATE(Case{"# scenario: a\nscenario: a # scenario: a\ntitle: 'scenario: a'\n",
                    "# scenario: a\nscenario: b-2 # scenario: a\ntitle: 'scenario: a'\n"},
               Case{"title: x\r\nscenario:   \"a\"  \r\n", "title: x\r\nscenario:   b-2  \r\n"},
               Case{"\xEF\xBB\xBF"
                    "{ title: é, scenario: 'a', nodes: {scenario: a} }",
                    "\xEF\xBB\xBF"
                    "{ title: é, scenario: b-2, nodes: {scenario: a} }"},
               Case{"nodes:\n  scenario: { kind: x }\nscenario:\n  a\n",
                    "nodes:\n  scenario: { kind: x }\nscenario:\n  b-2\n"});
  const auto copy = with_scenario_id(c.before, "b-2");
  REQUIRE(copy);
  CHECK(*copy == c.after);
}

TEST_CASE("an id that YAML would read as nothing is put in quotes", "[authoring][load]") {
  const auto copy = with_scenario_id("scenario: a\nnodes: {}\n", "null");
  REQUIRE(copy);
  CHECK(*copy == "scenario: \"null\"\nnodes: {}\n");
}

TEST_CASE("a copy needs an id, in the text and for the copy", "[authoring][load]") {
  CHECK(with_scenario_id("scenario: a\n", "no good").error().code == "bad_scenario_id");
  CHECK(with_scenario_id("title: a\n", "b").error().code == "bad_scenario");
  CHECK(with_scenario_id("scenario: [a]\n", "b").error().code == "bad_scenario");
  CHECK(with_scenario_id("scenario: >\n  a\n", "b").error().code == "bad_scenario");
  CHECK(with_scenario_id("scenario: \"a\n", "b").error().code == "bad_scenario");
}

TEST_CASE("mistakes of form and of content come together", "[authoring][load]") {
  const Loaded loaded = load_scenario(
      "scenario: x\nscenario: y\nnodes: { a: { kind: wait, for: 1d, next: b } }\n", node_kinds());
  CHECK_FALSE(loaded.scenario);
  std::string codes;
  for (const Diagnostic& found : loaded.diagnostics) codes += found.code + " ";
  CHECK(codes == "duplicate_key no_trigger unknown_node ");
}

TEST_CASE("a mistake in a text over several lines has a place in the file", "[authoring][load]") {
  const std::vector<std::string> lines{"scenario: x",
                                       "nodes:",
                                       "  a: { kind: trigger, event: opened, next: b }",
                                       "  b:",
                                       "    kind: send_webhook",
                                       "    url: https://e.example.com/",
                                       "    payload:",
                                       "      c: text",
                                       "        that continues in another line {{",
                                       "    next: end"};
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const Loaded loaded = load_scenario(text, node_kinds());
  bool folded = false;
  for (const Diagnostic& found : loaded.diagnostics) {
    CAPTURE(found.message, found.at.line, found.at.column);
    REQUIRE(found.at.line >= 1);
    REQUIRE(found.at.line <= static_cast<int>(lines.size()));
    CHECK(found.at.column <=
          static_cast<int>(lines[static_cast<std::size_t>(found.at.line - 1)].size()) + 1);
    folded = folded || found.at.line == 8;
  }
  CHECK(folded);
}
