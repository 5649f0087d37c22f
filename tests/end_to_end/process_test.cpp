#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;

namespace {
constexpr std::chrono::duration<int, std::milli> kSettling{300};
constexpr std::chrono::duration<int, std::milli> kWatched{1500};

/// Processor time of a process so far, in clock ticks, and its resident memory in KiB.
struct Usage {
  long ticks = 0;
  long resident_kb = 0;
};
Usage usage_of(pid_t pid) {
  Usage usage;
  long user = 0, system = 0;
  FILE* stat = std::fopen(fmt::format("/proc/{}/stat", pid).c_str(), "r");
  REQUIRE(stat != nullptr);
  const int read = std::fscanf(
      stat, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
  std::fclose(stat);
  REQUIRE(read == 2);
  usage.ticks = user + system;
  FILE* status = std::fopen(fmt::format("/proc/{}/status", pid).c_str(), "r");
  REQUIRE(status != nullptr);
  char line[256];
  while (std::fgets(line, sizeof line, status) != nullptr)
    if (std::sscanf(line, "VmRSS: %ld kB", &usage.resident_kb) == 1) break;
  std::fclose(status);
  return usage;
}

/// Processor time that a server takes while nobody asks it for anything, once it has ended what it
/// was doing: on a busy machine that takes a while. A loop that spins would use all of it, always.
long ticks_while_left_alone(const ServerChild& server) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, server.pid(), 0));
  REQUIRE(process >= 0);
  // Waits for its end, which does not come.
  const auto ticks_in = [&](auto length) {
    pollfd ended{.fd = process, .events = POLLIN, .revents = 0};
    const long before = usage_of(server.pid()).ticks;
    REQUIRE(::poll(&ended, 1, length.count()) == 0);
    return usage_of(server.pid()).ticks - before;
  };
  for (int tries = 0; ticks_in(kSettling) > 0 && tries < 30; ++tries) {
  }
  long ticks = ticks_in(kWatched);
  for (int tries = 0; ticks > 0 && tries < 10; ++tries) ticks = std::min(ticks, ticks_in(kWatched));
  ::close(process);
  return ticks;
}

std::vector<std::string> with(const ServerChild& server, const std::filesystem::path& data,
                              std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--server", server.url(), "--data", data.string()});
  return arguments;
}

std::string read_text(const std::string& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::string relay_to(const std::string& url, const std::string& timeout = "15s") {
  return fmt::format(R"(scenario: relay
reentry: parallel
nodes:
  any:  {{ kind: trigger, event: opened, next: tell }}
  tell: {{ kind: send_webhook, url: "{}", timeout: {}, next: end }}
)",
                     url, timeout);
}
/// Answers nothing before it is told to.
class HoldingReceiver {
 public:
  ~HoldingReceiver() { answer(); }
  void answer() {
    if (!std::exchange(answers_, true)) gate_.set_value();
  }

 private:
  bool answers_ = false;
  std::promise<void> gate_;
  std::shared_future<void> open_{gate_.get_future()};

 public:
  LocalReceiver local{[this](Peer& peer) {
    while (peer.read()) {
      open_.wait();
      if (!peer.send(http_reply(200))) return;
    }
  }};
  /// For a server that may call it.
  std::vector<std::string> allowed() const {
    return {"--allow-host", fmt::format("127.0.0.1:{}", local.port())};
  }
};

/// Whether the server that writes `log` says `what`, now or soon.
bool says(const std::filesystem::path& log, const std::string& what) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while (read_text(log).find(what) == std::string::npos) {
    if (std::chrono::steady_clock::now() > patience) return false;
    std::this_thread::yield();
  }
  return true;
}

/// Requests of `relay`, which are on their way to the receiver when this returns.
constexpr int kInFlight = 8;  // to a receiver that has answered nothing yet
void put_in_flight(const ServerChild& server, const std::filesystem::path& data,
                   const LocalReceiver& receiver, const std::string& timeout = "15s") {
  REQUIRE(run_onward(with(server, data, {"apply", "-"}), relay_to(receiver.url(), timeout)).code ==
          0);
  REQUIRE(run_onward(with(server, data, {"activate", "relay"})).code == 0);
  std::string lines;
  for (int i = 0; i < kInFlight; ++i)
    lines += fmt::format("{{\"type\":\"opened\",\"contact\":{{\"id\":\"c{}\"}}}}\n", i);
  REQUIRE(run_onward(with(server, data, {"events", "import", "-"}), lines).code == 0);
  REQUIRE(receiver.wait_for(kInFlight));
}

