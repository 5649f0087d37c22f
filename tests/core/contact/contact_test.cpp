#include "engine/core/contact/contact.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>

using namespace onward;
using namespace std::chrono_literals;

namespace {
const Instant kNow = *parse_instant("2026-05-01T09:00:00Z");

ContactInput read(std::string_view json) {
  auto input = parse_contact(parse_json(json).value());
  INFO(json);
  REQUIRE(input);
  return *std::move(input);
}

/// "code: message" of a refusal; empty where the contact was accepted.
std::string refusal(std::string_view json) {
  const auto input = parse_contact(parse_json(json).value());
  return input ? std::string{} : input.error().code + ": " + input.error().message;
}
}  // namespace

TEST_CASE("the field table stands in the order of the enumeration", "[core][contact]") {
  for (std::size_t i = 0; i < contact_fields().size(); ++i) {
    const FieldInfo& info = contact_fields()[i];
    CHECK(static_cast<std::size_t>(info.field) == i);
    CHECK(&info_of(info.field) == &info);
    CHECK(find_field(info.name) == &info);
    CHECK(find_field(info.webhook) == &info);
  }
  CHECK(info_of(Field::ConsentIp).name == "consent.ip");
}

TEST_CASE("fields are found by the names that other systems use", "[core][contact]") {
  const struct {
    std::string_view alias;
    Field field;
  } cases[] = {{"firstname", Field::FirstName}, {"name", Field::FirstName},
               {"lastname", Field::LastName},   {"last_name", Field::LastName},
               {"zip", Field::PostalCode},      {"birthdate", Field::BirthDate},
               {"genre", Field::Gender},        {"consent_date", Field::ConsentGivenAt}};
  for (const auto& c : cases) {
    INFO(c.alias);
    REQUIRE(find_field(c.alias));
    CHECK(find_field(c.alias)->field == c.field);
  }
  CHECK_FALSE(find_field("nonsense"));
  CHECK_FALSE(find_field(""));
}

TEST_CASE("a contact is read with its names, nested or dotted", "[core][contact]") {
  const ContactInput input = read(R"({
    "uid": "a1", "email": "  Jane.Doe@Example.ORG ", "name": "Jane", "birth_date": "1990-05-01",
    "consent": {"type": "express"}, "consent.given_at": "2026-05-01T05:00:00-04:00",
    "custom": {"plan": "gold", "size": 3}, "custom.colour": null,
    "groups_add": ["vip"], "timezone": "America/Toronto", "note": null})");
  CHECK(input.who.id == ExternalId{"a1", false});
  CHECK(input.who.email == "jane.doe@example.org");

  Contact contact;
  apply_patch(contact, input.patch, kNow);
  CHECK(contact.email() == "jane.doe@example.org");
  CHECK(*contact.get(Field::FirstName) == Value{"Jane"});
  CHECK(*contact.get(Field::BirthDate) == Value{*parse_date("1990-05-01")});
  CHECK(*contact.get(Field::ConsentType) == Value{"express"});
  CHECK(*contact.get(Field::ConsentGivenAt) == Value{kNow});
  CHECK(*contact.get_custom("plan") == Value{"gold"});
  CHECK(contact.get_custom("colour") == nullptr);
  CHECK(contact.get(Field::Note) == nullptr);
  CHECK(contact.in_group("vip"));
}

TEST_CASE("a numeric id goes out as it came in", "[core][contact]") {
  CHECK(read(R"({"id": 54321})").who.id->value() == Value{54321});
  CHECK(read(R"({"id": "54321"})").who.id->value() == Value{"54321"});
  CHECK(read(R"({"id": "007"})").who.id->value() == Value{"007"});
  CHECK(read(R"({"id": -9223372036854775808})").who.id->text == "-9223372036854775808");
}

TEST_CASE("a contact that names nobody is for the caller to judge", "[core][contact]") {
  const ContactInput input = read(R"({"first_name": "Jane"})");
  CHECK_FALSE(input.who.id);
  CHECK(input.who.email.empty());
  CHECK(read(R"({"id": "a", "email": null})").who.email.empty());
}

