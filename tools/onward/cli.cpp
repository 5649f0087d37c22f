#include "tools/onward/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/source/diagnostic.h"
#include "tools/onward/backup.h"
#include "tools/onward/cli_words.h"
#include "tools/onward/commands.h"
#include "tools/onward/doctor.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/listen.h"
#include "tools/onward/scenario_files.h"
#include "tools/onward/serve.h"
#include "tools/onward/simulate_command.h"
#include "tools/onward/terminal.h"
#include "tools/onward/test_command.h"
#include "tools/onward/validate.h"

namespace onward {
namespace {
constexpr std::int64_t kVersionMax = 1'000'000'000;
constexpr std::int64_t kAccountMax = 1'000'000'000'000'000;  // Exact in every JSON reader.

/// Everything that can be typed; the command that was chosen is run after parsing.
struct CommandLine {
  explicit CommandLine(const NodeKinds& known) : kinds{known} {}

  const NodeKinds& kinds;
  CLI::App app{"Onward: scenarios for contacts, webhooks that arrive.", "onward"};
  std::function<int()> chosen;

  ClientOptions client;
  ServeOptions serve;
  std::string dedupe_for = "7d", patience = "20s", keep_bodies = "30d", keep_runs = "90d";
  ListenOptions listen;
  std::string delay = "0s";
  std::vector<std::string> files;
  std::string format = "text";
  bool as_json = false;
  ApplyOptions apply;
  ActivateOptions activate;
  ArchiveOptions archive;
  DuplicateOptions duplicate;
  StatsOptions stats;
  SendOptions send;
  ImportOptions given;
  RunsOptions runs;
  DeliveriesOptions deliveries;
  ByHandOptions by_hand;
  NodeOptions node;
  LiveRunsOptions live_runs;
  ResumeOptions resume;
  LogsOptions logs;
  SecretOptions secret;
  RemoveSecretOptions removed;
  CredentialOptions credential;
  TokenOptions token;
  WebhookTestOptions webhook;
  ContactImportOptions contacts_in;
  ContactExportOptions contacts_out;
  ContactListOptions listed;
  FieldOptions field;
  bool yes = false;
  std::string fields_file;
  std::string name;  // of the one thing that a command is about
  std::vector<std::string> topic;
  TestOptions test;
  SimulateOptions simulate;
  GraphOptions graph;
  ScenariosOptions scenarios;
  PlanOptions plan;
  DiffOptions diff;
  PurgeOptions purge;
  BackupOptions backup;
  RestoreOptions restore;
  DoctorOptions doctor;
};

/// A command that ends in `run`.
CLI::App* command(CommandLine& line, CLI::App& parent, const std::string& name,
                  const std::string& summary, std::function<int()> run) {
  CLI::App* sub = parent.add_subcommand(name, summary);
  sub->callback([&line, run = std::move(run)] { line.chosen = run; });
  return sub;
}

/// The same, of a command that speaks to a server.
CLI::App* client_command(CommandLine& line, CLI::App& parent, const std::string& name,
                         const std::string& summary, std::function<int()> run) {
  CLI::App* sub = command(line, parent, name, summary, std::move(run));
  sub->add_option("--server", line.client.server,
                  "The server's URL; else ONWARD_SERVER, else the one on this machine");
  sub->add_option("--token", line.client.token,
                  "The token; better in ONWARD_TOKEN, or found by itself for a local server");
  sub->add_option("--ca", line.client.ca,
                  "Whose certificates are believed (PEM), of an https server; else ONWARD_CA, else "
                  "the system's");
  sub->add_option("--data", line.client.data, "The data folder of a local server");
  sub->add_flag("--json", line.client.json, "Print the result as JSON");
  return sub;
}

/// An option that may be repeated and takes one value each time, so that what follows it is free.
void add_repeated(CLI::App* sub, const std::string& name, std::vector<std::string>& into,
                  const std::string& summary) {
  sub->add_option(name, into, summary)->allow_extra_args(false);
}

/// False: it is none. Shorter than this, something could go while it may still be sent.
bool read_keep(const std::string& text, std::optional<Duration>& keep) {
  keep.reset();
  if (text == "forever") return true;
  keep = parse_duration(text);
  return keep && *keep >= std::chrono::hours{96};
}

int serve_with(CommandLine& line) {
  const auto dedupe_for = parse_duration(line.dedupe_for);
  const auto patience = parse_duration(line.patience);
  if (!dedupe_for || *dedupe_for < std::chrono::minutes{1})
    return complain(
        fmt::format("--dedupe-for must be a duration of 1m or more, for example 7d (got \"{}\").",
                    line.dedupe_for),
        kExitUsage);
  if (!patience || *patience < Duration{0})
    return complain(
        fmt::format("--patience must be a duration, for example 20s (got \"{}\").", line.patience),
        kExitUsage);
  for (const auto& [name, text, keep] :
       {std::tuple{"--keep-bodies", &line.keep_bodies, &line.serve.keep_bodies},
        std::tuple{"--keep-runs", &line.keep_runs, &line.serve.keep_runs}})
    if (!read_keep(*text, *keep))
      return complain(
          fmt::format("{} wants a duration such as 30d, 4d at least, or forever, found \"{}\".",
                      name, *text),
          kExitUsage);
  if (line.serve.keep_runs &&
      (!line.serve.keep_bodies || *line.serve.keep_runs < *line.serve.keep_bodies))
    return complain(
        fmt::format("--keep-runs ({}) must not be shorter than --keep-bodies ({}): what a "
                    "contact was sent is found through its runs when it is forgotten.",
                    line.keep_runs, line.keep_bodies),
        kExitUsage);
  line.serve.dedupe_for = *dedupe_for;
  line.serve.patience = *patience;
  return run_serve(line.serve, line.kinds);
}

void add_serve(CommandLine& line) {
  ServeOptions& serve = line.serve;
  CLI::App* sub =
      command(line, line.app, "serve", "Run the server", [&line] { return serve_with(line); });
  sub->add_option("--data", serve.data, "The data folder; made where it is missing")->required();
  sub->add_option("--listen", serve.listen, "Address and port; port 0 takes any free one")
      ->capture_default_str();
  sub->add_option("--port-file", serve.port_file, "Write the port to this file when it listens");
  add_repeated(sub, "--allow-host", serve.allow_hosts,
               "A private host that webhooks may call: HOST or HOST:PORT; may be repeated");
  add_repeated(sub, "--allow-network", serve.allow_networks,
               "A private network that webhooks may call, such as 10.0.0.0/8; may be repeated");
  sub->add_option("--allow-file", serve.allow_file,
                  "Hosts and networks that webhooks may call as well, one a line; read again on "
                  "SIGHUP");
  sub->add_flag("--https-only", serve.https_only, "Refuse webhooks over plain http");
  sub->add_option("--ca-file", serve.ca_file, "Trusted certificates (PEM) instead of the system's");
  sub->add_option("--tls-cert", serve.tls_cert,
                  "Speak https with this certificate (PEM), its chain behind it");
  sub->add_option("--tls-key", serve.tls_key, "The key of --tls-cert (PEM, no passphrase)");
  sub->add_flag("--no-auth", serve.no_auth, "Ask for no token; on loopback only");
  add_repeated(sub, "--intake-secret-file", serve.intake_secret_files,
               "ADAPTER=FILE: posts to /v1/intake/ADAPTER (egoi, taguchi, cloudevents) that prove "
               "the secret in FILE need no token");
  sub->add_option("--account-id", serve.account_id, "idClient in the standard webhook body")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, kAccountMax));
  sub->add_option("--contact-size", serve.contact_bytes_max,
                  "Bytes that one contact may take as it is stored, such as 512KiB")
      ->capture_default_str()
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::Range(kContactBytesLeast, kContactBytesMost));
  sub->add_option("--dedupe-for", line.dedupe_for, "How long a repeated event is known")
      ->capture_default_str();
  sub->add_option("--dedupe-memory", serve.dedupe_memory,
                  "Bytes for telling new events without a look at the disk, such as 256MiB")
      ->capture_default_str()
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  sub->add_option("--keep-bodies", line.keep_bodies,
                  "How long after its end a request's body and answers are kept, or forever")
      ->capture_default_str();
  sub->add_option("--keep-runs", line.keep_runs,
                  "How long ended runs and the attempts of their requests are kept, or forever")
      ->capture_default_str();
  sub->add_option("--max-concurrency", serve.concurrency_total, "Webhook requests at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'536));
  sub->add_option("--max-per-origin", serve.concurrency_origin,
                  "Webhook requests at once to one scheme, host and port")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'536));
  sub->add_option("--max-connections", serve.connections_max, "Callers' connections at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  sub->add_option("--patience", line.patience, "How long to wait for requests in flight at the end")
      ->capture_default_str();
  sub->add_flag("--quiet", serve.quiet, "Log warnings and errors only");
  sub->add_option_function<std::string>(
         "--log-format", [&serve](const std::string& format) { serve.json_log = format == "json"; },
         "How the log on standard error is written: text or json, a record a line")
      ->check(CLI::IsMember({"text", "json"}));
}

int listen_with(CommandLine& line) {
  const auto delay = parse_duration(line.delay);
  if (!delay || *delay < Duration{0})
    return complain(
        fmt::format("--delay must be a duration, for example 200ms (got \"{}\").", line.delay),
        kExitUsage);
  line.listen.delay = *delay;
  return listen_main(line.listen, std::cout, std::cerr);
}

void add_listen(CommandLine& line) {
  ListenOptions& listen = line.listen;
  CLI::App* sub = command(line, line.app, "listen",
                          "Receive webhooks on this machine and print them, to try things out",
                          [&line] { return listen_with(line); });
  sub->add_option("--address", listen.address, "Address to listen on")->capture_default_str();
  sub->add_option("--port", listen.port, "Port; 0 takes any free one")->capture_default_str();
  sub->add_option("--port-file", listen.port_file, "Write the port to this file when it listens");
  sub->add_option("--refuse-first,--fail-first", listen.refuse_first,
                  "Answer 503 to so many requests at first");
  sub->add_option("--status", listen.status, "Status of all other answers")
      ->capture_default_str()
      ->check(CLI::Range(200, 599));
  sub->add_option("--delay", line.delay, "Wait this long before each answer");
  sub->add_option("--retry-after", listen.retry_after,
                  "Say this many seconds in Retry-After with every refusal");
  sub->add_flag("--echo", listen.echo, "Answer with the request itself, headers and body");
  add_repeated(
      sub, "--verify-secret-file", listen.secret_files,
      "Check signatures with the secret in this file, answer 401 where they are wrong; may "
      "be repeated");
  sub->add_flag("--show", listen.show, "Print headers and bodies as well");
  sub->add_option("--log", listen.log, "Append each request to this file, a JSON object a line");
  sub->add_flag("--json", listen.json, "Print each request as JSON");
  sub->add_flag("--quiet", listen.quiet, "Print no requests");
}

int validate_with(const CommandLine& line) {
  CustomFields declared;
  if (!line.fields_file.empty()) {
    auto read = read_declarations(line.fields_file);
    if (!read) return complain(read.error());
    declared = std::move(*read);
  }
  const auto files = scenario_files(line.files);
  if (!files) return complain(files.error());
  return validate_files(*files, line.as_json ? "json" : line.format, std::cout, std::cerr,
                        &declared);
}

void add_offline(CommandLine& line) {
  CLI::App* validate =
      command(line, line.app, "validate", "Find all mistakes in scenario files, without a server",
              [&line] { return validate_with(line); });
  validate->add_option("--fields", line.fields_file,
                       "Warn of custom fields that are not in this file of `fields list --json`");
  validate
      ->add_option("file", line.files, "Scenario files, folders of them, or - for standard input")
      ->required();
  validate->add_option("--format", line.format, "text (for people), short (a line each) or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "short", "json"}));
  validate->add_flag("--json", line.as_json, "The same as --format json");
  CLI::App* test = command(line, line.app, "test", "Run the tests of scenario files",
                           [&line] { return test_files(line.test, std::cout, std::cerr); });
  test->add_option("file", line.test.files,
                   "Scenario files, folders of them, or - for standard input")
      ->required();
  test->add_flag("--coverage", line.test.coverage, "Name every way that no test takes");
  test->add_flag("--require-coverage", line.test.require_coverage,
                 "Fail where there is a way that no test takes");
  test->add_flag("--json", line.test.json, "Print the results as JSON");
  command(line, line.app, "schema", "Print the JSON Schema of scenario files", [] {
    print(schema_text());
    return static_cast<int>(kExitOk);
  });
}

/// What tells an author what a scenario does, before or beside the server.
void add_authors_tools(CommandLine& line) {
  CLI::App* simulate = client_command(
      line, line.app, "simulate", "Show what scenarios would do with contacts and events",
      [&line] { return run_simulate(line.client, line.simulate, std::cout, std::cerr); });
  SimulateOptions& options = line.simulate;
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

  CLI::App* graph = client_command(line, line.app, "graph", "Draw a scenario",
                                   [&line] { return run_graph(line.client, line.graph); });
  graph
      ->add_option(
          "scenario", line.graph.scenario,
          "A file, or an id on the server, whose numbers are then shown; those of a file's "
          "scenario with --server or --data")
      ->required();
  graph->add_option("--format", line.graph.format, "text (a tree), mermaid or dot (Graphviz)")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "mermaid", "dot"}));
  graph->add_flag("--test", line.graph.test, "Numbers of test traffic instead of live");
  graph->add_flag("--plain", line.graph.plain, "No numbers");

  CLI::App* names = command(line, line.app, "placeholders",
                            "List every placeholder, payload path and contact field",
                            [&line] { return run_placeholders(line.name, line.as_json); });
  names->add_option("file", line.name, "A scenario file, whose own names are added");
  names->add_flag("--json", line.as_json, "Print the list as JSON");
}

