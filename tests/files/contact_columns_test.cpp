#include "engine/files/contact_columns.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
std::vector<ContactColumn> columns_of(const std::vector<std::string>& headers,
                                      const ColumnMap& map = {}, bool ignore = false) {
  auto columns = match_columns(headers, map, ignore);
  REQUIRE(columns);
  return *columns;
}
Error refused(const std::vector<std::string>& headers, const ColumnMap& map = {}) {
  const auto columns = match_columns(headers, map, false);
  REQUIRE(!columns);
  return columns.error();
}
std::string json_of(const std::vector<std::string>& headers, const std::vector<std::string>& cells,
                    CellRules rules = {}) {
  const auto contact = contact_of(columns_of(headers), cells, rules);
  REQUIRE(contact);
  return to_json(*contact);
}
}  // namespace

TEST_CASE("headers find their fields by name, by alias, and as people write them", "[files]") {
  std::string found;
  for (const ContactColumn& column :
       columns_of({"ID", "Email", "First Name", "lastname", "Zip-Code", "date of birth",
                   "consent.type", "consent_ip", "groups", "custom.Plan", "custom.seats:number"}))
    found += column.field + " ";
  CHECK(found ==
        "id email first_name last_name postal_code birth_date consent.type consent.ip groups "
        "custom.Plan custom.seats ");
}

TEST_CASE("a map gives columns their fields, and - passes one over", "[files]") {
  const auto columns =
      columns_of({"E-mail", "Plan", "Internal"},
                 {{"E-mail", "email"}, {"Plan", "custom.plan:text"}, {"Internal", "-"}});
  CHECK(columns[0].field == "email");
  CHECK(columns[1].field == "custom.plan");
  CHECK(columns[1].type == CellType::Text);
  CHECK(columns[2].field.empty());
  CHECK(refused({"email"}, {{"E-mail", "email"}}).code == "unknown_column");
  CHECK(refused({"email", "X"}, {{"X", "frist_name"}}).message.find("perhaps first_name") !=
        std::string::npos);
}

TEST_CASE("an unknown type of a custom field is refused and not made part of its name", "[files]") {
  const Error header = refused({"id", "custom.seats:nubmer"});
  CHECK(header.code == "unknown_field");
  CHECK(header.message ==
        "column \"custom.seats:nubmer\": unknown type \"nubmer\" (perhaps number); the types are "
        "text, number, flag, list, json, and a name that has a colon needs one behind it, for "
        "example custom.seats:nubmer:text");
  for (const char* target :
       {"custom.seats:nubmer", " custom.seats : Number", "Custom.seats:", "custom.a:b:c"}) {
    CAPTURE(target);
    CHECK(refused({"id", target}).code == "unknown_field");
    CHECK_FALSE(match_columns(std::vector<std::string>{"id", target}, {}, true));
    CHECK(refused({"id", "x"}, {{"x", target}}).code == "unknown_field");
    const ColumnIndex index{ColumnMap{{"x", target}}};
    REQUIRE(index.find("x") != nullptr);
    CHECK(index.find("x")->unknown.find("unknown type") != std::string::npos);
  }
  const auto columns = columns_of({"id", "custom.a:b:text", "custom.seats : number"});
  CHECK(columns[1].field == "custom.a:b");
  CHECK(columns[2].field == "custom.seats");
}

TEST_CASE("columns that mean nothing are all named, unless they are to be ignored", "[files]") {
  const Error error = refused({"email", "Shoe size", "frist_name"});
  CHECK(error.code == "unmapped_column");
  CHECK(error.message.find("\"Shoe size\"") != std::string::npos);
  CHECK(error.message.find("\"frist_name\" (perhaps first_name)") != std::string::npos);
  CHECK(columns_of({"email", "Shoe size"}, {}, true)[1].field.empty());
}

