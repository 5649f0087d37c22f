// Whole scenario files, mutated by their structure. Of each: load_checked. Of an accepted one: it
// is drawn, compared, planned and applied over another, and contacts go through it.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/authoring/graph.h"
#include "engine/authoring/yaml_reader.h"
#include "engine/core/base/value.h"
#include "engine/core/scenario/scenario_diff.h"
#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"
#include "tests/fuzz/features.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/scenario_checks.h"
#include "tests/fuzz/target.h"
#include "tests/support/stage.h"

using namespace onward;

namespace {
/// The version before: whatever is applied must get along with contacts that are in it.
constexpr std::string_view kBefore = R"(scenario: before
reentry: parallel
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause: { kind: wait, for: 20d, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)";

void draw(const Scenario& scenario) {
  // Drawings are read by people: some lines for each port and node, however the graph branches.
  std::size_t ports = 0;
  for (const ScenarioNode& node : scenario.nodes) ports += 1 + node.ports.size();
  const std::size_t lines = 20 + 10 * ports;
  for (const std::string& drawn :
       {graph_text(scenario), graph_mermaid(scenario), graph_dot(scenario)}) {
    must(valid_utf8(drawn), "a drawing is UTF-8");
    must(static_cast<std::size_t>(std::count(drawn.begin(), drawn.end(), '\n')) <= lines,
         "a drawing has lines in proportion to the graph");
  }
  must(parse_json(to_json(graph_value(scenario)), {.depth = 64}).has_value(),
       "a drawing as JSON can be read");
}

void compare(const Tree& from, const Tree& to) {
  const ScenarioDiff diff = diff_scenarios(from, to, node_kinds());
  must(valid_utf8(to_text(diff).coloured()), "a comparison is UTF-8");
  must(parse_json(to_json(to_value(diff)), {.depth = 64}).has_value(),
       "a comparison as JSON can be read");
}

/// Events that the scenario waits for or starts on.
std::set<std::string> events_of(const Scenario& scenario) {
  std::set<std::string> events{"subscription", "opened"};
  for (const ScenarioNode& node : scenario.nodes)
    if (const auto* listen = std::get_if<EventListen>(&node.node->listens()))
      events.insert(listen->events.begin(), listen->events.end());
  return events;
}

void live(const std::string& text, const Scenario& scenario) {
  RuntimeOptions options;
  options.any_secret = true;
  Stage stage{{}, nullptr, options};
  Cell& engine = stage.engine();
  const auto before = with_scenario_id(kBefore, scenario.id);
  must(before.has_value(), "the earlier version has an id");
  must(engine.scenarios().apply(scenario.id, *before).has_value(),
       "the earlier version is applied");
  must(engine.scenarios().activate(scenario.id, std::nullopt).has_value(),
       "the earlier version is active");
  for (const char* who : {"c1", "c1", "c2"}) stage.event(who, "subscription");

  // The engine may refuse it for a reason of its own (a node's kind has changed), as a value.
  MigrationRequest migration{.wanted = true};
  const auto plan = engine.views().plan(scenario.id, text, migration);
  must(plan.has_value(), "an accepted file can be planned");
  if (plan->stranded.empty()) {
    // Every wait of the earlier version that is gone moves to the first node that takes it.
    for (const ScenarioNode& node : scenario.nodes)
      if (node.kind->family != NodeFamily::Trigger && migration.map.empty())
        migration.map = {{"pause", node.id}};
  }
  auto applied = engine.scenarios().apply(scenario.id, text, migration);
  if (!applied) applied = engine.scenarios().apply(scenario.id, text);
  fuzz::feature(applied ? "applied" : "not applied: " + applied.error().code);
  if (!applied || applied->refused) return;
  (void)engine.scenarios().activate(scenario.id, std::nullopt);
  stage.pass(std::chrono::seconds{1});
  std::size_t sent = 0;
  for (const std::string& type : events_of(scenario)) {
    if (++sent > 6) break;
    for (const char* who : {"c1", "c2", "c3"})
      stage.event(
          who, type, R"({"form": "a", "total": 12.5, "order": {"id": 7}})",
          R"({"email": "jane@example.org", "birth_date": "1990-05-03", "groups_add": ["vip"],
                      "custom": {"x": 1, "plan": "gold", "n": 5}})");
    stage.pass(std::chrono::hours{30});
    stage.reply(sent % 2 == 0 ? 500 : 200);
  }
  stage.restart();
  stage.pass(std::chrono::hours{24 * 40});
  stage.reply(200);
  must(stage.broken().empty(), "numbers add up");
}
}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{text_of(data, size)};
  const Loaded loaded = fuzz::load_checked(text);
  if (!loaded.scenario) return 0;
  for (const ScenarioNode& node : loaded.scenario->nodes) {
    std::string keys{node.kind->name};
    for (const Port& port : node.ports) keys += " " + port.name;
    fuzz::feature("accepted " + keys);
    fuzz::feature(fmt::format("accepted {} of {}", node.kind->name, loaded.scenario->nodes.size()));
  }
  draw(*loaded.scenario);
  Diagnostics none;
  const auto tree = read_yaml(text, none), before = read_yaml(kBefore, none);
  must(tree && before, "an accepted file can be read again");
  compare(*before, *tree);
  compare(*tree, *before);
  must(diff_scenarios(*tree, *tree, node_kinds()).empty(), "a file does not differ from itself");
  live(text, *loaded.scenario);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  return fuzz::mutate_in_place(
      data, size, size_max, seed, [&](std::string text, fuzz::Chance& chance) {
        return fuzz::mutate_text(std::move(text), fuzz::scenario_dictionary(), chance, size_max);
      });
}
