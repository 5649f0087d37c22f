#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "engine/authoring/load.h"
#include "engine/authoring/yaml_reader.h"
#include "nodes/nodes.h"
#include "tools/onward/validate.h"

using namespace onward;

namespace {
std::string read(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// What the schema has against a scenario text; empty where nothing.
std::string judge(const std::string& yaml) {
  using Adapter = valijson::adapters::NlohmannJsonAdapter;
  const auto document = nlohmann::json::parse(schema_text());
  valijson::Schema schema;
  valijson::SchemaParser parser{valijson::SchemaParser::kDraft7};
  parser.populateSchema(Adapter{document}, schema);

  Diagnostics diagnostics;
  const auto tree = read_yaml(yaml, diagnostics);
  REQUIRE(tree);
  const auto instance = nlohmann::json::parse(to_json(to_value(*tree)));
  valijson::Validator validator{valijson::Validator::kStrongTypes};
  valijson::ValidationResults results;
  if (validator.validate(schema, Adapter{instance}, &results)) return {};
  valijson::ValidationResults::Error error;
  std::string text = "refused";
  while (results.popError(error)) text += "; " + error.description;
  return text;
}
}  // namespace

TEST_CASE("the schema beside the samples is the one that the kinds make", "[authoring][schema]") {
  // To renew it: onward schema > scenarios/scenario.schema.json
  if (std::getenv("ONWARD_WRITE_EXPECTED"))
    std::ofstream{"scenarios/scenario.schema.json", std::ios::binary} << schema_text();
  CHECK(read("scenarios/scenario.schema.json") == schema_text());
}

TEST_CASE("every sample is right, by the loader and by the schema", "[authoring][schema]") {
  int samples = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"scenarios"}) {
    if (entry.path().extension() != ".yaml") continue;
    ++samples;
    INFO(entry.path().string());
    const std::string text = read(entry.path());
    const Loaded loaded = load_scenario(text, node_kinds());
    for (const Diagnostic& found : loaded.diagnostics)
      if (!found.code.starts_with("unknown_")) CHECK(found.message.empty());  // of the server
    CHECK(loaded.scenario);
    CHECK(judge(text).empty());
  }
  CHECK(samples >= 3);
}

TEST_CASE("the schema knows each kind's keys", "[authoring][schema]") {
  const std::string good =
      "{scenario: x, nodes: {a: {kind: trigger, event: [opened, my_own], next: end}}}";
  CHECK(judge(good).empty());
  for (const char* right :
       {"{scenario: x, exit: {event: unsubscribe}, goal: [{if: {in_group: a}}], nodes: {a: {kind: "
        "trigger, event: opened, next: end}}}",
        "{scenario: x, start_at: '2026-05-01', at_end: hold, nodes: {a: {kind: trigger_date, "
        "field: birth_date, every: year, offset: -3d, at: '09:00', next: end}}}",
        "{scenario: x, nodes: {a: {kind: split, ways: {a: 1, b: 50%}, next: {a: end, b: c}}}}",
        "{scenario: x, nodes: {a: {kind: wait_until, window: {days: [mon-fri], to: '24:00'}, next: "
        "end}}}",
        "{scenario: x, nodes: {a: {kind: update_contact, set: {custom.a: null}, groups_add: vip, "
        "next: end}}}"}) {
    CAPTURE(right);
    CHECK(judge(right).empty());
  }
  for (const char* wrong :
       {"{scenario: x, nodes: {a: {kind: trigger, evnt: opened, next: end}}}",
        "{scenario: x, nodes: {a: {kind: wiat, next: end}}}", "{scenario: x}",
        "{scenario: x, nodes: {a: {kind: wait, for: soon, next: end}}}",
        "{scenario: x, nodes: {a: {kind: condition, if: {email: {iss: a}}, yes: end}}}",
        "{scenario: x, reentry: always, nodes: {a: {kind: trigger, event: opened}}}",
        "{scenario: x, exit: {if: {in_group: a}, event: b}, nodes: {a: {kind: trigger, event: "
        "opened}}}",
        "{scenario: x, nodes: {a: {kind: split, ways: {a: 1, b: 1}, next: end}}}",
        "{scenario: x, nodes: {a: {kind: split, ways: {a: 0, b: 1}, next: {a: end, b: end}}}}",
        "{scenario: x, nodes: {a: {kind: wait_until, window: {days: monday}, next: end}}}",
        "{scenario: x, nodes: {a: {kind: trigger_date, field: birth_date, at: '9:00', next: end}}}",
        "{scenario: x, titel: a, nodes: {a: {kind: trigger, event: opened}}}"}) {
    CAPTURE(wrong);
    CHECK_FALSE(judge(wrong).empty());
  }
}