/// A number of the node that sends, of `relay`.
std::int64_t told(const ServerChild& server, const std::filesystem::path& data,
                  const std::string& number) {
  const CommandResult stats = run_onward(with(server, data, {"stats", "relay", "--json"}));
  REQUIRE(stats.code == 0);
  return *parse_json(stats.out)->find_path("live.nodes.1." + number)->get_if<std::int64_t>();
}
}  // namespace

TEST_CASE("a server that was stopped takes the answers that came meanwhile",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  HoldingReceiver receiver;
  ServerChild server{data, receiver.allowed()};
  put_in_flight(server, data, receiver.local, "3s");
  REQUIRE(::kill(server.pid(), SIGSTOP) == 0);
  receiver.answer();
  // Longer than a request may take, and than the end of the process takes, which does not come.
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, server.pid(), 0));
  pollfd ended{.fd = process, .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&ended, 1, 3500) == 0);
  ::close(process);
  REQUIRE(::kill(server.pid(), SIGCONT) == 0);
  while (told(server, data, "pending") > 0) std::this_thread::yield();
  CHECK(told(server, data, "accepted") == kInFlight);
  CHECK(receiver.local.requests().size() == kInFlight);
  CHECK(server.stop() == 0);
}

TEST_CASE("the command line takes a scenario through its life on a real server",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  LocalReceiver receiver;
  ServerChild server{data, {"--allow-host", fmt::format("127.0.0.1:{}", receiver.port())}};
  const auto onward = [&](std::vector<std::string> words, const std::string& input = {}) {
    return run_onward(with(server, data, std::move(words)), input);
  };
  const auto file = folder.path() / "relay.yaml";
  FILE* out = std::fopen(file.c_str(), "w");
  REQUIRE(out != nullptr);
  std::fputs(relay_to(receiver.url()).c_str(), out);
  std::fclose(out);

  CHECK(onward({"apply", file.string()}).code == 0);
  CHECK(onward({"activate", "relay"}).code == 0);
  const CommandResult import = onward({"events", "import", "-"},
                                      "{\"type\":\"opened\",\"contact\":{\"id\":\"a\"}}\n"
                                      "{\"type\":\"opened\",\"contact\":{\"id\":\"b\"}}\n");
  CHECK(import.code == 0);
  REQUIRE(receiver.wait_for(2));

  const CommandResult stats = onward({"stats", "relay", "--json"});
  CHECK(stats.code == 0);
  const Value numbers = parse_json(stats.out).value();
  CHECK(*numbers.find_path("live.nodes.1.requests") == Value{2});

  const CommandResult slip = onward({"events", "send", "clickd", "--contact", "c1"});
  CHECK(slip.code == 0);  // It may well be an event of one's own.
  CHECK(slip.err.find("did you mean \"clicked\"?") != std::string::npos);

  const CommandResult wrong = onward({"activate", "relai"});
  CHECK(wrong.code != 0);
  CHECK(wrong.err.find("relay") != std::string::npos);
  CHECK(server.stop() == 0);
}

