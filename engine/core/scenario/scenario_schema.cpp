// The JSON Schema (draft-07) of scenario files, for completion and first checks in editors. Only
// `onward validate` knows the graph.
#include <fmt/core.h>

#include <array>
#include <cassert>
#include <span>

#include "engine/core/contact/vocabulary.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/scenario/reentry.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/scenario/scenario_tests.h"

namespace onward {
namespace {
constexpr const char* kIdPattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
constexpr const char* kDurationPattern = "^([0-9]+(ms|s|m|min|h|d|w))+$";

Value reference(std::string_view name) {
  return ValueMap{{"$ref", fmt::format("#/definitions/{}", name)}};
}

Value of_type(std::string_view type) { return ValueMap{{"type", type}}; }

/// Editors read plain `2026` or `true` as what it looks like; as text they are as good.
Value text_like() { return ValueMap{{"type", ValueList{"string", "number", "boolean"}}}; }

Value one_or_list(Value item) {
  Value list = ValueMap{{"type", "array"}, {"items", item}, {"minItems", 1}};
  return ValueMap{{"anyOf", ValueList{std::move(item), std::move(list)}}};
}

Value choices_of(std::span<const std::string_view> choices) {
  ValueList list;
  for (const std::string_view choice : choices) list.emplace_back(choice);
  return ValueMap{{"enum", std::move(list)}};
}

Value type_schema(const SettingSpec& spec) {
  switch (spec.type) {
    case SettingType::Text:
    case SettingType::Template:
      return text_like();
    case SettingType::Number:
      return of_type("integer");
    case SettingType::Flag:
      return of_type("boolean");
    case SettingType::Duration:
      return reference("duration");
    case SettingType::Instant:
      return of_type("string");
    case SettingType::EventNames:
      return one_or_list(reference("event"));
    case SettingType::Segment:
      return reference("segment");
    case SettingType::TemplateMap:
      return ValueMap{{"type", "object"},
                      {"additionalProperties",
                       ValueMap{{"type", ValueList{"string", "number", "boolean", "null"}}}}};
    case SettingType::Url:
      return ValueMap{{"type", "string"}, {"pattern", "^[Hh][Tt][Tt][Pp][Ss]?://"}};
    case SettingType::Choice:
      return choices_of(spec.choices);
    case SettingType::TextList:
      return one_or_list(spec.choices.empty() ? text_like() : choices_of(spec.choices));
    case SettingType::NumberList:
      return one_or_list(of_type("integer"));
    case SettingType::Map:
      return of_type("object");
  }
  return ValueMap{};
}

Value setting_schema(const SettingSpec& spec) {
  Value schema = type_schema(spec);
  if (!spec.schema.empty()) {
    auto own = parse_json(spec.schema);
    assert(own);  // A kind's own text, covered by tests.
    schema = *std::move(own);
  }
  // Draft-07 ignores what stands beside "$ref".
  if (schema.find("$ref")) schema = ValueMap{{"allOf", ValueList{std::move(schema)}}};
  schema.set("description", spec.summary);
  return schema;
}

Value port_schema(bool in_next) {
  Value target = ValueMap{{"type", "string"}};
  if (in_next)
    return ValueMap{{"type", "object"},
                    {"additionalProperties", std::move(target)},
                    {"description", "For each way, the id of the node that follows, or end"}};
  target.set("description", "The id of the node that follows, or end");
  return target;
}

Value kind_schema(const NodeKind& kind) {
  ValueMap properties{{"kind", ValueMap{{"const", kind.name}, {"description", kind.summary}}}};
  ValueList required{"kind"};
  for (const SettingSpec& spec : kind.settings) {
    properties.emplace_back(spec.key, setting_schema(spec));
    if (spec.required) required.emplace_back(spec.key);
  }
  for (const std::string_view port : kind.ports)
    properties.emplace_back(port, port_schema(kind.ports_in_next));
  return ValueMap{{"type", "object"},
                  {"description", kind.summary},
                  {"properties", std::move(properties)},
                  {"required", std::move(required)},
                  {"additionalProperties", false}};
}

/// A node: its kind decides what else it has.
Value node_schema(std::span<const NodeKind> kinds) {
  ValueList names;
  ValueList cases;
  for (const NodeKind& kind : kinds) {
    names.emplace_back(kind.name);
    Value is_kind = ValueMap{{"properties", ValueMap{{"kind", ValueMap{{"const", kind.name}}}}},
                             {"required", ValueList{"kind"}}};
    cases.emplace_back(ValueMap{{"if", std::move(is_kind)}, {"then", reference(kind.name)}});
  }
  return ValueMap{
      {"type", "object"},
      {"properties", ValueMap{{"kind", ValueMap{{"enum", std::move(names)},
                                                {"description", "What the node does"}}}}},
      {"required", ValueList{"kind"}},
      {"allOf", std::move(cases)}};
}

Value event_schema() {
  ValueList names;
  for (const EventName& row : event_names()) names.emplace_back(row.name);
  Value any = ValueMap{{"type", "string"}, {"pattern", "^[A-Za-z][A-Za-z0-9_]{0,63}$"}};
  return ValueMap{{"anyOf", ValueList{ValueMap{{"enum", std::move(names)}}, std::move(any)}}};
}

/// What a field is compared with: a value, or operators.
Value test_schema() {
  ValueMap operators;
  for (const std::string_view name : segment_operators()) operators.emplace_back(name, ValueMap{});
  Value by_operator = ValueMap{{"type", "object"},
                               {"properties", std::move(operators)},
                               {"additionalProperties", false},
                               {"minProperties", 1}};
  Value by_value = ValueMap{{"type", ValueList{"string", "number", "boolean", "null", "array"}}};
  return ValueMap{{"anyOf", ValueList{std::move(by_value), std::move(by_operator)}}};
}

Value segment_schema() {
  Value list = ValueMap{{"type", "array"}, {"items", reference("segment")}, {"minItems", 1}};
  ValueMap properties{{"all", list}, {"any", list}, {"not", reference("segment")}};
  for (const FieldInfo& info : contact_fields())
    properties.emplace_back(info.name, ValueMap{{"allOf", ValueList{reference("test")}},
                                                {"description", info.summary}});
  return ValueMap{{"type", "object"},
                  {"description", "All of these must hold; all, any and not nest"},
                  {"properties", std::move(properties)},
                  {"minProperties", 1}};
}

Value reentry_schema() {
  Value mode = choices_of(reentry_mode_words());
  Value whole = ValueMap{
      {"type", "object"},
      {"properties",
       ValueMap{{"mode", mode},
                {"min_gap", ValueMap{{"allOf", ValueList{reference("duration")}},
                                     {"description", "Least time between two entries: 1d"}}},
                {"key", ValueMap{{"type", "string"},
                                 {"pattern", "^event\\.."},
                                 {"description", "Once per value of this: event.order.id"}}}}},
      {"required", ValueList{"mode"}},
      {"additionalProperties", false}};
  return ValueMap{{"description", "Whether a contact may enter again; never where it is missing"},
                  {"anyOf", ValueList{std::move(mode), std::move(whole)}}};
}

/// Of `exit` and `goal`.
Value rules_schema(std::string_view description) {
  Value by_event = ValueMap{{"type", "object"},
                            {"properties", ValueMap{{"event", one_or_list(reference("event"))},
                                                    {"where", reference("segment")}}},
                            {"required", ValueList{"event"}},
                            {"additionalProperties", false}};
  Value by_segment = ValueMap{{"type", "object"},
                              {"properties", ValueMap{{"if", reference("segment")}}},
                              {"required", ValueList{"if"}},
                              {"additionalProperties", false}};
  Value rule = ValueMap{{"anyOf", ValueList{std::move(by_event), std::move(by_segment)}}};
  Value rules = one_or_list(std::move(rule));
  rules.set("description", description);
  return rules;
}

Value object_of(ValueMap properties, ValueList required = {}) {
  ValueMap schema{{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema.emplace_back("required", std::move(required));
  schema.emplace_back("additionalProperties", false);
  return schema;
}

Value list_of(Value item) { return ValueMap{{"type", "array"}, {"items", std::move(item)}}; }

Value described(Value schema, std::string_view description) {
  schema.set("description", description);
  return schema;
}

Value step_schema() {
  return object_of(
      {{"after", described(text_like(), "Time that passes before it: 3d")},
       {"at", described(of_type("string"), "When it happens: 2026-05-01T09:00")},
       {"before", described(text_like(), "It is history, so long before the test: 30d")},
       {"type", described(of_type("string"), "The name of the event")},
       {"id", described(text_like(), "A repeat with the same id takes no effect")},
       {"source", text_like()},
       {"contact",
        described(of_type("object"), "Changes of the contact; with id or email of another one")},
       {"data", of_type("object")}});
}

Value receiver_schema() {
  Value reply = ValueMap{{"type", ValueList{"integer", "string"}}};
  Value replies = one_or_list(std::move(reply));
  Value timed = object_of(
      {{"status", replies}, {"for", described(text_like(), "From the beginning of the test: 1h")}},
      {"status"});
  return ValueMap{
      {"type", "object"},
      {"description", "How receivers answer, by node: 503, timeout, [503, 200]; else accepted"},
      {"additionalProperties",
       ValueMap{{"anyOf", ValueList{std::move(replies), std::move(timed)}}}}};
}

Value expect_schema() {
  Value moment = described(text_like(), "Since the beginning (3d), or when: 2026-05-01T09:00");
  Value delivery = object_of({{"node", of_type("string")},
                              {"count", of_type("integer")},
                              {"url", described(of_type("string"), "Without ?, its query aside")},
                              {"method", of_type("string")},
                              {"headers", of_type("object")},
                              {"query", of_type("object")},
                              {"body", ValueMap{{"description", "What it has at least"}}},
                              {"exact", described(of_type("boolean"), "The body has nothing else")},
                              {"state", choices_of(delivery_state_words())},
                              {"reason", text_like()},
                              {"status", of_type("integer")},
                              {"attempts", of_type("integer")},
                              {"at", moment}});
  Value count = ValueMap{{"type", "integer"}, {"minimum", 0}};
  return object_of(
      {{"path", described(list_of(of_type("string")), "The nodes of the newest run, in order")},
       {"not_path", described(list_of(of_type("string")), "Nodes that it does not reach")},
       {"ended", choices_of(test_end_words())},
       {"reason", described(text_like(), "Why it was exited, stopped or parked")},
       {"runs", described(count, "How often the contact entered")},
       {"refused", described(one_or_list(of_type("string")), "Why it was not let in")},
       {"at", ValueMap{{"type", "object"},
                       {"description", "When nodes are reached"},
                       {"additionalProperties", moment}}},
       {"deliveries", ValueMap{{"description", "All requests, in order; or how many"},
                               {"anyOf", ValueList{count, list_of(std::move(delivery))}}}},
       {"contact", described(of_type("object"), "What the contact has at the end, at least")}});
}

Value tests_schema() {
  Value test = object_of({{"name", text_like()},
                          {"now", described(of_type("string"), "The clock at the beginning")},
                          {"contact", of_type("object")},
                          {"contacts", list_of(of_type("object"))},
                          {"receiver", receiver_schema()},
                          {"events", list_of(step_schema())},
                          {"expect", expect_schema()}},
                         {"name", "contact", "events", "expect"});
  return described(list_of(std::move(test)), "Journeys that must come out as written");
}
}  // namespace

Value scenario_schema(std::span<const NodeKind> kinds) {
  ValueMap definitions{{"duration", ValueMap{{"type", "string"}, {"pattern", kDurationPattern}}},
                       {"event", event_schema()},
                       {"test", test_schema()},
                       {"segment", segment_schema()},
                       {"node", node_schema(kinds)}};
  for (const NodeKind& kind : kinds) definitions.emplace_back(kind.name, kind_schema(kind));

  Value id = ValueMap{{"type", ValueList{"string", "number"}}, {"pattern", kIdPattern}};
  Value nodes = ValueMap{{"type", "object"},
                         {"minProperties", 1},
                         {"propertyNames", ValueMap{{"pattern", kIdPattern}}},
                         {"additionalProperties", reference("node")}};
  ValueMap properties{
      {"scenario", described(std::move(id), "The scenario's id")},
      {"title", described(text_like(), "Its name for people")},
      {"timezone", described(of_type("string"),
                             "For dates and windows where the contact has none: America/Toronto")},
      {"reentry", reentry_schema()},
      {"start_at", described(of_type("string"), "Runs begin no earlier: 2026-05-01T09:00")},
      {"end_at", described(of_type("string"), "Then at_end happens: 2026-06-01T00:00")},
      {"at_end", described(choices_of(std::array<std::string_view, 2>{"hold", "archive"}),
                           "At end_at: hold, nobody enters any more, or archive, runs stop too")},
      {"exit", rules_schema("What ends a contact's runs at once, wherever they are")},
      {"goal", rules_schema("What the scenario is for: counted, and changes nothing")},
      {"nodes", described(std::move(nodes), "The steps, by id")},
      {"tests", tests_schema()}};
  return ValueMap{{"$schema", "http://json-schema.org/draft-07/schema#"},
                  {"title", "Onward scenario"},
                  {"type", "object"},
                  {"properties", std::move(properties)},
                  {"required", ValueList{"scenario", "nodes"}},
                  {"additionalProperties", false},
                  {"definitions", std::move(definitions)}};
}
}  // namespace onward
