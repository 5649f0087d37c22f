#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/value.h"
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

std::vector<std::string> with(const ServerChild& server, const std::filesystem::path& data,
                              std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--server", server.url(), "--data", data.string()});
  return arguments;
}

std::string relay_to(const std::string& url) {
  return fmt::format(R"(scenario: relay
reentry: parallel
nodes:
  any:  {{ kind: trigger, event: opened, next: tell }}
  tell: {{ kind: send_webhook, url: "{}", next: end }}
)",
                     url);
}
}  // namespace

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

  const CommandResult wrong = onward({"activate", "relai"});
  CHECK(wrong.code != 0);
  CHECK(wrong.err.find("relay") != std::string::npos);
  CHECK(server.stop() == 0);
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
  const CommandResult stats = run_onward(with(server, data, {"stats", "relay", "--json"}));
  const Value numbers = parse_json(stats.out).value();
  CHECK(*numbers.find_path("live.nodes.1.requests") == Value{500});
  CHECK(*numbers.find_path("live.nodes.1.pending") == Value{500});
}

TEST_CASE("an idle server does nothing and takes little memory", "[end_to_end][process]") {
  TemporaryFolder folder;
  const ServerChild server{folder.path() / "data"};
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, server.pid(), 0));
  REQUIRE(process >= 0);
  pollfd ended{.fd = process, .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&ended, 1, kSettling.count()) == 0);  // what it does at its start is done
  const Usage before = usage_of(server.pid());
  // Waits for its end, which does not come. A loop that spins would use all of this.
  REQUIRE(::poll(&ended, 1, kWatched.count()) == 0);
  ::close(process);
  const Usage after = usage_of(server.pid());
  CHECK(after.ticks - before.ticks <= 3);  // of some 150
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(after.resident_kb < 30 * 1024);
#endif
}
