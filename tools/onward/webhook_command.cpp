// webhook test: a node's test button, through a server or, with a file, from here.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/api/views.h"
#include "engine/authoring/load.h"
#include "engine/authoring/report.h"
#include "engine/cell/webhook_test.h"
#include "engine/delivery/attempt.h"
#include "engine/delivery/curl_http_client.h"
#include "engine/secrets/secret_source.h"
#include "nodes/nodes.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {

bool is_file(const std::string& what) {
  std::error_code ignored;
  return what == "-" || what.find('/') != std::string::npos || what.ends_with(".yaml") ||
         what.ends_with(".yml") || std::filesystem::is_regular_file(what, ignored);
}

int print_outcome(const Value& answer, bool json) {
  const bool accepted = flag_of(answer, "accepted");
  if (json)
    print_json(answer);
  else
    print(webhook_test_text(answer));
  return accepted ? kExitOk : kExitData;
}

/// "NAME=FILE" for each.
Result<SecretValues::Named> read_secrets(const std::vector<std::string>& given) {
  SecretValues::Named secrets;
  for (const std::string& pair : given) {
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(ErrorKind::Invalid, "bad_secret",
                  fmt::format("--secret-file must be NAME=FILE, for example key=key.txt (got "
                              "\"{}\").",
                              pair));
    auto text = read_input(pair.substr(equals + 1));
    if (!text) return tl::make_unexpected(text.error());
    while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
    if (const Status sound = check_secret_value(*text); !sound)
      return fail(ErrorKind::Invalid, "bad_secret",
                  fmt::format("{}: {}.", pair.substr(equals + 1), sound.error().message));
    secrets[pair.substr(0, equals)] = {.value = std::move(*text)};
  }
  return secrets;
}

/// One attempt, made here.
AttemptResult attempt(const DeliveryTask& task, const SecretSource& secrets, HttpClient& client) {
  const auto now = [] { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); };
  const Instant started = now();
  auto request = request_of(task, &secrets, started);
  if (!request) return result_of(task, request.error(), started);
  const std::vector<std::string> hidden = request->hidden;
  client.start(std::move(*request));
  std::vector<HttpReply> replies;
  while (replies.empty()) client.poll(std::chrono::seconds{1}, replies);
  mask(replies.front(), hidden);
  return result_of(task, std::move(replies.front()), started, now());
}

int test_file(const WebhookTestOptions& options, bool json) {
  const auto text = read_input(options.what);
  if (!text) return complain(text.error());
  Loaded loaded = load_scenario(*text, node_kinds());
  if (!loaded.scenario) {
    say(report_text(options.what == "-" ? "standard input" : options.what, *text,
                    loaded.diagnostics));
    return kExitData;
  }
  auto secrets = read_secrets(options.secret_files);
  if (!secrets) return complain(secrets.error());
  auto guard = AddressGuard::make({options.allow_networks, options.allow_hosts});
  if (!guard) return complain(guard.error());
  CurlOptions curl{.guard = *guard};
  curl.https_only = options.https_only;
  curl.ca_file = options.ca_file;
  const auto client = make_curl_client(curl);
  auto id = new_test_id();
  if (!id) return complain(id.error());
  const auto task =
      make_webhook_test(*loaded.scenario, options.node, std::move(*id), options.account_id,
                        std::chrono::floor<Duration>(std::chrono::system_clock::now()));
  if (!task) return complain(task.error());
  const SecretValues values{std::move(*secrets), {}};
  WebhookTestAnswer answer = judge_webhook_test(*task, attempt(*task, values, *client));
  if (answer.attempt.code == "secret_missing")
    answer.explanation =
        "A file alone knows no secrets: name theirs with --secret-file NAME=FILE; with "
        "credentials, apply the file and test it on the server.";
  return print_outcome(view_of(answer), json);
}
}  // namespace

StyledText webhook_test_text(const Value& answer) {
  const bool accepted = flag_of(answer, "accepted");
  const std::string status = text_of(answer, "status");
  const std::string code = text_of(answer, "code");
  std::string result = fmt::format("{} {}", accepted ? "✓" : "✗", status.empty() ? code : status);
  if (!accepted && !status.empty()) result += " " + (code.empty() ? "refused" : code);
  StyledText line{accepted ? Style::Green : Style::Red, result};
  line += fmt::format("  {} {}  {} ms\n", text_of(answer, "request.method"),
                      printable_line(text_of(answer, "request.url")), number_of(answer, "took_ms"));
  const auto add = [&](std::string_view title, const std::string& text) {
    if (!text.empty()) line += fmt::format("  {}{}\n", title, text);
  };
  if (!accepted) add("", text_of(answer, "error"));
  add("", text_of(answer, "explanation"));
  add("It answered: ", text_of(answer, "response"));
  return line;
}

int run_webhook_test(const ClientOptions& options, const WebhookTestOptions& test) {
  if (is_file(test.what)) return test_file(test, options.json);
  if (!test.secret_files.empty() || !test.allow_hosts.empty() || !test.allow_networks.empty() ||
      !test.ca_file.empty() || test.https_only)
    return complain(
        "--secret-file, --allow-host, --allow-network, --ca-file and --https-only are for testing "
        "a "
        "file from here; a server has its own.",
        kExitUsage);
  const Client client{options};
  const auto answer = client.call(
      "POST", fmt::format("/v1/scenarios/{}/nodes/{}/test", segment(test.what), segment(test.node)),
      "accepted");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  return print_outcome(answer->value, client.json());
}
}  // namespace onward
