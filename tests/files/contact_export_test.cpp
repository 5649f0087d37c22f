#include "engine/files/contact_export.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include "engine/core/base/time.h"
#include "engine/core/contact/contact.h"
#include "engine/files/contact_columns.h"
#include "engine/files/csv.h"

namespace onward {
namespace {
/// As GET answers it.
Value shown(const Contact& contact) { return *parse_json(to_json(to_value(contact))); }

/// Contacts in the form of GET as CSV, and what importing that makes of nothing.
std::vector<Contact> through_csv(const std::vector<Contact>& contacts, bool guard,
                                 std::string* text = nullptr) {
  auto table = ContactTable::make({.guard = guard});
  REQUIRE(table);
  for (const Contact& contact : contacts) table->look(shown(contact));
  std::string csv = table->header();
  for (const Contact& contact : contacts) csv += table->row(shown(contact));
  if (text != nullptr) *text = csv;
  CsvReader reader{pieces_of(csv)};
  CsvRow row;
  REQUIRE(reader.next(row));
  const auto columns = match_columns(row.cells, {}, false);
  INFO(csv);
  if (!columns) FAIL(columns.error().message);
  std::vector<Contact> made;
  while (reader.next(row)) {
    if (row.fault) FAIL(row.fault->message);
    const auto object = contact_of(*columns, row.cells, {.raw = !guard});
    if (!object) FAIL(object.error().error.message);
    auto input = parse_contact(*object);
    if (!input) FAIL(input.error().message);
    Contact contact;
    contact.id = input->who.id;
    (void)apply_patch(contact, input->patch, {});
    contact.updated_at = {};
    made.push_back(std::move(contact));
  }
  return made;
}

std::string any_text() {
  return *rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::element('a', 'Z', '0', ' ', ',', ';', '"', '\'', '=', '+', '|', '[', ':', '{')));
}
std::string any_name() {  // of a group or a custom field: without dots
  return any_text();
}

Value any_custom() {
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      return any_text();
    case 1:
      return *rc::gen::arbitrary<std::int64_t>();
    case 2:
      return 0.25 * static_cast<double>(*rc::gen::inRange(-9'999, 9'999)) + 0.125;
    case 3:
      return *rc::gen::arbitrary<bool>();
    case 4:
      return ValueList{any_text(), any_text()};
    default:
      return ValueMap{{"a", ValueList{1, Value{}, "x"}}};
  }
}

Contact any_contact(int number) {
  Contact contact;
  const bool numeric = *rc::gen::arbitrary<bool>();
  contact.id = ExternalId{std::to_string(number), numeric};
  contact.set(Field::Email, "c" + std::to_string(number) + "@example.org");
  for (const FieldInfo& info : contact_fields()) {
    if (info.field == Field::Email || *rc::gen::inRange(0, 3) > 0) continue;
    if (info.field == Field::Timezone)
      contact.set(info.field, "America/Toronto");
    else if (info.type == FieldType::Text)
      contact.set(info.field, any_text());
    else if (info.type == FieldType::Date)
      contact.set(info.field, Date{std::chrono::days{*rc::gen::inRange(-9'000, 20'000)}});
    else
      contact.set(info.field, Instant{Duration{*rc::gen::inRange<std::int64_t>(0, 1LL << 41)}});
  }
  ContactPatch patch;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) patch.groups_add.push_back(any_name());
  (void)apply_patch(contact, patch, {});
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) contact.set_custom(any_name(), any_custom());
  contact.updated_at = {};
  return contact;
}
}  // namespace

TEST_CASE("what is exported as CSV is imported unchanged", "[files]") {
  CHECK(rc::check("round trip", [] {
    std::vector<Contact> contacts;
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i) contacts.push_back(any_contact(i));
    std::string text;
    const auto made = through_csv(contacts, *rc::gen::arbitrary<bool>(), &text);
    RC_LOG() << text;
    RC_ASSERT(made == contacts);
  }));
}

TEST_CASE("a column of one type says so, and one of several holds JSON", "[files]") {
  auto table = ContactTable::make({.fields = {"id", "custom.*"}});
  REQUIRE(table);
  const auto first = *parse_json(
      R"({"id":1,"custom":{"plan":"gold","seats":3,"vip":true,"mix":1,"tags":["a","b"]}})");
  const auto second = *parse_json(R"({"id":2,"custom":{"seats":2.5,"mix":"x"}})");
  table->look(first);
  table->look(second);
  CHECK(table->header() ==
        "id:number,custom.mix:json,custom.plan,custom.seats:number,custom.tags:list,"
        "custom.vip:flag\r\n");
  CHECK(table->row(first) == "1,1,gold,3,a|b,true\r\n");
  CHECK(table->row(second) == "2,\"\"\"x\"\"\",,2.5,,\r\n");
}

TEST_CASE("chosen fields make the columns, with statistics where they are named", "[files]") {
  auto table = ContactTable::make(
      {.fields = {"email", "firstname", "statistics.open_rate", "groups", "custom.tags"}});
  REQUIRE(table);
  const auto contact =
      *parse_json(R"({"id":"1","email":"a@b.c","first_name":"=x","groups":["=a","b"],)"
                  R"("custom":{"tags":["@c","-d"]},"statistics":{"open_rate":0.5}})");
  table->look(contact);
  CHECK(table->header() == "email,first_name,statistics.open_rate,groups,custom.tags:list\r\n");
  CHECK(table->row(contact) == "a@b.c,'=x,0.5,'=a|b,'@c|-d\r\n");
  CHECK(to_json(table->chosen(contact)) ==
        R"({"email":"a@b.c","first_name":"=x","statistics":{"open_rate":0.5},)"
        R"("groups":["=a","b"],"custom":{"tags":["@c","-d"]}})");
  const auto wrong = ContactTable::make({.fields = {"frist_name"}});
  REQUIRE(!wrong);
  CHECK(wrong.error().message.find("perhaps first_name") != std::string::npos);
}
}  // namespace onward