TEST_CASE("contacts go in and out as files, and what is refused can be mended",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  const ServerChild server{data};
  const auto onward = [&](std::vector<std::string> words, const std::string& input = {}) {
    return run_onward(with(server, data, std::move(words)), input);
  };
  const std::string report = (folder.path() / "refused.csv").string();
  const std::string table =
      "id;E-mail;Phone;Plan;groups\r\n"
      "c1;jane@example.org;+1 514 555 0100;gold;vip|lead\r\n"
      ";;;;\r\n"
      "c2;nobody;;\"two\r\nlines\";\r\n"
      "c3;bob@example.org;;;\r\n";
  const std::vector<std::string> import{"contacts",
                                        "import",
                                        "-",
                                        "--map",
                                        "E-mail=email",
                                        "--map",
                                        "Plan=custom.plan",
                                        "--report",
                                        report,
                                        "--group",
                                        "imported, in May",
                                        "--chunk",
                                        "1"};
  const CommandResult first = onward(import, table);
  INFO(first.err);
  CHECK(first.code == 1);
  CHECK(first.out == "2 created, 0 updated, 0 unchanged, 1 refused\n");
  CHECK(first.err.find("standard input:4: column \"E-mail\"") != std::string::npos);
  CHECK(onward(import, table).out == "0 created, 0 updated, 2 unchanged, 1 refused\n");

  // The report is mended by hand and imported as it is.
  std::string mended = read_text(report);
  const std::size_t wrong = mended.find(",nobody,");
  REQUIRE(wrong != std::string::npos);
  mended.replace(wrong, 8, ",al@example.org,");
  const CommandResult again = onward(
      {"contacts", "import", "-", "--map", "E-mail=email", "--map", "Plan=custom.plan"}, mended);
  CHECK(again.code == 0);
  CHECK(again.out == "1 created, 0 updated, 0 unchanged, 0 refused\n");

  const CommandResult csv = onward({"contacts", "export", "--fields", "id,phone,custom.*,groups"});
  CHECK(csv.out ==
        "id,phone,custom.plan,groups\r\n"
        "c1,'+1 514 555 0100,gold,\"[\"\"imported, in May\"\",\"\"lead\"\",\"\"vip\"\"]\"\r\n"
        "c3,,,\"[\"\"imported, in May\"\"]\"\r\n"
        "c2,,\"two\r\nlines\",\r\n");
  CHECK(onward({"contacts", "import", "-"}, onward({"contacts", "export"}).out).out ==
        "0 created, 0 updated, 3 unchanged, 0 refused\n");
  CHECK(
      onward({"contacts", "import", "-"}, onward({"contacts", "export", "--format", "ndjson"}).out)
          .out == "0 created, 0 updated, 3 unchanged, 0 refused\n");
  CHECK(onward({"contacts", "list", "--group", "vip"}).out.find("jane@example.org") !=
        std::string::npos);

  CHECK(onward({"fields", "declare", "plan", "--summary", "What they pay for"}).code == 0);
  const CommandResult undeclared = onward({"contacts", "import", "-"}, "id,custom.x\nc1,1\n");
  CHECK(undeclared.code == 1);
  CHECK(undeclared.err.find("custom.x") != std::string::npos);

  CHECK(onward({"contacts", "forget", "c1"}).code == 64);
  CHECK(onward({"contacts", "forget", "c1", "--yes"}).code == 0);
  CHECK(onward({"contacts", "get", "c1"}).code == 66);
}

TEST_CASE("refused events are kept with why, and taken once they are mended",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  const ServerChild server{data};
  const std::string report = (folder.path() / "refused.ndjson").string();
  const auto import = [&](const std::string& input) {
    return run_onward(
        with(server, data, {"events", "import", "-", "--history", "--report", report}), input);
  };
  const CommandResult first = import(
      "{\"type\":\"opened\",\"at\":\"2020-01-01T00:00:00Z\",\"contact\":{\"id\":\"a\"}}\n"
      "\n"
      "{\"type\":\"opened\",\"contact\":{\"id\":\"b\",\"frist_name\":\"B\"}}\n"
      "{nonsense\n");
  CHECK(first.code == 1);
  CHECK(first.out == "1 accepted, 0 duplicates, 2 rejected\n");
  std::string mended = read_text(report);
  CHECK(mended.find("\"line\":3") != std::string::npos);
  CHECK(mended.find("{nonsense") != std::string::npos);
  mended.replace(mended.find("\"frist_name\""), 12, "\"first_name\"");
  const CommandResult again = import(mended.substr(0, mended.find('\n') + 1));
  CHECK(again.code == 0);
  CHECK(again.out == "1 accepted, 0 duplicates, 0 rejected\n");
}

TEST_CASE("help lists every command, and help on a command explains it", "[end_to_end][process]") {
  const CommandResult all = run_onward({"help"});
  CHECK(all.code == 0);
  CHECK(all.out.find("Usage: onward [OPTIONS] SUBCOMMAND") != std::string::npos);
  for (const char* command : {"serve", "apply", "contacts", "deliveries", "webhook", "simulate"}) {
    CAPTURE(command);
    CHECK(all.out.find(fmt::format("\n  {} ", command)) != std::string::npos);
  }
  const CommandResult one = run_onward({"help", "events", "send"});
  CHECK(one.code == 0);
  CHECK(one.out.find("Usage: onward events send") != std::string::npos);
}

TEST_CASE("a second server on one folder is refused, and told whose it is",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  const ServerChild server{data};
  const CommandResult second =
      run_onward({"serve", "--data", data.string(), "--listen", "127.0.0.1:0"});
  CHECK(second.code != 0);
  CHECK(second.err.find(std::to_string(server.pid())) != std::string::npos);
}

