// Secrets through the real binary: from standard input into the header of a request that arrives.
#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/secrets/signature.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;

namespace {
void write(const std::filesystem::path& file, const std::string& text) {
  FILE* out = std::fopen(file.c_str(), "w");
  REQUIRE(out != nullptr);
  std::fputs(text.c_str(), out);
  std::fclose(out);
}

/// How many of the two keys each request is signed with.
std::size_t signatures_that_fit(const ReceivedRequest& request,
                                const std::vector<std::string>& keys) {
  const Instant now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  std::size_t count = 0;
  for (const std::string& key : keys)
    if (verify_webhook({key},
                       {request.header("webhook-id").value_or(""),
                        request.header("webhook-timestamp").value_or(""),
                        request.header("webhook-signature").value_or("")},
                       request.body, now))
      ++count;
  return count;
}
}  // namespace

TEST_CASE("secrets travel from standard input into signed requests, and outlive a kill",
          "[end_to_end][secrets]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  LocalReceiver receiver;
  const auto file = folder.path() / "relay.yaml";
  write(file, fmt::format(R"(scenario: relay
reentry: parallel
nodes:
  any:  {{ kind: trigger, event: opened, next: tell }}
  tell: {{ kind: send_webhook, url: "{}", auth: {{ credential: crm }}, sign: hook, next: end }}
)",
                          receiver.url()));
  const std::vector<std::string> allow{"--allow-host",
                                       fmt::format("127.0.0.1:{}", receiver.port())};
  const auto onward = [&](std::vector<std::string> words, const std::string& input = {}) {
    words.insert(words.end(), {"--data", data.string()});
    return run_onward(words, input);
  };
  {
    ServerChild server{data, allow};
    CHECK(onward({"apply", file.string()}).code == 65);
    const CommandResult nowhere = onward({"secret", "set", "hook"}, "first secret\n");
    CHECK(nowhere.code == 65);
    CHECK(nowhere.err.find("--host crm.example.com") != std::string::npos);
    CHECK(onward({"secret", "set", "hook", "--keep"}).code == 64);
    CHECK(onward({"secret", "set", "hook", "--any-host", "--host", "a"}, "x").code == 64);
    CHECK(onward({"credential", "set", "crm", "--keep", "--bearer", "--any-host"}).code == 64);
    CHECK(onward({"secret", "set", "hook", "--host", "127.0.0.1"}, "first secret\n").code == 0);
    CHECK(onward({"credential", "set", "crm", "--basic", "jane", "--any-host"}, "open sesame\n")
              .code == 0);
    REQUIRE(onward({"apply", file.string()}).code == 0);
    REQUIRE(onward({"activate", "relay"}).code == 0);
    REQUIRE(onward({"events", "send", "opened", "--contact", "a"}).code == 0);
    REQUIRE(receiver.wait_for(1));
    CHECK(onward({"secret", "set", "hook", "--rotate"}, "second secret\n").code == 0);
    server.kill();
  }
  ServerChild server{data, allow};
  REQUIRE(onward({"events", "send", "opened", "--contact", "b"}).code == 0);
  // The first one may come a second time: its answer was perhaps not written down before the kill.
  const auto of_b = [&]() -> std::optional<ReceivedRequest> {
    for (const ReceivedRequest& request : receiver.requests())
      if (request.body.find(R"("id":"b")") != std::string::npos) return request;
    return std::nullopt;
  };
  for (std::size_t count = 2; !of_b(); ++count) REQUIRE(receiver.wait_for(count));
  const std::vector<std::string> keys{"first secret", "second secret"};
  CHECK(signatures_that_fit(receiver.requests().front(), keys) == 1);
  CHECK(signatures_that_fit(*of_b(), keys) == 2);
  CHECK(of_b()->header("authorization") == "Basic amFuZTpvcGVuIHNlc2FtZQ==");

  const CommandResult test = onward({"webhook", "test", "relay", "tell", "--json"});
  CHECK(test.code == 0);
  CHECK(test.out.find("\"accepted\":true") != std::string::npos);
  CHECK(test.out.find("sesame") == std::string::npos);
  const CommandResult moved =
      onward({"secret", "set", "hook", "--keep", "--host", "b.example.com"});
  CHECK(moved.code == 0);
  CHECK(moved.out == "hook: changed, the old value signs too; hosts: b.example.com\n");
  CHECK(moved.err.find("127.0.0.1") != std::string::npos);
  const CommandResult held = onward({"webhook", "test", "relay", "tell"});
  CHECK(held.code == 65);
  CHECK(held.out.find("secret_host_not_allowed") != std::string::npos);
  const CommandResult planned = onward({"plan", file.string()});
  CHECK(planned.err.find("the secret \"hook\" may not be sent to 127.0.0.1") != std::string::npos);
  CHECK(onward({"credential", "set", "crm", "--keep", "--host", "127.0.0.1"}).out ==
        "crm: changed; hosts: 127.0.0.1\n");
  CHECK(onward({"secret", "list"}).out.find("b.example.com") != std::string::npos);
  const CommandResult refused = onward({"secret", "remove", "hook"});
  CHECK(refused.code == 65);
  CHECK(refused.err.find("--force") != std::string::npos);
  CHECK(onward({"secret", "set", "hook", "--drop-old"}).code == 0);
  CHECK(onward({"secret", "rekey"}).code == 0);
  CHECK(onward({"secret", "list"}).out.find("hook") != std::string::npos);
  CHECK(server.stop() == 0);
}

TEST_CASE("a file's node is tested without a server", "[end_to_end][secrets]") {
  TemporaryFolder folder;
  LocalReceiver receiver{LocalReceiver::answers({http_reply(200, "thanks"), http_reply(404)})};
  const std::string file = (folder.path() / "relay.yaml").string();
  const std::string secret = (folder.path() / "key.txt").string();
  write(secret, "s3cr3t\n");
  write(file, fmt::format(R"(scenario: relay
nodes:
  any:  {{ kind: trigger, event: opened, next: tell }}
  tell: {{ kind: send_webhook, url: "{}", headers: {{ X-Key: "{{{{ secret.key }}}}" }}, next: end }}
)",
                          receiver.url()));
  const std::vector<std::string> base{"webhook", "test", file, "tell"};
  const auto onward = [&](std::vector<std::string> more) {
    std::vector<std::string> words = base;
    words.insert(words.end(), more.begin(), more.end());
    return run_onward(words);
  };
  const std::string host = fmt::format("127.0.0.1:{}", receiver.port());
  CHECK(onward({"--allow-host", host}).out.find("secret_missing") != std::string::npos);
  CHECK(onward({"--secret-file", "key=" + secret}).out.find("blocked_policy") != std::string::npos);
  const CommandResult good = onward({"--allow-host", host, "--secret-file", "key=" + secret});
  CHECK(good.code == 0);
  CHECK(good.out.find("✓ 200") == 0);
  CHECK(good.out.find("thanks") != std::string::npos);
  CHECK(good.out.find("s3cr3t") == std::string::npos);
  REQUIRE(receiver.requests().size() == 1);
  CHECK(receiver.requests()[0].header("x-key") == "s3cr3t");
  const CommandResult bad = onward({"--allow-host", host, "--secret-file", "key=" + secret});
  CHECK(bad.code == 65);
  CHECK(bad.out.find("✗ 404") == 0);
  CHECK(bad.out.find("Check the URL") != std::string::npos);
}