void add_authoring(CommandLine& line) {
  CLI::App* apply = client_command(line, line.app, "apply", "Apply scenario files",
                                   [&line] { return run_apply(line.client, line.apply); });
  apply
      ->add_option("file", line.apply.files,
                   "Scenario files, folders of them, or - for standard input")
      ->required();
  apply->add_flag("--keep-going", line.apply.keep_going,
                  "Apply the files that are right, though others are not");
  apply->add_flag("--migrate", line.apply.migrate,
                  "Move runs under way to the new version, at the node where they are");
  add_repeated(apply, "--map", line.apply.map,
               "OLD=NEW: who is at the node OLD goes on at NEW; may be repeated");

  CLI::App* plan = client_command(line, line.app, "plan", "Show what an apply would do",
                                  [&line] { return run_plan(line.client, line.plan); });
  plan->add_option("file", line.plan.files,
                   "Scenario files, folders of them, or - for standard input")
      ->required();
  add_repeated(plan, "--map", line.plan.map, "As apply --migrate would be given it");
  plan->add_flag("--detailed-exitcode", line.plan.detailed_exitcode,
                 "Exit with 2 where something would change");

  CLI::App* versions =
      client_command(line, line.app, "versions", "The versions of a scenario, and who is on each",
                     [&line] { return run_versions(line.client, line.name); });
  versions->add_option("scenario", line.name, "Its id")->required();

  CLI::App* diff = client_command(line, line.app, "diff", "What changed between two versions",
                                  [&line] { return run_diff(line.client, line.diff); });
  diff->add_option("scenario", line.diff.scenario, "Its id")->required();
  diff->add_option(
      "from", line.diff.from,
      "A version, or a file to compare the newest with; else the one before the newest");
  diff->add_option("to", line.diff.to, "A version or a file; else the newest version");

  CLI::App* activate = client_command(line, line.app, "activate", "Let contacts into a scenario",
                                      [&line] { return run_activate(line.client, line.activate); });
  activate->add_option("scenario", line.activate.scenario, "Its id")->required();
  add_repeated(activate, "--test-email", line.activate.test_emails,
               "Test mode: only contacts with this address; may be repeated, up to 100 times");

  CLI::App* hold = client_command(line, line.app, "hold", "Let nobody in for now",
                                  [&line] { return run_hold(line.client, line.name); });
  hold->add_option("scenario", line.name, "Its id")->required();

  CLI::App* archive = client_command(line, line.app, "archive", "End a scenario for good",
                                     [&line] { return run_archive(line.client, line.archive); });
  archive->add_option("scenario", line.archive.scenario, "Its id")->required();
  archive->add_flag("--cancel-pending", line.archive.cancel_pending,
                    "Take back requests that were not accepted yet");

  CLI::App* duplicate =
      client_command(line, line.app, "duplicate", "Make a draft of a scenario under a new id",
                     [&line] { return run_duplicate(line.client, line.duplicate); });
  duplicate->add_option("scenario", line.duplicate.scenario, "Its id")->required();
  duplicate->add_option("new-id", line.duplicate.new_id, "The draft's id")->required();

  CLI::App* purge = client_command(line, line.app, "purge",
                                   "Take away the runs and request bodies of an archived scenario",
                                   [&line] { return run_purge(line.client, line.purge); });
  purge->add_option("scenario", line.purge.scenario, "Its id")->required();
  purge->add_flag("--yes", line.purge.yes, "Do not ask");

  CLI::App* scenarios = client_command(line, line.app, "scenarios", "List the scenarios", [&line] {
    return run_scenarios(line.client, line.scenarios);
  });
  scenarios
      ->add_option("--sort", line.scenarios.sort,
                   "name, state, next, entered, inside, pending, failed or changed")
      ->capture_default_str()
      ->check(CLI::IsMember(
          {"name", "state", "next", "entered", "inside", "pending", "failed", "changed"}));
  scenarios->add_flag("--reverse", line.scenarios.reverse, "The other way round");
  scenarios->add_option("--state", line.scenarios.state, "Only these")
      ->check(CLI::IsMember({"draft", "scheduled", "active", "on_hold", "archived"}));

  CLI::App* show = client_command(line, line.app, "show", "Print a scenario's text", [&line] {
    return run_show(line.client, line.name, line.stats.version);
  });
  show->add_option("scenario", line.name, "Its id")->required();
  show->add_option("--version", line.stats.version, "Of this version instead of the newest")
      ->check(CLI::Range(std::int64_t{1}, kVersionMax));

  CLI::App* remove = client_command(line, line.app, "delete", "Take away a draft that never ran",
                                    [&line] { return run_delete(line.client, line.name); });
  remove->add_option("scenario", line.name, "Its id")->required();

  CLI::App* stats =
      client_command(line, line.app, "stats", "The numbers of a scenario, node by node",
                     [&line] { return run_stats(line.client, line.stats); });
  stats->add_option("scenario", line.stats.scenario, "Its id")->required();
  stats->add_option("--version", line.stats.version, "Of this version alone")
      ->check(CLI::Range(std::int64_t{1}, kVersionMax));
  stats->add_flag("--test", line.stats.test, "Test traffic instead of live");
  stats->add_flag("--watch", line.stats.watch, "Show them again and again");
  stats->add_option("--interval", line.stats.interval_s, "Seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
}

void add_events(CommandLine& line) {
  CLI::App* events = line.app.add_subcommand("events", "Send events");
  events->require_subcommand(1);
  CLI::App* send = client_command(line, *events, "send", "Send one event",
                                  [&line] { return run_send(line.client, line.send); });
  send->add_option("event", line.send.what,
                   "Its type (such as subscription), a JSON object, or - for one on standard input")
      ->required();
  send->add_option("--contact", line.send.contact_id, "The contact's id");
  send->add_option("--email", line.send.email, "The contact's address");
  add_repeated(send, "--set", line.send.set,
               "A field of the contact: first_name=Jane, groups_add=vip; may be repeated");
  add_repeated(send, "--field", line.send.data,
               "A member of the event's data: form=newsletter; may be repeated");
  send->add_option("--id", line.send.id, "The event's id: a repeat takes no effect");
  send->add_option("--source", line.send.source, "Who sends it");
  send->add_option("--at", line.send.at, "When it happened (RFC 3339); now where missing");
  send->add_flag("--history", line.send.history, "Update the contact, start nothing");

  CLI::App* import =
      client_command(line, *events, "import", "Send a file of events, one JSON object a line",
                     [&line] { return run_import(line.client, line.given); });
  import->add_option("file", line.given.file, "The file, or - for standard input")->required();
  import->add_flag("--history", line.given.history, "Update contacts, start nothing");
  import->add_option("--chunk", line.given.chunk, "Lines in one post")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  import->add_option("--report", line.given.report,
                     "Keep refused events in this file, with why; mended, it can be imported");
  import->add_flag("--quiet", line.given.quiet, "Show no progress");
}

void add_contact_files(CommandLine& line, CLI::App& contacts) {
  ContactImportOptions& in = line.contacts_in;
  CLI::App* import =
      client_command(line, contacts, "import", "Make and change contacts from a CSV or NDJSON file",
                     [&line] { return run_contact_import(line.client, line.contacts_in); });
  import->add_option("file", in.file, "The file, or - for standard input")->required();
  import->add_option("--format", in.format, "csv or ndjson; else told by the file")
      ->check(CLI::IsMember({"csv", "ndjson"}));
  add_repeated(import, "--map", in.map,
               "COLUMN=FIELD: \"E-mail=email\", \"Seats=custom.seats:number\", \"Old=-\" to pass "
               "over; may be repeated");
  import->add_option("--map-file", in.map_file, "The same from a YAML or JSON mapping");
  import->add_flag("--ignore-unmapped", in.ignore_unmapped, "Pass over columns without a field");
  import->add_option("--delimiter", in.delimiter, "Between cells, such as ; or tab; else detected");
  import->add_option("--empty", in.empty, "What an empty cell does to its field: leaves or clears")
      ->capture_default_str()
      ->check(CLI::IsMember({"leaves", "clears"}));
  import->add_flag("--raw", in.raw, "Keep the ' before cells that look like formulas");
  add_repeated(import, "--group", in.groups, "Every contact joins this group; may be repeated");
  import->add_flag("--trigger", in.trigger,
                   "Let the changes start scenarios; else they start none");
  import->add_flag("--dry-run", in.dry_run, "Tell what would be done, and do nothing");
  import->add_option("--report", in.report,
                     "Keep refused rows in this file, with why; mended, it can be imported");
  import->add_flag("--quiet", in.quiet, "Show no progress");
  import->add_option("--chunk", in.chunk, "Contacts in one post")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));

  ContactExportOptions& out = line.contacts_out;
  CLI::App* exported =
      client_command(line, contacts, "export", "Write contacts as CSV or NDJSON",
                     [&line] { return run_contact_export(line.client, line.contacts_out); });
  exported->add_option("--format", out.format, "csv or ndjson")
      ->capture_default_str()
      ->check(CLI::IsMember({"csv", "ndjson"}));
  add_repeated(exported, "--fields", out.fields,
               "Only these: id,email,custom.plan,custom.*,statistics.open_rate");
  exported->add_option("--group", out.group, "Only those in this group");
  exported->add_option("--out", out.out, "Write to this file instead of standard output");
  exported->add_flag("--statistics", out.statistics, "The personal statistics as well");
  exported->add_option("--delimiter", out.delimiter,
                       "Between cells, such as ; or tab; else a comma");
  exported->add_flag("--raw", out.raw,
                     "For programs: no ' before cells that a spreadsheet would take for formulas");
  exported->add_flag("--quiet", out.quiet, "Show no progress");
}

