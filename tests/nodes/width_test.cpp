// Wide, long and wrong values below every key of every node kind: the keys come from the kinds, so
// that a new setting is covered. The work is counted, not timed.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "engine/authoring/load.h"
#include "engine/authoring/yaml_reader.h"
#include "engine/core/scenario/scenario.h"
#include "nodes/nodes.h"
#include "tests/support/effort.h"

namespace onward {
namespace {
/// One more than a list or mapping may have.
constexpr int kWidth = 10'001;

std::string list_of(std::string_view item) {
  std::string text = "[";
  for (int i = 0; i < kWidth; ++i)
    text += fmt::format("{}{}", i > 0 ? ", " : "", fmt::format(fmt::runtime(item), i));
  return text + "]";
}

std::string map_of(std::string_view key, std::string_view value) {
  std::string text = "{";
  for (int i = 0; i < kWidth; ++i)
    text += fmt::format("{}{}: {}", i > 0 ? ", " : "", fmt::format(fmt::runtime(key), i), value);
  return text + "}";
}

std::string repeated(std::string_view text) {
  std::string all;
  for (int i = 0; i < kWidth / 4; ++i) all += text;
  return all;
}

struct Shape {
  std::string_view name;
  std::string text;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes{
      {"names", list_of("name{}")},
      {"custom fields", list_of("custom.f{}")},
      {"numbers", list_of("{}")},
      {"one value many times", list_of("all")},
      {"secrets", list_of("\"{{{{ secret.s{} }}}}\"")},
      {"lists", list_of("[a{}]")},
      {"conditions", list_of("{{ email: a{} }}")},
      {"keys", map_of("key{}", "1")},
      {"custom keys", map_of("custom.f{}", "1")},
      {"custom keys with placeholders", map_of("custom.f{}", "\"{{ contact.emial }}\"")},
      {"keys of mappings", map_of("key{}", "{ a: 1 }")},
      {"a list below a key", "{ email: " + list_of("a{}") + " }"},
      {"a mapping below a key", "{ email: " + map_of("contains{}", "a") + " }"},
      {"wrong placeholders in one text", "\"" + repeated("{{x}}") + "\""},
      {"wrong filters in one placeholder", "\"{{ contact.email " + repeated("| x ") + "}}\""},
      {"secrets in one text", "\"" + repeated("{{ secret.a }}") + "\""},
      {"a long text", "\"" + repeated("abc ") + "\""},
      {"a long word", repeated("abc")},
  };
  return kShapes;
}

std::vector<std::string> keys_of(const NodeKind& kind) {
  std::vector<std::string> keys{"unknown"};
  for (const SettingSpec& spec : kind.settings) keys.emplace_back(spec.key);
  keys.insert(keys.end(), kind.ports.begin(), kind.ports.end());
  return keys;
}
}  // namespace

TEST_CASE("no setting of any kind makes much work of a wide or long value", "[nodes][width]") {
  const Shape& shape =
      shapes()[static_cast<std::size_t>(GENERATE(range(0, static_cast<int>(shapes().size()))))];
  auto met = static_cast<std::size_t>(&shape - shapes().data());  // in turn, over the shapes
  for (const NodeKind& kind : node_kinds())
    for (const std::string& key : keys_of(kind)) {
      if (++met % kOneIn != 0) continue;
      CAPTURE(kind.name, key, shape.name);
      const std::string text = fmt::format("scenario: x\nnodes:\n  n: {{ kind: {}, {}: {} }}\n",
                                           kind.name, key, shape.text);
      Diagnostics diagnostics;
      const auto tree = read_yaml(text, diagnostics);
      REQUIRE(tree);
      (void)build_scenario(*tree, node_kinds(), {}, diagnostics);
      CHECK(diagnostics.suggestions().steps() <= kSuggestionStepsMax + 64 * 64);
      const auto found = diagnostics.sorted();
      const bool wide = shape.text.starts_with('[') || shape.text.starts_with('{');
      CHECK(std::ranges::any_of(found, [](const auto& one) { return one.code == "too_wide"; }) ==
            wide);
      CHECK(found.size() <= kFindingsMax + 1);
      for (const Diagnostic& one : found) CHECK(one.message.size() <= 1'000);
    }
}

TEST_CASE("a file of too many keys is told the bound", "[nodes][width]") {
  std::string text = "scenario: x\nreentry: never\nnodes:\n  t: { kind: trigger, event: a }\n";
  for (int i = 0; i < 10'001; ++i) text += fmt::format("k{}: 1\n", i);
  const Loaded loaded = load_scenario(text, node_kinds());
  CHECK(std::ranges::any_of(loaded.diagnostics,
                            [](const auto& one) { return one.code == "too_wide"; }));
}

TEST_CASE("a version that is stored keeps its wide lists", "[nodes][width]") {
  const std::string text =
      "scenario: x\nreentry: never\nnodes:\n  t: { kind: trigger, next: end, event: " +
      list_of("name{}") + " }\n";
  CHECK_FALSE(load_scenario(text, node_kinds()).scenario);
  const Loaded old = load_scenario(text, node_kinds(), {.format = kFirstFormat});
  REQUIRE(old.scenario);
  REQUIRE(old.diagnostics.size() == 1);
  CHECK(old.diagnostics[0].code == "too_wide");
  CHECK(std::get<EventListen>(old.scenario->nodes[0].node->listens()).events.size() == kWidth);
}
}  // namespace onward
