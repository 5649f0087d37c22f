#include "engine/simulation/test_runner.h"

#include <algorithm>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/authoring/load.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
constexpr std::string_view kScenario = R"(scenario: s
timezone: Europe/Paris
reentry: after_exit
nodes:
  in:    { kind: trigger, event: asked, where: { event.size: { exists: true } }, next: wait }
  wait:  { kind: wait, for: 3d, next: large }
  large: { kind: condition, if: { event.size: { gte: 10 } }, yes: tell, no: look }
  tell:
    kind: send_webhook
    url: "https://crm.example.com/in/{{ contact.id }}?size={{ event.size }}"
    headers: { X-Key: "{{ secret.k }}" }
    payload: { size: $.event.size, who: { name: $.subscriber.first_name } }
    next: end
  look:  { kind: send_webhook, url: "https://crm.example.com/look", method: GET, next: end }
tests:
)";

TestReport report_of(std::string_view tests) {
  const std::string text = std::string{kScenario} + std::string{tests};
  const Loaded loaded = load_scenario(text, node_kinds());
  for (const Diagnostic& found : loaded.diagnostics)
    if (found.severity == Severity::Error)
      FAIL(found.at.line << ":" << found.at.column << ": " << found.message);
  auto report = run_tests(*loaded.scenario, text, node_kinds());
  REQUIRE(report);
  return std::move(*report);
}

/// "path: expected in > wait, found in", a line a difference.
std::string faults_of(std::string_view tests) {
  std::string faults;
  for (const TestResult& result : report_of(tests).results)
    for (const TestDifference& one : result.differences)
      faults += fmt::format("{}: expected {}, found {}\n", one.what, one.expected, one.found);
  return faults;
}

