// What a send_webhook node refuses to be.
#include "tests/nodes/node_stage.h"

using namespace onward;

namespace {
struct Case {
  const char* settings;
  const char* codes;
};
}  // namespace

TEST_CASE("wrong settings are told by code", "[nodes][webhook]") {
  const auto c = GENERATE(
      Case{"", "missing_key "}, Case{"url: [a],", "wrong_type "},
      Case{"url: \"crm.example.com\",", "bad_url "},
      Case{"url: \"https://user:pw@a.example/\",", "bad_url "},
      Case{"url: \"https://a.example/#x\",", "bad_url "},
      Case{"url: \"https://a.example/a b\",", "bad_url "},
      Case{"url: \"https://{{ contact.company }}.example/\",", "placeholder_in_host "},
      Case{"url: \"{{ secret.url }}\",", "placeholder_in_host "},
      Case{"url: \"https://a.example:{{ event.port }}/\",", "placeholder_in_host "},
      Case{"url: \"https://a.example/{{ contact.emial }}\",", "unknown_placeholder "},
      Case{"url: \"https://a.example/{{ contact.email\",", "unclosed_placeholder "},
      Case{"url: \"https://a.example\", query: \"?a=1\",", "bad_query "},
      Case{"url: \"https://a.example\", query: \"a=1 2\",", "bad_query "},
      Case{"url: \"https://a.example\", query: [a],", "wrong_type "},
      Case{"url: \"https://a.example\", query: { a: [1] },", "wrong_type "},
      Case{"url: \"https://a.example\", headers: [a],", "wrong_type "},
      Case{"url: \"https://a.example\", headers: { \"X Y\": a },", "bad_header_name "},
      Case{"url: \"https://a.example\", headers: { \"\": a },", "bad_header_name "},
      Case{"url: \"https://a.example\", headers: { \"X:\": a },", "bad_header_name "},
      Case{"url: \"https://a.example\", headers: { host: a },", "refused_header "},
      Case{"url: \"https://a.example\", headers: { Content-Length: 5 },", "refused_header "},
      Case{"url: \"https://a.example\", headers: { Webhook-Signature: 5 },", "refused_header "},
      Case{"url: \"https://a.example\", headers: { X-A: 1, x-a: 2 },", "duplicate_header "},
      Case{"url: \"https://a.example\", headers: { X-A: [1] },", "wrong_type "},
      Case{"url: \"https://a.example\", headers: { X-A: \"a\\nb\" },", "control_character "},
      Case{"url: \"https://a.example\", auth: x,", "wrong_type "},
      Case{"url: \"https://a.example\", auth: { baerer: x },", "unknown_key "},
      Case{"url: \"https://a.example\", auth: { bearer: x, basic: y },", "wrong_type "},
      Case{"url: \"https://a.example\", auth: { basic: { username: a } },", "wrong_type "},
      Case{"url: \"https://a.example\", auth: { basic: { username: \"a:b\", password: c } },",
           "bad_username "},
      Case{"url: \"https://a.example\", auth: { credential: \"{{ secret.p }}\" },", "wrong_type "},
      Case{"url: \"https://a.example\", auth: { credential: [crm] },", "wrong_type "},
      Case{"url: \"https://a.example\", auth: { credental: crm },", "unknown_key "},
      Case{"url: \"https://a.example\", auth: { bearer: x }, headers: { authorization: y },",
           "duplicate_header "},
      Case{"url: \"https://a.example\", method: post,", "unknown_choice "},
      Case{"url: \"https://a.example\", content_type: xml,", "unknown_choice "},
      Case{"url: \"https://a.example\", envelope: events, method: GET,", "conflict "},
      Case{"url: \"https://a.example\", envelope: events, content_type: form,", "conflict "},
      Case{"url: \"https://a.example\", envelope: events, payload: { a: 1 },", "conflict "},
      Case{"url: \"https://a.example\", envelope: events, batch: 5,", "wrong_type "},
      Case{"url: \"https://a.example\", envelope: events, batch: { mx: 5 },", "unknown_key "},
      Case{"url: \"https://a.example\", envelope: events, batch: { max: 0 },", "bad_number "},
      Case{"url: \"https://a.example\", envelope: events, batch: { linger: 1h },", "bad_duration "},
      Case{"url: \"https://a.example\", batch: { max: 5 },", "conflict "},
      Case{"url: \"https://a.example\", active: perhaps,", "wrong_type "},
      Case{"url: \"https://a.example\", sign: \"{{ secret.key }}\",", "wrong_type "},
      Case{"url: \"https://a.example\", sign: [key],", "wrong_type "},
      Case{"url: \"https://a.example\", accept: [],", "bad_status "},
      Case{"url: \"https://a.example\", accept: 3xx,", "bad_status "},
      Case{"url: \"https://a.example\", accept: [\"200\"],", "bad_status "},
      Case{"url: \"https://a.example\", retry: 5s,", "wrong_type "},
      Case{"url: \"https://a.example\", retry: { delays: [] },", "wrong_type "},
      Case{"url: \"https://a.example\", retry: { delays: [0s] },", "bad_duration "},
      Case{"url: \"https://a.example\", retry: { deadline: 73h },", "bad_duration "},
      Case{"url: \"https://a.example\", retry: { permanent: [oops] },", "bad_status "},
      Case{"url: \"https://a.example\", retry: { retires: 5 },", "unknown_key "},
      Case{"url: \"https://a.example\", timeout: 5m,", "bad_duration "},
      Case{"url: \"https://a.example\", log_response_body: yes,", "unknown_choice "},
      Case{"url: \"https://a.example\", contact_fields: [[id]],", "wrong_type "},
      Case{"url: \"https://a.example\", contact_fields: [emial],", "unknown_field "},
      Case{"url: \"https://a.example\", additional: [a],", "wrong_type "});
  CAPTURE(c.settings);
  const NodeStage stage{std::string{"{ kind: send_webhook, "} + c.settings + " next: end }"};
  CHECK(stage.codes() == c.codes);
  CHECK_FALSE(stage.loaded.scenario);
}

