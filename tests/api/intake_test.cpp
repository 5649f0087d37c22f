#include "engine/api/intake.h"
#include "engine/core/base/base64.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <sstream>

#include <catch2/catch.hpp>

#include "engine/api/event_parts.h"
#include "engine/core/contact/vocabulary.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/signature.h"
#include "tests/api/front.h"
#include "tests/support/stage.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

const Instant kNow = *parse_instant("2026-05-01T09:00:00Z");

std::string golden(const std::string& name) {
  std::ifstream in{"tests/golden/" + name, std::ios::binary};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

EventPost post_of(Result<EventPost> post) {
  if (!post) FAIL(post.error().message);
  for (const auto& refusal : post->refused) FAIL(refusal.error.message);
  return *std::move(post);
}
EventPost egoi(std::string_view body) { return post_of(parse_egoi(body, kNow, false)); }
EventPost taguchi(std::string_view body) { return post_of(parse_taguchi(body, kNow, false)); }

/// The code with which a lone item, or the whole post, is refused.
std::string refusal_of(const Result<EventPost>& post) {
  if (!post) return post.error().code;
  return post->refused.empty() ? "" : post->refused.front().error.code;
}

std::string egoi_item(const std::string& members) {
  return R"({"events": [{"action": "email_open", )" + members + "}]}";
}

const Value* field(const ContactPatch& patch, Field wanted) {
  for (const auto& [name, value] : patch.fields)
    if (name == wanted) return &value;
  return nullptr;
}
const Value* custom(const ContactPatch& patch, std::string_view wanted) {
  for (const auto& [name, value] : patch.custom)
    if (name == wanted) return &value;
  return nullptr;
}

// ---- E-goi ----

TEST_CASE("the printed sample of S3 is read member by member", "[api][intake][egoi]") {
  const EventPost post = egoi(golden("egoi_events.json"));
  REQUIRE(post.events.size() == 2);
  CHECK_FALSE(post.lone);
  const EventInput& sent = post.events[0];
  CHECK(sent.source == "egoi");
  CHECK(sent.event.type == "sent");
  CHECK(sent.event.at == parse_instant("1990-01-01T00:00:00Z"));
  CHECK(to_json(sent.event.data) ==
        R"({"messageHash":"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","list_id":"1"})");
  REQUIRE(sent.who.id);
  CHECK(sent.who.id->text == "a1a1a1a1a1");
  CHECK(sent.who.email == "john_doe@email.com");
  CHECK(*field(sent.patch, Field::FirstName) == Value{"John"});
  CHECK(*field(sent.patch, Field::LastName) == Value{"Doe"});
  CHECK(*field(sent.patch, Field::Cellphone) == Value{"999-999999999"});
  CHECK(sent.patch.custom.empty());
  CHECK(post.events[1].event.type == "sms_send");
  CHECK(post.events[0].id != post.events[1].id);
  CHECK(post.places[0].id.empty());  // Made of the bytes: nothing that the sender would know.
}

TEST_CASE("every action of S3 and every code of S0 is a known event", "[api][intake]") {
  std::istringstream actions{
      "forget_subscription change_consent web_push_bounce web_push_click web_push_delivered "
      "web_push_open web_push_send web_push_subscription web_push_unsubscription email_send "
      "email_open email_click email_soft_bounce email_hard_bounce sms_send sms_delivered "
      "voice_send unsubscribe subscription edit_subscription resubscription facebook_like "
      "social_share double_optin email_spam_complaint email_field_disable "
      "cellphone_field_disable phone_field_disable push_send push_open push_click push_received "
      "push_error push_canceled new_order cart_update goal_conversion product_view"};
  int count = 0;
  for (std::string action; actions >> action; ++count) {
    CAPTURE(action);
    REQUIRE(find_event(action));
    const EventPost post =
        egoi(R"({"events": [{"action": ")" + action + R"(", "contact": {"base": ["a"]}}]})");
    CHECK(post.events.at(0).event.type == find_event(action)->name);
  }
  CHECK(count == 38);
  std::istringstream codes{"s b c o u x sb a up r t v p e wa ab of"};
  count = 0;
  for (std::string code; codes >> code; ++count) {
    CAPTURE(code);
    REQUIRE(find_event(code));
    const EventPost post = taguchi(R"({"type": ")" + code + R"(", "subscriber": {"id": 1}})");
    CHECK(post.events.at(0).event.type == find_event(code)->name);
  }
  CHECK(count == 17);
}

TEST_CASE("a moment is seconds, milliseconds or an instant", "[api][intake]") {
  const auto at = [](const std::string& date) {
    return egoi(egoi_item(R"("action_date": )" + date + R"(, "contact": {"base": [7]})"))
        .events.at(0)
        .event.at;
  };
  CHECK(at("1777625999") == kNow - 1s);
  CHECK(at("\"1777625999\"") == kNow - 1s);
  CHECK(at("1777625999.5") == kNow - 500ms);
  CHECK(at("1777625999000") == kNow - 1s);
  CHECK(at("\"2026-05-01 10:59:59+02:00\"") == kNow - 1s);
  CHECK(at("null") == kNow);
}

TEST_CASE("what stands beside the action's data is kept, and its own members win",
          "[api][intake][egoi]") {
  const EventInput input =
      egoi(egoi_item(R"("action_data": {"order": 5, "list_id": "own"}, "list_id": "1",
                        "webhook": "w", "contact": {"base": ["a"]})"))
          .events.at(0);
  CHECK(to_json(input.event.data) == R"({"order":5,"list_id":"own","webhook":"w"})");
  CHECK(egoi(egoi_item(R"("action_data": [], "contact": {"base": ["a"]})"))
            .events.at(0)
            .event.data.is_null());
}

TEST_CASE("fields that nobody knows become custom fields", "[api][intake][egoi]") {
  const EventInput input = egoi(egoi_item(R"("contact": {"base": [], "fields": [
             {"uid": 12, "email": "", "phone": 5550100, "zip": "01234", "extra_1": "x"},
             {"tags.all": ["a"], "updated_at": "2026", "postal_code": "9", "custom": {"p": 1}}]})"))
                               .events.at(0);
  CHECK(input.who.id->numeric);
  CHECK(field(input.patch, Field::Email)->is_null());
  CHECK(*field(input.patch, Field::Phone) == Value{"5550100"});
  CHECK(*field(input.patch, Field::PostalCode) == Value{"01234"});
  CHECK(*custom(input.patch, "extra_1") == Value{"x"});
  CHECK(custom(input.patch, "tags_all")->list());
  CHECK(*custom(input.patch, "updated_at") == Value{"2026"});
  CHECK(*custom(input.patch, "postal_code") == Value{"9"});  // The first name of a field has it.
  CHECK(*custom(input.patch, "p") == Value{1});
}

TEST_CASE("a foreign event that cannot be read is refused by name", "[api][intake]") {
  const std::pair<std::string, const char*> cases[] = {
      {"{", "bad_json"},
      {"[]", "no_events"},
      {R"({"events": []})", "no_events"},
      {R"({"events": {}})", "no_events"},
      {R"({"events": [7]})", "wrong_type"},
      {R"({"events": [{"contact": {"base": ["a"]}}]})", "no_type"},
      {R"({"events": [{"action": "Not one!", "contact": {"base": ["a"]}}]})", "bad_type"},
      {egoi_item(R"("list_id": "1")"), "no_contact"},
      {egoi_item(R"("contact": {"base": [], "fields": []})"), "no_contact"},
      {egoi_item(R"("contact": {"base": "a"})"), "wrong_type"},
      {egoi_item(R"("contact": {"base": ["a", "b"]})"), "many_contacts"},
      {egoi_item(R"("contact": {"base": ["a"], "fields": [{"uid": "b"}]})"), "id_mismatch"},
      {egoi_item(R"("contact": {"base": ["a"], "fields": ["b"]})"), "wrong_type"},
      {egoi_item(R"("contact": {"base": ["a"], "fields": [{"email": "x"}]})"), "bad_email"},
      {egoi_item(R"("contact": {"base": ["a"], "fields": [{"birth_date": "soon"}]})"),
       "wrong_type"},
      {egoi_item(R"("contact": {"base": ["a"]}, "action_date": "yesterday")"), "bad_instant"},
      {egoi_item(R"("contact": {"base": ["a"]}, "action_date": -1e30)"), "bad_instant"},
      {egoi_item(R"("contact": {"base": ["a"]}, "action_date": 1777626600)"), "at_in_future"},
      {egoi_item(R"("contact": {"base": ["a"]}, "action_data": [1])"), "wrong_type"},
  };
  for (const auto& [body, code] : cases) {
    CAPTURE(body);
    CHECK(refusal_of(parse_egoi(body, kNow, false)) == code);
  }
  const std::string big(kEventBytesMax, 'x');
  CHECK(refusal_of(parse_egoi(
            egoi_item(R"("contact": {"base": ["a"]}, "action_data": {"x": ")" + big + "\"}"), kNow,
            false)) == "event_too_large");
}

