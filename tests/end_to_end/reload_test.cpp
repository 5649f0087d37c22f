// SIGHUP: certificates, secrets of intake routes and allowed addresses are read again.
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/support/certificate.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
namespace fs = std::filesystem;

std::string content_of(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}
void put(const fs::path& file, const std::string& text) { std::ofstream{file} << text; }

std::size_t count_of(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    ++count;
  return count;
}

/// Until `done`, or a minute has passed.
template <class Done>
bool eventually(Done done) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

struct Reloaded {
  TemporaryFolder folder;
  fs::path data = folder.path() / "data", log = folder.path() / "log";
  fs::path allow = folder.path() / "allow", secret = folder.path() / "secret";
  fs::path certificate = folder.path() / "cert.pem", key = folder.path() / "key.pem";

  /// Sends SIGHUP and waits for the log's word about it.
  void reload(const ServerChild& server, const std::string& word) {
    const std::size_t before = count_of(content_of(log), word);
    server.send(SIGHUP);
    REQUIRE(eventually([&] { return count_of(content_of(log), word) > before; }));
  }
};
}  // namespace

TEST_CASE("a request that the policy refused goes out when a reloaded file allows it",
          "[end_to_end][reload]") {
  Reloaded world;
  LocalReceiver receiver;
  put(world.allow, "# nobody yet\n");
  const ServerChild server{world.data, {"--allow-file", world.allow.string()}, world.log};
  const auto onward_at = [&](std::vector<std::string> words, const std::string& input = {}) {
    words.insert(words.end(), {"--data", world.data.string()});
    return run_onward(words, input);
  };
  const fs::path scenario = world.folder.path() / "relay.yaml";
  put(scenario,
      "scenario: relay\nnodes:\n  any: { kind: trigger, event: opened, next: tell }\n"
      "  tell: { kind: send_webhook, url: \"" +
          receiver.url("/in") + "\", next: end }\n");
  const CommandResult applied = onward_at({"apply", scenario.string()});
  CHECK(applied.code == 0);
  CHECK((applied.out + applied.err).find("this server will not call it") != std::string::npos);
  const CommandResult activated = onward_at({"activate", "relay"});
  CHECK(activated.code == 0);
  CHECK(activated.err.find("node \"tell\": this server will not call its URL") !=
        std::string::npos);
  REQUIRE(
      onward_at({"events", "send", "-"}, R"({"type": "opened", "contact": {"id": "ada"}})").code ==
      0);
  REQUIRE(eventually([&] {
    return onward_at({"deliveries", "list", "--json"}).out.find("blocked_policy") !=
           std::string::npos;
  }));
  CHECK(receiver.requests().empty());

  put(world.allow, "127.0.0.1:99999\n");
  world.reload(server, "settings.not_reloaded");
  CHECK(content_of(world.log).find(world.allow.string() + ", line 1, must be a host") !=
        std::string::npos);
  put(world.allow, "127.0.0.1\n");
  world.reload(server, "settings.reloaded");
  CHECK(receiver.wait_for(1));
  CHECK(onward_at({"apply", scenario.string()}).err.find("this server will not call it") ==
        std::string::npos);
}

TEST_CASE("secrets of intake routes and certificates are taken with SIGHUP, all or none",
          "[end_to_end][reload]") {
  Reloaded world;
  put(world.secret, "the first secret of all\n");
  write_certificate(world.certificate, world.key);
  ServerChild server{world.data,
                     {"--tls-cert", world.certificate.string(), "--tls-key", world.key.string(),
                      "--intake-secret-file", "egoi=" + world.secret.string()},
                     world.log};
  const fs::path old = world.folder.path() / "old.pem", kept_key = world.folder.path() / "old.key";
  fs::copy_file(world.certificate, old);
  fs::copy_file(world.key, kept_key);
  const auto post = [&](const fs::path& trusted, const std::string& secret) {
    Request request{.method = "POST",
                    .url = server.url() + "/v1/intake/egoi",
                    .body = R"({"event": "x", "contact": {"id": "1"}})"};
    request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("X-Onward-Secret", secret);
    const auto answer = http_call(request, 30s, {.ca_file = trusted.string()});
    return answer ? answer->status : 0;
  };
  const auto admitted = [](int status) { return status != 0 && status != 401; };
  CHECK(admitted(post(old, "the first secret of all")));
  CHECK(post(old, "the second secret of all") == 401);

  // A key that does not fit: nothing of it is taken, the secret neither.
  put(world.secret, "the second secret of all\n");
  write_certificate(world.certificate, world.folder.path() / "other.key");
  world.reload(server, "settings.not_reloaded");
  CHECK(admitted(post(old, "the first secret of all")));
  CHECK(post(old, "the second secret of all") == 401);

  write_certificate(world.certificate, world.key);
  world.reload(server, "settings.reloaded");
  CHECK(admitted(post(world.certificate, "the second secret of all")));
  CHECK(post(world.certificate, "the first secret of all") == 401);
  CHECK(post(old, "the second secret of all") == 0);  // by the new certificate alone
  CHECK(server.stop() == 0);
}