void add_tokens(CommandLine& line) {
  CLI::App* token = line.app.add_subcommand("token", "Say who may call this server, and for what");
  token->require_subcommand(1);
  CLI::App* create = client_command(line, *token, "create", "Issue a token and print it, once",
                                    [&line] { return run_token_create(line.client, line.token); });
  create->add_option("name", line.token.name, "Its name, as the log will show it")->required();
  create->add_option("--role", line.token.role, "read, ingest, metrics, author or admin")
      ->required()
      ->check(CLI::IsMember({"read", "ingest", "metrics", "author", "admin"}));
  create->add_option(
      "--expires", line.token.expires,
      "When it ends: a time, a day, or how long from now (90d); never where missing");
  client_command(line, *token, "list", "The tokens that were issued, never themselves",
                 [&line] { return run_token_list(line.client); });
  CLI::App* revoke = client_command(line, *token, "revoke", "From now on it opens nothing",
                                    [&line] { return run_token_revoke(line.client, line.name); });
  revoke->add_option("name", line.name, "Its name")->required();
}

void add_fields(CommandLine& line) {
  CLI::App* fields =
      line.app.add_subcommand("fields", "Declare the custom fields that contacts may have");
  fields->require_subcommand(1);
  CLI::App* declare = client_command(line, *fields, "declare", "Declare a custom field", [&line] {
    return run_field_declare(line.client, line.field);
  });
  declare->add_option("field", line.field.name, "Its name: plan, or custom.plan")->required();
  declare->add_option("--type", line.field.type, "text, number, date, instant, flag or list")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "number", "date", "instant", "flag", "list"}));
  declare->add_option("--summary", line.field.summary, "What it holds, for people");
  client_command(line, *fields, "list", "The declared custom fields",
                 [&line] { return run_fields(line.client); });
  CLI::App* remove = client_command(line, *fields, "remove", "Take a declaration back; values stay",
                                    [&line] { return run_field_remove(line.client, line.name); });
  remove->add_option("field", line.name, "Its name")->required();
}

