// demo: a scenario, contacts, webhooks with a retry and the numbers, on this machine.
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tools/onward/child_process.h"
#include "tools/onward/commands.h"
#include "tools/onward/demo.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
namespace fs = std::filesystem;
using DemoClock = std::chrono::steady_clock;

constexpr auto kWaitMax = std::chrono::seconds{60};
constexpr auto kPollPause = std::chrono::milliseconds{20};
constexpr std::string_view kRetryDelay = "2s";

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

/// SIGINT and SIGTERM end the demo, not the process: children and files are cleaned up.
class InterruptScope {
 public:
  InterruptScope() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, &before_int_);
    sigaction(SIGTERM, &action, &before_term_);
  }
  ~InterruptScope() {
    sigaction(SIGINT, &before_int_, nullptr);
    sigaction(SIGTERM, &before_term_, nullptr);
  }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  struct sigaction before_int_, before_term_;
};

tl::unexpected<Error> stopped() {
  return fail(ErrorKind::Unavailable, "interrupted", "The demo was interrupted.");
}

/// A contact of the sample events, as the demo shows it.
struct DemoContact {
  std::string id, label;      // "c1", "Ada Lovelace, Analytical Engines"
  std::string expected_path;  // Empty: the contact starts no run.
};

std::string label_of(const Value& contact) {
  std::string label = text_of(contact, "first_name");
  if (const std::string last = text_of(contact, "last_name"); !last.empty()) label += " " + last;
  if (const std::string company = text_of(contact, "company"); !company.empty())
    label += ", " + company;
  return label;
}

/// One attempt, as the receiver recorded it.
struct ReceivedWebhook {
  std::string id, body, email;
  std::int64_t status = 0;
  bool accepted() const { return status < 300; }
};

/// A webhook-id is long and its end tells one from another.
std::string shortened(const std::string& id) {
  constexpr std::size_t kShown = 8;
  return id.size() <= kShown ? id : "…" + id.substr(id.size() - kShown);
}

class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_{options} {}
  ~Demo();
  Demo(const Demo&) = delete;
  Demo& operator=(const Demo&) = delete;

  /// The error is about the demo itself: a port, a process, a file. Wrong numbers are `faults_`.
  Status run();
  bool all_right() const { return faults_ == 0; }

 private:
  Status make_folder();
  Status start_receiver();
  Status start_server();
  Result<std::string> wait_for_port(ChildProcess& child, const fs::path& port_file,
                                    const fs::path& output);
  Status write_files();
  Status succeed(std::string_view command, int exit_code) const;
  Result<Value> get(const std::string& path, std::string_view member) const;

  Status show_scenario();
  Status show_contacts();
  Status show_webhooks();
  Status show_numbers();
  void show_next_steps() const;
  Status keep_running();

  Result<std::string> path_of(const std::string& contact) const;
  /// What arrived since the last call.
  std::vector<ReceivedWebhook> new_webhooks();
  void print_webhook(const ReceivedWebhook& webhook) const;
  /// Prints a line if `found` is not `expected`.
  template <class T>
  void check(std::string_view what, const T& expected, const T& found);

  DemoOptions options_;
  fs::path folder_;
  std::string receiver_address_;  // "127.0.0.1:41233"
  std::optional<ChildProcess> receiver_, server_;
  ClientOptions client_;
  std::vector<DemoContact> contacts_;
  std::vector<ReceivedWebhook> received_;
  std::streamoff read_ = 0;  // of the receiver's log
  DemoClock::time_point sent_at_;
  int faults_ = 0;
};

