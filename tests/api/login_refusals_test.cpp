#include "engine/api/login_refusals.h"

#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/resources.h"
#include "engine/api/router.h"
#include "engine/api/server.h"
#include "engine/host/runtime.h"
#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"
#include "tests/api/stand.h"
#include "tests/support/fake_http_client.h"

namespace onward {
namespace {
struct SetClock final : Clock {
  Instant now() const override { return at; }
  Instant at{std::chrono::seconds{1'000}};
};

std::uint64_t count_of(const LoginRefusals& refusals, std::string_view reason) {
  for (const LoginRefusals::Count& count : refusals.counts())
    if (count.reason == reason) return count.refused;
  return 0;
}

/// A front whose refusals are logged to `lines`.
struct Watched {
  explicit Watched(bool no_auth = false) {
    auto opened = Runtime::open(make_memory_store(), node_kinds(),
                                std::make_unique<FakeHttpClient>(), {}, clock, {});
    REQUIRE(opened);
    runtime = std::move(*opened);
    AccessOptions access;
    access.no_auth = no_auth;
    access.clock = &clock;
    access.find_token = [this](std::string_view hash) -> std::optional<TokenRecord> {
      if (hash == sha256_hex("a token of ingest"))
        return TokenRecord{.name = "shop", .role = Role::Ingest};
      if (hash == sha256_hex("an old token"))
        return TokenRecord{.name = "old", .role = Role::Admin, .expires = clock.at};
      return std::nullopt;
    };
    api.emplace(
        all_routes(*runtime, clock, IntakeSecrets{{"egoi", "a secret of sixteen"}}, refusals),
        Access{std::move(access)}, LogSink{}, refusals);
  }
  void ask(std::string_view method, std::string_view path,
           std::vector<std::pair<std::string_view, std::string_view>> headers) {
    ApiRequest request = make(method, path, std::move(headers));
    api->handle(request, Responder{[](const Completion&) {}});
  }
  /// Before the body arrives, if one does.
  void admit(std::string_view method, std::string_view path,
             std::vector<std::pair<std::string_view, std::string_view>> headers,
             bool body_follows) {
    ApiRequest request = make(method, path, std::move(headers));
    request.body_follows = body_follows;
    (void)api->admit(request);
  }
  static ApiRequest make(std::string_view method, std::string_view path,
                         std::vector<std::pair<std::string_view, std::string_view>> headers) {
    ApiRequest request;
    request.method = method;
    request.path = path;
    request.headers = std::move(headers);
    request.peer = "192.0.2.7";
    return request;
  }

  SetClock clock;
  std::unique_ptr<Runtime> runtime;
  std::vector<std::string> lines;
  std::shared_ptr<LoginRefusals> refusals = std::make_shared<LoginRefusals>(
      [this](const LogRecord& record) {
        const std::string line = to_line(record, clock.at);
        lines.push_back(line.substr(line.find(' ') + 1));
      },
      clock);
  std::optional<Api> api;
};

TEST_CASE("each refused login is counted once by its reason", "[api][access]") {
  Watched server;
  using Headers = std::vector<std::pair<std::string_view, std::string_view>>;
  struct Row {
    const char* reason;
    const char* path;
    Headers headers;
  };
  const std::vector<Row> rows{
      {"no_token", "/v1/scenarios", {}},
      {"wrong_token", "/v1/scenarios", {{"Authorization", "Bearer nobody's"}}},
      {"expired_token", "/v1/scenarios", {{"Authorization", "Bearer an old token"}}},
      {"wrong_role", "/v1/scenarios", {{"Authorization", "Bearer a token of ingest"}}},
      {"wrong_secret", "/v1/intake/egoi", {{"X-Onward-Secret", "another secret"}}},
      {"bad_signature", "/v1/intake/egoi", {{"Webhook-Signature", "v1,x"}}},
      {"wrong_signature", "/v1/intake/egoi", {{"X-Hub-Signature-256", "sha256=00"}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.reason);
    const std::string_view method = std::string_view{row.path}.ends_with("egoi") ? "POST" : "GET";
    server.ask(method, row.path, row.headers);
    CHECK(count_of(*server.refusals, row.reason) == 1);
  }
  std::uint64_t all = 0;
  for (const LoginRefusals::Count& count : server.refusals->counts()) all += count.refused;
  CHECK(all == rows.size());

  // Neither what is admitted nor a path that leads nowhere is one.
  server.ask("GET", "/livez", {});
  server.ask("GET", "/nowhere", {});
  server.ask("POST", "/v1/events", {{"Authorization", "Bearer a token of ingest"}});
  CHECK(server.lines.size() == 1);
  for (const LoginRefusals::Count& count : server.refusals->counts()) all -= count.refused;
  CHECK(all == 0);
}

TEST_CASE("a signed post is judged, and so counted, when its body has arrived", "[api][access]") {
  Watched server;
  const std::vector<std::pair<std::string_view, std::string_view>> headers{
      {"X-Hub-Signature-256", "sha256=00"}};
  server.admit("POST", "/v1/intake/egoi", headers, /*body_follows=*/true);
  CHECK(count_of(*server.refusals, "wrong_signature") == 0);
  server.ask("POST", "/v1/intake/egoi", headers);
  CHECK(count_of(*server.refusals, "wrong_signature") == 1);
}

TEST_CASE("a request that is judged by its head and then as a whole is counted once",
          "[api][access]") {
  Watched server;
  // The server answers a request without a body after the second judgement.
  server.admit("GET", "/v1/scenarios", {}, /*body_follows=*/false);
  CHECK(count_of(*server.refusals, "no_token") == 0);
  server.ask("GET", "/v1/scenarios", {});
  CHECK(count_of(*server.refusals, "no_token") == 1);
  // It answers one with a body after the first, without reading the body.
  server.admit("POST", "/v1/events", {}, /*body_follows=*/true);
  CHECK(count_of(*server.refusals, "no_token") == 2);
}

TEST_CASE("a server counts each refused login once and logs the peer", "[api][access][server]") {
  const std::string token = "a token of metrics";
  auto store = make_memory_store();
  REQUIRE(store->commit({.control = {.tokens = {{.sha256 = sha256_hex(token),
                                                 .name = "prometheus",
                                                 .role = Role::Metrics}}}}));
  auto runtime = Runtime::open(std::move(store), node_kinds(), std::make_unique<FakeHttpClient>(),
                               {}, system_clock(), {});
  REQUIRE(runtime);
  (*runtime)->start();
  std::mutex mutex;
  std::vector<std::string> lines;
  ServerOptions options;
  options.port = 0;
  options.log = [&](const LogRecord& record) {
    const std::lock_guard lock{mutex};
    lines.push_back(to_line(record, Instant{}));
  };
  auto server = Server::listen(**runtime, options);
  REQUIRE(server);
  (*server)->start();

  const std::string host = "Host: 127.0.0.1\r\n";
  Caller caller{(*server)->port()};
  caller.send("GET /v1/scenarios HTTP/1.1\r\n" + host + "Authorization: Bearer guessed\r\n\r\n");
  CHECK(caller.until("\"}").starts_with("HTTP/1.1 401 "));
  const std::string body(100'000, 'x');
  Caller poster{(*server)->port()};
  poster.send("POST /v1/events HTTP/1.1\r\n" + host +
              "Authorization: Bearer guessed\r\nContent-Length: 100000\r\n\r\n" + body);
  CHECK(poster.rest().starts_with("HTTP/1.1 401 "));
  const std::string as_metrics = host + "Authorization: Bearer " + token + "\r\n\r\n";
  caller.send("GET /v1/scenarios HTTP/1.1\r\n" + as_metrics);
  CHECK(caller.until("\"}").starts_with("HTTP/1.1 403 "));
  caller.send("GET /metrics HTTP/1.1\r\n" + as_metrics);
  CHECK(caller.until("onward_refused_logins_total{reason=\"no_token\"} 0\n")
            .starts_with("HTTP/1.1 200 "));
  CHECK(caller.until("{reason=\"wrong_token\"} 2\n").ends_with(" 2\n"));
  CHECK(caller.until("{reason=\"wrong_role\"} 1\n").ends_with(" 1\n"));
  {
    const std::lock_guard lock{mutex};
    REQUIRE_FALSE(lines.empty());
    CHECK(
        lines[0].ends_with("login.refused level=warning reason=wrong_token peer=127.0.0.1 "
                           "method=GET route=/v1/scenarios"));
    for (const std::string& line : lines) CHECK(line.find("guessed") == std::string::npos);
  }
  (*server)->stop(std::chrono::seconds{5});
  CHECK((*runtime)->stop(std::chrono::seconds{5}));
}

TEST_CASE("refused logins are logged once a second at most, without token and path",
          "[api][access]") {
  Watched server;
  const auto knock = [&] {
    server.ask("GET", "/v1/contacts/email:jane%40example.org",
               {{"Authorization", "Bearer a guessed token"}});
  };
  for (int i = 0; i < 1'000; ++i) knock();
  CHECK(server.lines ==
        std::vector<std::string>{"login.refused level=warning reason=wrong_token peer=192.0.2.7 "
                                 "method=GET route=/v1/contacts/{id}"});
  server.clock.at += std::chrono::seconds{1};
  knock();
  REQUIRE(server.lines.size() == 2);
  CHECK(server.lines[1].ends_with(" left_out=999"));
  // A clock that is set back does not silence it.
  server.clock.at -= std::chrono::hours{1};
  knock();
  CHECK(server.lines.size() == 3);
}

TEST_CASE("without tokens, requests from foreign pages count as refused logins", "[api][access]") {
  Watched server{/*no_auth=*/true};
  server.ask("GET", "/v1/scenarios", {{"Host", "evil.example"}});
  server.ask("GET", "/v1/scenarios", {{"Host", "localhost"}, {"Origin", "https://evil.example"}});
  CHECK(count_of(*server.refusals, "foreign_host") == 1);
  CHECK(count_of(*server.refusals, "foreign_origin") == 1);
}
}  // namespace
}  // namespace onward