TEST_CASE("a table has a limit of columns, and a message names some of them", "[files]") {
  std::vector<std::string> headers{"id"};
  for (std::size_t i = headers.size(); i < kColumnsMax; ++i)
    headers.push_back("unknown" + std::to_string(i));
  ColumnMap map;
  for (const std::string& header : headers) map.emplace_back(" " + header + " ", "-");
  map.front().second = "id";
  CHECK(match_columns(headers, map, false));
  CHECK(match_columns(headers, {}, true));
  const Error unmapped = refused(headers);
  CHECK(unmapped.code == "unmapped_column");
  CHECK(unmapped.message.find("\"unknown10\" and 9989 more;") != std::string::npos);
  const Error unknown = refused(headers, {{"idd", "id"}});
  CHECK(unknown.code == "unknown_column");
  CHECK(unknown.message.size() < 2'000);
  headers.emplace_back("one_more");
  CHECK(refused(headers).code == "too_many_columns");
}

TEST_CASE("a table says who its contacts are, and each field once", "[files]") {
  CHECK(refused({"first_name"}).code == "no_contact");
  CHECK(refused({"email", "Email"}).code == "duplicate_field");
  CHECK(refused({"id", "uid"}).code == "duplicate_field");
}

TEST_CASE("what the server alone keeps is passed over", "[files]") {
  for (const char* name : {"created_at", "updated_at", "statistics.open_rate", "refused.reason"}) {
    CAPTURE(name);
    CHECK(columns_of({"id", name})[1].field.empty());
  }
  CHECK(refused({"id", "statistically"}).code == "unmapped_column");
}

TEST_CASE("cells become what their fields want", "[files]") {
  CHECK(json_of({"id", "birth_date", "phone", "groups", "custom.seats:number", "custom.vip:flag",
                 "custom.tags:list", "custom.raw:json", "custom.code"},
                {"0042", " 1990-05-01 ", "0123", "vip| lead,b", "+12.50", "Yes", "a|b",
                 "{\"a\":[1]}", "007"}) ==
        R"({"id":"0042","birth_date":"1990-05-01","phone":"0123","groups":["vip","lead","b"],)"
        R"("custom":{"seats":12.5,"vip":true,"tags":["a","b"],"raw":{"a":[1]},"code":"007"}})");
  CHECK(json_of({"id:number"}, {"54321"}) == R"({"id":54321})");
  CHECK(json_of({"id", "groups"}, {"1", R"(["a, b","c|d"])"}) ==
        R"({"id":"1","groups":["a, b","c|d"]})");
}

TEST_CASE("an empty cell leaves the field, or clears it where that is asked for", "[files]") {
  const std::vector<std::string> headers{"id",     "email",      "first_name",
                                         "groups", "groups_add", "custom.plan"};
  CHECK(json_of(headers, {"1", "a@example.org", "", "", "", ""}) ==
        R"({"id":"1","email":"a@example.org"})");
  CHECK(json_of(headers, {"1", "a@example.org", "", "", "", ""}, {.empty_clears = true}) ==
        R"({"id":"1","email":"a@example.org","first_name":null,"groups":null,)"
        R"("custom":{"plan":null}})");
}

TEST_CASE("a wrong cell is refused by its column", "[files]") {
  const auto seats = match_columns(std::vector<std::string>{"id", "Seats"},
                                   {{"Seats", "custom.seats:number"}}, false);
  REQUIRE(seats);
  const auto wrong = contact_of(*seats, std::vector<std::string>{"1", "many"}, {});
  REQUIRE(!wrong);
  CHECK(wrong.error().column == "Seats");
  CHECK(wrong.error().error.code == "wrong_type");
  const auto few = contact_of(*seats, std::vector<std::string>{"1"}, {});
  REQUIRE(!few);
  CHECK(few.error().error.code == "wrong_columns");
}

TEST_CASE("a guarded formula loses its quote, unless cells are raw", "[files]") {
  CHECK(json_of({"id", "phone"}, {"1", "'+1 514"}) == R"({"id":"1","phone":"+1 514"})");
  CHECK(json_of({"id", "phone"}, {"1", "'+1 514"}, {.raw = true}) ==
        R"({"id":"1","phone":"'+1 514"})");
}

TEST_CASE("an exported object loses what only the server keeps, and takes mapped names",
          "[files]") {
  const auto object = [](std::string_view json, const ColumnMap& map = {}) {
    return contact_of_object(*parse_json(json), map);
  };
  CHECK(to_json(*object(R"({"id":"1","created_at":"x","updated_at":"x","statistics":{"a":1}})")) ==
        R"({"id":"1"})");
  CHECK(to_json(*object(R"({"E-mail":"a@b.c","Plan":3,"custom":{"x":1},"no":2})",
                        {{"E-mail", "email"}, {"Plan", "custom.plan"}, {"no", "-"}})) ==
        R"({"email":"a@b.c","custom":{"plan":3,"x":1}})");
  CHECK(object(R"({"email":"a@b.c","E-mail":"d@b.c"})", {{"E-mail", "email"}}).error().code ==
        "duplicate_field");
  CHECK(object("[]").error().code == "wrong_type");
}
}  // namespace onward
