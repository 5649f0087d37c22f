#include "tools/onward/client.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/store/sqlite/lock_file.h"
#include "tests/support/local_receiver.h"
#include "tools/onward/backup.h"
#include "tools/onward/commands.h"
#include "tools/onward/doctor.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/server_file.h"

namespace onward {
namespace {
/// A machine of its own: no server is known on it, and none is named by the environment.
class Machine {
 public:
  Machine() {
    std::string pattern = std::filesystem::temp_directory_path() / "onward-test-XXXXXX";
    path = ::mkdtemp(pattern.data());
    ::setenv("XDG_STATE_HOME", path.c_str(), 1);
    ::unsetenv("ONWARD_SERVER");
  }
  ~Machine() {
    ::unsetenv("XDG_STATE_HOME");
    std::filesystem::remove_all(path);
  }
  /// Makes a server known, with its folder.
  Announcement add(const std::string& url, const std::string& folder, std::uint16_t port) const {
    std::filesystem::create_directories(path / folder);
    auto made = Announcement::make({url, path / folder, ::getpid()}, port);
    REQUIRE(made);
    return std::move(*made);
  }
  std::filesystem::path path;
};

TEST_CASE("of several servers one must be named, by every command", "[tools]") {
  const Machine machine;
  const Announcement one = machine.add("http://127.0.0.1:7001", "one", 7001);
  CHECK(Client{{}}.server() == "http://127.0.0.1:7001");
  const Announcement usual = machine.add("http://127.0.0.1:8787", "usual", 8787);
  const auto answer = Client{{}}.call("GET", "/v1/scenarios", "scenarios");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "several_servers");
  CHECK(answer.error().message.find("http://127.0.0.1:7001") != std::string::npos);
  CHECK(answer.error().message.find("/usual") != std::string::npos);
  CHECK(run_scenarios({}) == kExitUsage);
  CHECK(run_send({}, {.what = "opened", .contact_id = "c1"}) == kExitUsage);
  CHECK(run_backup({.to = machine.path / "copy"}) == kExitUsage);
  CHECK(run_doctor({}) == kExitUsage);
  CHECK(Client{{.data = machine.path / "usual"}}.server() == "http://127.0.0.1:8787");
  CHECK(Client{{.server = "http://127.0.0.1:7001"}}.server() == "http://127.0.0.1:7001");
}

TEST_CASE("a folder on which no server runs is no server", "[tools]") {
  const Machine machine;
  const ClientOptions options{.data = machine.path};
  const auto answer = Client{options}.call("GET", "/v1/scenarios", "scenarios");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "no_server");
  CHECK(run_scenarios(options) == kExitUnavailable);
  CHECK(Client{{.server = "127.0.0.1:9", .data = machine.path}}.server() == "http://127.0.0.1:9");
}

TEST_CASE("a folder whose server did not announce itself says so", "[tools]") {
  const Machine machine;
  const auto lock = LockFile::take(machine.path / "onward.lock");
  REQUIRE(lock);
  const auto answer = Client{{.data = machine.path}}.call("GET", "/v1/scenarios", "scenarios");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "not_announced");
}

/// Runs `act` as another user, in a process of its own; its exit code.
int as_nobody(const std::function<int()>& act) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(::setuid(65534) == 0 ? act() : 127);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

TEST_CASE("a folder that the user cannot read is not said to have no server", "[tools]") {
  if (::geteuid() != 0) return;  // Only root can become another user.
  const Machine machine;
  const auto data = machine.path / "data";
  std::filesystem::create_directories(data / "inner");
  ::chmod(machine.path.c_str(), 0755);
  ::chmod(data.c_str(), 0700);
  const auto ask = [](const std::filesystem::path& folder) {
    return as_nobody([&] {
      const auto answer = Client{{.data = folder}}.call("GET", "/v1/scenarios", "scenarios");
      return answer || answer.error().code != "cannot_read" ? 1 : exit_code_of(answer.error());
    });
  };
  CHECK(ask(data) == kExitPermission);
  CHECK(ask(data / "inner") == kExitPermission);
  ::chmod(data.c_str(), 0755);
  const auto lock = LockFile::take(data / "onward.lock");  // Readable by its owner only.
  REQUIRE(lock);
  CHECK(ask(data) == kExitPermission);
}

/// The tokens that a receiver got.
std::size_t tokens_in(const LocalReceiver& receiver) {
  std::size_t count = 0;
  for (const ReceivedRequest& request : receiver.requests())
    if (request.header("authorization")) ++count;
  return count;
}

