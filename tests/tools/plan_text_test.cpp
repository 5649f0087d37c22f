#include "tools/onward/plan_text.h"

#include <catch2/catch.hpp>

#include "tools/onward/commands.h"
#include "tools/onward/table.h"

namespace onward {
namespace {
Value json(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE(value);
  return std::move(*value);
}
}  // namespace

TEST_CASE("a plan reads as what changes, who is where, and what would be refused", "[tools]") {
  const Value plan = json(R"({"scenario": "course", "state": "active", "created": false,
    "changes": true, "refused": false, "from": 1, "to": 2,
    "diff": {"keys": [{"change": "changed", "key": "title", "from": "One", "to": "T\u001bwo"}],
             "nodes": [{"change": "added", "id": "note", "kind": "wait", "keys": [],
                        "edges": [{"port": "next", "from": null, "to": "end"}]},
                       {"change": "changed", "id": "first", "kind": "wait",
                        "keys": [{"change": "changed", "key": "for", "from": "7d", "to": "5d"}],
                        "edges": [{"port": "next", "from": "end", "to": "note"}]}]},
    "places": [{"node": "first", "waiting": 1204, "kept": true},
               {"node": "second", "waiting": 3, "kept": false}],
    "notes": ["1,207 runs under way finish"], "stranded": ["3 contacts wait at \"second\""]})");
  CHECK(plan_text(plan) ==
        "course: version 1 → 2, active\n"
        "~ title: One → T\\x1bwo\n"
        "+ note (wait)\n"
        "    next → end\n"
        "~ first (wait)\n"
        "    ~ for: 7d → 5d\n"
        "    next → note, was end\n"
        "waiting now: first 1,204, second 3\n"
        "1,207 runs under way finish\n"
        "--migrate would be refused:\n"
        "    3 contacts wait at \"second\"\n");
  CHECK(plan_text(plan).coloured().find("\x1b[32m+ note (wait)\x1b[0m") != std::string::npos);
  CHECK(plan_text(json(R"({"scenario": "x", "state": "draft", "changes": false, "from": 3,
                           "diff": {"keys": [], "nodes": []}})")) ==
        "x: no change, version 3, draft\n");
  CHECK(plan_text(json(R"({"scenario": "x", "state": "draft", "changes": true, "from": 3, "to": 4,
                           "diff": {"keys": [], "nodes": []}})")) ==
        "x: version 3 → 4, draft\nonly comments or layout differ\n");
}

TEST_CASE("versions are a table, with what is under way below it", "[tools]") {
  CHECK(versions_text(json(R"({"versions": [
          {"version": 2, "created": "2026-05-02", "nodes": 4, "entered": 1, "inside": 1200,
           "test_inside": 0, "newest": true},
          {"version": 1, "created": "2026-05-01", "nodes": 0, "entered": 9, "inside": 3,
           "test_inside": 1, "newest": false}],
          "progress": {"what": "migrate", "to": 2, "moved": 1199, "stayed": 3}})"),
                      kEndless) ==
        "version  created     nodes  entered   runs  test runs\n"
        "      2  2026-05-02      4        1  1,200          0  newest\n"
        "      1  2026-05-01      ?        9      3          1\n"
        "\nmoving to version 2: 1,199 runs moved, 3 stayed\n");
}

TEST_CASE("each kind of work on a scenario has its own words", "[tools]") {
  const auto listed = [](std::string_view what) {
    const Value answer = json(R"({"scenarios": [{"scenario": "a", "title": "", "state": "archived",
        "version": 1, "test_emails": [], "next": null, "progress": {"what": ")" +
                              std::string{what} + R"("}}]})");
    return scenarios_text(answer, kEndless).plain();
  };
  CHECK(listed("cancel").find("requests are being cancelled") != std::string::npos);
  CHECK(listed("migrate").find("runs are moving") != std::string::npos);
  CHECK(listed("purge").find("being purged") != std::string::npos);
  CHECK(
      versions_text(json(R"({"versions": [], "progress": {"what": "cancel", "cancelled": 1200}})"),
                    kEndless)
          .plain()
          .find("pending requests are being cancelled: 1,200 so far") != std::string::npos);
}

TEST_CASE("the list of scenarios shows state by colour, and what comes next", "[tools]") {
  const Value answer = json(R"({"scenarios": [
      {"scenario": "a", "title": "A", "state": "active", "version": 2, "test_emails": [],
       "entered": 1200, "inside": 3, "pending": 0, "failed": 1,
       "next": {"what": "hold", "at": "2026-06-01T00:00:00Z"}, "progress": null},
      {"scenario": "b", "title": "", "state": "archived", "version": 1, "test_emails": [],
       "entered": 0, "inside": 0, "pending": 0, "failed": 0, "next": null,
       "progress": {"what": "purge"}}]})");
  CHECK(scenarios_text(answer, kEndless) ==
        "scenario  state     version  entered  inside  pending  failed  next                       "
        "   title\n"
        "a         active          2    1,200       3        0       1  hold at "
        "2026-06-01T00:00:00Z  A\n"
        "b         archived        1        0       0        0       0  being purged\n");
  const std::string coloured = scenarios_text(answer, kEndless).coloured();
  CHECK(coloured.find("\x1b[32mactive\x1b[0m    ") != std::string::npos);
  CHECK(coloured.find("\x1b[90marchived\x1b[0m") != std::string::npos);
  CHECK(scenarios_text(json(R"({"scenarios": []})"), 80).empty());
}
}  // namespace onward