void add_people(CommandLine& line) {
  constexpr const char* kContactHelp = "Its id, or its address; an id with an @ as id:ID";
  CLI::App* contacts =
      line.app.add_subcommand("contacts", "Look at contacts, take them in and out");
  contacts->require_subcommand(1);
  CLI::App* get = client_command(line, *contacts, "get", "All that is known of a contact",
                                 [&line] { return run_contact(line.client, line.name); });
  get->add_option("contact", line.name, kContactHelp)->required();
  for (const char* name : {"journey", "runs"}) {
    CLI::App* runs = client_command(line, *contacts, name,
                                    "A contact's journeys, step by step, and refused entries",
                                    [&line] { return run_runs(line.client, line.runs); });
    runs->add_option("contact", line.runs.contact, kContactHelp)->required();
    runs->add_option("--limit", line.runs.limit, "How many")->capture_default_str();
  }
  CLI::App* forget =
      client_command(line, *contacts, "forget", "Erase a contact for good; the numbers stay",
                     [&line] { return run_contact_forget(line.client, line.name, line.yes); });
  forget->add_option("contact", line.name, kContactHelp)->required();
  forget->add_flag("--yes", line.yes, "Really");
  CLI::App* all = client_command(line, *contacts, "list", "Contacts, oldest first",
                                 [&line] { return run_contact_list(line.client, line.listed); });
  all->add_option("--group", line.listed.group, "Only those in this group");
  all->add_option("--limit", line.listed.limit, "How many")->capture_default_str();
  all->add_option("--cursor", line.listed.cursor, "Go on where a list ended");
  add_contact_files(line, *contacts);
}