TEST_CASE("a token that can be guessed starts no server", "[end_to_end][process]") {
  TemporaryFolder folder;
  FILE* out = std::fopen((folder.path() / "token").c_str(), "w");
  REQUIRE(out != nullptr);
  std::fputs("secret\n", out);
  std::fclose(out);
  const CommandResult refused =
      run_onward({"serve", "--data", folder.path().string(), "--listen", "127.0.0.1:0"});
  CHECK(refused.code == 78);
  CHECK(refused.err.find("16 characters") != std::string::npos);
  CHECK(refused.err.find("secret") == std::string::npos);
}

TEST_CASE("a start that is refused sends nothing and leaves nothing behind",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data", none = folder.path() / "none";
  HoldingReceiver receiver;
  const std::vector<std::string> allow{"--allow-host",
                                       fmt::format("127.0.0.1:{}", receiver.local.port())};
  {
    ServerChild server{data, allow};
    put_in_flight(server, data, receiver.local);
    server.kill();  // They are pending, and due.
  }
  receiver.answer();
  const auto serve = [&](const std::filesystem::path& on, std::vector<std::string> more) {
    std::vector<std::string> words{"serve", "--data", on.string()};
    words.insert(words.end(), allow.begin(), allow.end());
    words.insert(words.end(), more.begin(), more.end());
    return run_onward(words);
  };
  {
    const ServerChild other{folder.path() / "other"};
    const std::string taken = other.url().substr(std::string{"http://"}.size());
    const CommandResult refused = serve(data, {"--listen", taken});
    CHECK(refused.code == 74);
    CHECK(refused.err.find("Cannot listen on 127.0.0.1") != std::string::npos);
    CHECK(serve(none, {"--listen", taken}).code == 74);
    CHECK_FALSE(std::filesystem::exists(none));
  }
  const std::string nowhere = (folder.path() / "no" / "port").string();
  const std::vector<std::string> no_file{"--listen", "127.0.0.1:0", "--port-file", nowhere};
  CHECK(serve(data, no_file).code == 74);
  CHECK(receiver.local.requests().size() == kInFlight);
  CHECK(serve(none, no_file).code == 74);
  CHECK_FALSE(std::filesystem::exists(none / "token"));

  const ServerChild server{data, allow};
  REQUIRE(receiver.local.wait_for(2 * kInFlight));
  CHECK(receiver.local.requests().size() == 2 * kInFlight);
}

TEST_CASE("what another start cannot mend ends with a code after which none is tried",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  const auto code_of = [&](const std::string& address, const std::string& more) {
    std::vector<std::string> words{"serve", "--data", data.string(), "--listen", address};
    if (!more.empty()) words.push_back(more);
    const CommandResult refused = run_onward(words);
    UNSCOPED_INFO(refused.err);
    return refused.code;
  };
  CHECK(code_of("0.0.0.0:0", "--no-auth") == 77);
  CHECK(code_of("192.0.2.1:8787", "") == 78);  // of documentation: no machine's
  CHECK_FALSE(std::filesystem::exists(data));

  {
    ServerChild server{data};
    REQUIRE(server.stop() == 0);
  }
  // Where SQLite's header keeps the schema's version, and whose file it is.
  const auto with_byte = [&](int place, char byte) {
    std::fstream database{data / "onward.db", std::ios::in | std::ios::out | std::ios::binary};
    database.seekg(place);
    const char before = static_cast<char>(database.get());
    database.seekp(place);
    database.put(byte);
    database.close();
    const int code = code_of("127.0.0.1:0", "");
    database.open(data / "onward.db", std::ios::in | std::ios::out | std::ios::binary);
    database.seekp(place);
    database.put(before);
    return code;
  };
  CHECK(with_byte(62, 1) == 78);    // a newer schema
  CHECK(with_byte(68, 'X') == 78);  // another program's
  CHECK(with_byte(0, 'X') == 78);   // damaged

  if (::geteuid() == 0) return;  // may read everything
  std::ofstream{data / "secret.key"};
  std::filesystem::permissions(data / "secret.key", std::filesystem::perms::none);
  CHECK(code_of("127.0.0.1:0", "") == 77);
  std::filesystem::permissions(data / "onward.db", std::filesystem::perms::none);
  CHECK(code_of("127.0.0.1:0", "") == 77);
}

TEST_CASE("a refused start is told in the form of the log", "[end_to_end][process]") {
  TemporaryFolder folder;
  for (const char* address : {"192.0.2.1:8787", "nonsense"}) {
    CAPTURE(address);
    const CommandResult refused = run_onward({"serve", "--data", (folder.path() / "data").string(),
                                              "--listen", address, "--log-format", "json"});
    const auto record = parse_json(refused.err);
    REQUIRE(record);
    CHECK(*record->find("level") == Value{"error"});
    CHECK(*record->find("event") == Value{"server.refused"});
    CHECK(*record->find("exit_code") == Value{refused.code});
    CHECK(record->find("message")->text()->find("isten") != std::string::npos);
  }
}

