// Who may call the real server, and how: tokens of every role, and TLS.
#include <catch2/catch.hpp>

#include <fstream>

#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/support/certificate.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;

namespace {
using Words = std::vector<std::string>;

Words with(Words words, const std::filesystem::path& data, const Words& more = {}) {
  words.insert(words.end(), {"--data", data.string()});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}
std::string line_of(const std::string& text) { return text.substr(0, text.find('\n')); }
std::string file_text(const std::filesystem::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}
}  // namespace

TEST_CASE("tokens are issued, told of, used, and revoked, across a kill", "[end_to_end][access]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  std::string reader, guest;
  {
    ServerChild server{data};
    const auto onward = [&](const Words& words, const Words& more = {}) {
      return run_onward(with(words, data, more));
    };
    const CommandResult made = onward({"token", "create", "wall", "--role", "read"});
    REQUIRE(made.code == 0);
    reader = line_of(made.out);
    CHECK(made.out == reader + "\n");  // The token and nothing else, for scripts.
    CHECK(reader.starts_with("onw_"));
    CHECK(made.err.find("not shown again") != std::string::npos);
    guest =
        line_of(onward({"token", "create", "guest", "--role", "author", "--expires", "90d"}).out);
    CHECK(onward({"scenarios"}, {"--token", reader}).code == 0);
    CHECK(onward({"token", "list"}, {"--token", reader}).code != 0);
    CHECK(onward({"token", "create", "wall", "--role", "read"}).err.find("already") !=
          std::string::npos);
    CHECK(onward({"token", "create", "x", "--role", "boss"}).code != 0);
    CHECK(onward({"token", "create", "x", "--role", "read", "--expires", "soon"}).code != 0);
    server.kill();
  }
  ServerChild server{data};
  const auto onward = [&](const Words& words, const Words& more = {}) {
    return run_onward(with(words, data, more));
  };
  CHECK(onward({"scenarios"}, {"--token", reader}).code == 0);
  const CommandResult list = onward({"token", "list", "--json"});
  const Value tokens = parse_json(list.out).value();
  CHECK(tokens.find_path("tokens")->list()->size() == 3);
  CHECK(onward({"token", "list"}).out.find("guest") != std::string::npos);

  const CommandResult last = onward({"token", "revoke", "first"});
  CHECK(last.code != 0);
  CHECK(last.err.find("last admin token") != std::string::npos);
  CHECK(onward({"token", "revoke", "wall"}).code == 0);
  CHECK(onward({"scenarios"}, {"--token", reader}).code != 0);
  server.kill();

  ServerChild again{data};
  CHECK(onward({"scenarios"}, {"--token", reader}).code != 0);
  CHECK(onward({"scenarios"}, {"--token", guest}).code == 0);
  const std::string log = onward({"logs"}).out;
  CHECK(log.find("token.created") != std::string::npos);
  CHECK(log.find("token.revoked") != std::string::npos);
  for (const auto& entry : std::filesystem::recursive_directory_iterator{data})
    if (entry.is_regular_file()) CHECK(file_text(entry.path()).find(guest) == std::string::npos);
}

TEST_CASE("the command line finds and believes a server under TLS by itself",
          "[end_to_end][access]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  const std::string certificate = folder.path() / "cert.pem";
  const std::string key = folder.path() / "key.pem";
  // A name that leads nowhere: the command line must not ask for it.
  write_certificate(certificate, key, "DNS:onward.invalid");
  {
    const ServerChild server{data, {"--tls-cert", certificate, "--tls-key", key}};
    CHECK(server.url().starts_with("https://127.0.0.1:"));
    CHECK(run_onward(with({"scenarios", "--json"}, data)).code == 0);
    CHECK(run_onward(with({"events", "send", "opened", "--contact", "c1"}, data)).code == 0);
    for (const Words& doctor : {with({"doctor"}, data), {"doctor", "--server", server.url()}}) {
      const CommandResult told = run_onward(doctor);
      INFO(told.out);
      CHECK(told.out.find(" takes events") != std::string::npos);
      CHECK(told.out.find(" 0 faults") != std::string::npos);
    }
    const CommandResult other = run_onward(with({"doctor", "--ca", key}, data));
    CHECK(other.out.find("start it again") == std::string::npos);
    const std::string token = line_of(file_text(data / "token"));
    // By its address as well, where it is known; and not in clear.
    CHECK(run_onward({"scenarios", "--server", server.url()}).code == 0);
    const CommandResult clear =
        run_onward({"scenarios", "--token", token, "--server", "http" + server.url().substr(5)});
    CHECK(clear.code != 0);
    CHECK(clear.err.find(" speaks TLS: name it with https://") != std::string::npos);
  }
  write_certificate(certificate, key, "IP:127.0.0.1");
  const ServerChild server{data, {"--tls-cert", certificate, "--tls-key", key}};
  const std::string token = line_of(file_text(data / "token"));
  const Request ready{.method = "GET", .url = server.url() + "/readyz"};
  const auto call = [&](const std::string& ca) {
    return http_call(ready, std::chrono::seconds{10}, {.ca_file = ca});
  };
  const auto believed = call(certificate);
  REQUIRE(believed);
  CHECK(believed->status == 200);
  const auto unknown = call("");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == "tls_cert");
}