void add_filter(CLI::App* sub, DeliveryFilter& filter, const std::vector<std::string>& states) {
  sub->add_option("--scenario", filter.scenario, "Of this scenario");
  sub->add_option("--node", filter.node, "Of this node of it");
  std::string names;
  for (const std::string& state : states) names += (names.empty() ? "" : ", ") + state;
  sub->add_option("--state", filter.state, names)->check(CLI::IsMember(states));
  sub->add_option("--since", filter.since, "Made from then on: a time, a day, or 2h (ago)");
  sub->add_option("--until", filter.until, "Made before then");
  sub->add_option("--code", filter.code,
                  "Of the last attempt, 503 or timeout, or the reason, deadline");
}

void add_deliveries(CommandLine& line) {
  CLI::App* deliveries =
      line.app.add_subcommand("deliveries", "Look at webhook requests; retry or cancel them");
  deliveries->require_subcommand(1);
  CLI::App* list = client_command(line, *deliveries, "list", "Requests, newest first",
                                  [&line] { return run_deliveries(line.client, line.deliveries); });
  DeliveryFilter& filter = line.deliveries.filter;
  list->add_option("scenario", filter.scenario, "The scenario's id; all where missing");
  list->add_option("node", filter.node, "The node's id; all where missing");
  add_filter(list, filter, {"pending", "accepted", "failed", "cancelled"});
  list->add_option("--limit", line.deliveries.limit, "How many")->capture_default_str();
  list->add_option("--cursor", line.deliveries.cursor, "Go on where a list ended");
  for (const char* name : {"show", "get"}) {
    CLI::App* one = client_command(line, *deliveries, name, "One request with all its attempts",
                                   [&line] { return run_delivery(line.client, line.name); });
    one->add_option("delivery", line.name, "Its id: evt_…")->required();
  }
  const auto by_hand = [&](const std::string& act, const std::string& summary,
                           const std::vector<std::string>& states) {
    CLI::App* sub = client_command(line, *deliveries, act, summary, [&line, act] {
      return run_by_hand(line.client, act, line.by_hand);
    });
    sub->add_option("delivery", line.by_hand.ids, "Ids (evt_…), instead of a filter");
    add_filter(sub, line.by_hand.filter, states);
    sub->add_flag("--yes", line.by_hand.yes, "Do not ask");
  };
  by_hand("retry", "Take failed ones back to pending, with a new window", {"failed", "cancelled"});
  by_hand("cancel", "Take pending ones back for good", {"pending"});

  CLI::App* node = line.app.add_subcommand("node", "Pause and resume the webhooks of a node");
  node->require_subcommand(1);
  for (const bool pause : {true, false}) {
    CLI::App* sub = client_command(
        line, *node, pause ? "pause" : "resume",
        pause ? "Park its requests, those to come as well; contacts go on" : "Let them go on",
        [&line, pause] { return run_switch(line.client, line.node, pause); });
    sub->add_option("scenario", line.node.scenario, "The scenario's id")->required();
    sub->add_option("node", line.node.node, "The node's id")->required();
  }
}

