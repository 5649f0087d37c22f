// Tokens of every role: issued, used, revoked, and told of.
#include <catch2/catch.hpp>

#include "engine/api/access.h"
#include "engine/api/rate_limit.h"
#include "tests/api/front.h"

using namespace onward;

namespace {
Told remove(const Front& front, const std::string& path, const std::string& token = "admin") {
  return front.ask({.method = "DELETE", .path = path, .token = token});
}
int status_with(const Front& front, const std::string& token, const std::string& method,
                const std::string& path, const std::string& body = {}) {
  return front.ask({.method = method, .path = path, .body = body, .token = token}).status;
}
}  // namespace

TEST_CASE("a token opens what its role is for until it is revoked, at once", "[api][tokens]") {
  const Front front;
  const Told made = front.post("/v1/tokens", R"({"name": "shop", "role": "ingest"})");
  REQUIRE(made.status == 201);
  const std::string token = *made.at("token").text();
  CHECK(token.starts_with("onw_"));
  CHECK(token.size() == 68);
  CHECK(made.at("role") == Value{"ingest"});
  CHECK(made.at("expires_at").is_null());
  CHECK(made.at("hash") == Value{sha256_hex(token).substr(0, 8)});

  const std::string event = R"({"type": "opened", "contact": {"id": "c1"}})";
  CHECK(status_with(front, token, "POST", "/v1/events", event) == 202);
  CHECK(status_with(front, token, "GET", "/v1/scenarios") == 403);
  CHECK(status_with(front, token, "POST", "/v1/tokens", R"({"name": "x", "role": "admin"})") ==
        403);

  const Told list = front.get("/v1/tokens");
  CHECK(list.at("tokens.0.name") == Value{"shop"});
  CHECK(list.body.find(token) == std::string::npos);
  CHECK(list.body.find(sha256_hex(token)) == std::string::npos);

  CHECK(remove(front, "/v1/tokens/shop").status == 204);
  CHECK(status_with(front, token, "POST", "/v1/events", event) == 401);
  CHECK(front.get("/v1/tokens").at("tokens").list()->empty());
  CHECK(remove(front, "/v1/tokens/shop").at("code") == Value{"unknown_token"});
}

TEST_CASE("fault 82: what is looked up is a hash of one length, whatever was sent",
          "[api][tokens]") {
  std::vector<std::string> asked;
  AccessOptions options;
  options.find_token = [&](std::string_view sha256) -> std::optional<TokenRecord> {
    asked.emplace_back(sha256);
    return std::nullopt;
  };
  const Access access{std::move(options)};
  for (const std::size_t length : {1, 31, 64, 68, 500}) {
    ApiRequest request;
    const std::string token(length, 'a'), header = "Bearer " + token;
    request.headers.emplace_back("Authorization", header);
    REQUIRE(access.refuse(request, Need::Read)->status == 401);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0] == sha256_hex(token));
    CHECK(asked[0].size() == 64);
    asked.clear();
  }
}

TEST_CASE("who issued and revoked a token stands in the log, the token does not", "[api][tokens]") {
  const Front front;
  const Told made = front.post("/v1/tokens", R"({"name": "ann", "role": "admin"})");
  const std::string token = *made.at("token").text();
  REQUIRE(front
              .ask({.method = "POST",
                    .path = "/v1/tokens",
                    .body = R"({"name": "bob", "role": "read"})",
                    .token = token})
              .status == 201);
  REQUIRE(remove(front, "/v1/tokens/bob", token).status == 204);
  const Told log = front.get("/v1/logs");
  CHECK(log.at("lines.0.what") == Value{"token.created"});
  CHECK(log.at("lines.0.who") == Value{"admin"});
  CHECK(log.at("lines.0.text") == Value{"ann, role admin"});
  CHECK(log.at("lines.1.who") == Value{"ann"});
  CHECK(log.at("lines.2.what") == Value{"token.revoked"});
  CHECK(log.at("lines.2.text") == Value{"bob, role read"});
  CHECK(log.body.find(token) == std::string::npos);
}