TEST_CASE("a resent item is a repeat, whatever its layout; another one is not", "[api][intake]") {
  const auto id = [](const std::string& body) { return egoi(body).events.at(0).id; };
  const std::string one = id(R"({"events": [{"action": "email_open", "list_id": "1",
      "contact": {"base": ["a"], "fields": [{"email": "a@example.org", "uid": "a"}]}}]})");
  CHECK(one.size() == 64);
  CHECK(id(R"({"events":[{"contact":{"fields":[{"uid":"a","email":"a@example.org"}],"base":["a"]},)"
           R"("list_id":"1","action":"email_open"}]})") == one);
  CHECK(id(R"({"events":[{"contact":{"fields":[{"uid":"a","email":"a@example.org"}],"base":["a"]},)"
           R"("list_id":"2","action":"email_open"}]})") != one);
}

TEST_CASE("the events that S3 prints go out as they came in", "[api][intake][egoi]") {
  RuntimeOptions options;
  options.dedupe_for = 24h * 365 * 50;  // They are of 1990.
  Stage stage{
      "scenario: feed\nreentry: parallel\nnodes:\n"
      "  happens: {kind: trigger, event: [email_send, sms_send], next: tell}\n"
      "  tell:\n"
      "    kind: send_webhook\n"
      "    url: https://crm.example.com/in\n"
      "    envelope: events\n"
      "    batch: {max: 2, linger: 1s}\n"
      "    next: end\n",
      nullptr, options};
  for (const EventAnswer& answer : stage.send(egoi(golden("egoi_events.json")).events))
    CHECK(answer.kind == EventAnswer::Kind::Accepted);
  REQUIRE(stage.sink().tasks.size() == 1);
  const auto printed = parse_json(golden("egoi_events.json"));
  REQUIRE(printed);
  CHECK(stage.sink().tasks[0].request->body == to_json(*printed));  // Blanks aside.
}

