#include "engine/core/contact/custom_fields.h"

#include <catch2/catch.hpp>

#include "engine/core/contact/field_suggestions.h"

#include "engine/authoring/yaml_reader.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/template/template.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
const CustomFields& declared() {
  static const CustomFields fields{{{"plan", FieldType::Text, "What they pay for"},
                                    {"seats", FieldType::Number},
                                    {"renewal", FieldType::Date},
                                    {"seen", FieldType::Instant},
                                    {"vip", FieldType::Flag},
                                    {"tags", FieldType::List}}};
  return fields;
}
Result<ContactInput> read(std::string_view custom) {
  return parse_contact(*parse_json(R"({"id": "1", "custom": )" + std::string{custom} + "}"),
                       &declared());
}
std::string code_of(std::string_view custom) {
  const auto input = read(custom);
  return input ? "taken" : input.error().code;
}
}  // namespace

TEST_CASE("declared custom fields are taken by their types, others by none", "[core]") {
  CHECK(code_of(R"({"plan": "gold", "seats": 3, "renewal": "2026-05-01", "vip": true,
                    "tags": ["a"], "seen": "2026-05-01T09:00:00Z"})") == "taken");
  for (const char* wrong : {R"({"plan": 3})", R"({"seats": "3"})", R"({"renewal": "May"})",
                            R"({"seen": "2026-05-01"})", R"({"vip": 1})", R"({"tags": "a"})"}) {
    CAPTURE(wrong);
    CHECK(code_of(wrong) == "wrong_type");
  }
  const auto unknown = read(R"({"plann": "gold"})");
  REQUIRE(!unknown);
  CHECK(unknown.error().code == "undeclared_field");
  CHECK(unknown.error().message.find("\"custom.plan\"") != std::string::npos);
}