TEST_CASE("a header that Onward sets itself is refused, however it is spelt", "[nodes][webhook]") {
  for (const char* name :
       {"Host", "Content-Length", "Transfer-Encoding", "transfer-encoding", "Connection",
        "CONNECTION", "Keep-Alive", "TE", "Trailer", "Proxy-Connection", "Upgrade", "Expect",
        "Proxy-Authorization", "Content-Encoding", "Webhook-Id", "webhook-timestamp",
        "Webhook-Signature", "webhook-anything"}) {
    CAPTURE(name);
    const NodeStage stage{
        std::string{"{ kind: send_webhook, url: \"https://a.example\", headers: { "} + name +
        ": a }, next: end }"};
    CHECK(stage.codes() == "refused_header ");
    CHECK_FALSE(stage.loaded.scenario);
  }
}

TEST_CASE("a mistake inside a URL is shown at its column", "[nodes][webhook]") {
  const NodeStage stage{
      "{ kind: send_webhook, url: \"https://a.example/{{ contact.emial }}\", next: end }"};
  REQUIRE(stage.loaded.diagnostics.size() == 1);
  const Diagnostic& found = stage.loaded.diagnostics[0];
  CHECK(found.nearest == "email");
  // "  node: " and the text up to the field's name.
  CHECK(found.at == Position{5, 9 + 28 + 29});
}

TEST_CASE("quotes in a placeholder of a URL may hold braces, blanks and question marks",
          "[nodes][webhook]") {
  NodeStage stage{R"({ kind: send_webhook, next: end,
    url: 'https://e.example.com/{{ contact.company | default: "}}?x" }}/{{ "a b" }}?q={{ "}}#" }}' })"};
  CHECK(stage.draft().request.url == "https://e.example.com/%7D%7D%3Fx/a b?q=}}#");
  NodeStage query{R"({ kind: send_webhook, next: end, url: "https://e.example.com",
    query: 'a={{ contact.company | default: "}} x" }}&b=1' })"};
  CHECK(query.draft().request.url == "https://e.example.com?a=%7D%7D%20x&b=1");
}