TEST_CASE("an old post goes in as history and feeds the statistics, otherwise each is too old",
          "[api][intake][egoi]") {
  const Front front;
  const std::string body = golden("egoi_events.json");
  const Told refused = front.post("/v1/intake/egoi", body);
  CHECK(refused.status == 202);
  CHECK(refused.at("rejected") == Value{2});
  CHECK(refused.at("errors.0.code") == Value{"too_old"});
  CHECK(refused.at("errors.1.index") == Value{1});

  Front::Ask history{
      .method = "POST", .path = "/v1/intake/egoi", .query = "mode=history", .body = body};
  CHECK(front.ask(history).at("accepted") == Value{2});
  CHECK(front.ask(history).at("duplicates") == Value{2});
  const Told contact = front.get("/v1/contacts/a1a1a1a1a1");
  CHECK(contact.at("first_name") == Value{"John"});
  CHECK(contact.at("statistics.mailings_received") == Value{1});
  CHECK(contact.at("statistics.first_received_at") == Value{"1990-01-01T00:00:00Z"});
  history.query = "mode=past";
  CHECK(front.ask(history).status == 400);
}

TEST_CASE("a signed post that comes twice is a repeat, an old one is refused where it is dated",
          "[api][intake][egoi]") {
  const Front front;
  const std::string secret = "a-secret-of-the-route";
  const Api api = front.another(IntakeSecrets{{"egoi", secret}});
  using Headers = std::vector<std::pair<std::string_view, std::string_view>>;
  const auto post = [&](const std::string& body, const Headers& headers) {
    ApiRequest request;
    request.method = "POST";
    request.path = "/v1/intake/egoi";
    request.headers = headers;
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body;
    std::promise<ApiReply> promise;
    api.handle(
        request, Responder{[&](Completion completion) {
          promise.set_value(completion.make ? completion.make() : std::move(completion.reply));
        }});
    const ApiReply reply = promise.get_future().get();
    const auto json = parse_json(reply.body);
    REQUIRE(json);
    const auto member = [&](const char* name) { return to_text(*json->find(name)); };
    return std::to_string(reply.status) + " " +
           (reply.status == 202 ? member("accepted") + " " + member("duplicates") : member("code"));
  };
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(system_clock().now().time_since_epoch())
          .count();
  const auto item = [&](const std::string& who) {
    return R"({"events": [{"action": "email_open", "action_date": )" + std::to_string(seconds) +
           R"(, "contact": {"base": [")" + who + R"("]}}]})";
  };
  const auto signed_at = [&](const std::string& body, std::int64_t at) {
    const std::string time = std::to_string(at);
    const std::string signature = sign_webhook(secret, "msg_1", at, body);
    return post(
        body,
        {{"webhook-id", "msg_1"}, {"webhook-timestamp", time}, {"webhook-signature", signature}});
  };
  CHECK(signed_at(item("c1"), seconds) == "202 1 0");
  CHECK(signed_at(item("c1"), seconds) == "202 0 1");
  CHECK(signed_at(item("c2"), seconds - 600) == "401 stale_signature");
  CHECK(front.get("/v1/contacts/c2").status == 404);

  // A hub's signature tells no time: what is known of a repeat is its event.
  const std::string hub = "sha256=" + hex_encode(hmac_sha256(secret, item("c3")));
  CHECK(post(item("c3"), {{"X-Hub-Signature-256", hub}}) == "202 1 0");
  CHECK(post(item("c3"), {{"X-Hub-Signature-256", hub}}) == "202 0 1");
}

/// Posts to a server whose adapters all have one secret.
class SignedPost {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  enum class Signature { Hub, StandardWebhooks };

  std::string post(const std::string& adapter, const std::string& body, const Headers& headers,
                   const std::string& query = {}) const {
    ApiRequest request;
    const std::string path = "/v1/intake/" + adapter;
    request.method = "POST";
    request.path = path;
    request.query = query;
    for (const auto& [name, value] : headers) request.headers.emplace_back(name, value);
    request.body = body;
    std::promise<ApiReply> promise;
    api_.handle(
        request, Responder{[&](Completion completion) {
          promise.set_value(completion.make ? completion.make() : std::move(completion.reply));
        }});
    const ApiReply reply = promise.get_future().get();
    const auto json = parse_json(reply.body);
    REQUIRE(json);
    if (reply.status != 202) return to_text(*json->find("code"));
    return to_text(*json->find("accepted")) + " " + to_text(*json->find("duplicates")) + " " +
           to_text(*json->find("rejected"));
  }
  static Headers sign(Signature by, const std::string& body) {
    if (by == Signature::Hub)
      return {{"X-Hub-Signature-256", "sha256=" + hex_encode(hmac_sha256(kSecret, body))}};
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(system_clock().now().time_since_epoch())
            .count();
    return {{"webhook-id", "msg_1"},
            {"webhook-timestamp", std::to_string(seconds)},
            {"webhook-signature", sign_webhook(kSecret, "msg_1", seconds, body)}};
  }
  bool knows(const std::string& contact) const {
    return front_.get("/v1/contacts/" + contact).status == 200;
  }