TEST_CASE("what comes out as written passes, with everything that can be expected",
          "[simulation][tests]") {
  CHECK(faults_of(R"(
  - name: a large one
    now: 2026-03-27T09:00
    contact: { id: c1, first_name: Jane, phone: 5145550100 }
    contacts: [{ id: c9, email: other@example.org }]
    receiver: { tell: { status: [503, timeout], for: 3d1m } }
    events:
      - { type: opened, before: 30d, data: { mailing: m1 } }
      - { type: asked, data: { size: 12 } }
      - { type: asked, data: { size: 3 }, after: 1h }
      - { contact: { groups_add: [vip] } }
      - { type: asked, contact: { id: c9 }, data: { size: 1 } }
      - { after: 3d }
    expect:
      path: [in, wait, large, tell]
      not_path: [look]
      ended: done
      runs: 1
      refused: inside
      at: { wait: 0s, tell: 2026-03-30T10:00 }
      contact: { first_name: Jane, phone: 5145550100, groups: [vip] }
      deliveries:
        - node: tell
          method: POST
          url: https://crm.example.com/in/c1
          query: { size: 12 }
          headers: { x-key: "{{ secret.k }}" }
          body: { size: 12, who: { name: Jane } }
          exact: true
          state: accepted
          status: 200
          at: 3d
)") == "");
}

TEST_CASE("an exited, a waiting and a run that never was are told apart", "[simulation][tests]") {
  CHECK(faults_of(R"(
  - name: it waits
    contact: { email: jane@example.org }
    events: [{ type: asked, data: { size: 1 } }, { after: 71h }]
    expect: { path: [in, wait], ended: waiting, deliveries: 0 }
  - name: it does not begin
    contact: {}
    events: [{ type: asked }]
    expect: { path: [], ended: never, runs: 0, refused: [], deliveries: [] }
  - name: a repeat with the same id takes no effect
    contact: { id: c1 }
    events:
      - { type: asked, id: e1, data: { size: 1 } }
      - { after: 4d }
      - { type: asked, id: e1, data: { size: 1 } }
    expect: { runs: 1, deliveries: [{ node: look, count: 1, method: GET }] }
)") == "");
}

TEST_CASE("each difference says what was expected and what was found", "[simulation][tests]") {
  CHECK(faults_of(R"(
  - name: all of it wrong
    contact: { id: c1, first_name: Jane }
    events: [{ type: asked, data: { size: 12 } }, { after: 3d }]
    expect:
      path: [in, wait, large, look]
      not_path: [tell]
      ended: waiting
      runs: 2
      refused: inside
      at: { tell: 1d, look: 1d }
      contact: { first_name: Ada, last_name: Doe }
      deliveries:
        - node: look
          url: https://crm.example.com/out
          method: PUT
          headers: { X-Key: abc, X-Other: def }
          query: { size: 13 }
          body: { size: 13, who: { nick: J } }
          state: failed
          attempts: 2
          at: 1d
)") == R"(path: expected in > wait > large > look, found in > wait > large > tell
path: expected not by tell, found in > wait > large > tell
ended: expected waiting, found done
runs: expected 2, found 1
refused: expected inside, found nobody
at tell: expected 2026-01-06T08:00:00Z (1d after the beginning), found 2026-01-08T08:00:00Z (3d after the beginning)
at look: expected 2026-01-06T08:00:00Z (1d after the beginning), found never there
delivery 1 (tell): node: expected look, found tell
delivery 1 (tell): state: expected failed, found accepted
delivery 1 (tell): attempts: expected 2, found 1
delivery 1 (tell): at: expected 2026-01-06T08:00:00Z (1d after the beginning), found 2026-01-08T08:00:00Z (3d after the beginning)
delivery 1 (tell): url: expected https://crm.example.com/out, found https://crm.example.com/in/c1
delivery 1 (tell): method: expected PUT, found POST
delivery 1 (tell): header X-Key: expected abc, found {{ secret.k }}
delivery 1 (tell): header X-Other: expected def, found no such header
delivery 1 (tell): query /size: expected 13, found "12"
delivery 1 (tell): body /size: expected 13, found 12
delivery 1 (tell): body /who/nick: expected "J", found nothing
contact /first_name: expected "Ada", found "Jane"
contact /last_name: expected "Doe", found nothing
)");
}

TEST_CASE("a difference stands at its expectation, with the reason of a path",
          "[simulation][tests]") {
  const TestReport report = report_of(R"(
  - name: it is not large
    contact: {}
    events: [{ type: asked, data: { size: 2 } }, { after: 3d }]
    expect: { path: [in, wait, large, tell], deliveries: [] }
)");
  REQUIRE(report.results.size() == 1);
  const auto& differences = report.results[0].differences;
  REQUIRE(differences.size() == 2);
  CHECK(differences[0].at == Position{20, 21});
  CHECK(differences[0].hint.starts_with("large was left by \"no\""));
  CHECK(differences[1].found == "1 (look)");
  CHECK(differences[1].hint ==
        "in: 2026-01-05T08:00:00Z (0s after the beginning), left by \"next\"\n"
        "wait: 2026-01-05T08:00:00Z (0s after the beginning), left by \"next\"\n"
        "large: 2026-01-08T08:00:00Z (3d after the beginning), left by \"no\": "
        "event.size >= 10: found 2\n"
        "look: 2026-01-08T08:00:00Z (3d after the beginning), left by \"next\"\n"
        "done");
}

TEST_CASE("many expected deliveries are counted, not listed", "[simulation][tests]") {
  CHECK(faults_of(R"(
  - name: as many as a test may expect
    contact: { id: c1 }
    events: [{ type: asked, data: { size: 2 } }, { after: 3d }]
    expect: { deliveries: [{ count: 100000 }, { node: look, count: 100000 }] }
)") == "deliveries: expected 200000, found 1 (look)\n");
  for (const char* count : {"100001", "99999999999"}) {
    const std::string text = fmt::format(
        "{}  - {{ name: t, contact: {{}}, events: [], expect: {{ deliveries: [{{ count: {} }}] }} "
        "}}\n",
        kScenario, count);
    const Loaded loaded = load_scenario(text, node_kinds());
    CHECK(std::ranges::any_of(loaded.diagnostics, [](const Diagnostic& one) {
      return one.code == "bad_number" && one.severity == Severity::Error;
    }));
  }
}

TEST_CASE("an event that is refused fails its test", "[simulation][tests]") {
  CHECK(faults_of(R"(
  - name: the same id for something else
    contact: { id: c1 }
    events:
      - { type: asked, id: e1, data: { size: 1 } }
      - { type: asked, id: e1, data: { size: 2 } }
    expect: { runs: 1 }
)") == "event: expected accepted, found id_reused: an event with this id was accepted before with "
       "another body\n");
}

TEST_CASE("ways that no test took are known, by port", "[simulation][tests]") {
  const TestReport report = report_of(R"(
  - name: only large ones
    contact: {}
    events: [{ type: asked, data: { size: 12 } }, { after: 3d }]
    expect: { ended: done }
)");
  std::string untaken;
  for (const TestedWay& way : report.ways)
    if (!way.taken)
      untaken += fmt::format("{} {} {} {}\n", way.node, way.port, way.target,
                             way.reached ? "reached" : "not reached");
  CHECK(untaken == "large no look reached\nlook next end not reached\n");
  CHECK(report.taken() == 4);
  CHECK(report.ways.size() == 6);
}

TEST_CASE("a file without tests has none that fail", "[simulation][tests]") {
  const std::string text =
      "scenario: s\nnodes: { in: { kind: trigger, event: asked, next: end } }\n";
  const Loaded loaded = load_scenario(text, node_kinds());
  REQUIRE(loaded.scenario);
  const auto report = run_tests(*loaded.scenario, text, node_kinds());
  REQUIRE(report);
  CHECK(report->results.empty());
  CHECK(report->ways.size() == 1);
}
}  // namespace
}  // namespace onward
