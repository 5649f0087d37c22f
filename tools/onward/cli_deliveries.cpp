// The commands for what is under way: deliveries, nodes, runs, logs.
#include <memory>
#include <string>
#include <vector>

#include "engine/core/base/text.h"
#include "engine/core/delivery/delivery.h"
#include "tools/onward/command_line.h"
#include "tools/onward/commands.h"

namespace onward {
namespace {
struct DeliveryArguments {
  DeliveriesOptions deliveries;
  ByHandOptions by_hand;
  NodeOptions node;
  std::string name;
};

struct WatchArguments {
  LiveRunsOptions live_runs;
  ResumeOptions resume;
  LogsOptions logs;
};

void add_filter(CLI::App* sub, DeliveryFilter& filter, const std::vector<std::string>& states) {
  sub->add_option("--scenario", filter.scenario, "Of this scenario");
  sub->add_option("--node", filter.node, "Of this node of it");
  sub->add_option("--state", filter.state, join(states))->check(CLI::IsMember(states));
  sub->add_option("--since", filter.since, "Made from then on: a time, a day, or 2h (ago)");
  sub->add_option("--until", filter.until, "Made before then");
  sub->add_option("--code", filter.code,
                  "Of the last attempt, 503 or timeout, or the reason, deadline");
}
}  // namespace

void add_deliveries(CommandLine& line) {
  const auto args = std::make_shared<DeliveryArguments>();
  CLI::App* deliveries =
      line.app.add_subcommand("deliveries", "Look at webhook requests; retry or cancel them");
  deliveries->require_subcommand(1);
  CLI::App* list =
      line.client_command(*deliveries, "list", "Requests, newest first",
                          [&line, args] { return run_deliveries(line.client, args->deliveries); });
  DeliveryFilter& filter = args->deliveries.filter;
  list->add_option("scenario", filter.scenario, "The scenario's id; all where missing");
  list->add_option("node", filter.node, "The node's id; all where missing");
  add_filter(list, filter, texts_of(delivery_state_words()));
  list->add_option("--limit", args->deliveries.limit, "How many")->capture_default_str();
  list->add_option("--cursor", args->deliveries.cursor, "Go on where a list ended");
  for (const char* name : {"show", "get"}) {
    CLI::App* one =
        line.client_command(*deliveries, name, "One request with all its attempts",
                            [&line, args] { return run_delivery(line.client, args->name); });
    one->add_option("delivery", args->name, "Its id: evt_…")->required();
  }
  const auto by_hand = [&](const std::string& act, const std::string& summary,
                           const std::vector<std::string>& states) {
    CLI::App* sub = line.client_command(*deliveries, act, summary, [&line, args, act] {
      return run_by_hand(line.client, act, args->by_hand);
    });
    sub->add_option("delivery", args->by_hand.ids, "Ids (evt_…), instead of a filter");
    add_filter(sub, args->by_hand.filter, states);
    sub->add_flag("--yes", args->by_hand.yes, "Do not ask");
  };
  by_hand("retry", "Take failed ones back to pending, with a new window", {"failed", "cancelled"});
  by_hand("cancel", "Take pending ones back for good", {"pending"});

  CLI::App* node = line.app.add_subcommand("node", "Pause and resume the webhooks of a node");
  node->require_subcommand(1);
  for (const bool pause : {true, false}) {
    CLI::App* sub = line.client_command(
        *node, pause ? "pause" : "resume",
        pause ? "Park its requests, those to come as well; contacts go on" : "Let them go on",
        [&line, args, pause] { return run_switch(line.client, args->node, pause); });
    sub->add_option("scenario", args->node.scenario, "The scenario's id")->required();
    sub->add_option("node", args->node.node, "The node's id")->required();
  }
}

void add_watching(CommandLine& line) {
  const auto args = std::make_shared<WatchArguments>();
  CLI::App* runs =
      line.app.add_subcommand("runs", "Look at journeys under way; resume parked ones");
  runs->require_subcommand(1);
  CLI::App* list =
      line.client_command(*runs, "list", "Runs that wait or are parked",
                          [&line, args] { return run_live_runs(line.client, args->live_runs); });
  list->add_option("--scenario", args->live_runs.scenario, "Of this scenario");
  list->add_option("--node", args->live_runs.node, "At this node of it");
  list->add_option("--state", args->live_runs.state, "waiting or parked")
      ->check(CLI::IsMember({"waiting", "parked"}));
  list->add_option("--reason", args->live_runs.reason, "Parked for this reason, such as cascade");
  list->add_option("--limit", args->live_runs.limit, "How many")->capture_default_str();
  list->add_option("--cursor", args->live_runs.cursor, "Go on where a list ended");
  CLI::App* resume =
      line.client_command(*runs, "resume", "Let parked runs enter their node again",
                          [&line, args] { return run_resume(line.client, args->resume); });
  resume->add_option("run", args->resume.runs, "Ids (run_…), instead of a scenario");
  resume->add_option("--scenario", args->resume.scenario, "All parked ones of this scenario");
  resume->add_option("--node", args->resume.node, "At this node of it");
  resume->add_option("--reason", args->resume.reason, "Parked for this reason, such as cascade");

  CLI::App* logs =
      line.client_command(line.app, "logs", "What was changed lately, and what webhooks met",
                          [&line, args] { return run_logs(line.client, args->logs); });
  logs->add_option("--scenario", args->logs.scenario, "Of this scenario");
  logs->add_option("--since", args->logs.since, "From then on: a time, a day, or 2h (ago)");
  logs->add_option("--limit", args->logs.limit, "How many, where no --since is given")
      ->capture_default_str()
      ->check(CLI::Range(1, 500));
  logs->add_flag("--follow", args->logs.follow, "Go on with what comes");
}
}  // namespace onward
