#include "tests/nodes/node_stage.h"

using namespace onward;

namespace {
Loaded load_trigger(std::string_view settings) {
  return load_scenario(
      "scenario: x\ntimezone: America/Toronto\nreentry: never\nnodes:\n"
      "  start: { kind: trigger_segment, " +
          std::string{settings} + ", next: end }\n",
      node_kinds());
}

std::string codes(const Loaded& loaded) {
  std::string result;
  for (const Diagnostic& found : loaded.diagnostics) result += found.code + " ";
  return result;
}
}  // namespace

TEST_CASE("a segment trigger listens for its segment, without those who match already",
          "[nodes][trigger_segment]") {
  const Loaded loaded = load_trigger("if: { not: { opened: { within: 90d } } }");
  INFO(codes(loaded));
  REQUIRE(loaded.scenario);
  const auto& listen = std::get<SegmentListen>(loaded.scenario->nodes[0].node->listens());
  CHECK(listen.segment.reads().events.contains("opened"));
  CHECK(listen.segment.reads().time);
  CHECK_FALSE(listen.backfill);
  CHECK_FALSE(listen.at);
  CHECK(loaded.scenario->nodes[0].kind->family == NodeFamily::Trigger);
}

TEST_CASE("a segment trigger takes those who match already where it says so",
          "[nodes][trigger_segment]") {
  const Loaded loaded = load_trigger("if: { in_group: vip }, backfill: true");
  REQUIRE(loaded.scenario);
  CHECK(std::get<SegmentListen>(loaded.scenario->nodes[0].node->listens()).backfill);
}

TEST_CASE("a segment trigger may ask everybody once, at a time in the scenario's zone",
          "[nodes][trigger_segment]") {
  const Loaded loaded = load_trigger("if: { not: { clicked: spring } }, at: 2026-05-01T09:00");
  REQUIRE(loaded.scenario);
  const auto& listen = std::get<SegmentListen>(loaded.scenario->nodes[0].node->listens());
  CHECK(listen.at == parse_instant("2026-05-01T13:00:00Z"));
}

TEST_CASE("a segment trigger refuses what cannot be meant", "[nodes][trigger_segment]") {
  struct Case {
    std::string_view settings;
    std::string_view code;
  };
  for (const Case& given : {
           Case{"backfill: true", "missing_key "},
           Case{"if: { in_group: a }, at: 2026-05-01T09:00, backfill: true", "conflict "},
           Case{"if: { in_group: a }, at: 2026-05-01T09:00, backfill: false", "conflict "},
           Case{"if: { in_group: a }, at: \"09:00\"", "wrong_type "},
           Case{"if: { in_group: a }, backfill: often", "wrong_type "},
           Case{"if: { event.form: a }", "no_event "},
           Case{"if: { in_group: a }, event: order", "unknown_key "},
       }) {
    CAPTURE(given.settings);
    const Loaded loaded = load_trigger(given.settings);
    CHECK_FALSE(loaded.scenario);
    CHECK(codes(loaded) == given.code);
  }
}
