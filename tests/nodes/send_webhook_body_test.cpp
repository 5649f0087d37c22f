#include <fstream>
#include <sstream>

#include "tests/nodes/node_stage.h"

using namespace onward;

namespace {
NodeStage webhook(std::string_view settings) {
  return NodeStage{"{ kind: send_webhook, url: \"https://crm.example.com/in\", " +
                   std::string{settings} + " next: end }"};
}
/// The members of `data` in the standard envelope.
std::string data(const RequestDraft& draft) {
  const auto body = parse_json(draft.request.body);
  REQUIRE(body);
  REQUIRE(body->find("data"));
  return to_json(*body->find("data"));
}
}  // namespace

TEST_CASE("the standard envelope is the one that receivers know", "[nodes][webhook]") {
  const RequestDraft draft = webhook("").draft();
  CHECK(draft.refusal.empty());
  CHECK(draft.request.method == "POST");
  CHECK(draft.request.url == "https://crm.example.com/in");
  CHECK(draft.request.headers == std::vector<Header>{{"Content-Type", "application/json"}});
  CHECK(draft.request.body ==
        R"({"id":"evt_GppedVq2CWTW0000000000007","event":"automation.webhook.send",)"
        R"("timestamp":"2024-05-28T12:56:40Z","idClient":3,"data":{"type":"member","id":54321,)"
        R"("email":"john.doe@example.org","firstname":"John","lastname":"Doe"}})");
}

TEST_CASE("a contact's id goes out as it came in, an unset field is null", "[nodes][webhook]") {
  NodeStage stage = webhook("");
  stage.contact = {};
  stage.contact.id = ExternalId{"54321", false};
  CHECK(data(stage.draft()) ==
        R"({"type":"member","id":"54321","email":null,"firstname":null,"lastname":null})");
}

TEST_CASE("the author chooses the fields and their order", "[nodes][webhook]") {
  NodeStage stage =
      webhook("contact_fields: [last_name, email, groups, consent.type, custom.plan, custom.x],");
  stage.contact.groups = {"lead", "vip"};
  stage.contact.set_custom("plan", "gold");
  CHECK(data(stage.draft()) ==
        R"({"type":"member","lastname":"Doe","email":"john.doe@example.org","groups":["lead",)"
        R"("vip"],"consent_type":null,"custom":{"plan":"gold","x":null}})");
}

TEST_CASE("custom.* is all custom fields, all is everything", "[nodes][webhook]") {
  NodeStage stage = webhook("contact_fields: [id, custom.*],");
  stage.contact.set_custom("plan", "gold");
  stage.contact.set_custom("age", 7);
  CHECK(data(stage.draft()) == R"({"type":"member","id":54321,"custom":{"age":7,"plan":"gold"}})");

  const NodeStage everything = webhook("contact_fields: all,");
  const auto body = parse_json(everything.draft().request.body);
  REQUIRE(body);
  for (const char* name : {"id", "email", "firstname", "language", "birth_date", "consent_type",
                           "groups", "mailings_received", "last_opened_subject", "custom"}) {
    CAPTURE(name);
    CHECK(body->find("data")->find(name));
  }
}

TEST_CASE("additional members stand beside the fields", "[nodes][webhook]") {
  NodeStage stage =
      webhook(R"(additional: { source: onward, plan: "{{ contact.custom.plan }}", n: 5, m: 5, )"
              R"(zip: 01234, hello: "Hi {{ contact.first_name }}!", )"
              R"(deep: { list: [1, 1, "{{ run.id }}"] }, no: no },)");
  stage.contact.set_custom("plan", "a \"quoted\" {{ run.id }}{{ secret.k }}\n");
  CHECK(data(stage.draft()) ==
        R"({"type":"member","id":54321,"email":"john.doe@example.org","firstname":"John",)"
        R"("lastname":"Doe","source":"onward","plan":"a \"quoted\" {{ run.id }}{{ secret.k }}\n",)"
        R"("n":5,"m":5,"zip":"01234","hello":"Hi John!","deep":{"list":[1,1,"run_0000000000033"]},)"
        R"("no":"no"})");
  CHECK(stage.node().secrets().empty());
}

TEST_CASE("an additional member cannot take a field's name", "[nodes][webhook]") {
  CHECK(webhook("additional: { email: x },").codes() == "name_taken ");
  CHECK(webhook("additional: { type: x },").codes() == "name_taken ");
  CHECK(webhook("contact_fields: [id], additional: { email: x },").codes().empty());
}