  static constexpr const char* kSecret = "a-secret-of-all-routes";

 private:
  Front front_;
  Api api_ = front_.another(
      IntakeSecrets{{"egoi", kSecret}, {"taguchi", kSecret}, {"cloudevents", kSecret}});
};

TEST_CASE("a signature lets nothing pass that it does not cover", "[api][intake]") {
  using Signature = SignedPost::Signature;
  const SignedPost server;
  struct Row {
    std::string adapter, type, body;
  };
  const Row rows[] = {
      {"egoi", "application/json",
       R"({"events": [{"action": "email_open", "contact": {"base": ["c1"]}}]})"},
      {"taguchi", "application/json", R"({"type": "o", "subscriber": {"id": "c1"}})"},
      {"cloudevents", "application/cloudevents+json",
       R"({"specversion": "1.0", "id": "1", "source": "/s", "type": "opened", "subject": "c1"})"},
      {"cloudevents", "application/cloudevents-batch+json",
       R"([{"specversion": "1.0", "id": "2", "source": "/s", "type": "opened", "subject": "c1"}])"},
  };
  const SignedPost::Headers attributes = {
      {"ce-specversion", "1.0"},   {"ce-id", "forged"},      {"ce-source", "/forged"},
      {"ce-type", "unsubscribed"}, {"ce-subject", "victim"}, {"ce-time", "2020-01-01T00:00:00Z"},
      {"ce-extra", "forged"}};
  const char* const types[] = {"",
                               "application/json",
                               "application/cloudevents+json",
                               "application/cloudevents-batch+json",
                               "application/cloudevents",
                               "text/csv",
                               "application/x-ndjson"};
  for (const Signature by : {Signature::Hub, Signature::StandardWebhooks})
    for (const Row& row : rows) {
      CAPTURE(row.adapter, row.type, static_cast<int>(by));
      const auto with = [&](const SignedPost::Headers& more, const std::string& query = {}) {
        SignedPost::Headers headers = SignedPost::sign(by, row.body);
        headers.insert(headers.end(), more.begin(), more.end());
        return server.post(row.adapter, row.body, headers, query);
      };
      const std::string first = with({{"Content-Type", row.type}});
      CHECK((first == "1 0 0" || first == "0 1 0"));
      const std::string again = with({{"Content-Type", row.type}});
      CHECK(again == "0 1 0");
      // Every query, known or not.
      for (const char* query : {"mode=history", "mode=x", "map={}", "x=1", "%zz", "&"}) {
        CAPTURE(query);
        CHECK(with({{"Content-Type", row.type}}, query) == "unsigned_attributes");
      }
      // Every header that an adapter reads, one by one and all together: the same repeat as
      // before, or a refusal; never another event.
      for (const char* type : types) {
        CAPTURE(type);
        const std::string plain = with({{"Content-Type", type}});
        CHECK((plain == again || plain.find(' ') == std::string::npos));
        SignedPost::Headers all = attributes;
        all.emplace_back("Content-Type", type);
        const std::string forged = with(all);
        CHECK((forged == again || forged.find(' ') == std::string::npos));
        for (const auto& attribute : attributes) {
          CAPTURE(attribute.first);
          const std::string one = with({{"Content-Type", type}, attribute});
          CHECK((one == again || one.find(' ') == std::string::npos));
        }
      }
      CHECK_FALSE(server.knows("victim"));
    }
}

TEST_CASE("the binary form of a CloudEvent needs a credential, not a signature",
          "[api][intake][cloudevents]") {
  const SignedPost server;
  const std::string body = R"({"total": 30})";
  const auto post = [&](const std::string& id, SignedPost::Headers headers) {
    for (const auto& [name, value] :
         {std::pair{"ce-specversion", "1.0"}, std::pair{"ce-source", "/shop"},
          std::pair{"ce-type", "order_placed"}, std::pair{"ce-subject", "c1"},
          std::pair{"Content-Type", "application/json"}})
      headers.emplace_back(name, value);
    headers.emplace_back("ce-id", id);
    return server.post("cloudevents", body, headers);
  };
  for (const auto by : {SignedPost::Signature::Hub, SignedPost::Signature::StandardWebhooks}) {
    const auto signature = SignedPost::sign(by, body);
    CHECK(post("1", signature) == "unsigned_attributes");
    // A credential beside it makes the whole request its sender's.
    auto token = signature;
    token.emplace_back("Authorization", "Bearer ingest");
    CHECK(post("token" + std::to_string(static_cast<int>(by)), token) == "1 0 0");
    auto secret = signature;
    secret.emplace_back("X-Onward-Secret", SignedPost::kSecret);
    CHECK(post("secret" + std::to_string(static_cast<int>(by)), secret) == "1 0 0");
    auto wrong = signature;
    wrong.emplace_back("X-Onward-Secret", "another-secret-of-a-route");
    CHECK(post("1", wrong) == "unsigned_attributes");
    wrong = signature;
    wrong.emplace_back("Authorization", "Bearer nobody");
    CHECK(post("1", wrong) == "unsigned_attributes");
  }
  CHECK(post("2", {{"X-Onward-Secret", SignedPost::kSecret}}) == "1 0 0");
  CHECK(post("3", {{"Authorization", "Bearer ingest"}}) == "1 0 0");
}

