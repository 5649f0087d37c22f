// /v1/fields: custom fields of contacts that are declared, with their types.
#include "engine/api/resources.h"

#include <fmt/format.h>

#include "engine/core/base/clipped.h"

namespace onward {
namespace {
Value field_view(const CustomField& field) {
  return ValueMap{
      {"name", field.name}, {"type", to_string(field.type)}, {"summary", field.summary}};
}

void list_fields(Runtime& runtime, const Call& call) {
  const auto declared = runtime.shown().fields();
  ValueList fields;
  for (const CustomField& field : declared->all()) fields.push_back(field_view(field));
  call.reply(
      json_reply(200, ValueMap{{"declared", !declared->free()}, {"fields", std::move(fields)}}));
}

void get_field(Runtime& runtime, const Call& call) {
  const auto declared = runtime.shown().fields();
  if (const CustomField* field = declared->find(call.params.front()))
    return call.reply(json_reply(200, field_view(*field)));
  call.reply(
      problem(404, "unknown_field",
              fmt::format("There is no declared field \"{}\".", clipped(call.params.front()))));
}

void put_field(Runtime& runtime, const Call& call) {
  const auto body = parse_object(call.request.body, {"type", "summary"});
  if (!body) return call.reply(problem_of(body.error()));
  auto field = custom_field_of(call.params.front(), *body);
  if (!field) return call.reply(problem_of(field.error()));
  Value view = field_view(*field);
  const auto render = [view = std::move(view)](bool fresh) {
    return json_reply(fresh ? 201 : 200, view);
  };
  runtime.calls().post(answer_with<bool>(call.reply, render),
                       [field = std::move(*field), who = call.who()](Cell& cell) {
                         return cell.access().declare_field(field, who);
                       });
}

void delete_field(Runtime& runtime, const Call& call) {
  const auto render = [](bool) { return ApiReply{204, "", ""}; };
  runtime.calls().post(answer_with<bool>(call.reply, render),
                       [name = call.params.front(), who = call.who()](Cell& cell) {
                         return cell.access().remove_field(name, who);
                       });
}
}  // namespace

std::vector<Route> field_routes(Runtime& runtime) {
  constexpr std::string_view kOne = "/v1/fields/{name}";
  return {
      {"GET",
       "/v1/fields",
       Need::Read,
       "The declared custom fields; without any, contacts may have whichever they like.",
       {},
       [&](const Call& call) { list_fields(runtime, call); },
       {.id = "listFields", .answers = {{200, "CustomFields"}}}},
      {"GET",
       kOne,
       Need::Read,
       "One declared field.",
       {},
       [&](const Call& call) { get_field(runtime, call); },
       {.id = "getField", .answers = {{200, "CustomField"}}, .faults = {{404, "unknown_field"}}}},
      {"PUT",
       kOne,
       Need::Author,
       "Declares a custom field and its type; from the first one on, only declared ones are taken.",
       {},
       [&](const Call& call) { put_field(runtime, call); },
       {.id = "putField",
        .body = {{"CustomFieldDeclaration"}},
        .answers = {{200, "CustomField"}, {201, "CustomField"}},
        .faults = {{400, kJsonCodes}, {400, "bad_name bad_type"}, {409, "too_many"}}}},
      {"DELETE",
       kOne,
       Need::Author,
       "Takes a declaration back; values that contacts have stay.",
       {},
       [&](const Call& call) { delete_field(runtime, call); },
       {.id = "removeField", .answers = {{204}}, .faults = {{404, "unknown_field"}}}},
  };
}
}  // namespace onward