void add_watching(CommandLine& line) {
  CLI::App* runs =
      line.app.add_subcommand("runs", "Look at journeys under way; resume parked ones");
  runs->require_subcommand(1);
  CLI::App* list = client_command(line, *runs, "list", "Runs that wait or are parked",
                                  [&line] { return run_live_runs(line.client, line.live_runs); });
  list->add_option("--scenario", line.live_runs.scenario, "Of this scenario");
  list->add_option("--node", line.live_runs.node, "At this node of it");
  list->add_option("--state", line.live_runs.state, "waiting or parked")
      ->check(CLI::IsMember({"waiting", "parked"}));
  list->add_option("--reason", line.live_runs.reason, "Parked for this reason, such as cascade");
  list->add_option("--limit", line.live_runs.limit, "How many")->capture_default_str();
  list->add_option("--cursor", line.live_runs.cursor, "Go on where a list ended");
  CLI::App* resume = client_command(line, *runs, "resume", "Let parked runs enter their node again",
                                    [&line] { return run_resume(line.client, line.resume); });
  resume->add_option("run", line.resume.runs, "Ids (run_…), instead of a scenario");
  resume->add_option("--scenario", line.resume.scenario, "All parked ones of this scenario");
  resume->add_option("--node", line.resume.node, "At this node of it");
  resume->add_option("--reason", line.resume.reason, "Parked for this reason, such as cascade");

  CLI::App* logs =
      client_command(line, line.app, "logs", "What was changed lately, and what webhooks met",
                     [&line] { return run_logs(line.client, line.logs); });
  logs->add_option("--scenario", line.logs.scenario, "Of this scenario");
  logs->add_option("--since", line.logs.since, "From then on: a time, a day, or 2h (ago)");
  logs->add_option("--limit", line.logs.limit, "How many, where no --since is given")
      ->capture_default_str()
      ->check(CLI::Range(1, 500));
  logs->add_flag("--follow", line.logs.follow, "Go on with what comes");
}

