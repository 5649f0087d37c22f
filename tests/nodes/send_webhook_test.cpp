#include "tests/nodes/node_stage.h"

using namespace onward;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {
NodeStage webhook(std::string_view settings) {
  return NodeStage{"{ kind: send_webhook, " + std::string{settings} + " next: end }"};
}
}  // namespace

TEST_CASE("the contact goes on at once", "[nodes][webhook]") {
  const NodeStage stage = webhook("url: \"https://crm.example.com/\",");
  CHECK(std::get<Leave>(stage.enter().next).port == "next");
  CHECK(stage.node().delivery_policy());
}

TEST_CASE("placeholders in a URL are encoded and cannot leave their place", "[nodes][webhook]") {
  NodeStage stage = webhook(
      "url: \"https://crm.example.com/c/{{ contact.company }}/{{ event.path | path }}?e={{ "
      "contact.email }}\",");
  stage.contact.set(Field::Company, "a/b?c#d&e=../%\r\n\0\x7f"s);
  stage.contact.set(Field::Email, "john.doe@example.org\r\nHost: evil\0"s);
  stage.event.data = ValueMap{{"path", "x/y z HTTP/1.1\r\n\0"s}};
  const RequestDraft draft = stage.draft();
  CHECK(draft.refusal.empty());
  CHECK(draft.request.url ==
        "https://crm.example.com/c/a%2Fb%3Fc%23d%26e%3D..%2F%25%0D%0A%00%7F/"
        "x/y%20z%20HTTP/1.1%0D%0A%00?e=john.doe%40example.org%0D%0AHost%3A%20evil%00");
}

TEST_CASE("a placeholder with a slash or a question mark inside does not split the URL",
          "[nodes][webhook]") {
  const NodeStage stage =
      webhook("url: 'https://crm.example.com/{{ contact.company | default: \"a/b?c\" }}/z',");
  CHECK(stage.draft().request.url == "https://crm.example.com/a%2Fb%3Fc/z");
}

TEST_CASE("a query is a mapping or a text", "[nodes][webhook]") {
  CHECK(webhook("url: \"https://a.example\", query: { \"a b\": \"{{ contact.email }} x\", n: 1, "
                "m: 1, k: \"{{ secret.key }}\" },")
            .draft()
            .request.url ==
        "https://a.example?a%20b=john.doe%40example.org%20x&n=1&m=1&k=\x01key\x02");
  CHECK(webhook("url: \"https://a.example/?x=1\", query: \"pageNo=1&email={{ contact.email }}\",")
            .draft()
            .request.url == "https://a.example/?x=1&pageNo=1&email=john.doe%40example.org");
  CHECK(webhook("url: \"https://a.example/?\", query: { a: 1 },").draft().request.url ==
        "https://a.example/?a=1");
}

TEST_CASE("headers keep their order, names and references to secrets", "[nodes][webhook]") {
  NodeStage stage = webhook(
      R"(url: "https://a.example", headers: { X-Api-Key: "{{ secret.crm_key }}", User-Agent: me/1, )"
      R"(X-Agent: me/1, X_Name: "{{ contact.first_name }} é", )"
      R"(content-type: application/vnd.api+json },)");
  const RequestDraft draft = stage.draft();
  CHECK(draft.refusal.empty());
  CHECK(draft.request.headers == std::vector<Header>{{"X-Api-Key",
                                                      "\x01"
                                                      "crm_key\x02"},
                                                     {"User-Agent", "me/1"},
                                                     {"X-Agent", "me/1"},
                                                     {"X_Name", "John é"},
                                                     {"content-type", "application/vnd.api+json"}});
  CHECK(stage.node().secrets() == std::vector<std::string>{"crm_key"});
}

