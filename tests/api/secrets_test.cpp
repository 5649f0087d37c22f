#include <catch2/catch.hpp>

#include "tests/api/front.h"

using namespace onward;

namespace {
constexpr const char* kRelay = R"(
scenario: relay
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in?k={{ secret.crm_key }}",
          auth: { credential: crm }, next: end }
)";

int put_relay(const Front& front) {
  return front
      .ask({.method = "PUT",
            .path = "/v1/scenarios/relay",
            .body = kRelay,
            .content_type = "application/yaml"})
      .status;
}
void set_both(const Front& front) {
  REQUIRE(
      front.put("/v1/secrets/crm_key", R"({"value": "k3y-value", "hosts": ["crm.example.com"]})")
          .status == 201);
  REQUIRE(front
              .put("/v1/credentials/crm",
                   R"({"basic": {"username": "jane", "password": "passw0rd"}, "any_host": true})")
              .status == 201);
}
}  // namespace

TEST_CASE("a secret is set, listed, kept and removed, and never shown", "[api][secrets]") {
  const Front front;
  CHECK(put_relay(front) == 422);
  set_both(front);
  CHECK(put_relay(front) == 201);
  CHECK(front.post("/v1/scenarios/relay/activate").status == 200);

  const Told kept = front.put("/v1/secrets/crm_key", R"({"value": ""})");
  CHECK(kept.status == 200);
  CHECK(kept.at("changed") == Value{false});
  const Told rotated = front.put("/v1/secrets/crm_key", R"({"value": "new-k3y", "rotate": true})");
  CHECK(rotated.status == 200);
  CHECK_FALSE(rotated.at("rotating_since").is_null());
  const Told secrets = front.get("/v1/secrets");
  CHECK(secrets.status == 200);
  CHECK(secrets.at("secrets.0.name") == Value{"crm_key"});
  CHECK(secrets.at("secrets.0.used_by.0") == Value{"relay"});
  const Told credentials = front.get("/v1/credentials");
  CHECK(credentials.at("credentials.0.scheme") == Value{"basic"});
  CHECK(credentials.at("credentials.0.username") == Value{"jane"});
  for (const Told* told : {&kept, &rotated, &secrets, &credentials})
    for (const char* value : {"k3y-value", "new-k3y", "passw0rd"})
      CHECK(told->body.find(value) == std::string::npos);

  const auto remove = [&](const std::string& path, const std::string& query = {}) {
    return front.ask({.method = "DELETE", .path = path, .query = query}).status;
  };
  CHECK(remove("/v1/secrets/crm_key") == 409);
  CHECK(remove("/v1/credentials/crm") == 409);
  CHECK(remove("/v1/secrets/nobody") == 404);
  CHECK(remove("/v1/secrets/crm_key", "force=true") == 204);
  CHECK(remove("/v1/credentials/crm", "force=true") == 204);
  CHECK(front.get("/v1/secrets").at("secrets").list()->empty());
}

TEST_CASE("a body that is wrong is refused without repeating it", "[api][secrets]") {
  const Front front;
  for (const char* body :
       {R"({"value": "s3cr3t)", R"("s3cr3t")", R"({"s3cr3t": "value"})", R"({"value": ["s3cr3t"]})",
        R"({"value": "s3cr3t", "rotate": "s3cr3t"})", R"({"value": "s3cr3t\n"})",
        R"({"value": "s3cr3t", "value": "s3cr3t"})", R"({"value": "s3cr3t", "drop_old": 1})", ""}) {
    INFO(body);
    const Told told = front.put("/v1/secrets/key", body);
    CHECK(told.status == 400);
    CHECK(told.body.find("s3cr3t") == std::string::npos);
  }
  for (const char* body :
       {R"({})", R"({"bearer": "s3cr3t", "basic": {}})", R"({"basic": "s3cr3t"})",
        R"({"basic": {"username": "a", "password": ["s3cr3t"]}})", R"({"digest": "s3cr3t"})",
        R"({"basic": {"username": "a", "password": "s3cr3t", "s3cr3t": 1}})",
        R"({"header": {"name": "Host", "value": "s3cr3t"}})", R"({"bearer": 5})"}) {
    INFO(body);
    const Told told = front.put("/v1/credentials/crm", body);
    CHECK(told.status == 400);
    CHECK(told.body.find("s3cr3t") == std::string::npos);
  }
  CHECK(front.get("/v1/secrets").at("secrets").list()->empty());
}

TEST_CASE("the master key is changed while everything goes on", "[api][secrets]") {
  const Front front;
  set_both(front);
  const Told told = front.post("/v1/secrets/rekey");
  CHECK(told.status == 200);
  CHECK(told.at("sealed") == Value{2});
  CHECK(told.at("unreadable") == Value{0});
}

TEST_CASE("the test button tells what came of it and keeps nothing", "[api][secrets]") {
  Front front;
  set_both(front);
  REQUIRE(put_relay(front) == 201);
  const std::string path = "/v1/scenarios/relay/nodes/tell/test";
  const Told good = front.post(path);
  CHECK(good.status == 200);
  CHECK(good.at("accepted") == Value{true});
  CHECK(good.at("status") == Value{200});
  CHECK(good.at("explanation").is_null());
  CHECK(good.at("id").text()->starts_with("test_evt_"));
  CHECK(*good.at("request.url").text() == "https://crm.example.com/in?k={{ secret.crm_key }}");
  CHECK(*good.at("request.headers.1.value").text() == "{{ credential.crm }}");
  CHECK(good.at("request.body").text()->find(R"("firstname":"John")") != std::string::npos);

  front.receivers_answer(401);
  const Told bad = front.post(path);
  CHECK(bad.status == 200);
  CHECK(bad.at("accepted") == Value{false});
  CHECK(bad.at("status") == Value{401});
  CHECK(bad.at("explanation").text()->find("credentials") != std::string::npos);

  CHECK(front.post("/v1/scenarios/relay/nodes/any/test").status == 400);
  CHECK(front.post("/v1/scenarios/relay/nodes/tel/test").status == 404);
  CHECK(front.post("/v1/scenarios/relai/nodes/tell/test").status == 404);
  const Told stats = front.get("/v1/scenarios/relay/stats");
  CHECK(stats.at("live.nodes.1.requests") == Value{0});
  CHECK(stats.at("test.nodes.1.requests") == Value{0});
  CHECK(front.get("/v1/scenarios/relay/nodes/tell/deliveries").at("deliveries").list()->empty());
}

TEST_CASE("the test button says which secret is missing", "[api][secrets]") {
  const Front front;
  set_both(front);
  REQUIRE(put_relay(front) == 201);
  REQUIRE(front.ask({.method = "DELETE", .path = "/v1/secrets/crm_key"}).status == 204);
  const Told told = front.post("/v1/scenarios/relay/nodes/tell/test");
  CHECK(told.at("accepted") == Value{false});
  CHECK(told.at("code") == Value{"secret_missing"});
  CHECK(told.at("error").text()->find("crm_key") != std::string::npos);
  CHECK(told.at("explanation").text()->find("onward secret set") != std::string::npos);
}