void add_hosts(CLI::App* command, HostOptions& options) {
  add_repeated(command, "--host", options.hosts,
               "A host to which it may be sent: crm.example.com, crm.example.com:8443, "
               "*.example.com; may be repeated; replaces those it had");
  command->add_flag("--any-host", options.any, "It may be sent to any host");
  command->add_flag("--keep", options.keep,
                    "Keep the value and ask for none; change only the hosts");
}

void add_secrets(CommandLine& line) {
  constexpr const char* kFrom = "Read the value from this file instead of standard input";
  CLI::App* secret = line.app.add_subcommand("secret", "Keep secrets for headers and signatures");
  secret->require_subcommand(1);
  CLI::App* set = client_command(line, *secret, "set",
                                 "Set a secret and its hosts; an empty value keeps the one it has",
                                 [&line] { return run_secret_set(line.client, line.secret); });
  set->add_option("name", line.secret.name, "Its name, as in {{ secret.NAME }}")->required();
  add_hosts(set, line.secret.hosts);
  set->add_option("--from", line.secret.from, kFrom);
  set->add_flag("--rotate", line.secret.rotate, "Keep the old value as a second one that signs");
  set->add_flag("--drop-old", line.secret.drop_old, "End a rotation: only the new value signs");
  set->add_flag("--generate", line.secret.generate, "Make a signing secret and print it, once");
  client_command(line, *secret, "list", "The names of the secrets, their hosts, and who uses them",
                 [&line] { return run_secret_list(line.client); });
  CLI::App* remove =
      client_command(line, *secret, "remove", "Remove a secret that no live scenario needs",
                     [&line] { return run_secret_remove(line.client, line.removed); });
  remove->add_option("name", line.removed.name, "Its name")->required();
  remove->add_flag("--force", line.removed.force, "Also where deliveries will wait for it");
  client_command(line, *secret, "rekey", "Make a new master key and seal everything under it",
                 [&line] { return run_rekey(line.client); });

  CLI::App* credential =
      line.app.add_subcommand("credential", "Keep what receivers want to know callers by");
  credential->require_subcommand(1);
  CLI::App* put =
      client_command(line, *credential, "set",
                     "Set a credential and its hosts; an empty secret part keeps the one it has",
                     [&line] { return run_credential_set(line.client, line.credential); });
  put->add_option("name", line.credential.name, "Its name, as in auth: { credential: NAME }")
      ->required();
  add_hosts(put, line.credential.hosts);
  put->add_option("--basic", line.credential.basic, "A username; its password is the secret part");
  put->add_flag("--bearer", line.credential.bearer, "The secret part is a bearer token");
  put->add_option("--header", line.credential.header,
                  "A header's name, such as X-Api-Key; its value is the secret part");
  put->add_option("--from", line.credential.from, kFrom);
  client_command(line, *credential, "list",
                 "The names of the credentials, their hosts, and who uses them",
                 [&line] { return run_credential_list(line.client); });
  CLI::App* drop =
      client_command(line, *credential, "remove", "Remove a credential that no live scenario needs",
                     [&line] { return run_credential_remove(line.client, line.removed); });
  drop->add_option("name", line.removed.name, "Its name")->required();
  drop->add_flag("--force", line.removed.force, "Also where deliveries will wait for it");
}

void add_webhook(CommandLine& line) {
  WebhookTestOptions& options = line.webhook;
  CLI::App* webhook = line.app.add_subcommand("webhook", "Try a node's webhook out");
  webhook->require_subcommand(1);
  CLI::App* test = client_command(line, *webhook, "test",
                                  "Send test data as a node would, and tell what came of it",
                                  [&line] { return run_webhook_test(line.client, line.webhook); });
  test->add_option("scenario", options.what,
                   "The scenario's id; or a file, which is tested from here, without a server")
      ->required();
  test->add_option("node", options.node, "The node's id")->required();
  add_repeated(test, "--secret-file", options.secret_files,
               "With a file: NAME=FILE, a secret that the node names; may be repeated");
  add_repeated(test, "--allow-host", options.allow_hosts,
               "With a file: a private host that may be called, as of serve; may be repeated");
  add_repeated(test, "--allow-network", options.allow_networks,
               "With a file: a private network that may be called; may be repeated");
  test->add_option("--ca-file", options.ca_file, "With a file: trusted certificates (PEM)");
  test->add_flag("--https-only", options.https_only, "With a file: refuse plain http");
  test->add_option("--account-id", options.account_id, "With a file: idClient in the body")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, kAccountMax));
}

