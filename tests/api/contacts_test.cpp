// /v1/contacts as tables: import and list, through the whole front.
#include <catch2/catch.hpp>

#include "engine/api/contact_import.h"
#include "engine/api/event_parts.h"
#include "tests/api/front.h"

namespace onward {
namespace {
TEST_CASE("what a post of contacts may cost is bounded by its parts together", "[api][contacts]") {
  // Contacts times the groups that all of them join.
  ImportForm form;
  form.csv = false;
  for (int i = 0; i < 1'000; ++i) form.groups.push_back("g" + std::to_string(i));
  const auto lines = [](std::size_t count) {
    std::string body;
    for (std::size_t i = 0; i < count; ++i) body += "{\"id\":" + std::to_string(i) + "}\n";
    return body;
  };
  const auto fits = parse_import(lines(kImportJoinsMax / 1'000), form, {});
  REQUIRE(fits);
  CHECK(fits->contacts.size() == kImportJoinsMax / 1'000);
  const auto over = parse_import(lines(kImportJoinsMax / 1'000 + 1), form, {});
  REQUIRE_FALSE(over);
  CHECK(over.error().code == "too_many_contacts");
  form.csv = true;
  std::string table = "id\n";
  for (std::size_t i = 0; i <= kImportJoinsMax / 1'000; ++i) table += std::to_string(i) + "\n";
  CHECK(parse_import(table, form, {}).error().code == "too_many_contacts");
  form.groups.resize(1);
  CHECK(parse_import(table, form, {}));

  // Members of one object.
  form.csv = false;
  std::string wide = "{\"id\":1";
  for (std::size_t i = 0; i < kMembersMax; ++i) wide += ",\"m" + std::to_string(i) + "\":1";
  const auto post = parse_import(wide + "}\n{\"id\":2}", form, {});
  REQUIRE(post);
  REQUIRE(post->refused.size() == 1);
  CHECK(post->refused.front().error.code == "bad_json");
  CHECK(post->contacts.size() == 1);
  const Front front;
  CHECK(front.put("/v1/contacts/c1", wide + "}").status == 400);
}

TEST_CASE("a contact that would be too large is refused on every route", "[api][contacts]") {
  const Front front;
  const std::string part(60'000, 'x');
  const auto body = [&](int field) {
    return R"({"custom": {"f)" + std::to_string(field) + R"(": ")" + part + R"("}})";
  };
  for (int i = 0; i < 4; ++i) CHECK(front.put("/v1/contacts/c1", body(i)).status / 100 == 2);
  for (const char* method : {"PUT", "PATCH"}) {
    const Told told = front.ask({.method = method, .path = "/v1/contacts/c1", .body = body(4)});
    CHECK(told.status == 400);
    CHECK(told.at("code") == Value{"contact_full"});
  }
  const std::string contact = R"({"id": "c1", "custom": {"f4": ")" + part + R"("}})";
  const Told lone = front.post("/v1/events", R"({"type": "order", "contact": )" + contact + "}");
  CHECK(lone.status == 400);
  CHECK(lone.at("code") == Value{"contact_full"});
  const Told list =
      front.post("/v1/events", R"([{"type": "order", "contact": )" + contact +
                                   R"(}, {"type": "order", "contact": {"id": "c1"}}])");
  CHECK(list.status == 202);
  CHECK(list.at("accepted") == Value{1});
  CHECK(list.at("errors.0.code") == Value{"contact_full"});
  const Told rows =
      front.ask({.method = "POST",
                 .path = "/v1/contacts/import",
                 .body = contact + "\n" + R"({"id": "c2", "first_name": "Bob"})" + "\n",
                 .content_type = "application/x-ndjson"});
  CHECK(rows.status == 200);
  CHECK(rows.at("created") == Value{1});
  CHECK(rows.at("refused") == Value{1});
  CHECK(rows.at("errors.0.code") == Value{"contact_full"});
  CHECK(rows.at("errors.0.line") == Value{1});
  const Told adapted = front.post("/v1/intake/taguchi",
                                  R"([{"event": {"type": "u"}, "subscriber": )" + contact + "}]");
  CHECK(adapted.body.find("contact_full") != std::string::npos);
  CHECK(front.get("/metrics").body.find("onward_contacts_full_total 6\n") != std::string::npos);
  CHECK(front.get("/v1/contacts/c1").at("custom.f4") == Value{});
}

TEST_CASE("a row with an undeclared field is refused by its column", "[api][contacts]") {
  const CustomFields declared{{{.name = "plan"}, {.name = "seats", .type = FieldType::Number}}};
  ImportForm form;
  form.map = {{"Plan", "custom.plam"}, {"Seats", "custom.seats:text"}};
  const auto post = parse_import("id,Plan,Seats\n1,free,\n2,,many\n3,,\n", form, declared);
  REQUIRE(post);
  CHECK(post->contacts.size() == 1);
  REQUIRE(post->refused.size() == 2);
  CHECK(post->refused[0].column == "Plan");
  CHECK(post->refused[0].error.code == "undeclared_field");
  CHECK(post->refused[0].error.message.find("custom.plan") != std::string::npos);
  CHECK(post->refused[1].column == "Seats");
  CHECK(post->refused[1].error.code == "wrong_type");
}

constexpr std::string_view kScenario = R"(
scenario: vip
nodes:
  joined: {kind: trigger, event: group_joined, where: {event.group: vip}, next: tell}
  tell: {kind: send_webhook, url: "https://crm.example.com/in", next: end}
)";

Told import_csv(const Front& front, const std::string& body, const std::string& query = {}) {
  return front.ask({.method = "POST",
                    .path = "/v1/contacts/import",
                    .query = query,
                    .body = body,
                    .content_type = "text/csv; charset=utf-8",
                    .token = "ingest"});
}
Told import_lines(const Front& front, const std::string& body, const std::string& query = {}) {
  return front.ask({.method = "POST",
                    .path = "/v1/contacts/import",
                    .query = query,
                    .body = body,
                    .content_type = "application/x-ndjson"});
}
std::string counts(const Told& told) {
  return to_json(told.at("created")) + " " + to_json(told.at("updated")) + " " +
         to_json(told.at("unchanged")) + " " + to_json(told.at("refused"));
}
void apply(const Front& front) {
  REQUIRE(front
              .ask({.method = "PUT",
                    .path = "/v1/scenarios/vip",
                    .body = std::string{kScenario},
                    .content_type = "application/yaml"})
              .status == 201);
  REQUIRE(front.post("/v1/scenarios/vip/activate").status == 200);
}
}  // namespace

TEST_CASE("a table makes contacts, and importing it again changes nothing", "[api]") {
  Front front;
  const std::string csv =
      "id;E-mail;First name;groups;custom.seats:number\r\n"
      "c1;Jane@Example.org;Jane;vip|lead;3\r\n"
      "c2;bob@example.org;;;\r\n";
  const std::string map = "map=%7B%22E-mail%22%3A%22email%22%7D";
  const Told first = import_csv(front, csv, map);
  INFO(first.body);
  CHECK(first.status == 200);
  CHECK(counts(first) == "2 0 0 0");
  CHECK(counts(import_csv(front, csv, map)) == "0 0 2 0");
  const Told jane = front.get("/v1/contacts/c1");
  CHECK(jane.at("email") == Value{"jane@example.org"});
  CHECK(jane.at("custom.seats") == Value{3});
  CHECK(to_json(jane.at("groups")) == R"(["lead","vip"])");
  for (const char* wildcard : {"/%25", "/_", "/c_", "/c%25", "/*"}) {
    CAPTURE(wildcard);
    CHECK(front.get(std::string{"/v1/contacts"} + wildcard).status == 404);
  }
  CHECK(counts(import_csv(front, "id,first_name\nc1,Janet\nc2,\n")) == "0 1 1 0");
  CHECK(counts(import_csv(front, "id,first_name\nc1,\n", "empty=clears&groups=new")) == "0 1 0 0");
  CHECK(front.get("/v1/contacts/c1").json.find("first_name") == nullptr);
  CHECK(to_json(front.get("/v1/contacts/c1").at("groups")) == R"(["lead","new","vip"])");
}

TEST_CASE("rows that cannot be taken are refused by line and column, the others are taken",
          "[api]") {
  Front front;
  const Told told = import_csv(front,
                               "id,email,birth_date,note\n"
                               "c1,a@example.org,1990-05-01,\"two\nlines\"\n"
                               "c2,no address,,\n"
                               "c3,c@example.org,May 1990,\n"
                               ",,,\n"
                               ",,1990-05-01,x\n"
                               "c5,e@example.org,1990-05-01\n"
                               "c6,f@example.org,,\"a\"b\n"
                               "c7,g@example.org,,\n");
  INFO(told.body);
  CHECK(counts(told) == "2 0 0 5");
  const auto& errors = *told.at("errors").list();
  const auto error = [&](std::size_t i) {
    const Value* column = errors.at(i).find("column");
    return to_text(*errors.at(i).find("line")) + " " + (column ? to_text(*column) : "-") + " " +
           to_text(*errors.at(i).find("code"));
  };
  REQUIRE(errors.size() == 5);
  CHECK(error(0) == "4 email bad_email");
  CHECK(error(1) == "5 birth_date wrong_type");
  CHECK(error(2) == "7 - no_contact");
  CHECK(error(3) == "8 - wrong_columns");
  CHECK(error(4) == "9 - bad_quotes");
  CHECK(*errors.at(4).find("index") == Value{5});
}

TEST_CASE("a table whose header means nothing is refused whole", "[api]") {
  Front front;
  const Told told = import_csv(front, "id,Shoe size\n1,43\n");
  CHECK(told.status == 400);
  CHECK(told.at("code") == Value{"unmapped_column"});
  CHECK(counts(import_csv(front, "id,Shoe size\n1,43\n", "ignore_unmapped=true")) == "1 0 0 0");
  CHECK(import_csv(front, " ").at("code") == Value{"no_contacts"});
  CHECK(import_csv(front, "id\n1\n", "delimiter=ab").at("code") == Value{"bad_parameter"});
  CHECK(import_csv(front, "id\n1\n", "delimiter=%C3%A9").at("code") == Value{"bad_parameter"});
  CHECK(import_csv(front, "id\n1\n", "delimiter=%C3").status == 400);
  CHECK(import_csv(front, "id\n1\n", "empty=maybe").at("code") == Value{"bad_parameter"});
  CHECK(import_csv(front, "id\n1\n", "map=%5B%5D").at("code") == Value{"bad_parameter"});
  CHECK(import_csv(front, "id\n1\n", "groups=%01").status == 400);
  CHECK(front.ask({.method = "POST", .path = "/v1/contacts/import", .body = "{}"}).status == 415);
  std::string many = "id\n";
  for (int i = 0; i <= 10'000; ++i) many += std::to_string(i) + "\n";
  CHECK(import_csv(front, many).status == 413);
}

TEST_CASE("a dry run tells what an import would do, and does nothing", "[api]") {
  Front front;
  apply(front);
  CHECK(counts(import_csv(front, "id,groups\nc1,\n")) == "1 0 0 0");
  const Told told =
      import_csv(front, "id,groups\nc1,vip\nc2,vip\nc2,vip\n", "dry_run=true&trigger=true");
  CHECK(counts(told) == "1 1 1 0");
  CHECK(told.at("dry_run") == Value{true});
  CHECK(front.get("/v1/contacts/c2").status == 404);
  CHECK(front.get("/v1/scenarios/vip/stats").at("live.entered") == Value{0});
}

TEST_CASE("an import starts nothing unless it is told to", "[api]") {
  Front front;
  apply(front);
  CHECK(counts(import_csv(front, "id,groups\nc1,vip\n")) == "1 0 0 0");
  CHECK(front.get("/v1/scenarios/vip/stats").at("live.entered") == Value{0});
  CHECK(counts(import_csv(front, "id,groups\nc2,vip\n", "trigger=true")) == "1 0 0 0");
  CHECK(front.settled("vip").at("live.entered") == Value{1});
}

TEST_CASE("what is listed as lines is imported again unchanged", "[api]") {
  Front front;
  REQUIRE(front
              .put("/v1/contacts/c1",
                   R"({"email":"jane@example.org","first_name":"=1+1","birth_date":"1990-05-01",
                       "consent":{"type":"express","given_at":"2026-05-01T09:00:00Z"},
                       "custom":{"plan":"gold","seats":3,"x":{"a":[1,null]}},"groups":["a|b","c"]})")
              .status == 201);
  REQUIRE(front.put("/v1/contacts/54321", R"({"id":54321,"note":"a\nb"})").status == 201);
  REQUIRE(front.put("/v1/contacts/email:bob@example.org", "{}").status == 201);
  const auto listed = [](const Front& from) {
    return from.ask({.method = "GET",
                     .path = "/v1/contacts",
                     .query = "statistics=true",
                     .accept = "application/x-ndjson"});
  };
  const Told lines = listed(front);
  CHECK(std::count(lines.body.begin(), lines.body.end(), '\n') == 3);
  CHECK(counts(import_lines(front, lines.body)) == "0 0 3 0");

  const Front other;
  CHECK(counts(import_lines(other, lines.body)) == "3 0 0 0");
  const Told one = front.get("/v1/contacts");
  const Told two = other.get("/v1/contacts");
  for (std::size_t i = 0; i < 3; ++i) {
    Value left = one.at("contacts").list()->at(i);
    Value right = two.at("contacts").list()->at(i);
    for (Value* contact : {&left, &right})
      for (const char* kept : {"created_at", "updated_at"}) contact->set(kept, Value{});
    CHECK(to_json(left) == to_json(right));
  }
}

TEST_CASE("contacts are listed page by page, and by group", "[api]") {
  Front front;
  std::string csv = "id,groups\n";
  for (int i = 1; i <= 7; ++i) csv += "c" + std::to_string(i) + (i % 3 == 0 ? ",vip\n" : ",\n");
  REQUIRE(counts(import_csv(front, csv)) == "7 0 0 0");
  std::string seen;
  std::string query = "limit=3";
  for (int pages = 0; pages < 4; ++pages) {
    const Told page = front.get("/v1/contacts", query);
    REQUIRE(page.status == 200);
    for (const Value& contact : *page.at("contacts").list())
      seen += to_text(*contact.find("id")) + " ";
    if (page.at("next").is_null()) break;
    query = "limit=3&cursor=" + to_text(page.at("next"));
  }
  CHECK(seen == "c1 c2 c3 c4 c5 c6 c7 ");
  const Told vips = front.get("/v1/contacts", "group=vip&limit=1&statistics=true");
  REQUIRE(vips.at("contacts").list()->size() == 1);
  CHECK(vips.at("contacts.0.id") == Value{"c3"});
  CHECK(vips.at("contacts.0.statistics.mailings_received") == Value{0});
  const Told more =
      front.get("/v1/contacts", "group=vip&limit=5&cursor=" + to_text(vips.at("next")));
  REQUIRE(more.at("contacts").list()->size() == 1);
  CHECK(more.at("contacts.0.id") == Value{"c6"});
  CHECK(more.at("next").is_null());
  for (const char* wildcard : {"%25", "v_p", "v*"})
    CHECK(
        front.get("/v1/contacts", std::string{"group="} + wildcard).at("contacts").list()->empty());
  const Told lines = front.ask({.method = "GET",
                                .path = "/v1/contacts",
                                .query = "limit=2",
                                .accept = "application/x-ndjson"});
  CHECK(std::any_of(lines.headers.begin(), lines.headers.end(),
                    [](const auto& header) { return header.first == "Onward-Next"; }));
  CHECK(front.get("/v1/contacts", "cursor=nonsense!").status == 400);
}

TEST_CASE("a webhook can tell all that seed S2 lists of a contact, and an export has it", "[api]") {
  Front front;
  REQUIRE(front
              .ask({.method = "PUT",
                    .path = "/v1/scenarios/all",
                    .body = "scenario: all\nnodes:\n"
                            "  in: {kind: trigger, event: survey_answered, next: tell}\n"
                            "  tell: {kind: send_webhook, url: \"https://crm.example.com/in\", "
                            "contact_fields: all, next: end}\n",
                    .content_type = "application/yaml"})
              .status == 201);
  REQUIRE(front.post("/v1/scenarios/all/activate").status == 200);
  const Told made = front.put("/v1/contacts/54321", R"({
      "id": 54321, "first_name": "John", "last_name": "Doe", "email": "john.doe@example.org",
      "subscribed_at": "2026-01-01T09:00:00Z", "language": "fr", "gender": "m", "country": "CA",
      "company": "Example", "birth_date": "1990-05-01", "postal_code": "H2X 1Y4", "note": "x",
      "groups": ["vip"], "custom": {"plan": "gold"},
      "consent": {"type": "express", "source": "form", "given_at": "2026-01-01T09:00:00Z",
                  "expires_at": "2028-01-01T09:00:00Z", "proof": "p", "ip": "192.0.2.7"}})");
  REQUIRE(made.status == 201);
  REQUIRE(front
              .ask({.method = "POST", .path = "/v1/events", .query = "mode=history", .body = R"([
      {"type": "sent", "at": "2026-05-01T09:00:00Z", "contact": {"id": 54321},
       "data": {"mailing": "m1", "subject": "One"}},
      {"type": "opened", "at": "2026-05-01T10:00:00Z", "contact": {"id": 54321},
       "data": {"mailing": "m1"}},
      {"type": "clicked", "at": "2026-05-01T10:01:00Z", "contact": {"id": 54321},
       "data": {"mailing": "m1"}}])"})
              .at("accepted") == Value{3});
  REQUIRE(
      front.post("/v1/events", R"({"type": "survey_answered", "contact": {"id": 54321}})").status ==
      202);
  REQUIRE(front.settled("all").at("live.entered") == Value{1});
  const Told sent = front.get("/v1/scenarios/all/nodes/tell/deliveries");
  const Told one = front.get("/v1/deliveries/" + to_text(sent.at("deliveries.0.id")));
  const auto body = parse_json(to_text(one.at("request.body")));
  REQUIRE(body);
  const Value& data = *body->find("data");
  for (const char* name : {"id",
                           "firstname",
                           "lastname",
                           "email",
                           "subscribed_at",
                           "updated_at",
                           "language",
                           "gender",
                           "country",
                           "company",
                           "birth_date",
                           "postal_code",
                           "note",
                           "groups",
                           "custom",
                           "consent_type",
                           "consent_source",
                           "consent_given_at",
                           "consent_expires_at",
                           "consent_proof",
                           "consent_ip",
                           "mailings_received",
                           "mailings_opened",
                           "mailings_clicked",
                           "last_opened_at",
                           "open_rate",
                           "click_rate",
                           "first_received_at",
                           "first_received_subject",
                           "last_opened_subject",
                           "last_received_at",
                           "last_received_subject"}) {
    CAPTURE(name);
    const Value* value = data.find(name);
    CHECK((value != nullptr && !value->is_null()));
  }
  const Told listed = front.get("/v1/contacts", "statistics=true");
  CHECK(to_json(listed.at("contacts.0")) == front.get("/v1/contacts/54321").body);
}
}  // namespace onward
