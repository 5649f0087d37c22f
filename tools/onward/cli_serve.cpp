// The commands `demo`, `serve` and `listen`.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "engine/core/base/time.h"
#include "tools/onward/command_line.h"
#include "tools/onward/demo.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/listen.h"
#include "tools/onward/serve.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// As typed; `serve_with` reads the durations.
struct ServeArguments {
  ServeOptions serve;
  std::string dedupe_for = "7d", patience = "20s", keep_bodies = "30d", keep_runs = "90d";
};

struct ListenArguments {
  ListenOptions listen;
  std::string delay = "0s";
};

/// False: it is none. Shorter than this, something could go while it may still be sent.
bool read_keep(const std::string& text, std::optional<Duration>& keep) {
  keep.reset();
  if (text == "forever") return true;
  keep = parse_duration(text);
  return keep && *keep >= std::chrono::hours{96};
}

int serve_with(ServeArguments& args, const NodeKinds& kinds) {
  const auto dedupe_for = parse_duration(args.dedupe_for);
  const auto patience = parse_duration(args.patience);
  if (!dedupe_for || *dedupe_for < std::chrono::minutes{1})
    return complain(
        fmt::format("--dedupe-for must be a duration of 1m or more, for example 7d (got \"{}\").",
                    args.dedupe_for),
        kExitUsage);
  if (!patience || *patience < Duration{0})
    return complain(
        fmt::format("--patience must be a duration, for example 20s (got \"{}\").", args.patience),
        kExitUsage);
  for (const auto& [name, text, keep] :
       {std::tuple{"--keep-bodies", &args.keep_bodies, &args.serve.keep_bodies},
        std::tuple{"--keep-runs", &args.keep_runs, &args.serve.keep_runs}})
    if (!read_keep(*text, *keep))
      return complain(
          fmt::format("{} wants a duration such as 30d, 4d at least, or forever, found \"{}\".",
                      name, *text),
          kExitUsage);
  if (args.serve.keep_runs &&
      (!args.serve.keep_bodies || *args.serve.keep_runs < *args.serve.keep_bodies))
    return complain(
        fmt::format("--keep-runs ({}) must not be shorter than --keep-bodies ({}): what a "
                    "contact was sent is found through its runs when it is forgotten.",
                    args.keep_runs, args.keep_bodies),
        kExitUsage);
  args.serve.dedupe_for = *dedupe_for;
  args.serve.patience = *patience;
  return run_serve(args.serve, kinds);
}

int listen_with(ListenArguments& args) {
  const auto delay = parse_duration(args.delay);
  if (!delay || *delay < Duration{0})
    return complain(
        fmt::format("--delay must be a duration, for example 200ms (got \"{}\").", args.delay),
        kExitUsage);
  args.listen.delay = *delay;
  return listen_main(args.listen, std::cout, std::cerr);
}
}  // namespace

void add_serve(CommandLine& line) {
  const auto args = std::make_shared<ServeArguments>();
  ServeOptions& serve = args->serve;
  CLI::App* sub = line.command(line.app, "serve", "Run the server",
                               [&line, args] { return serve_with(*args, line.kinds); });
  sub->add_option("--data", serve.data, "The data folder; made where it is missing")->required();
  sub->add_option("--listen", serve.api.listen, "Address and port; port 0 takes any free one")
      ->capture_default_str();
  sub->add_option("--port-file", serve.api.port_file,
                  "Write the port to this file when it listens");
  add_repeated(sub, "--allow-host", serve.webhooks.allow_hosts,
               "A private host that webhooks may call: HOST or HOST:PORT; may be repeated");
  add_repeated(sub, "--allow-network", serve.webhooks.allow_networks,
               "A private network that webhooks may call, such as 10.0.0.0/8; may be repeated");
  sub->add_option("--allow-file", serve.webhooks.allow_file,
                  "Hosts and networks that webhooks may call as well, one a line; read again on "
                  "SIGHUP");
  sub->add_flag("--https-only", serve.webhooks.https_only, "Refuse webhooks over plain http");
  sub->add_option("--ca-file", serve.webhooks.ca_file,
                  "Trusted certificates (PEM) instead of the system's");
  sub->add_option("--tls-cert", serve.api.tls_cert,
                  "Speak https with this certificate (PEM), its chain behind it");
  sub->add_option("--tls-key", serve.api.tls_key, "The key of --tls-cert (PEM, no passphrase)");
  sub->add_flag("--no-auth", serve.api.no_auth, "Ask for no token; on loopback only");
  add_repeated(sub, "--intake-secret-file", serve.api.intake_secret_files,
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
  sub->add_option("--dedupe-for", args->dedupe_for, "How long a repeated event is known")
      ->capture_default_str();
  sub->add_option("--dedupe-memory", serve.dedupe_memory,
                  "Bytes for telling new events without a look at the disk, such as 256MiB")
      ->capture_default_str()
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  sub->add_option("--keep-bodies", args->keep_bodies,
                  "How long after its end a request's body and answers are kept, or forever")
      ->capture_default_str();
  sub->add_option("--keep-runs", args->keep_runs,
                  "How long ended runs and the attempts of their requests are kept, or forever")
      ->capture_default_str();
  sub->add_option("--max-concurrency", serve.webhooks.concurrency_total, "Webhook requests at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'536));
  sub->add_option("--max-per-origin", serve.webhooks.concurrency_origin,
                  "Webhook requests at once to one scheme, host and port")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'536));
  sub->add_option("--max-connections", serve.api.connections_max, "Callers' connections at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  sub->add_option("--patience", args->patience,
                  "How long to wait for requests in flight at the end")
      ->capture_default_str();
  sub->add_flag("--quiet", serve.quiet, "Log warnings and errors only");
  sub->add_option_function<std::string>(
         "--log-format", [&serve](const std::string& format) { serve.json_log = format == "json"; },
         "How the log on standard error is written: text or json, a record a line")
      ->check(CLI::IsMember({"text", "json"}));
}

void add_listen(CommandLine& line) {
  const auto args = std::make_shared<ListenArguments>();
  ListenOptions& listen = args->listen;
  CLI::App* sub = line.command(line.app, "listen",
                               "Receive webhooks on this machine and print them, to try things out",
                               [args] { return listen_with(*args); });
  sub->add_option("--address", listen.address, "Address to listen on")->capture_default_str();
  sub->add_option("--port", listen.port, "Port; 0 takes any free one")->capture_default_str();
  sub->add_option("--port-file", listen.port_file, "Write the port to this file when it listens");
  sub->add_option("--refuse-first,--fail-first", listen.refuse_first,
                  "Answer 503 to so many requests at first");
  sub->add_option("--status", listen.status, "Status of all other answers")
      ->capture_default_str()
      ->check(CLI::Range(200, 599));
  sub->add_option("--delay", args->delay, "Wait this long before each answer");
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

void add_demo(CommandLine& line) {
  const auto options = std::make_shared<DemoOptions>();
  CLI::App* sub = line.command(line.app, "demo",
                               "Show what Onward does, in seconds: scenario, webhooks, numbers",
                               [options] { return run_demo(*options); });
  sub->add_flag("--keep", options->keep, "Keep the server and the receiver running until Ctrl-C");
}
}  // namespace onward
