#include "engine/core/scenario/scenario_diff.h"

#include <catch2/catch.hpp>

#include "engine/authoring/yaml_reader.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
Tree tree_of(std::string_view text) {
  Diagnostics diagnostics;
  auto tree = read_yaml(text, diagnostics);
  REQUIRE(tree);
  return std::move(*tree);
}

std::string diff(std::string_view from, std::string_view to) {
  return to_text(diff_scenarios(tree_of(from), tree_of(to), node_kinds())).plain();
}

constexpr std::string_view kBase = R"(scenario: x
title: One
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: ask }
  ask: { kind: condition, if: { email: { is: a@example.org } }, yes: tell, no: end }
  tell: { kind: send_webhook, url: "https://a.example.com/", headers: { X-Key: one }, next: end }
)";

std::string with(std::string_view from, std::string_view to) {
  std::string text{kBase};
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}
}  // namespace

TEST_CASE("a diff names what changed, and nothing else", "[core][diff]") {
  struct Row {
    std::string what, text, expected;
  };
  const Row rows[] = {
      {"nothing", std::string{kBase}, ""},
      {"a comment", "# hello\n" + std::string{kBase}, ""},
      {"a top-level key", with("title: One", "title: Two"), "~ title: One → Two\n"},
      {"a key more", with("title: One", "title: One\ntimezone: America/Toronto"),
       "+ timezone: America/Toronto\n"},
      {"a key less", with("title: One\n", ""), "- title: One\n"},
      {"re-entry", with("reentry: never", "reentry: { mode: parallel, min_gap: 1d }"),
       "~ reentry: never → {\"mode\":\"parallel\",\"min_gap\":\"1d\"}\n"},
      {"a setting", with("a.example.com", "b.example.com"),
       "~ tell (send_webhook)\n    ~ url: https://a.example.com/ → https://b.example.com/\n"},
      {"a member of a setting", with("X-Key: one", "X-Key: two, Y: 3"),
       "~ tell (send_webhook)\n    ~ headers.X-Key: one → two\n    + headers.Y: 3\n"},
      {"an edge", with("no: end", "no: tell"), "~ ask (condition)\n    no → tell, was end\n"},
      {"an edge that was not named", with(", no: end", ""), ""},
      {"a node inserted",
       with("next: ask }\n", "next: rest }\n  rest: { kind: wait, for: 1d, next: ask }\n"),
       "~ joined (trigger)\n    next → rest, was ask\n+ rest (wait)\n    next → ask\n"},
      {"a node less",
       with("yes: tell, no: end }\n  tell: { kind: send_webhook, url: \"https://a.example.com/\", "
            "headers: { X-Key: one }, next: end }\n",
            "yes: end, no: end }\n"),
       "~ ask (condition)\n    yes → end, was tell\n- tell (send_webhook)\n"},
      {"another kind",
       with("kind: condition, if: { email: { is: a@example.org } }, yes: tell, no: end",
            "kind: wait, for: 1d, next: tell"),
       "~ ask (wait)\n    ~ kind: condition → wait\n    - if: "
       "{\"email\":{\"is\":\"a@example.org\"}}\n"
       "    + for: 1d\n    next → tell\n    yes led to tell\n    no led to end\n"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(diff(kBase, row.text) == row.expected);
  }
}

TEST_CASE("a diff of numbers and texts tells one from the other", "[core][diff]") {
  const ScenarioDiff found = diff_scenarios(tree_of("scenario: x\ntitle: 1\n"),
                                            tree_of("scenario: x\ntitle: \"1\"\n"), node_kinds());
  REQUIRE(found.keys.size() == 1);
  CHECK(to_json(to_value(found)) ==
        R"({"keys":[{"change":"changed","key":"title","from":1,"to":"1"}],"nodes":[]})");
}

TEST_CASE("the diff with nothing is all that is there", "[core][diff]") {
  const ScenarioDiff made = diff_scenarios({}, tree_of(kBase), node_kinds());
  CHECK(made.keys.size() == 3);
  REQUIRE(made.nodes.size() == 3);
  CHECK(made.nodes[1].kind == ChangeKind::Added);
  CHECK(made.nodes[1].edges == std::vector<EdgeChange>{{"yes", "", "tell"}, {"no", "", "end"}});
}
}  // namespace onward
