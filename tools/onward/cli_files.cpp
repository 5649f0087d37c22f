// The commands that say what scenario files do: validate, test, schema, simulate, graph,
// placeholders.
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/scenario/scenario.h"
#include "tools/onward/command_line.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/scenario_files.h"
#include "tools/onward/simulate_command.h"
#include "tools/onward/terminal.h"
#include "tools/onward/test_command.h"
#include "tools/onward/validate.h"

namespace onward {
namespace {
struct AuthorArguments {
  SimulateOptions simulate;
  GraphOptions graph;
  std::string name;
  bool as_json = false;
};

struct ValidateArguments {
  std::vector<std::string> files;
  std::string format = "text";
  bool as_json = false;
  std::string fields_file;
};

int validate_with(const ValidateArguments& args) {
  CustomFields declared;
  if (!args.fields_file.empty()) {
    auto read = read_declarations(args.fields_file);
    if (!read) return complain(read.error());
    declared = std::move(*read);
  }
  const auto files = scenario_files(args.files);
  if (!files) return complain(files.error());
  return validate_files(*files, args.as_json ? "json" : args.format, std::cout, std::cerr,
                        &declared);
}
}  // namespace

void add_offline(CommandLine& line) {
  const auto args = std::make_shared<ValidateArguments>();
  CLI::App* validate =
      line.command(line.app, "validate", "Find all mistakes in scenario files, without a server",
                   [args] { return validate_with(*args); });
  validate->add_option("--fields", args->fields_file,
                       "Warn of custom fields that are not in this file of `fields list --json`");
  validate
      ->add_option("file", args->files, "Scenario files, folders of them, or - for standard input")
      ->required();
  validate->add_option("--format", args->format, "text (for people), short (a line each) or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "short", "json"}));
  validate->add_flag("--json", args->as_json, "The same as --format json");
  const auto tested = std::make_shared<TestOptions>();
  CLI::App* test = line.command(line.app, "test", "Run the tests of scenario files",
                                [tested] { return test_files(*tested, std::cout, std::cerr); });
  test->add_option("file", tested->files,
                   "Scenario files, folders of them, or - for standard input")
      ->required();
  test->add_flag("--coverage", tested->coverage, "Name every way that no test takes");
  test->add_flag("--require-coverage", tested->require_coverage,
                 "Fail where there is a way that no test takes");
  test->add_flag("--json", tested->json, "Print the results as JSON");
  line.command(line.app, "schema", "Print the JSON Schema of scenario files", [] {
    print(schema_text());
    return static_cast<int>(kExitOk);
  });
}

/// What tells an author what a scenario does, before or beside the server.
void add_authors_tools(CommandLine& line) {
  const auto args = std::make_shared<AuthorArguments>();
  CLI::App* simulate = line.client_command(
      line.app, "simulate", "Show what scenarios would do with contacts and events",
      [&line, args] { return run_simulate(line.client, args->simulate, std::cout, std::cerr); });
  SimulateOptions& options = args->simulate;
  simulate
      ->add_option("scenario", options.scenarios,
                   "Scenario files, folders of them, or ids on the server")
      ->required();
  simulate->add_option("--contacts", options.contacts,
                       "Contacts that are there: a JSON object a line, or a JSON list");
  simulate
      ->add_option(
          "--events", options.events,
          "Events, as POST /v1/events takes them: a line each, or a JSON list; their \"at\" "
          "drives the clock")
      ->required();
  simulate->add_option("--from", options.from,
                       "Where the clock begins; the first event's \"at\" where missing");
  simulate->add_option("--until", options.until,
                       "Where it ends: a time, or a duration after the last event; a year where "
                       "missing");
  add_repeated(simulate, "--receiver", options.receivers,
               "How the receiver of a node answers: tell_crm=503, tell_crm=timeout, "
               "tell_crm=503,200, \"tell_crm=503 for 1h\"; may be repeated");
  simulate->add_flag("--summary", options.summary, "Print the numbers only");

  CLI::App* graph = line.client_command(line.app, "graph", "Draw a scenario", [&line, args] {
    return run_graph(line.client, args->graph);
  });
  graph
      ->add_option(
          "scenario", args->graph.scenario,
          "A file, or an id on the server, whose numbers are then shown; those of a file's "
          "scenario with --server or --data")
      ->required();
  graph->add_option("--format", args->graph.format, "text (a tree), mermaid or dot (Graphviz)")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "mermaid", "dot"}));
  graph->add_flag("--test", args->graph.test, "Numbers of test traffic instead of live");
  graph->add_flag("--plain", args->graph.plain, "No numbers");

  CLI::App* names = line.command(line.app, "placeholders",
                                 "List every placeholder, payload path and contact field",
                                 [args] { return run_placeholders(args->name, args->as_json); });
  names->add_option("file", args->name, "A scenario file, whose own names are added");
  names->add_flag("--json", args->as_json, "Print the list as JSON");
}
}  // namespace onward