TEST_CASE("a contact that cannot be understood is refused by name", "[core][contact]") {
  const std::string long_text(64 * 1024 + 1, 'x');
  std::string many = R"({"custom": {)";
  for (int i = 0; i <= 1'000; ++i) many += (i ? ",\"c" : "\"c") + std::to_string(i) + "\":1";
  many += "}}";
  const struct {
    std::string json;
    std::string refusal;
  } cases[] = {
      {"[]", R"(wrong_type: "contact" wants an object)"},
      {R"({"frist_name": "x"})",
       R"(unknown_field: "frist_name" is no field of a contact; perhaps "first_name" was meant)"},
      {R"({"shoesize": 1})",
       R"(unknown_field: "shoesize" is no field of a contact; fields of your own belong below "custom")"},
      {R"({"consent": {"proofs": "x"}})", R"(unknown_field: "consent.proofs")"},
      {R"({"first_name": 5})", R"(wrong_type: "first_name" wants a text, found a number)"},
      {R"({"birth_date": "1.5.1990"})",
       R"(wrong_type: "birth_date" wants a day such as "1990-05-01", found a text of another form)"},
      {R"({"birth_date": true})",
       R"(wrong_type: "birth_date" wants a day such as "1990-05-01", found a flag)"},
      {R"({"subscribed_at": "2026-05-01T09:00:00"})",
       R"(wrong_type: "subscribed_at" wants a time)"},
      {R"({"consent": 1})", R"(wrong_type: "consent" wants an object, found a number)"},
      {R"({"custom": null})", R"(wrong_type: "custom" wants an object, found null)"},
      {R"({"groups": "vip"})", R"(wrong_type: "groups" wants a list of texts, found a text)"},
      {R"({"groups_add": [1]})", R"(wrong_type: "groups_add")"},
      {R"({"groups_add": [""]})", R"(bad_name: "groups_add")"},
      {R"({"id": 1.5})", R"(wrong_type: "id" wants a text or an integer, found a number)"},
      {R"({"id": ""})", R"(bad_id: "id")"},
      {R"({"id": "a\nb"})", R"(bad_id: "id")"},
      {R"({"id": " "})", R"(bad_id: "id" has blanks at its beginning or end)"},
      {R"({"uid": " a"})", R"(bad_id: "uid" has blanks)"},
      {R"({"id": "a "})", R"(bad_id: "id" has blanks)"},
      {R"({"id": "\t"})", R"(bad_id: "id" wants)"},
      {R"({"id": "."})", R"(bad_id: "id" may not be)"},
      {R"({"uid": ".."})", R"(bad_id: "uid" may not be)"},
      {R"({"id": "email:x@example.org"})", R"(bad_id: "id" may not begin)"},
      {R"({"id": 1, "uid": 1})", R"(duplicate_field: "uid")"},
      {R"({"firstname": "x", "first_name": "y"})", R"(duplicate_field: "first_name")"},
      {R"({"custom": {"a": 1}, "custom.a": 2})", R"(duplicate_field: "custom.a")"},
      {R"({"custom": {"a.b": 1}})", R"(bad_name: "custom.a.b")"},
      {R"({"email": "nobody"})", R"(bad_email: "email" is no e-mail address)"},
      {R"({"email": ""})", "bad_email"},
      {R"({"email": "a@b c"})", "bad_email"},
      {R"({"email": "@example.org"})", "bad_email"},
      {R"({"email": "a@example..org"})", "bad_email"},
      {R"({"email": "a@x>\r\nBcc: b@example.org"})", "bad_email"},
      {R"({"timezone": "Mars/Olympus"})", R"(bad_timezone: "timezone")"},
      {R"({"updated_at": "2026-05-01T09:00:00Z"})", R"(read_only_field: "updated_at")"},
      {R"({"note": ")" + long_text + "\"}", R"(too_long: "note" is longer than 64 KiB)"},
      {R"({"custom": {"x": [")" + long_text + "\"]}}", R"(too_long: "custom.x")"},
      {many, R"(too_many: "custom" has more than 1,000 fields)"},
  };
  for (const auto& c : cases) {
    INFO(c.json.substr(0, 100));
    CHECK_THAT(refusal(c.json), Catch::StartsWith(c.refusal));
  }
}

TEST_CASE("a patch moves updated_at only where a value changed", "[core][contact]") {
  Contact contact;
  const auto patch =
      read(
          R"({"email": "jane@example.org", "first_name": "Jane", "custom": {"n": 1}, "groups": ["b", "a", "b"]})")
          .patch;
  const PatchEffect first = apply_patch(contact, patch, kNow);
  CHECK(first.changed == std::vector<std::string>{"email", "first_name", "custom.n", "groups"});
  CHECK(first.joined == std::vector<std::string>{"a", "b"});
  CHECK(contact.updated_at == kNow);

  const PatchEffect again = apply_patch(contact, patch, kNow + 1h);
  CHECK_FALSE(again.any());
  CHECK(contact.updated_at == kNow);

  CHECK_FALSE(
      apply_patch(contact, read(R"({"email": "JANE@example.org", "note": null})").patch, kNow + 1h)
          .any());
  CHECK_FALSE(apply_patch(contact, {}, kNow + 1h).any());
}