TEST_CASE("the token of a folder goes to no program that took over the port of its server",
          "[tools]") {
  const Machine machine;
  LocalReceiver foreign;
  const auto data = machine.path / "data";
  std::filesystem::create_directories(data);
  REQUIRE(write_file(data / "token", "onw_0123456789abcdef\n", 0600));
  // What a server leaves behind that is killed: its announcement, with a pid that lives again.
  const auto folder = *servers_folder();
  std::filesystem::create_directories(folder);
  const auto leave_stale = [&] {
    REQUIRE(write_file(folder / fmt::format("{}.json", foreign.port()),
                       fmt::format(R"({{"url": "{}", "data": "{}", "pid": {}}})", foreign.origin(),
                                   data.string(), ::getpid()),
                       0600));
  };
  for (const ClientOptions& options :
       {ClientOptions{.data = data}, ClientOptions{.server = foreign.origin()},
        ClientOptions{.server = foreign.origin(), .data = data}}) {
    leave_stale();
    CHECK(run_scenarios(options) == kExitUnavailable);
  }
  leave_stale();
  ::setenv("ONWARD_SERVER", foreign.origin().c_str(), 1);
  CHECK(run_scenarios({.data = data}) == kExitUnavailable);
  CHECK(run_scenarios({}) == kExitUnavailable);
  ::unsetenv("ONWARD_SERVER");
  CHECK(tokens_in(foreign) == 0);

  // The listener records a token where one is sent: while the server runs.
  const auto living = Announcement::make({foreign.origin(), data, ::getpid()}, foreign.port());
  REQUIRE(living);
  CHECK(run_scenarios({.data = data}) == kExitUnavailable);  // It answers, but not as Onward does.
  CHECK(tokens_in(foreign) == 1);
}

TEST_CASE("a command under way sends nothing more once its server has ended", "[tools]") {
  const Machine machine;
  LocalReceiver receiver;
  auto server = machine.add(receiver.origin(), "data", receiver.port());
  REQUIRE(write_file(machine.path / "data/token", "onw_0123456789abcdef\n", 0600));
  const Client client{{.data = machine.path / "data"}};
  (void)client.call("DELETE", "/v1/scenarios/x", "");
  REQUIRE(tokens_in(receiver) == 1);
  server = Announcement{};
  const auto answer = client.call("DELETE", "/v1/scenarios/x", "");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "server_ended");
  CHECK(receiver.requests().size() == 1);
}

TEST_CASE("the password in a server's URL is not shown", "[tools]") {
  const Machine machine;
  const Client client{{.server = "http://user:passw0rd@127.0.0.1:9"}};
  const auto answer = client.call("GET", "/v1/scenarios", "scenarios");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().message.starts_with("No answer from http://***@127.0.0.1:9: "));
  CHECK(answer.error().message.find("passw0rd") == std::string::npos);
  const Findings found = examine_server(client.server());
  REQUIRE(found.size() == 1);
  CHECK(found[0].found.starts_with("no answer from http://***@127.0.0.1:9: "));
}

TEST_CASE("a name of dots reaches the server as a segment of its own", "[tools]") {
  const Machine machine;
  LocalReceiver receiver;
  const ClientOptions options{.server = receiver.origin(), .token = "t"};
  for (const std::string name : {".", "..", "...", "a/b", "a..b"}) {
    (void)run_token_revoke(options, name);
    (void)run_contact_forget(options, name, /*yes=*/true);
    (void)run_runs(options, {.contact = name});
  }
  std::vector<std::string> paths;
  for (const ReceivedRequest& request : receiver.requests())
    paths.push_back(request.method + " " + request.path.substr(0, request.path.find('?')));
  CHECK(paths ==
        std::vector<std::string>{
            "DELETE /v1/tokens/%2E", "DELETE /v1/contacts/%2E", "GET /v1/contacts/%2E/runs",
            "DELETE /v1/tokens/%2E%2E", "DELETE /v1/contacts/%2E%2E",
            "GET /v1/contacts/%2E%2E/runs", "DELETE /v1/tokens/...", "DELETE /v1/contacts/...",
            "GET /v1/contacts/.../runs", "DELETE /v1/tokens/a%2Fb", "DELETE /v1/contacts/a%2Fb",
            "GET /v1/contacts/a%2Fb/runs", "DELETE /v1/tokens/a..b", "DELETE /v1/contacts/a..b",
            "GET /v1/contacts/a..b/runs"});
}

TEST_CASE("whoever answers yes to everything is no Onward server", "[tools]") {
  const Machine machine;
  LocalReceiver receiver;
  const ClientOptions options{.server = receiver.url("")};
  SendOptions send;
  send.what = "subscription";
  send.contact_id = "c1";
  CHECK(run_send(options, send) == kExitUnavailable);
  CHECK(run_scenarios(options) == kExitUnavailable);
  CHECK(run_delete(options, "welcome") == kExitUnavailable);
}
}  // namespace
}  // namespace onward
