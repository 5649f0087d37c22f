#include "tools/onward/client.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include <catch2/catch.hpp>

#include "tests/support/local_receiver.h"
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

TEST_CASE("of several servers one must be named, unless one stands where it always does",
          "[tools]") {
  const Machine machine;
  const Announcement one = machine.add("http://127.0.0.1:7001", "one", 7001);
  CHECK(Client{{}}.server() == "http://127.0.0.1:7001");
  const Announcement two = machine.add("http://127.0.0.1:7002", "two", 7002);
  const auto answer = Client{{}}.call("GET", "/v1/scenarios", "scenarios");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "several_servers");
  CHECK(answer.error().message.find("http://127.0.0.1:7002") != std::string::npos);
  CHECK(answer.error().message.find("/two") != std::string::npos);
  CHECK(Client{{.data = machine.path / "two"}}.server() == "http://127.0.0.1:7002");
  const Announcement usual = machine.add("http://127.0.0.1:8787", "usual", 8787);
  CHECK(Client{{}}.server() == "http://127.0.0.1:8787");
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
