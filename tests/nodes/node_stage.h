#pragma once
// A scenario with one node under test, and a contact that visits it.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/authoring/load.h"
#include "nodes/nodes.h"

namespace onward {
/// Builds `node: { … }` (YAML, flow form) as the scenario's only other node, and lets a contact
/// visit it.
class NodeStage {
 public:
  explicit NodeStage(std::string_view node) {
    const std::string text =
        "scenario: welcome\ntitle: Welcome\nnodes:\n"
        "  start: { kind: trigger, event: subscription, next: node }\n  node: " +
        std::string{node} + "\n";
    loaded = load_scenario(text, node_kinds());
    contact.id = ExternalId{"54321", true};
    contact.set(Field::Email, "john.doe@example.org");
    contact.set(Field::FirstName, "John");
    contact.set(Field::LastName, "Doe");
    event.type = "subscription";
  }

  /// All findings, as "code code ".
  std::string codes() const {
    std::string result;
    for (const Diagnostic& found : loaded.diagnostics) result += found.code + " ";
    return result;
  }
  const Node& node() const {
    INFO(codes());
    REQUIRE(loaded.scenario);
    return *loaded.scenario->find("node")->node;
  }
  Outcome enter() const { return node().enter(visit()); }
  /// The request that the visit asks for.
  RequestDraft draft() const {
    Outcome outcome = enter();
    REQUIRE(outcome.request);
    return *outcome.request;
  }
  Visit visit() const {
    const Instant now = *parse_instant("2024-05-28T12:56:40.321Z");
    return {.contact = contact,
            .engagement = engagement,
            .event = &event,
            .now = {.at = now, .seq = 7},
            .arrived = now,
            .run = RunKey{99},
            .scenario = "welcome",
            .scenario_title = "Welcome",
            .timezone = "UTC",
            .node = NodeNumber{2},
            .delivery_id = "evt_GppedVq2CWTW0000000000007",
            .account_id = 3};
  }

  Loaded loaded;
  Contact contact;
  Engagement engagement;
  Event event;
};
}  // namespace onward
