// A receiver whose answer makes the server crash, as often as it is read.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr const char* kMark = "mark-of-a-bug";

/// Servers that are started while it lives crash where they read the mark. No core files.
class Crashing {
 public:
  Crashing() {
    ::setenv("LD_PRELOAD", ONWARD_MARKED_CRASH, 1);
    ::setenv("ONWARD_CRASH_ON", kMark, 1);
    ::getrlimit(RLIMIT_CORE, &core_);
    const rlimit none{0, core_.rlim_max};
    ::setrlimit(RLIMIT_CORE, &none);
  }
  ~Crashing() {
    ::unsetenv("LD_PRELOAD");
    ::unsetenv("ONWARD_CRASH_ON");
    ::setrlimit(RLIMIT_CORE, &core_);
  }

 private:
  rlimit core_{};
};

/// Whether the server ended by itself, by SIGABRT. It stays there to be waited for.
bool crashed(const ServerChild& server) {
  const auto patience = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < patience) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(server.pid()), &info, WEXITED | WNOHANG | WNOWAIT) != 0)
      return false;
    if (info.si_pid != 0) return info.si_status == SIGABRT;
    std::this_thread::yield();
  }
  return false;
}

Result<HttpAnswer> call(const std::filesystem::path& data, const ServerChild& server,
                        std::string method, const std::string& path, std::string body = {}) {
  std::string token;
  std::getline(std::ifstream{data / "token"}, token);
  const bool yaml = body.starts_with("scenario:");
  return http_call({.method = std::move(method),
                    .url = server.url() + path,
                    .headers = {{"Authorization", "Bearer " + token},
                                {"Content-Type", yaml ? "application/yaml" : "application/json"}},
                    .body = std::move(body)},
                   10s);
}

/// The deliveries in a state, once there are `count`.
Value deliveries(const std::filesystem::path& data, const ServerChild& server,
                 const std::string& state, std::size_t count) {
  const auto patience = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < patience) {
    const auto answer = call(data, server, "GET", "/v1/deliveries?scenario=poison&state=" + state);
    REQUIRE(answer);
    REQUIRE(answer->status == 200);
    const Value page = parse_json(answer->body).value();
    const Value list = *page.find("deliveries");
    if (list.list()->size() == count) return list;
  }
  FAIL("no " << count << " deliveries " << state);
  return {};
}
}  // namespace

TEST_CASE("a server that crashes on an answer sets the delivery aside at its fourth start",
          "[end_to_end][poison]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  std::atomic<bool> mended = false, early = false;
  LocalReceiver receiver{[&](Peer& peer) {
    // An answer that is there before the request is read in the moment in which that is sent.
    if (early && !peer.send(http_reply(200, kMark))) return;
    while (const auto request = peer.read()) {
      const bool poison = !mended && request->body.find("poison@example.org") != std::string::npos;
      if (!peer.send(http_reply(200, poison ? kMark : "thanks"))) return;
    }
  }};
  const std::vector<std::string> allow{"--allow-host",
                                       fmt::format("127.0.0.1:{}", receiver.port())};
  const std::string scenario = fmt::format(R"(scenario: poison
reentry: parallel
nodes:
  joined: {{ kind: trigger, event: subscription, next: tell }}
  tell:   {{ kind: send_webhook, url: "{}", next: end }}
)",
                                           receiver.url());
  const auto event_of = [](std::string_view who) {
    return fmt::format(R"({{"type":"subscription","contact":{{"email":"{}@example.org"}}}})", who);
  };
  const Crashing crashing;
  {
    ServerChild server{data, allow};
    REQUIRE(call(data, server, "PUT", "/v1/scenarios/poison", scenario)->status == 201);
    REQUIRE(call(data, server, "POST", "/v1/scenarios/poison/activate")->status == 200);
    REQUIRE(call(data, server, "POST", "/v1/events", event_of("ada"))->status == 202);
    deliveries(data, server, "accepted", 1);
    // The crash may come before the answer.
    (void)call(data, server, "POST", "/v1/events", event_of("poison"));
    REQUIRE(crashed(server));
  }
  // Perhaps before they listen: it is attempted at once.
  std::vector<std::string> serve{"serve", "--data", data.string(), "--listen", "127.0.0.1:0"};
  serve.insert(serve.end(), allow.begin(), allow.end());
  for (int start = 2; start <= 3; ++start) {
    early = start == 3;
    REQUIRE(run_onward(serve).code == 128 + SIGABRT);
  }
  early = false;
  ServerChild server{data, allow};
  const Value failed = deliveries(data, server, "failed", 1);
  CHECK(*failed.list()->front().find("reason")->text() == "poison");
  REQUIRE(call(data, server, "POST", "/v1/events", event_of("eve"))->status == 202);
  deliveries(data, server, "accepted", 2);
  const auto logs = call(data, server, "GET", "/v1/logs");
  REQUIRE(logs);
  CHECK(logs->body.find("poison.set_aside") != std::string::npos);

  mended = true;
  const std::string id = *failed.list()->front().find("id")->text();
  REQUIRE(call(data, server, "POST", "/v1/deliveries/" + id + "/retry")->status == 200);
  deliveries(data, server, "accepted", 3);
  CHECK(server.stop() == 0);
}