Demo::~Demo() {
  server_.reset();
  receiver_.reset();
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

template <class T>
void Demo::check(std::string_view what, const T& expected, const T& found) {
  if (found == expected) return;
  ++faults_;
  print(fmt::format("   WRONG: {}: expected {}, found {}\n", what, expected, found));
}

Status Demo::succeed(std::string_view command, int exit_code) const {
  if (exit_code == kExitOk) return {};
  return fail(ErrorKind::Internal, "demo",
              fmt::format("\"onward {}\" ended with exit code {}.", command, exit_code));
}

Result<Value> Demo::get(const std::string& path, std::string_view member) const {
  const auto answer = Client{client_}.call("GET", path, member);
  if (!answer) return tl::make_unexpected(answer.error());
  if (!answer->ok())
    return fail(ErrorKind::Internal, "demo",
                fmt::format("GET {} was answered with {}: {}", path, answer->status,
                            answer->text("detail")));
  return answer->value;
}

Status Demo::make_folder() {
  std::error_code error;
  const fs::path base = fs::temp_directory_path(error);
  std::string name = (error ? fs::path{"/tmp"} : base) / "onward-demo.XXXXXX";
  if (!mkdtemp(name.data()))
    return fail(ErrorKind::Io, "folder",
                fmt::format("cannot create a folder in {}", base.string()));
  folder_ = name;
  return {};
}

Result<std::string> Demo::wait_for_port(ChildProcess& child, const fs::path& port_file,
                                        const fs::path& output) {
  const auto until = DemoClock::now() + kWaitMax;
  while (true) {
    std::string port;
    if (std::ifstream file{port_file}; std::getline(file, port) && !file.eof()) return port;
    if (interrupted) return stopped();
    if (!child.is_running() || DemoClock::now() > until) {
      const auto printed = read_input(output.string());
      return fail(ErrorKind::Unavailable, "demo",
                  fmt::format("A process of the demo did not start. It printed:\n{}",
                              printed ? *printed : std::string{}));
    }
    std::this_thread::sleep_for(kPollPause);
  }
}

Status Demo::start_receiver() {
  const fs::path port_file = folder_ / "receiver.port", output = folder_ / "receiver.out";
  // The first attempt of each of the three webhooks is refused.
  auto started = ChildProcess::start(
      std::vector<std::string>{"listen", "--port", "0", "--port-file", port_file.string(),
                               "--refuse-first", "3", "--log", (folder_ / "received").string()},
      output);
  if (!started) return tl::make_unexpected(started.error());
  receiver_ = std::move(*started);
  const auto port = wait_for_port(*receiver_, port_file, output);
  if (!port) return tl::make_unexpected(port.error());
  receiver_address_ = "127.0.0.1:" + *port;
  return {};
}

Status Demo::start_server() {
  const fs::path port_file = folder_ / "server.port", output = folder_ / "server.log";
  std::vector<std::string> environment;
  // A server of the demo is no default for commands of other terminals.
  if (!options_.keep)
    environment = {"XDG_STATE_HOME=" + (folder_ / "state").string(), "RUNTIME_DIRECTORY="};
  auto started = ChildProcess::start(
      std::vector<std::string>{"serve", "--data", (folder_ / "data").string(), "--listen",
                               "127.0.0.1:0", "--port-file", port_file.string(), "--allow-host",
                               receiver_address_},
      output, environment);
  if (!started) return tl::make_unexpected(started.error());
  server_ = std::move(*started);
  const auto port = wait_for_port(*server_, port_file, output);
  if (!port) return tl::make_unexpected(port.error());
  client_.server = "http://127.0.0.1:" + *port;
  const auto token = read_regular((folder_ / "data" / "token").string());
  if (!token) return tl::make_unexpected(token.error());
  client_.token = token->substr(0, token->find('\n'));
  return {};
}

/// The sample scenario, with the address of the receiver and a short retry delay.
Status Demo::write_files() {
  std::istringstream lines{std::string{kDemoScenario}};
  std::string text, line;
  while (std::getline(lines, line)) {
    if (line.starts_with("tests:")) break;  // They name the sample's own URL.
    const std::size_t url = line.find("url: ");
    if (url != line.npos && line.find_first_not_of(' ') == url) {
      const std::string indent(url, ' ');
      line = fmt::format("{}url: http://{}/hooks/new-contact\n{}retry: {{ delays: [{}] }}", indent,
                         receiver_address_, indent, kRetryDelay);
    }
    text += line + "\n";
  }
  if (Status written = write_file(folder_ / "welcome.yaml", text, 0644); !written) return written;
  return write_file(folder_ / "events.ndjson", std::string{kDemoEvents}, 0644);
}

Status Demo::show_scenario() {
  print("1. The scenario\n\n");
  const std::string file = (folder_ / "welcome.yaml").string();
  const ClientOptions offline;
  if (Status drawn = succeed("graph", run_graph(offline, {.scenario = file, .plain = true}));
      !drawn)
    return drawn;
  print("\n");
  if (Status applied = succeed("apply", run_apply(client_, {.files = {file}})); !applied)
    return applied;
  return succeed("activate", run_activate(client_, {.scenario = "welcome"}));
}

Result<std::string> Demo::path_of(const std::string& contact) const {
  const auto answer = get("/v1/contacts/" + segment(contact) + "/runs", "runs");
  if (!answer) return tl::make_unexpected(answer.error());
  const ValueList& runs = list_of(*answer, "runs");
  if (runs.empty()) return std::string{};
  std::string path;
  for (const Value& step : list_of(runs.front(), "path"))
    path += (path.empty() ? "" : " > ") + text_of(step, "node");
  return path + ", " + text_of(runs.front(), "state");
}

Status Demo::show_contacts() {
  std::istringstream lines{std::string{kDemoEvents}};
  std::string line;
  while (std::getline(lines, line)) {
    const auto event = parse_json(line);
    if (!event) return tl::make_unexpected(event.error());
    const Value* contact = event->find("contact");
    const std::string id = text_of(*event, "contact.id");
    if (!contact || std::ranges::find(contacts_, id, &DemoContact::id) != contacts_.end()) continue;
    std::string expected;
    if (text_of(*event, "data.form") == "newsletter")
      expected = contact->find("company") ? "signed_up > has_company > tell_crm, done"
                                          : "signed_up > has_company, done";
    contacts_.push_back({id, label_of(*contact), expected});
  }

  print(
      "\n2. Seven events: four newsletter sign-ups, one for a contest, one event sent twice, one\n"
      "   contact that signs up again\n\n");
  sent_at_ = DemoClock::now();
  const std::string file = (folder_ / "events.ndjson").string();
  if (Status sent = succeed("events import", run_import(client_, {.file = file, .quiet = true}));
      !sent)
    return sent;
  for (const DemoContact& contact : contacts_) {
    const auto path = path_of(contact.id);
    if (!path) return tl::make_unexpected(path.error());
    print(fmt::format("   {}  {:<31} {}\n", contact.id, contact.label,
                      path->empty() ? "no run: another form" : *path));
    check("path of " + contact.id, contact.expected_path, *path);
  }
  const auto stats = get("/v1/scenarios/welcome/stats", "live");
  if (!stats) return tl::make_unexpected(stats.error());
  std::int64_t accepted = 0;
  for (const Value& node : list_of(*stats, "live.nodes")) accepted += number_of(node, "accepted");
  if (accepted == 0)
    print(
        "   Every contact has finished, and no webhook is accepted yet: a slow receiver delays\n"
        "   nobody.\n");
  return {};
}

std::vector<ReceivedWebhook> Demo::new_webhooks() {
  std::vector<ReceivedWebhook> found;
  std::ifstream file{folder_ / "received"};
  file.seekg(read_);
  std::string line;
  while (std::getline(file, line) && !file.eof()) {
    read_ = file.tellg();
    const auto entry = parse_json(line);
    if (!entry) continue;
    ReceivedWebhook webhook{.id = text_of(*entry, "headers.webhook-id"),
                            .body = text_of(*entry, "body"),
                            .status = number_of(*entry, "status")};
    if (const auto body = parse_json(webhook.body)) webhook.email = text_of(*body, "data.email");
    found.push_back(std::move(webhook));
  }
  return found;
}

void Demo::print_webhook(const ReceivedWebhook& webhook) const {
  const std::chrono::duration<double> after = DemoClock::now() - sent_at_;
  print(fmt::format("   {:5.1f} s  webhook {}  {:<25} {} {}\n", after.count(),
                    shortened(webhook.id), webhook.email, webhook.status,
                    webhook.accepted() ? "accepted" : "refused: Onward retries it"));
}

Status Demo::show_webhooks() {
  print("\n3. Webhooks, as the receiver answers them\n\n");
  const auto until = DemoClock::now() + kWaitMax;
  const auto accepted = [&] {
    return std::ranges::count_if(received_, &ReceivedWebhook::accepted);
  };
  while (accepted() < 3) {
    for (ReceivedWebhook& webhook : new_webhooks()) {
      print_webhook(webhook);
      received_.push_back(std::move(webhook));
    }
    if (interrupted) return stopped();
    if (DemoClock::now() > until || !server_->is_running() || !receiver_->is_running())
      return fail(ErrorKind::Unavailable, "demo", "The webhooks did not arrive within a minute.");
    std::this_thread::sleep_for(kPollPause);
  }
  std::map<std::string, std::set<std::string>> bodies;
  std::set<std::string> contacts;
  for (const ReceivedWebhook& webhook : received_) {
    bodies[webhook.id].insert(webhook.body);
    if (webhook.accepted()) contacts.insert(webhook.email);
  }
  check("attempts", std::size_t{6}, received_.size());
  check("webhook ids", std::size_t{3}, bodies.size());
  check("contacts whose webhook was accepted", std::size_t{3}, contacts.size());
  for (const auto& [id, different] : bodies)
    check("different bodies of " + id, std::size_t{1}, different.size());
  return {};
}

Status Demo::show_numbers() {
  print("\n4. The numbers\n\n");
  const auto until = DemoClock::now() + kWaitMax;
  Value stats;
  // The receiver's answer is recorded a moment after it was sent.
  while (true) {
    auto answer = get("/v1/scenarios/welcome/stats", "live");
    if (!answer) return tl::make_unexpected(answer.error());
    stats = std::move(*answer);
    std::int64_t pending = 0;
    for (const Value& node : list_of(stats, "live.nodes")) pending += number_of(node, "pending");
    if (pending == 0) break;
    if (interrupted) return stopped();
    if (DemoClock::now() > until)
      return fail(ErrorKind::Unavailable, "demo", "A webhook stayed pending for a minute.");
    std::this_thread::sleep_for(kPollPause);
  }
  if (Status drawn = succeed("graph", run_graph(client_, {.scenario = "welcome"})); !drawn)
    return drawn;
  struct Expected {
    std::string_view node, name;
    std::int64_t count;
  };
  for (const Expected& one : {Expected{"signed_up", "visits", 4},
                              {"signed_up", "unique_contacts", 4},
                              {"has_company", "ports.yes", 3},
                              {"has_company", "ports.no", 1},
                              {"tell_crm", "requests", 3},
                              {"tell_crm", "accepted", 3},
                              {"tell_crm", "pending", 0},
                              {"tell_crm", "failed", 0}})
    for (const Value& node : list_of(stats, "live.nodes"))
      if (text_of(node, "id") == one.node)
        check(fmt::format("{} of {}", one.name, one.node), one.count, number_of(node, one.name));
  check("contacts that entered", std::int64_t{4}, number_of(stats, "live.entered"));
  check("contacts inside", std::int64_t{0}, number_of(stats, "live.inside"));
  return {};
}

void Demo::show_next_steps() const {
  print(
      "\nNext:\n"
      "  author      write a scenario and test it without a server: onward test scenarios\n"
      "              guide: docs/scenarios.md\n"
      "  integrator  receive webhooks on this machine: onward listen --port 8080 --show\n"
      "              guide: docs/http-api.md\n"
      "  operator    run a server: onward serve --data data\n"
      "              guide: docs/operating.md\n");
}

Status Demo::keep_running() {
  print(fmt::format(
      "\nThe server and the receiver run until you press Ctrl-C; then everything is deleted. In\n"
      "another terminal:\n\n"
      "  export ONWARD_SERVER={} ONWARD_TOKEN=$(cat {})\n"
      "  onward events send subscription --contact c9 --email fay@shop.example.org \\\n"
      "    --set company=Fay --field form=newsletter\n"
      "  onward contacts runs c9\n"
      "  onward stats welcome --watch\n\n"
      "Webhooks that arrive:\n",
      client_.server, (folder_ / "data" / "token").string()));
  while (!interrupted) {
    for (const ReceivedWebhook& webhook : new_webhooks()) print_webhook(webhook);
    if (!server_->is_running()) return fail(ErrorKind::Unavailable, "demo", "The server stopped.");
    std::this_thread::sleep_for(kPollPause);
  }
  return {};
}

Status Demo::run() {
  for (const auto step :
       {&Demo::make_folder, &Demo::start_receiver, &Demo::write_files, &Demo::start_server,
        &Demo::show_scenario, &Demo::show_contacts, &Demo::show_webhooks, &Demo::show_numbers}) {
    if (interrupted) return stopped();
    if (Status done = (this->*step)(); !done) return done;
  }
  if (!all_right()) return {};
  print("\nAll of this is right: every number equals what the receiver got.\n");
  if (options_.keep) return keep_running();
  show_next_steps();
  return {};
}
}  // namespace

int run_demo(const DemoOptions& options) {
  const InterruptScope interrupts;
  Demo demo{options};
  print("A server and a receiver run on this machine while the demo lasts, some seconds.\n\n");
  const Status done = demo.run();
  if (!done) return complain(done.error());
  return demo.all_right() ? kExitOk : kExitFailed;
}
}  // namespace onward