TEST_CASE("an own payload keeps types, nulls and order", "[nodes][webhook]") {
  NodeStage stage = webhook(R"(payload: {
    "id": "$.subscriber.id",
    "ref": "$.subscriber.ref",
    "email": "$.subscriber.email",
    "phone": "$.subscriber.phone",
    "firstname": "$.subscriber.firstname",
    "lastname": "$.subscriber.lastname",
    "unsubscribedAt": "$.event.loggedTimestamp",
    "invalidAt": null,
    "organizationId": "$.subscriber.organizationId",
    "campaignId": "$.event.campaignId",
    "listId": "61330"
},)");
  stage.contact.set(Field::Phone, "+61 2 5550 0100");
  stage.contact.set_custom("organizationId", 17);
  stage.event.data = *parse_json(R"({"loggedTimestamp":"2026-03-13T01:02:03Z","campaignId":42})");
  CHECK(stage.draft().request.body ==
        R"({"id":54321,"ref":54321,"email":"john.doe@example.org","phone":"+61 2 5550 0100",)"
        R"("firstname":"John","lastname":"Doe","unsubscribedAt":"2026-03-13T01:02:03Z",)"
        R"("invalidAt":null,"organizationId":17,"campaignId":42,"listId":"61330"})");
}

TEST_CASE("a payload may mix text, paths and constants at any depth", "[nodes][webhook]") {
  NodeStage stage = webhook(
      R"(payload: { a: { b: [$.event.items, "{{ event.n }}", "n={{ event.n }}", {}] }, c: [], )"
      R"(d: $.event.nothing, e: $.scenario.id, f: $.run.id, g: 1.50, h: true },)");
  stage.event.data = *parse_json(R"({"items":[1,{"k":null}],"n":12})");
  CHECK(stage.draft().request.body ==
        R"({"a":{"b":[[1,{"k":null}],12,"n=12",{}]},"c":[],"d":null,"e":"welcome",)"
        R"("f":"run_0000000000033","g":1.5,"h":true})");
}

TEST_CASE("a form has the same members as pairs", "[nodes][webhook]") {
  NodeStage stage =
      webhook("content_type: form, payload: { a: \"x y\", z: \"x y\", b: { c: [1, 2, 1] } },");
  const Request request = stage.draft().request;
  CHECK(request.body == "a=x%20y&z=x%20y&b[c][]=1&b[c][]=2&b[c][]=1");
  CHECK(request.headers ==
        std::vector<Header>{{"Content-Type", "application/x-www-form-urlencoded"}});
}

TEST_CASE("GET and DELETE say it in the query", "[nodes][webhook]") {
  NodeStage stage = webhook("method: GET, query: { page: 1 }, payload: { a: { b: 1 }, c: é },");
  const Request request = stage.draft().request;
  CHECK(request.method == "GET");
  CHECK(request.url == "https://crm.example.com/in?page=1&a[b]=1&c=%C3%A9");
  CHECK(request.body.empty());
  CHECK(request.headers.empty());
}

TEST_CASE("a body over a megabyte is refused, not sent", "[nodes][webhook]") {
  NodeStage stage = webhook("additional: { note: \"{{ contact.note }}\" },");
  stage.contact.set(Field::Note, std::string((1 << 20) + 1, 'x'));
  const RequestDraft draft = stage.draft();
  CHECK(draft.refusal == "too_large");
  CHECK(draft.request.body.empty());
}

TEST_CASE("what contradicts itself in the body is told", "[nodes][webhook]") {
  CHECK(webhook("payload: { a: 1 }, envelope: standard,").codes() == "conflict ");
  CHECK(webhook("payload: { a: 1 }, envelope: payload,").codes().empty());
  CHECK(webhook("payload: { a: 1 }, contact_fields: all, additional: { b: 1 },").codes() ==
        "conflict conflict ");
  CHECK(webhook("envelope: payload,").codes() == "missing_key ");
  CHECK(webhook("payload: [1],").codes() == "wrong_type ");
  CHECK(webhook("payload: { a: $.subscriber.emial, b: $.nobody.x, c: \"{{ secret.x }}\" },")
            .codes() == "unknown_path unknown_path secret_not_allowed ");
  CHECK(webhook("additional: { a: $.subscriber.email },").codes() == "no_effect ");
  CHECK(webhook("contact_fields: [id, id],").codes() == "duplicate_field ");
}
TEST_CASE("the test button sends the printed payload, whatever the author chose",
          "[nodes][webhook]") {
  const std::string_view printed =
      R"({"id":"evt_GppedVq2CWTW0000000000007","event":"automation.webhook.send",)"
      R"("timestamp":"2024-05-28T12:56:40Z","idClient":3,"data":{"type":"member","id":54321,)"
      R"("email":"john.doe@example.org","firstname":"John","lastname":"Doe"}})";
  for (const char* settings :
       {"", "contact_fields: [email, custom.plan],", "additional: { source: onward },"}) {
    const NodeStage stage = webhook(settings);
    const auto draft = stage.node().test_request(stage.visit());
    REQUIRE(draft);
    CHECK(draft->request.body == printed);
    CHECK(draft->refusal == "");
  }
}