TEST_CASE("what listens on the port of a killed server gets no token", "[end_to_end][access]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  std::string url;
  {
    ServerChild server{data};
    url = server.url();
    REQUIRE(run_onward(with({"scenarios"}, data)).code == 0);
    server.kill();
  }
  const int port = std::stoi(url.substr(url.rfind(':') + 1));
  const LocalReceiver foreign{{}, {.port = static_cast<std::uint16_t>(port)}};
  for (const Words& more : {Words{}, Words{"--server", url}}) {
    const CommandResult refused = run_onward(with({"scenarios"}, data, more));
    CHECK(refused.code == 69);
    CHECK(refused.err.find("No server runs on " + data.string()) != std::string::npos);
  }
  CHECK(run_onward({"scenarios", "--server", url}).code == 69);
  for (const ReceivedRequest& request : foreign.requests())
    CHECK_FALSE(request.header("authorization"));

  const ServerChild again{data};
  CHECK(run_onward(with({"scenarios"}, data)).code == 0);
}

TEST_CASE("who speaks TLS where none is spoken is told so", "[end_to_end][access]") {
  TemporaryFolder folder;
  const ServerChild server{folder.path() / "data"};
  const std::string sealed = "https" + server.url().substr(4);
  for (const Words& command : {Words{"scenarios", "--server", sealed, "--token", "none"},
                               Words{"doctor", "--server", sealed}}) {
    const CommandResult told = run_onward(command);
    INFO(told.out + told.err);
    CHECK(told.code != 0);
    CHECK((told.out + told.err).find(" speaks plain http and no TLS") != std::string::npos);
  }
}

TEST_CASE("a certificate that does not fit ends the start with its path", "[end_to_end][access]") {
  TemporaryFolder folder;
  const std::string certificate = folder.path() / "cert.pem";
  const std::string key = folder.path() / "key.pem";
  const std::string other = folder.path() / "other.pem";
  write_certificate(certificate, other);
  write_certificate(certificate, key);
  const auto serve = [&](const Words& more) {
    Words words{"serve", "--data", (folder.path() / "data").string(), "--listen", "127.0.0.1:0"};
    words.insert(words.end(), more.begin(), more.end());
    return run_onward(words);
  };
  const CommandResult half = serve({"--tls-cert", certificate});
  CHECK(half.code != 0);
  CHECK(half.err.find("--tls-key") != std::string::npos);
  const CommandResult missing = serve({"--tls-cert", certificate, "--tls-key", key + "x"});
  CHECK(missing.err.find(key + "x") != std::string::npos);
  const CommandResult mismatch = serve({"--tls-cert", certificate, "--tls-key", other});
  CHECK(mismatch.code != 0);
  CHECK(mismatch.err.find(other) != std::string::npos);
  // Before anything is made of the data folder.
  CHECK_FALSE(std::filesystem::exists(folder.path() / "data"));
  // One that is soon over is told, and is no reason to refuse.
  const CommandResult warned =
      run_onward({"serve", "--data", "/proc/none", "--tls-cert", certificate, "--tls-key", key});
  CHECK(warned.err.find("tls.certificate level=warning") != std::string::npos);
  CHECK(warned.err.find("expires at") != std::string::npos);
}