TEST_CASE("the last admin's token that does not expire stays", "[api][tokens]") {
  const Front front;
  const auto create = [&](const std::string& body) {
    return front.post("/v1/tokens", body).status;
  };
  REQUIRE(create(R"({"name": "one", "role": "admin"})") == 201);
  REQUIRE(create(R"({"name": "guest", "role": "admin", "expires_at": "2999-01-01T00:00:00Z"})") ==
          201);
  REQUIRE(create(R"({"name": "ci", "role": "author"})") == 201);
  const Told refused = remove(front, "/v1/tokens/one");
  CHECK(refused.status == 409);
  CHECK(refused.at("code") == Value{"last_admin"});
  REQUIRE(create(R"({"name": "two", "role": "admin"})") == 201);
  CHECK(remove(front, "/v1/tokens/one").status == 204);
  CHECK(remove(front, "/v1/tokens/guest").status == 204);
  CHECK(remove(front, "/v1/tokens/ci").status == 204);
  CHECK(remove(front, "/v1/tokens/two").status == 409);
}

TEST_CASE("a token that cannot be is refused with a reason", "[api][tokens]") {
  const Front front;
  REQUIRE(front.post("/v1/tokens", R"({"name": "ci", "role": "read"})").status == 201);
  struct Row {
    const char* body;
    int status;
    const char* code;
  };
  for (const Row& row : {
           Row{R"({"name": "ci", "role": "read"})", 409, "token_exists"},
           Row{R"({"name": "engine", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": "anyone", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": "restore", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": "", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": "a b", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": "a/b", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": ".", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": "..", "role": "read"})", 400, "invalid_name"},
           Row{R"({"name": 5, "role": "read"})", 400, "wrong_type"},
           Row{R"({"role": "read"})", 400, "wrong_type"},
           Row{R"({"name": "x"})", 400, "bad_role"},
           Row{R"({"name": "x", "role": "Admin"})", 400, "bad_role"},
           Row{R"({"name": "x", "role": "read", "expires_at": "soon"})", 400, "bad_parameter"},
           Row{R"({"name": "x", "role": "read", "expires_at": 5})", 400, "wrong_type"},
           Row{R"({"name": "x", "role": "read", "expires_at": "2020-01-01T00:00:00Z"})", 400,
               "already_expired"},
           Row{R"({"name": "x", "role": "read", "expires": "90d"})", 400, "unknown_member"},
           Row{R"({"name": "x", "name": "y", "role": "read"})", 400, "bad_json"},
           Row{"", 400, "wrong_type"},
       }) {
    CAPTURE(row.body);
    const Told told = front.post("/v1/tokens", row.body);
    CHECK(told.status == row.status);
    CHECK(told.at("code") == Value{row.code});
  }
  CHECK(front.get("/v1/tokens").at("tokens").list()->size() == 1);
}

TEST_CASE("the test button is for hands: thirty a minute for each token", "[api][tokens]") {
  RateLimit limit{3, std::chrono::minutes{1}};
  const auto at = [](int second) { return Instant{std::chrono::seconds{1'000'000 + second}}; };
  for (const int second : {0, 10, 20}) CHECK_FALSE(limit.take("ann", at(second)));
  CHECK(limit.take("ann", at(21)) == Duration{std::chrono::seconds{39}});
  CHECK_FALSE(limit.take("bob", at(21)));
  CHECK(limit.take("ann", at(59)) == Duration{std::chrono::seconds{1}});
  CHECK_FALSE(limit.take("ann", at(60)));
  CHECK(limit.take("ann", at(60)));
  // A clock that is set back keeps nobody out for longer than the window.
  CHECK_FALSE(limit.take("ann", at(-500)));

  const Front front;
  REQUIRE(front
              .ask({.method = "PUT",
                    .path = "/v1/scenarios/relay",
                    .body = "scenario: relay\nnodes:\n"
                            "  any:  { kind: trigger, event: opened, next: tell }\n"
                            "  tell: { kind: send_webhook, url: 'https://crm.example.com/', next: "
                            "end }\n",
                    .content_type = "application/yaml"})
              .status == 201);
  const std::string path = "/v1/scenarios/relay/nodes/tell/test";
  for (int i = 0; i < 30; ++i) CHECK(front.post(path).status == 200);
  const Told refused = front.post(path);
  CHECK(refused.status == 429);
  CHECK(refused.at("code") == Value{"too_often"});
  const std::int64_t* wait = refused.at("retry_after").get_if<std::int64_t>();
  REQUIRE(wait);
  CHECK((*wait >= 1 && *wait <= 60));
  CHECK(refused.headers.front() ==
        std::pair<std::string, std::string>{"Retry-After", std::to_string(*wait)});
  CHECK(status_with(front, "author", "POST", path) == 200);
}