// ---- what is bounded ----

/// One event in the form of each adapter, with `members` in one of its objects.
struct Place {
  const char* name;
  std::function<Result<EventPost>(const std::string& members)> parse;
};
std::vector<Place> places() {
  const auto cloudevent = [](const std::string& members) {
    ApiRequest request;
    request.headers = {{"Content-Type", "application/cloudevents+json"}};
    request.body =
        R"({"specversion": "1.0", "id": "1", "source": "/s", "type": "opened", )" + members + "}";
    return parse_cloudevents(request, kNow, false);
  };
  return {
      {"events data",
       [](const std::string& m) {
         return parse_events(R"({"type": "opened", "contact": {"id": 1}, "data": {)" + m + "}}",
                             EventForm::Json, kNow, false);
       }},
      {"events lines contact",
       [](const std::string& m) {
         return parse_events(R"({"type": "opened", "contact": {"id": 1, "custom": {)" + m + "}}}",
                             EventForm::Lines, kNow, false);
       }},
      {"egoi item",
       [](const std::string& m) {
         return parse_egoi(
             R"({"events": [{"action": "email_open", "contact": {"base": [1]}, )" + m + "}]}", kNow,
             false);
       }},
      {"egoi action_data",
       [](const std::string& m) {
         return parse_egoi(
             R"({"events": [{"action": "email_open", "contact": {"base": [1]}, "action_data": {)" +
                 m + "}}]}",
             kNow, false);
       }},
      {"egoi contact",
       [](const std::string& m) {
         return parse_egoi(
             R"({"events": [{"action": "email_open", "contact": {"base": [1], "fields": [{)" + m +
                 "}]}}]}",
             kNow, false);
       }},
      {"taguchi item",
       [](const std::string& m) {
         return parse_taguchi(R"({"type": "o", "subscriber": {"id": 1}, )" + m + "}", kNow, false);
       }},
      {"taguchi event",
       [](const std::string& m) {
         return parse_taguchi(R"({"type": "o", "subscriber": {"id": 1}, "event": {)" + m + "}}",
                              kNow, false);
       }},
      {"taguchi subscriber",
       [](const std::string& m) {
         return parse_taguchi(R"({"type": "o", "subscriber": {"id": 1, )" + m + "}}", kNow, false);
       }},
      {"cloudevents extensions",
       [=](const std::string& m) { return cloudevent(R"("subject": "c1", )" + m); }},
      {"cloudevents data",
       [=](const std::string& m) { return cloudevent(R"("subject": "c1", "data": {)" + m + "}"); }},
      {"cloudevents contact",
       [=](const std::string& m) {
         return cloudevent(R"("data": {"contact": {"id": 1, "custom": {)" + m + "}}}");
       }},
      {"cloudevents base64",
       [=](const std::string& m) {
         return cloudevent(R"("subject": "c1", "data_base64": ")" + base64_encode("{" + m + "}") +
                           "\"");
       }},
  };
}

TEST_CASE("an event has one limit of bytes, wherever they stand", "[api][intake]") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    const auto with = [&](std::size_t bytes) {
      // In several texts: a custom field has a limit of its own.
      std::string members;
      for (int i = 0; bytes > 0; ++i) {
        const std::size_t size = std::min<std::size_t>(bytes, 60'000);
        members += (i == 0 ? "\"m" : ", \"m") + std::to_string(i) + "\": \"" +
                   std::string(size, 'x') + "\"";
        bytes -= size;
      }
      return refusal_of(place.parse(members));
    };
    CHECK(with(250'000).empty());
    CHECK(with(kEventBytesMax) == "event_too_large");
    CHECK(with(3'000'000) == "event_too_large");
  }
}

TEST_CASE("an object of an event has at most 10,000 members", "[api][intake]") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    const auto with = [&](std::size_t count) {
      std::string members;
      for (std::size_t i = 0; i < count; ++i)
        members += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + "\":1";
      return place.parse(members);
    };
    const auto refused = with(kMembersMax + 1);
    REQUIRE(refused);
    REQUIRE(refused->refused.size() == 1);
    const Error& error = refused->refused.front().error;
    CHECK(error.code == "bad_json");
    CHECK_THAT(error.message,
               Catch::Matchers::StartsWith("An object may have at most 10000 members (got 1000"));
  }
}