TEST_CASE("groups are replaced, then added to, then taken from", "[core][contact]") {
  Contact contact;
  contact.groups = {"a", "b"};
  const auto patch =
      read(R"({"groups": ["b", "c"], "groups_add": ["d", "d", "e"], "groups_remove": ["e", "x"]})")
          .patch;
  const PatchEffect effect = apply_patch(contact, patch, kNow);
  CHECK(contact.groups == std::vector<std::string>{"b", "c", "d"});
  CHECK(effect.joined == std::vector<std::string>{"c", "d"});
  CHECK(effect.left == std::vector<std::string>{"a"});
  CHECK(effect.changed == std::vector<std::string>{"groups"});

  CHECK(apply_patch(contact, read(R"({"groups": null})").patch, kNow).left.size() == 3);
  CHECK(contact.groups.empty());
}

TEST_CASE("null clears a field, a custom field and a whole consent", "[core][contact]") {
  Contact contact;
  apply_patch(
      contact,
      read(
          R"({"note": "x", "custom": {"a": 1}, "consent": {"type": "express", "ip": "192.0.2.7"}})")
          .patch,
      kNow);
  const auto effect = apply_patch(
      contact, read(R"({"note": null, "custom": {"a": null}, "consent": null})").patch, kNow);
  CHECK(contact.fields.empty());
  CHECK(contact.custom.empty());
  CHECK(effect.changed ==
        std::vector<std::string>{"note", "consent.type", "consent.ip", "custom.a"});
}

TEST_CASE("a contact holds a thousand custom fields and tells what did not fit",
          "[core][contact]") {
  Contact contact;
  for (int i = 0; i < 1'000; ++i) contact.set_custom("c" + std::to_string(i), i);
  ContactPatch patch;
  patch.custom = {{"c5", Value{"new"}}, {"more", Value{1}}, {"c6", Value{}}};
  const PatchEffect effect = apply_patch(contact, patch, kNow);
  CHECK(effect.changed == std::vector<std::string>{"custom.c5", "custom.c6"});
  CHECK(effect.ignored == std::vector<std::string>{"custom.more"});
}

TEST_CASE("what is set is what is got, whatever the order", "[core][contact]") {
  CHECK(rc::check([](const std::vector<std::pair<std::uint8_t, int>>& writes) {
    Contact contact;
    std::map<std::string, int> model;
    for (const auto& [key, number] : writes) {
      const std::string name = "k" + std::to_string(key % 16);
      contact.set_custom(name, number % 3 == 0 ? Value{} : Value{number});
      if (number % 3 == 0) {
        model.erase(name);
      } else {
        model[name] = number;
      }
    }
    RC_ASSERT(contact.custom.size() == model.size());
    for (const auto& [name, number] : model) RC_ASSERT(*contact.get_custom(name) == Value{number});
  }));
}

TEST_CASE("a contact is shown with its consent and custom fields nested", "[core][contact]") {
  Contact contact;
  contact.id = ExternalId{"54321", true};
  contact.created_at = kNow;
  apply_patch(
      contact,
      read(
          R"({"email": "jane@example.org", "birth_date": "1990-05-01", "consent": {"type": "express"}, "custom": {"plan": "gold"}, "groups": ["vip"]})")
          .patch,
      kNow);
  CHECK(to_json(to_value(contact)) ==
        R"({"id":54321,"email":"jane@example.org","birth_date":"1990-05-01",)"
        R"("consent":{"type":"express"},"custom":{"plan":"gold"},"groups":["vip"],)"
        R"("created_at":"2026-05-01T09:00:00Z","updated_at":"2026-05-01T09:00:00Z"})");
}

TEST_CASE("the documentation lists every field with its type and its name in webhooks",
          "[core][contact]") {
  std::ifstream file{"docs/contacts.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  std::size_t rows = 0;
  for (const FieldInfo& info : contact_fields()) {
    const std::string row = "| `" + std::string{info.name} + "` | " +
                            std::string{to_string(info.type)} + " | `" + std::string{info.webhook} +
                            "` |";
    CAPTURE(row);
    CHECK(text.find(row) != std::string::npos);
    ++rows;
  }
  CHECK(rows > 0);
}
