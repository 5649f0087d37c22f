// fields declare, list, remove.
#include <fmt/format.h>

#include "engine/core/contact/custom_prefix.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// "custom.plan" is the field "plan".
std::string bare(const std::string& name) {
  return name.starts_with(kCustom) ? name.substr(kCustom.size()) : name;
}
}  // namespace

int run_field_declare(const ClientOptions& options, const FieldOptions& given) {
  const Client client{options};
  const std::string name = bare(given.name);
  const Value body = ValueMap{{"type", given.type}, {"summary", given.summary}};
  const auto answer = client.call("PUT", "/v1/fields/" + segment(name), "type", to_json(body));
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(*answer);
  else
    print(fmt::format("{}{}: {}\n", kCustom, name, given.type));
  return kExitOk;
}

int run_fields(const ClientOptions& options) {
  const Client client{options};
  const auto answer = client.call("GET", "/v1/fields", "fields");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  Table table{{{"field", Align::Left, true}, {"type"}, {"summary", Align::Left, true}}};
  for (const Value& field : list_of(answer->value, "fields"))
    table.add({std::string{kCustom} + text_of(field, "name"), text_of(field, "type"),
               text_of(field, "summary")});
  if (table.empty())
    say("No custom field is declared: contacts may have whichever they like.");
  else
    print(table.text(terminal_width()));
  return kExitOk;
}

int run_field_remove(const ClientOptions& options, const std::string& given) {
  const Client client{options};
  const std::string name = bare(given);
  const auto answer = client.call("DELETE", "/v1/fields/" + segment(name), {});
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(Value{ValueMap{{"removed", name}}});
  else
    print(fmt::format("{}{} is not declared any more\n", kCustom, name));
  return kExitOk;
}
}  // namespace onward