TEST_CASE("the first of two members of one name stays, however many there are", "[api][intake]") {
  for (const int count : {3, 30, 3'000}) {
    UniqueMembers members{ValueMap{{"m0", "given"}}};
    for (int i = 0; i < count; ++i) members.add("m" + std::to_string(i), i);
    for (int i = 0; i < count; ++i) CHECK_FALSE(members.add("m" + std::to_string(i), "again"));
    const ValueMap taken = members.take();
    REQUIRE(taken.size() == static_cast<std::size_t>(count));
    CHECK(taken.front() == std::pair<std::string, Value>{"m0", "given"});
    CHECK(taken.back() ==
          std::pair<std::string, Value>{"m" + std::to_string(count - 1), count - 1});
  }
}

TEST_CASE("the size of JSON is told without writing it", "[api][intake]") {
  for (const char* json : {"null", "true", "0", "-1.5", "1e300", R"("")", R"("a\"b\\\n\u0001é")",
                           "[]", "[1,[],{}]", "{}", R"({"a":1,"b\t":[null,"x"]})"}) {
    CAPTURE(json);
    const Value value = *parse_json(json);
    CHECK(json_size(value) == to_json(value).size());
  }
}

// ---- Taguchi ----

TEST_CASE("an unsubscribe of S0 comes out as its printed mapping says", "[api][intake][taguchi]") {
  std::string mapping = golden("taguchi_mapping.json");
  for (std::size_t at = 0; (at = mapping.find('\n', at)) != std::string::npos; at += 9)
    mapping.insert(at + 1, "        ");  // JSON is YAML where it stands deep enough.
  Stage stage{
      "scenario: leavers\nnodes:\n"
      "  left: {kind: trigger, event: u, next: tell}\n"
      "  tell:\n"
      "    kind: send_webhook\n"
      "    url: https://crm.example.com/in\n"
      "    payload:\n        " +
      mapping + "\n    next: end\n"};
  auto post = parse_taguchi(golden("taguchi_unsubscribe.json"), stage.clock().now(), false);
  REQUIRE(post);
  REQUIRE(post->events.size() == 1);
  CHECK(post->lone);
  const EventInput input = post->events.front();
  CHECK(input.event.type == "unsubscribe");
  CHECK(input.event.at == parse_instant("2026-05-01T08:58:30Z"));
  CHECK(stage.send(input).kind == EventAnswer::Kind::Accepted);
  CHECK(stage.send(input).kind == EventAnswer::Kind::Duplicate);
  const auto deliveries = stage.deliveries();
  REQUIRE(deliveries.size() == 1);
  CHECK(stage.request_of(deliveries[0].key)->body == golden("taguchi_body.json"));
}

TEST_CASE("a reference alone is the id, and an id alone is the reference",
          "[api][intake][taguchi]") {
  const auto who = [](const std::string& subscriber) {
    return taguchi(R"({"type": "o", "subscriber": )" + subscriber + "}").events.at(0);
  };
  CHECK(who(R"({"ref": "CRM-1"})").who.id->text == "CRM-1");
  CHECK(custom(who(R"({"ref": "CRM-1"})").patch, "ref") == nullptr);
  CHECK(who(R"({"id": "", "ref": "CRM-1"})").who.id->text == "CRM-1");
  CHECK(*custom(who(R"({"id": 1, "ref": "CRM-1"})").patch, "ref") == Value{"CRM-1"});
  CHECK(custom(who(R"({"id": 1, "ref": ""})").patch, "ref")->is_null());
  CHECK_FALSE(who(R"({"email": "a@example.org"})").who.id);
}

TEST_CASE("an event is one object, a list or a list of events, its type a code or a name",
          "[api][intake][taguchi]") {
  const std::string one = R"({"type": "Unsubscribed", "subscriber": {"id": 1}, "listId": "9"})";
  const std::string two = R"({"event": {"type": "o", "campaignId": 4}, "subscriber": {"id": 1}})";
  CHECK(taguchi(one).lone);
  CHECK(taguchi(one).events.at(0).event.type == "unsubscribe");
  CHECK(to_json(taguchi(one).events.at(0).event.data) == R"({"listId":"9"})");
  CHECK(to_json(taguchi(two).events.at(0).event.data) == R"({"campaignId":4})");
  for (const std::string& body :
       {"[" + one + "," + two + "]", R"({"events": [)" + one + "," + two + "]}"}) {
    const EventPost post = taguchi(body);
    CHECK_FALSE(post.lone);
    REQUIRE(post.events.size() == 2);
    CHECK(post.events[1].event.type == "opened");
  }
  const auto deep = [](std::size_t depth) {
    return R"({"type": "u", "subscriber": {"id": 1}, "x": )" + std::string(depth - 1, '[') +
           std::string(depth - 1, ']') + "}";
  };
  for (const auto& [before, behind] :
       {std::pair{"", ""}, std::pair{"[", "]"}, std::pair{R"({"events": [)", "]}"}})
    CHECK(taguchi(before + deep(32) + behind).events.size() == 1);
  CHECK_FALSE(parse_taguchi(deep(33), kNow, false));
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "no_events"},
      {R"({"events": 7})", "wrong_type"},
      {R"({"subscriber": {"id": 1}})", "no_type"},
      {R"({"type": 5, "subscriber": {"id": 1}})", "wrong_type"},
      {R"({"type": "u"})", "no_contact"},
      {R"({"type": "u", "subscriber": {"firstname": "Jane"}})", "no_contact"},
      {R"({"type": "u", "subscriber": []})", "wrong_type"},
      {R"({"type": "u", "subscriber": {"id": 1}, "event": []})", "wrong_type"},
      {R"({"type": "u", "subscriber": {"id": 1}, "event": {"loggedTimestamp": "2026-05-01"}})",
       "bad_instant"},
  };
  for (const auto& [body, code] : cases) {
    CAPTURE(body);
    CHECK(refusal_of(parse_taguchi(body, kNow, false)) == code);
  }
}