TEST_CASE("the test button keeps to method, form and own payload", "[nodes][webhook]") {
  const NodeStage form = webhook("content_type: form,");
  CHECK(
      form.node().test_request(form.visit())->request.body ==
      "id=evt_GppedVq2CWTW0000000000007&event=automation.webhook.send&timestamp=2024-05-28T12%3A56"
      "%3A40Z&idClient=3&data[type]=member&data[id]=54321&data[email]=john.doe%40"
      "example.org&data[firstname]=John&data[lastname]=Doe");
  const NodeStage get = webhook("method: GET,");
  CHECK(get.node().test_request(get.visit())->request.body == "");
  CHECK(get.node().test_request(get.visit())->request.url.find("data[id]=54321") !=
        std::string::npos);
  const NodeStage own = webhook("payload: { mail: $.subscriber.email, list: \"61330\" },");
  CHECK(own.node().test_request(own.visit())->request.body ==
        R"({"mail":"john.doe@example.org","list":"61330"})");
}

namespace {
/// Seed S3's first example, its blanks between members taken out.
constexpr const char* kEmailSend =
    R"({"events":[{"action":"email_send","action_date":631152000,"action_data":{"messageHash":)"
    R"("a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"},"list_id":"1","contact":{"base":["a1a1a1a1a1"],"fields":)"
    R"([{"uid":"a1a1a1a1a1","email":"john_doe@email.com","cellphone":"999-999999999","name":"John",)"
    R"("last_name":"Doe"}]}}]})";

void make_john(NodeStage& stage) {
  stage.contact.id = ExternalId{"a1a1a1a1a1", false};
  stage.contact.set(Field::Email, "john_doe@email.com");
  stage.contact.set(Field::Cellphone, "999-999999999");
  stage.event = {.type = "sent", .at = *parse_instant("1990-01-01T00:00:00Z")};
}
}  // namespace

TEST_CASE("the events envelope is the one that receivers know", "[nodes][webhook]") {
  NodeStage stage = webhook("envelope: events,");
  make_john(stage);
  stage.event.data =
      ValueMap{{"messageHash", "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"}, {"list_id", "1"}};
  CHECK(stage.draft().request.body == kEmailSend);
  // As the seed prints it, blanks aside: the same members in the same order.
  std::ifstream file{"tests/golden/egoi_events.json"};
  std::ostringstream printed;
  printed << file.rdbuf();
  const auto golden = parse_json(printed.str());
  REQUIRE(golden);
  CHECK(R"({"events":[)" + to_json(*golden->find_path("events.0")) + "]}" == kEmailSend);
  // A mailing by our own name is the same to the receiver.
  stage.event.data = ValueMap{{"list_id", "1"}, {"mailing", "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"}};
  CHECK(stage.draft().request.body == kEmailSend);
}

TEST_CASE("the events envelope tells the chosen fields, or none", "[nodes][webhook]") {
  NodeStage chosen = webhook(
      "envelope: events, contact_fields: [id, custom.plan, consent.type], additional: { n: 5 },");
  make_john(chosen);
  const auto contact_of = [](const NodeStage& stage) {
    const auto body = parse_json(stage.draft().request.body);
    REQUIRE(body);
    return to_json(*body->find_path("events.0.contact"));
  };
  CHECK(contact_of(chosen) ==
        R"({"base":["a1a1a1a1a1"],"fields":[{"uid":"a1a1a1a1a1","custom":{"plan":null},)"
        R"("consent_type":null,"n":5}]})");
  NodeStage none = webhook("envelope: events, contact_fields: [],");
  make_john(none);
  none.contact.id.reset();
  CHECK(contact_of(none) == R"({"base":[],"fields":[]})");
}

TEST_CASE("a custom event keeps its name in the events envelope", "[nodes][webhook]") {
  NodeStage stage = webhook("envelope: events, batch: { max: 5, linger: 2s }, active: false,");
  stage.event = {.type = "goal_reached", .at = *parse_instant("1990-01-01T00:00:00.9Z")};
  const auto body = parse_json(stage.draft().request.body);
  REQUIRE(body);
  CHECK(*body->find_path("events.0.action") == Value{"goal_reached"});
  CHECK(*body->find_path("events.0.action_date") == Value{631152000});
  CHECK(*body->find_path("events.0.action_data") == Value{ValueMap{}});
  CHECK(body->find_path("events.0.list_id")->is_null());
  const DeliveryPolicy& policy = *stage.node().delivery_policy();
  REQUIRE(policy.batch);
  CHECK(*policy.batch == BatchPolicy{.max = 5, .linger = std::chrono::seconds{2}});
  CHECK_FALSE(policy.active);
}
