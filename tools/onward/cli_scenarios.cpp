// The commands that change and show the scenarios of a server.
#include <cstdint>
#include <memory>
#include <string>

#include "engine/core/scenario/catalog.h"
#include "tools/onward/command_line.h"
#include "tools/onward/commands.h"

namespace onward {
namespace {
constexpr std::int64_t kVersionMax = 1'000'000'000;

struct TextArguments {
  ApplyOptions apply;
  PlanOptions plan;
  DiffOptions diff;
  std::string name;
};

struct StateArguments {
  ActivateOptions activate;
  ArchiveOptions archive;
  DuplicateOptions duplicate;
  PurgeOptions purge;
  std::string name;
};

struct LookArguments {
  StatsOptions stats;
  ScenariosOptions scenarios;
  std::string name;
  std::int64_t version = 0;  ///< For `show`; 0: the newest.
};

void add_text_commands(CommandLine& line) {
  const auto args = std::make_shared<TextArguments>();
  CLI::App* apply = line.client_command(line.app, "apply", "Apply scenario files", [&line, args] {
    return run_apply(line.client, args->apply);
  });
  apply
      ->add_option("file", args->apply.files,
                   "Scenario files, folders of them, or - for standard input")
      ->required();
  apply->add_flag("--keep-going", args->apply.keep_going,
                  "Apply the files that are right, though others are not");
  apply->add_flag("--migrate", args->apply.migrate,
                  "Move runs under way to the new version, at the node where they are");
  add_repeated(apply, "--map", args->apply.map,
               "OLD=NEW: who is at the node OLD goes on at NEW; may be repeated");

  CLI::App* plan = line.client_command(line.app, "plan", "Show what an apply would do",
                                       [&line, args] { return run_plan(line.client, args->plan); });
  plan->add_option("file", args->plan.files,
                   "Scenario files, folders of them, or - for standard input")
      ->required();
  add_repeated(plan, "--map", args->plan.map, "As apply --migrate would be given it");
  plan->add_flag("--detailed-exitcode", args->plan.detailed_exitcode,
                 "Exit with 2 where something would change");

  CLI::App* versions =
      line.client_command(line.app, "versions", "The versions of a scenario, and who is on each",
                          [&line, args] { return run_versions(line.client, args->name); });
  versions->add_option("scenario", args->name, "Its id")->required();

  CLI::App* diff = line.client_command(line.app, "diff", "What changed between two versions",
                                       [&line, args] { return run_diff(line.client, args->diff); });
  diff->add_option("scenario", args->diff.scenario, "Its id")->required();
  diff->add_option(
      "from", args->diff.from,
      "A version, or a file to compare the newest with; else the one before the newest");
  diff->add_option("to", args->diff.to, "A version or a file; else the newest version");
}

void add_state_commands(CommandLine& line) {
  const auto args = std::make_shared<StateArguments>();
  CLI::App* activate =
      line.client_command(line.app, "activate", "Let contacts into a scenario",
                          [&line, args] { return run_activate(line.client, args->activate); });
  activate->add_option("scenario", args->activate.scenario, "Its id")->required();
  add_repeated(activate, "--test-email", args->activate.test_emails,
               "Test mode: only contacts with this address; may be repeated, up to 100 times");

  CLI::App* hold = line.client_command(line.app, "hold", "Let nobody in for now",
                                       [&line, args] { return run_hold(line.client, args->name); });
  hold->add_option("scenario", args->name, "Its id")->required();

  CLI::App* archive =
      line.client_command(line.app, "archive", "End a scenario for good",
                          [&line, args] { return run_archive(line.client, args->archive); });
  archive->add_option("scenario", args->archive.scenario, "Its id")->required();
  archive->add_flag("--cancel-pending", args->archive.cancel_pending,
                    "Take back requests that were not accepted yet");

  CLI::App* duplicate =
      line.client_command(line.app, "duplicate", "Make a draft of a scenario under a new id",
                          [&line, args] { return run_duplicate(line.client, args->duplicate); });
  duplicate->add_option("scenario", args->duplicate.scenario, "Its id")->required();
  duplicate->add_option("new-id", args->duplicate.new_id, "The draft's id")->required();

  CLI::App* purge = line.client_command(
      line.app, "purge", "Take away the runs and request bodies of an archived scenario",
      [&line, args] { return run_purge(line.client, args->purge); });
  purge->add_option("scenario", args->purge.scenario, "Its id")->required();
  purge->add_flag("--yes", args->purge.yes, "Do not ask");
}

void add_look_commands(CommandLine& line) {
  const auto args = std::make_shared<LookArguments>();
  CLI::App* scenarios =
      line.client_command(line.app, "scenarios", "List the scenarios",
                          [&line, args] { return run_scenarios(line.client, args->scenarios); });
  scenarios
      ->add_option("--sort", args->scenarios.sort,
                   "name, state, next, entered, inside, pending, failed or changed")
      ->capture_default_str()
      ->check(CLI::IsMember(
          {"name", "state", "next", "entered", "inside", "pending", "failed", "changed"}));
  scenarios->add_flag("--reverse", args->scenarios.reverse, "The other way round");
  scenarios->add_option("--state", args->scenarios.state, "Only these")
      ->check(CLI::IsMember(texts_of(scenario_state_words())));

  CLI::App* show = line.client_command(line.app, "show", "Print a scenario's text", [&line, args] {
    return run_show(line.client, args->name, args->version);
  });
  show->add_option("scenario", args->name, "Its id")->required();
  show->add_option("--version", args->version, "Of this version instead of the newest")
      ->check(CLI::Range(std::int64_t{1}, kVersionMax));

  CLI::App* remove =
      line.client_command(line.app, "delete", "Take away a draft that never ran",
                          [&line, args] { return run_delete(line.client, args->name); });
  remove->add_option("scenario", args->name, "Its id")->required();

  CLI::App* stats =
      line.client_command(line.app, "stats", "The numbers of a scenario, node by node",
                          [&line, args] { return run_stats(line.client, args->stats); });
  stats->add_option("scenario", args->stats.scenario, "Its id")->required();
  stats->add_option("--version", args->stats.version, "Of this version alone")
      ->check(CLI::Range(std::int64_t{1}, kVersionMax));
  stats->add_flag("--test", args->stats.test, "Test traffic instead of live");
  stats->add_flag("--watch", args->stats.watch, "Show them again and again");
  stats->add_option("--interval", args->stats.interval_s, "Seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
}
}  // namespace

void add_authoring(CommandLine& line) {
  add_text_commands(line);
  add_state_commands(line);
  add_look_commands(line);
}
}  // namespace onward