TEST_CASE("a campaign is a mailing of the contact's statistics", "[api][intake][taguchi]") {
  const Front front;
  CHECK(front
            .post("/v1/intake/taguchi",
                  R"({"type": "o", "subscriber": {"id": 1}, "event": {"campaignId": 4711}})")
            .status == 202);
  CHECK(front.get("/v1/contacts/1").at("statistics.mailings_opened") == Value{1});
  CHECK(front.post("/v1/intake/taguchi", R"({"type": "o"})").at("code") == Value{"no_contact"});
}

// ---- CloudEvents ----

constexpr const char* kStructured = "application/cloudevents+json";

EventPost cloud(const std::string& body, const std::string& type = kStructured) {
  ApiRequest request;
  request.headers = {{"Content-Type", type}};
  request.body = body;
  return post_of(parse_cloudevents(request, kNow, false));
}

std::string cloud_refusal(const std::string& body, const std::string& type = kStructured) {
  ApiRequest request;
  request.headers = {{"Content-Type", type}};
  request.body = body;
  return refusal_of(parse_cloudevents(request, kNow, false));
}

/// A structured event with these members beside the required ones.
std::string event_with(const std::string& members) {
  return R"({"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.subscription")" +
         (members.empty() ? "" : ", " + members) + "}";
}