TEST_CASE("many values of undeclared fields cost a search a name, and ten at most", "[core]") {
  const CustomFields fields{{{.name = "seats"}, {.name = "plan"}}};
  FieldSuggestions suggestions;
  const auto message = [&](const std::string& name) {
    return suggestions.check(fields, name, 1).error().message;
  };
  const std::string first = message("seatz");
  CHECK(first.find("custom.seats") != std::string::npos);
  for (int i = 0; i < 10'000; ++i) CHECK(message("seatz") == first);
  CHECK(suggestions.searches() == 1);
  for (int i = 0; i < 10'000; ++i)
    CHECK(suggestions.check(fields, "sea" + std::to_string(i), 1).error().code ==
          "undeclared_field");
  CHECK(suggestions.searches() == FieldSuggestions::kNamesMax);
  CHECK(message("seatz") == first);
  CHECK(message("plam").find("custom.plan") == std::string::npos);
  CHECK(fields.check("plam", 1).error().message.find("custom.plan") != std::string::npos);
}

TEST_CASE("null clears a custom field that is not declared any more", "[core]") {
  CHECK(code_of(R"({"old": null})") == "taken");
  CHECK(code_of(R"({"plan": null})") == "taken");
}

TEST_CASE("an instant is kept in its one form, as text", "[core]") {
  const auto input = read(R"({"seen": "2026-05-01T09:00:00-04:00", "renewal": "2026-05-01"})");
  REQUIRE(input);
  CHECK(input->patch.custom[0].second == Value{"2026-05-01T13:00:00Z"});
  CHECK(input->patch.custom[1].second == Value{"2026-05-01"});
}

TEST_CASE("where nothing is declared every custom field is taken", "[core]") {
  const CustomFields none;
  CHECK(none.free());
  CHECK(parse_contact(*parse_json(R"({"id": "1", "custom": {"x": [1]}})"), &none));
}

TEST_CASE("of two declarations of one field the later stands", "[core]") {
  const CustomFields fields{
      {{"b", FieldType::Text}, {"a", FieldType::Text}, {"b", FieldType::Number}}};
  REQUIRE(fields.all().size() == 2);
  CHECK(fields.find("b")->type == FieldType::Number);
  CHECK(fields.find("a") != nullptr);
  CHECK(fields.find("c") == nullptr);
}

TEST_CASE("a declaration has a name that scenarios can write, and a type", "[core]") {
  CHECK(custom_field_of("plan", *parse_json(R"({"type": "number", "summary": "x"})")) ==
        CustomField{"plan", FieldType::Number, "x"});
  CHECK(custom_field_of("plan", to_value(CustomField{"", FieldType::List, "y"}))->type ==
        FieldType::List);
  for (const char* wrong : {"", "a.b", "a b", "*", "a:number", "a|b", "{a}"}) {
    CAPTURE(wrong);
    CHECK_FALSE(check_custom_name(wrong));
  }
  CHECK(check_custom_name("pr\xc3\xa9nom"));
  CHECK_FALSE(custom_field_of("plan", *parse_json(R"({"type": "string"})")));
  CHECK_FALSE(custom_field_of("plan", *parse_json("{}")));
  CHECK_FALSE(custom_field_of("plan", *parse_json(R"({"type": "text", "summary": 1})")));
}

TEST_CASE("a scenario names custom fields in segments, placeholders, paths and lists", "[core]") {
  constexpr std::string_view kText = R"(scenario: x
exit: [{ if: { custom.gone: { lt: { field: custom.price } } } }]
nodes:
  in: {kind: trigger, event: e, where: {any: [{custom.a: 1}, {not: {custom.b.c: 2}}]}, next: v}
  d: {kind: trigger_date, field: custom.renewal, next: t}
  v: {kind: wait_until, date: custom.due, next: u}
  u: {kind: update_contact, set: {custom.tier: gold}, next: t}
  t:
    kind: send_webhook
    url: "https://x.example.com/{{contact.custom.path}}"
    contact_fields: [id, custom.chosen, "custom.*"]
    additional: {custom.theirs: "{{ contact.first_name }} {{ contact.custom.more | default: 1 }}"}
    next: w
  w:
    kind: send_webhook
    url: "https://x.example.com/"
    payload: {z: $.subscriber.custom.deep.inner, custom.w: custom.v, y: "{{ contact.custom.more }}"}
    next: end
tests: [{contact: {custom.unseen: 1}}]
)";
  Diagnostics diagnostics;
  const auto tree = read_yaml(kText, diagnostics);
  REQUIRE(tree);
  CHECK(build_scenario(*tree, node_kinds(), {.check_tests = false}, diagnostics));
  std::string names;
  for (const CustomMention& mention : diagnostics.mentions()) names += mention.name + " ";
  CHECK(names == "gone price a b renewal due tier path chosen more deep more ");

  check_mentions(CustomFields{{{"a"}, {"paths"}}}, /*as_warning=*/false, diagnostics);
  CHECK(diagnostics.errors() == 11);
  const auto found = diagnostics.sorted();
  CHECK(found.front().code == "undeclared_field");
  CHECK(found.front().at.line == 2);
  CHECK(found.front().at.column == 16);
}

TEST_CASE("undeclared fields are errors or warnings, and nothing where none is declared",
          "[core]") {
  Diagnostics warnings;
  warnings.mention("b", {1, 1});
  check_mentions(CustomFields{{{"a"}}}, /*as_warning=*/true, warnings);
  CHECK_FALSE(warnings.has_errors());
  CHECK_FALSE(warnings.empty());
  Diagnostics none;
  none.mention("b", {1, 1});
  check_mentions(CustomFields{}, /*as_warning=*/false, none);
  CHECK(none.empty());
}

TEST_CASE("only what a template reads counts as a custom field", "[core]") {
  const CustomFields declared{{{"plan"}}};
  const auto errors = [&](std::string_view text) {
    Diagnostics diagnostics;
    (void)Template::compile(text, {1, 1}, TemplateUse::Body, "x", diagnostics);
    check_mentions(declared, /*as_warning=*/false, diagnostics);
    return diagnostics.errors();
  };
  CHECK(errors("{{ contact.custom.plan\n}}") == 0);
  CHECK(errors("{{ \"{{ contact.custom.nope }}\" }}") == 0);
  CHECK(errors("{{ contact.custom.plan | default: \"{{ contact.custom.nope }}\" }}") == 0);
  CHECK(errors("{{\ncontact.custom.nope }}") == 1);
}
}  // namespace onward