TEST_CASE("a header value that could break the request fails the delivery", "[nodes][webhook]") {
  NodeStage stage =
      webhook(R"(url: "https://a.example", headers: { X-Name: "{{ contact.first_name }}" },)");
  for (const std::string& value : {std::string{"a\r\nHost: evil"}, std::string{"a\0b", 3},
                                   std::string{"\x01"
                                               "crm_key\x02"},
                                   std::string{"\x7f"}, std::string(9000, 'a')}) {
    CAPTURE(value);
    stage.contact.set(Field::FirstName, value);
    const RequestDraft draft = stage.draft();
    CHECK(draft.refusal == "bad_header: X-Name");
    for (const Header& header : draft.request.headers)
      CHECK(header.second.find("evil") == std::string::npos);
  }
}

TEST_CASE("auth becomes an Authorization header", "[nodes][webhook]") {
  CHECK(webhook("url: \"https://a.example\", auth: { basic: { username: Aladdin, password: \"open "
                "sesame\" } },")
            .draft()
            .request.headers.back() ==
        Header{"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="});
  NodeStage stage =
      webhook("url: \"https://a.example\", auth: { bearer: \"{{ secret.token }}\" },");
  CHECK(stage.draft().request.headers.back() == Header{"Authorization", "Bearer \x01token\x02"});
  CHECK(stage.node().secrets() == std::vector<std::string>{"token"});
}

TEST_CASE("a secret in a password stays a reference until the attempt", "[nodes][webhook]") {
  const NodeStage stage = webhook(
      "url: \"https://a.example\", auth: { basic: { username: \"{{ contact.first_name }}\", "
      "password: "
      "\"x{{ secret.crm }}\" } },");
  CHECK(stage.draft().request.headers.back() == Header{"Authorization",
                                                       "Basic \x03John:x\x01"
                                                       "crm\x02\x04"});
  CHECK(stage.node().secrets() == std::vector<std::string>{"crm"});
}

TEST_CASE("a credential stays a reference, and a signing secret is named by the policy",
          "[nodes][webhook]") {
  const NodeStage stage =
      webhook("url: \"https://a.example\", auth: { credential: crm }, sign: hook_key,");
  CHECK(stage.draft().request.headers.back() == Header{"Authorization",
                                                       "\x01"
                                                       "credential:crm\x02"});
  CHECK(stage.draft().refusal == "");
  CHECK(stage.node().credentials() == std::vector<std::string>{"crm"});
  CHECK(stage.node().secrets() == std::vector<std::string>{"hook_key"});
  CHECK(stage.node().delivery_policy()->sign == "hook_key");
}

TEST_CASE("no value of a contact can be taken for one of the marks", "[nodes][webhook]") {
  NodeStage stage = webhook(
      "url: \"https://a.example\", auth: { basic: { username: \"{{ contact.first_name }}\", "
      "password: "
      "p } },");
  for (const char* value : {"a\x03", "a\x04",
                            "\x01"
                            "credential:crm\x02"}) {
    stage.contact.set(Field::FirstName, value);
    CHECK(stage.draft().refusal == "bad_header: Authorization");
  }
}

TEST_CASE("a username from a contact cannot move the password", "[nodes][webhook]") {
  NodeStage stage = webhook(
      "url: \"https://a.example\", auth: { basic: { username: \"{{ contact.first_name }}\", "
      "password: p } },");
  stage.contact.set(Field::FirstName, "a:b");
  CHECK(stage.draft().refusal == "bad_header: Authorization");
}

TEST_CASE("the policy of its deliveries is read once", "[nodes][webhook]") {
  const NodeStage stage = webhook(
      "url: \"http://CRM.example.com/x\", accept: [200, 409], retry: { delays: [5s, 30s, 2m], "
      "deadline: 2h, permanent: 400 }, timeout: 3s, log_response_body: off,");
  const DeliveryPolicy& policy = *stage.node().delivery_policy();
  CHECK(policy.origin == "http://crm.example.com:80");
  CHECK(policy.retry ==
        RetryPolicy{
            .delays = {5s, 30s, 2min}, .window = 2h, .permanent = {400}, .accept = {200, 409}});
  CHECK(policy.timeout == Duration{3s});
  CHECK(policy.connect_timeout == Duration{3s});
  CHECK(policy.log_body == LogBody::Off);

  const NodeStage plain = webhook("url: \"https://a.example\", accept: 2xx,");
  CHECK(plain.node().delivery_policy()->retry == default_retry_policy());
  CHECK(plain.node().delivery_policy()->timeout == Duration{15s});
  CHECK(plain.node().delivery_policy()->log_body == LogBody::Failures);
}
