// graph: a scenario as a drawing, with its numbers where a server knows them.
#include <fmt/format.h>

#include <algorithm>

#include "engine/authoring/graph.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/scenario_files.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
GraphNumbers numbers_of(const Value& side) {
  GraphNumbers numbers;
  for (const Value& node : list_of(side, "nodes")) {
    NodeNumbers& of = numbers[text_of(node, "id")];
    of = {.visits = number_of(node, "visits"),
          .unique_contacts = number_of(node, "unique_contacts"),
          .waiting = number_of(node, "waiting"),
          .requests = number_of(node, "requests"),
          .accepted = number_of(node, "accepted"),
          .pending = number_of(node, "pending"),
          .failed = number_of(node, "failed")};
    const Value* ports = node.find("ports");
    if (!ports || !ports->map()) continue;
    for (const auto& [port, count] : *ports->map())
      if (const auto* number = count.get_if<std::int64_t>()) of.ports.emplace_back(port, *number);
  }
  return numbers;
}

std::string drawn(const Scenario& scenario, const std::string& format,
                  const GraphNumbers& numbers) {
  if (format == "mermaid") return graph_mermaid(scenario, numbers);
  if (format == "dot") return graph_dot(scenario, numbers);
  return graph_text(scenario, numbers);
}
}  // namespace

int run_graph(const ClientOptions& options, const GraphOptions& graph) {
  bool from_server = false;
  const auto file = load_scenario_of(options, graph.scenario, StoredRules::Own, &from_server);
  if (!file) return complain(file.error());
  if (!file->loaded.scenario) {
    say(findings_of(*file));
    return kExitData;
  }
  const Scenario& scenario = *file->loaded.scenario;
  GraphNumbers numbers;
  const bool named = from_server || !options.server.empty() || !options.data.empty();
  if (named && !graph.plain) {
    const Client client{options};
    const auto answer =
        client.call("GET", "/v1/scenarios/" + segment(scenario.id) + "/stats", "live");
    if (!answer) return complain(answer.error());
    if (!answer->ok()) return client.refused(*answer);
    numbers = numbers_of(*answer->value.find(graph.test ? "test" : "live"));
  }
  if (options.json) {
    print_json(graph_value(scenario, numbers));
    return kExitOk;
  }
  const std::string text = drawn(scenario, graph.format, numbers);
  graph.format == "text" ? print(text) : print_data(text);
  return kExitOk;
}
}  // namespace onward