TEST_CASE("a structured CloudEvent is read", "[api][intake][cloudevents]") {
  const EventPost post = cloud(event_with(
      R"("time": "2026-05-01T08:59:00Z", "subject": "c1", "traceparent": "t", "datacontenttype":
         "application/json", "data": {"form": "newsletter"})"));
  CHECK(post.lone);
  const EventInput& input = post.events.at(0);
  CHECK(input.id == "1");
  CHECK(input.source == "/shop");
  CHECK(input.event.type == "subscription");
  CHECK(input.event.at == kNow - 1min);
  CHECK(input.who.id->text == "c1");
  CHECK(to_json(input.event.data) ==
        R"({"form":"newsletter","cloudevent":{"type":"com.example.subscription","subject":"c1",)"
        R"("traceparent":"t"}})");
}

TEST_CASE("a CloudEvent names its contact by subject, address or data.contact",
          "[api][intake][cloudevents]") {
  CHECK(cloud(event_with(R"("subject": "Jane@Example.org")")).events[0].who.email ==
        "jane@example.org");
  const EventInput input =
      cloud(event_with(
                R"("subject": "x", "data": {"contact": {"id": 7, "first_name": "Jane"}, "a": 1})"))
          .events[0];
  CHECK(input.who.id->text == "7");
  CHECK(*field(input.patch, Field::FirstName) == Value{"Jane"});
  CHECK_FALSE(input.event.data.find("contact"));
  CHECK(*input.event.data.find("a") == Value{1});
}

TEST_CASE("the type of a CloudEvent is its name without domain and version",
          "[api][intake][cloudevents]") {
  const std::pair<const char*, const char*> cases[] = {
      {"subscription", "subscription"},
      {"email_open", "opened"},
      {"order_paid", "order_paid"},
      {"com.example.subscription", "subscription"},
      {"com.example.order.placed", "new_order"},
      {"com.example.order.placed.v2", "new_order"},
      {"com.example.OrderPlaced", "new_order"},
      {"com.example.order-placed", "new_order"},
      {"com.github.issue.opened", "issue_opened"},
      {"com.example.email.opened", "opened"},
      {"uk.co.example.subscription", "subscription"},
      {"io.example.shop.invoice.paid", "shop_invoice_paid"},
      {"order.placed", "new_order"},
      {"OrderPlaced", "new_order"},
  };
  for (const auto& [type, name] : cases) {
    CAPTURE(type);
    CHECK(type_of_cloudevent(type).value_or("refused") == name);
  }
  for (const char* wrong : {"com.example.", "com.example.5", "é", "com.example.a b", "..."}) {
    CAPTURE(wrong);
    CHECK(type_of_cloudevent(wrong).error().code == "bad_type");
  }
}

TEST_CASE("faults of a CloudEvent are called by their names", "[api][intake][cloudevents]") {
  const auto without = [](const std::string& attribute) {
    auto event = *parse_json(event_with(R"("subject": "c1")"));
    ValueMap members = *event.map();
    std::erase_if(members, [&](const auto& member) { return member.first == attribute; });
    return to_json(Value{members});
  };
  for (const char* attribute : {"specversion", "id", "source", "type"}) {
    CAPTURE(attribute);
    CHECK(cloud_refusal(without(attribute)) == "missing_attribute");
  }
  CHECK(cloud_refusal(without("subject")) == "no_contact");
  CHECK(cloud_refusal(R"({"specversion": "0.3"})") == "unsupported_specversion");
  const std::pair<const char*, const char*> cases[] = {
      {R"("subject": "")", "bad_attribute"},
      {R"("subject": 7)", "bad_attribute"},
      {R"("subject": "c1", "time": "yesterday")", "bad_attribute"},
      {R"("subject": "c1", "time": "2026-05-01T09:10:00Z")", "at_in_future"},
      {R"("subject": "c1", "Upper": "x")", "bad_attribute"},
      {R"("subject": "c1", "ext": {})", "bad_attribute"},
      {R"("subject": "c1", "data": "text")", "wrong_type"},
      {R"("subject": "c1", "data": {}, "data_base64": "e30=")", "bad_data"},
      {R"("subject": "c1", "data_base64": "e30")", "bad_data"},
      {R"("subject": "c1", "data_base64": "e30=", "datacontenttype": "image/png")", "bad_data"},
      {R"("data": {"contact": {"frist_name": "x"}})", "unknown_field"},
      {R"("data": {"contact": {"first_name": "x"}})", "no_contact"},
      {R"("data": {"contact": 7})", "wrong_type"},
  };
  for (const auto& [members, code] : cases) {
    CAPTURE(members);
    CHECK(cloud_refusal(event_with(members)) == code);
  }
  CHECK(cloud_refusal("[]") == "wrong_type");
  CHECK(cloud_refusal("{", kStructured) == "bad_json");
  CHECK(cloud_refusal("{}", "application/cloudevents+xml") == "unsupported_media_type");
  CHECK(cloud_refusal("{}", "application/json") == "unsupported_media_type");
  CHECK(cloud_refusal("{}", "application/cloudevents-batch+json") == "wrong_type");
}

TEST_CASE("data in Base64 is JSON all the same", "[api][intake][cloudevents]") {
  const EventPost post = cloud(event_with(R"("subject": "c1", "data_base64": "eyJhIjoxfQ==")"));
  CHECK(*post.events.at(0).event.data.find("a") == Value{1});
}

TEST_CASE("CloudEvents of a batch succeed or fail alone", "[api][intake][cloudevents]") {
  ApiRequest request;
  request.headers = {{"Content-Type", "application/cloudevents-batch+json; charset=utf-8"}};
  request.body = "[" + event_with(R"("subject": "c1")") + "," + event_with("") + "]";
  const auto post = parse_cloudevents(request, kNow, true);
  REQUIRE(post);
  CHECK_FALSE(post->lone);
  REQUIRE(post->events.size() == 1);
  CHECK(post->events[0].history);
  REQUIRE(post->refused.size() == 1);
  CHECK(post->refused[0].place.index == 1);
  CHECK(post->refused[0].place.id == "1");
}

TEST_CASE("a binary CloudEvent has its attributes in headers, percent-decoded",
          "[api][intake][cloudevents]") {
  ApiRequest request;
  request.headers = {{"Content-Type", "application/json; charset=utf-8"},
                     {"ce-specversion", "1.0"},
                     {"CE-Id", "a%20b%25"},
                     {"ce-source", "\"/sh\\\"op\""},
                     {"ce-type", "com.example.order.placed"},
                     {"ce-subject", "J%C3%BCrgen"},
                     {"ce-traceparent", "%2500"}};
  request.body = R"({"total": 25})";
  const EventPost post = post_of(parse_cloudevents(request, kNow, false));
  const EventInput& input = post.events.at(0);
  CHECK(post.lone);
  CHECK(input.id == "a b%");
  CHECK(input.source == "/sh\"op");
  CHECK(input.event.type == "new_order");
  CHECK(input.who.id->text == "Jürgen");
  CHECK(*input.event.data.find("total") == Value{25});
  CHECK(*input.event.data.find_path("cloudevent.traceparent") == Value{"%00"});  // One round.

  const auto refused = [&](std::pair<std::string_view, std::string_view> header, std::string body) {
    ApiRequest wrong = request;
    wrong.headers.push_back(header);
    wrong.body = std::move(body);
    return refusal_of(parse_cloudevents(wrong, kNow, false));
  };
  CHECK(refused({"ce-x", "1"}, "").empty());
  CHECK(refused({"ce-x", "100%"}, "{}") == "bad_attribute");
  CHECK(refused({"ce-x", "%ff"}, "{}") == "bad_attribute");
  CHECK(refused({"ce-id", "2"}, "{}") == "bad_attribute");
  CHECK(refused({"ce-datacontenttype", "text/plain"}, "{}") == "bad_attribute");
  CHECK(refused({"ce-x", "1"}, "{") == "bad_json");
  request.headers[0].second = "text/plain";
  CHECK(refused({"ce-x", "1"}, "hello") == "bad_data");
}

TEST_CASE("a CloudEvent takes effect once per source and id", "[api][intake][cloudevents]") {
  const Front front;
  Front::Ask ask{.method = "POST", .path = "/v1/intake/cloudevents"};
  ask.content_type = kStructured;
  ask.body = event_with(R"("subject": "c1", "traceparent": "a")");
  CHECK(front.ask(ask).at("accepted") == Value{1});
  ask.body = event_with(R"("subject": "c1", "traceparent": "b")");
  CHECK(front.ask(ask).at("duplicates") == Value{1});
  ask.body = event_with(R"("subject": "c2")");
  CHECK(front.ask(ask).status == 409);
  ask.content_type = "text/xml";
  CHECK(front.ask(ask).status == 415);
  ask.content_type = "application/cloudevents-batch+json";
  ask.body = "[]";
  CHECK(front.ask(ask).at("accepted") == Value{0});
}
}  // namespace
}  // namespace onward