void add_operating(CommandLine& line) {
  BackupOptions& backup = line.backup;
  CLI::App* draw =
      command(line, line.app, "backup", "Copy a data folder, whether or not a server works on it",
              [&line] { return run_backup(line.backup); });
  draw->add_option("to", backup.to, "The folder to make")->required();
  draw->add_option("--data", backup.data,
                   "The data folder; else that of the server on this machine");
  draw->add_flag("--with-key", backup.with_key, "Take the master key and the token along");
  draw->add_flag("--quiet", backup.quiet, "Print the result only");
  draw->add_flag("--json", backup.json, "Print the result as JSON");

  RestoreOptions& restore = line.restore;
  CLI::App* back = command(line, line.app, "restore", "Make a data folder of a backup",
                           [&line] { return run_restore(line.restore); });
  back->add_option("from", restore.from, "The folder that `backup` made")->required();
  back->add_option("--data", restore.data, "The data folder to make; missing or empty")->required();
  back->add_flag("--release", restore.release,
                 "Let it send from its first start on: the server it was drawn of is gone");
  back->add_flag("--json", restore.json, "Print the result as JSON");

  CLI::App* resume = client_command(line, line.app, "resume-sending", "Let a restored copy send",
                                    [&line] { return run_resume_sending(line.client, line.yes); });
  resume->add_flag("--yes", line.yes, "Do not ask");

  CLI::App* clock =
      line.app.add_subcommand("clock", "The time that a server goes by, after its clock was moved");
  clock->require_subcommand(1);
  client_command(line, *clock, "show", "The time, and whether the machine's clock is trusted",
                 [&line] { return run_clock_show(line.client); });
  client_command(line, *clock, "accept", "Follow the machine's clock at once: it is right",
                 [&line] { return run_clock_accept(line.client); });

  CLI::App* doctor =
      command(line, line.app, "doctor", "Find out whether a data folder and its server are sound",
              [&line] { return run_doctor(line.doctor); });
  doctor->add_option("--data", line.doctor.data,
                     "The data folder; else that of the server on this machine");
  doctor->add_option("--server", line.doctor.server,
                     "Ask only the server at this URL, where there is no --data");
  doctor->add_option("--ca", line.doctor.ca,
                     "Whose certificates are believed (PEM), of an https server; else ONWARD_CA, "
                     "else the system's");
  doctor->add_flag("--json", line.doctor.json, "Print the result as JSON");
}

/// A result that did not get out whole is none.
int unless_lost(int code) {
  std::cout.flush();
  if (code != kExitOk || (!output_lost() && std::cout)) return code;
  return complain("Cannot write to standard output; what was printed is not complete.", kExitIo);
}

int print_version(bool as_json) {
  print(as_json ? to_json(Value{ValueMap{{"version", ONWARD_VERSION}}}) + "\n"
                : "onward " ONWARD_VERSION "\n");
  return kExitOk;
}

/// An argument that a command is about is never empty: the path of a request would be another one.
void refuse_empty_arguments(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (option->get_positional() && option->get_required())
      option->check([](const std::string& text) {
        return text.empty() ? std::string{"must not be empty"} : std::string{};
      });
  for (CLI::App* sub : app.get_subcommands({})) refuse_empty_arguments(*sub);
}

void add_all(CommandLine& line) {
  line.app.require_subcommand(1);
  line.app.set_help_flag("-h,--help", "Print this help");
  line.app.set_version_flag("--version", "onward " ONWARD_VERSION, "Print the version");
  add_serve(line);
  add_listen(line);
  add_offline(line);
  add_authors_tools(line);
  add_authoring(line);
  add_events(line);
  add_people(line);
  add_deliveries(line);
  add_watching(line);
  add_secrets(line);
  add_tokens(line);
  add_webhook(line);
  add_fields(line);
  add_operating(line);
  CLI::App* help = command(line, line.app, "help", "List the commands, or explain one",
                           [&line] { return print_help(line.app, line.topic); });
  help->add_option("command", line.topic, "Its name; all of them where none is named");
  CLI::App* version = command(line, line.app, "version", "Print the version",
                              [&line] { return print_version(line.as_json); });
  version->add_flag("--json", line.as_json, "Print it as JSON");
  refuse_empty_arguments(line.app);
}
}  // namespace

int run_command_line(int argc, const char* const* argv, const NodeKinds& kinds) {
  const ShownStreams streams;
  CommandLine line{kinds};
  add_all(line);
  if (argc < 2) {
    say(line.app.help());
    return kExitUsage;
  }
  if (const std::string wrong = unknown_word(line.app, argc, argv); !wrong.empty())
    return complain(wrong, kExitUsage);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return unless_lost(line.app.exit(asked));
  } catch (const CLI::ParseError& wrong) {
    return complain(
        fmt::format("{}. Try: {}", parse_fault(wrong, argc, argv), help_on(line.app, argc, argv)),
        kExitUsage);
  }
  return unless_lost(line.chosen());
}
}  // namespace onward
