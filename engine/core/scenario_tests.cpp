#include "engine/core/scenario_tests.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

namespace onward {
namespace {
constexpr std::array<std::string_view, 4> kKeys = {"name", "contact", "events", "expect"};
constexpr std::string_view kKnown = "name, contact, events, expect";

/// Goes through the tests of one file.
class TestChecker {
 public:
  TestChecker(const std::vector<std::string_view>& nodes, Diagnostics& diagnostics)
      : nodes_{nodes}, known_{nodes.begin(), nodes.end()}, diagnostics_{diagnostics} {}

  void check(const Tree& test) {
    if (!test.is_map()) {
      wrong_type(test, fmt::format("a test is a mapping with {}", kKnown));
      return;
    }
    for (const Tree::Entry& entry : test.entries) {
      if (std::find(kKeys.begin(), kKeys.end(), entry.key) != kKeys.end()) continue;
      diagnostics_.error(entry.key_at, "unknown_key",
                         fmt::format("a test: unknown key \"{}\"; known are {}", entry.key, kKnown),
                         nearest_name(entry.key, std::span<const std::string_view>{kKeys}));
    }
    for (const std::string_view key : kKeys)
      if (!test.find(key))
        diagnostics_.error(test.at, "missing_key", fmt::format("a test: \"{}\" is missing", key));
    want(test, "name", Tree::Kind::Scalar, "a text");
    want(test, "contact", Tree::Kind::Map, "a mapping");
    if (const Tree* events = want(test, "events", Tree::Kind::List, "a list"))
      for (const Tree& event : events->items)
        if (!event.is_map())
          wrong_type(event, "an event of a test is a mapping such as { type: subscription }");
    if (const Tree* expect = want(test, "expect", Tree::Kind::Map, "a mapping"))
      check_expected(*expect);
  }

 private:
  void check_expected(const Tree& expect) {
    if (const Tree* path = want(expect, "path", Tree::Kind::List, "a list of node ids"))
      for (const Tree& step : path->items) check_node(step);
    if (const Tree* deliveries = want(expect, "deliveries", Tree::Kind::List, "a list"))
      for (const Tree& delivery : deliveries->items)
        if (const auto* node = delivery.find("node")) check_node(node->value);
  }

  void check_node(const Tree& name) {
    if (nodes_.empty()) return;  // They could not be read, and that is told already.
    if (name.is_scalar() && known_.contains(name.text)) return;
    std::string nearest;
    if (diagnostics_.errors() < kFindingsMax) nearest = nearest_name(name.text, nodes_);
    diagnostics_.error(name.at, "unknown_node",
                       fmt::format("a test wants the id of a node, found {}", describe(name)),
                       std::move(nearest));
  }

  /// The value of `key` where it is there and of `kind`.
  const Tree* want(const Tree& map, std::string_view key, Tree::Kind kind, std::string_view wants) {
    const auto* entry = map.find(key);
    if (!entry) return nullptr;
    if (entry->value.kind == kind) return &entry->value;
    wrong_type(entry->value, fmt::format("a test: \"{}\" wants {}", key, wants));
    return nullptr;
  }

  void wrong_type(const Tree& tree, std::string_view wants) {
    diagnostics_.error(tree.at, "wrong_type", fmt::format("{}, found {}", wants, describe(tree)));
  }

  std::span<const std::string_view> nodes_;
  std::set<std::string_view> known_;
  Diagnostics& diagnostics_;
};
}  // namespace

void check_tests(const Tree& tests, const std::vector<std::string_view>& nodes,
                 Diagnostics& diagnostics) {
  if (!tests.is_list()) {
    diagnostics.error(tests.at, "wrong_type",
                      fmt::format("\"tests\" wants a list of tests, found {}", describe(tests)));
    return;
  }
  TestChecker checker{nodes, diagnostics};
  for (const Tree& test : tests.items) checker.check(test);
}
}  // namespace onward