TEST_CASE("SIGTERM ends a busy server in good order, and what was pending goes on",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  LocalReceiver receiver{[](Peer& peer) {
    while (peer.read())
      if (!peer.send(http_reply(503))) return;
  }};
  const std::vector<std::string> allow{"--allow-host",
                                       fmt::format("127.0.0.1:{}", receiver.port())};
  const auto file = folder.path() / "relay.yaml";
  FILE* out = std::fopen(file.c_str(), "w");
  REQUIRE(out != nullptr);
  std::fputs(relay_to(receiver.url()).c_str(), out);
  std::fclose(out);
  {
    ServerChild server{data, allow};
    REQUIRE(run_onward(with(server, data, {"apply", file.string()})).code == 0);
    REQUIRE(run_onward(with(server, data, {"activate", "relay"})).code == 0);
    std::string lines;
    for (int i = 0; i < 500; ++i)
      lines += fmt::format("{{\"type\":\"opened\",\"contact\":{{\"id\":\"c{}\"}}}}\n", i);
    REQUIRE(run_onward(with(server, data, {"events", "import", "-"}), lines).code == 0);
    CHECK(server.stop() == 0);
  }
  ServerChild server{data, allow};
  CHECK(told(server, data, "requests") == 500);
  CHECK(told(server, data, "pending") == 500);
}

TEST_CASE("what is in flight at a SIGTERM ends and is recorded, and is not sent again",
          "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data", log = folder.path() / "log";
  HoldingReceiver receiver;
  {
    ServerChild server{data, receiver.allowed(), log};
    put_in_flight(server, data, receiver.local);
    server.send(SIGTERM);
    REQUIRE(says(log, "server.stopping"));
    receiver.answer();
    CHECK(server.wait() == 0);
    CHECK(says(log, "server.stopped"));
  }
  ServerChild server{data, receiver.allowed()};
  CHECK(told(server, data, "accepted") == kInFlight);
  CHECK(told(server, data, "pending") == 0);
  CHECK(receiver.local.requests().size() == kInFlight);
}

TEST_CASE("a second signal ends a server at once, whatever it waits for", "[end_to_end][process]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data", log = folder.path() / "log";
  HoldingReceiver receiver;
  {
    ServerChild server{data, receiver.allowed(), log};
    put_in_flight(server, data, receiver.local);
    server.send(SIGTERM);
    REQUIRE(says(log, "server.stopping"));
    server.send(SIGTERM);
    CHECK(server.wait() == 75);
    CHECK(read_text(log).find("server.stopped") == std::string::npos);
  }
  receiver.answer();
  ServerChild server{data, receiver.allowed()};
  CHECK(receiver.local.wait_for(2 * kInFlight));  // It could not know that they would be taken.
}

TEST_CASE("an idle server does nothing and takes little memory", "[end_to_end][process]") {
  TemporaryFolder folder;
  const ServerChild server{folder.path() / "data"};
  CHECK(ticks_while_left_alone(server) <= 3);  // of some 150
#ifndef ONWARD_SANITIZED
  CHECK(usage_of(server.pid()).resident_kb < 30 * 1024);
#endif
}

TEST_CASE("a server with ten thousand contacts who wait does nothing either",
          "[end_to_end][process]") {
  constexpr int kWaiting = 10'000;
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  const ServerChild server{data};
  const auto onward = [&](std::vector<std::string> words, const std::string& input) {
    return run_onward(with(server, data, std::move(words)), input);
  };
  REQUIRE(onward({"apply", "-"},
                 "scenario: patient\n"
                 "nodes:\n"
                 "  any:  { kind: trigger, event: opened, next: hold }\n"
                 "  hold: { kind: wait, for: 30d, next: end }\n")
              .code == 0);
  REQUIRE(onward({"activate", "patient"}, "").code == 0);
  std::string events;
  for (int i = 0; i < kWaiting; ++i)
    events += fmt::format("{{\"type\":\"opened\",\"contact\":{{\"id\":\"c{}\"}}}}\n", i);
  REQUIRE(onward({"events", "import", "-", "--quiet"}, events).code == 0);
  const Value stats = parse_json(onward({"stats", "patient", "--json"}, "").out).value();
  REQUIRE(*stats.find_path("live.inside") == Value{kWaiting});
  CHECK(ticks_while_left_alone(server) <= 3);
}
