// The list of names that authors may use, held to the readers of those names.
#include "engine/core/template/placeholders.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "engine/authoring/yaml_reader.h"
#include "engine/core/template/lookup.h"
#include "engine/core/template/template.h"

namespace onward {
namespace {
bool open_ended(const PlaceholderInfo& info) { return info.name.ends_with("…"); }

TEST_CASE("every listed name is one that placeholders, paths and fields know",
          "[core][placeholders]") {
  std::set<std::string> fields;
  for (const PlaceholderInfo& info : placeholders()) {
    INFO(info.name);
    CHECK_FALSE(info.group.empty());
    CHECK_FALSE(info.summary.empty());
    if (!info.field.empty()) fields.insert(info.field);
    if (open_ended(info)) continue;
    Diagnostics faults;
    (void)Template::compile("{{ " + info.name + " }}", {1, 1}, TemplateUse::Header, "test", faults);
    if (!info.path.empty()) CHECK(PayloadPath::compile(info.path, {1, 1}, "test", faults));
    CHECK(faults.empty());
    if (info.field.empty()) continue;
    CHECK(known_contact_field(info.field));
    const auto type = find_contact_lookup(info.field)->type();
    REQUIRE(type);
    CHECK(info.type == to_string(*type));
    if (info.field != "id") CHECK(coerce(info.example, *type, info.field));
  }
  for (const std::string& name : contact_names()) {
    INFO(name);
    CHECK(fields.contains(name));
  }
}

TEST_CASE("a file adds the names that it uses, with examples from its tests",
          "[core][placeholders]") {
  Diagnostics faults;
  const auto tree = read_yaml(R"(
scenario: s
nodes:
  in: { kind: trigger, event: asked, where: { event.form: a, custom.tier: gold }, next: tell }
  tell:
    kind: send_webhook
    url: "https://x.example.com/{{ event.order.id }}"
    headers: { X-Key: "{{ secret.crm_key }}" }
    contact_fields: [id, custom.plan]
    payload: { a: $.event.seats, b: $.subscriber.custom.size }
tests:
  - name: t
    contact: { custom: { plan: free } }
    events: [{ type: asked, data: { order: { id: 7 } } }]
    expect: {}
)",
                              faults);
  REQUIRE(tree);
  std::string found;
  for (const PlaceholderInfo& info : placeholders_in(*tree))
    found += info.name + " " + std::string{info.type} + " " + to_json(info.example) + "\n";
  CHECK(found == R"(contact.custom.plan text "free"
contact.custom.size any null
contact.custom.tier any null
event.form any null
event.order.id number 7
event.seats any null
secret.crm_key text null
)");
}
}  // namespace
}  // namespace onward
