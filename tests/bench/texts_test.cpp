#include "tools/bench/texts.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/authoring/load.h"
#include "engine/core/base/value.h"
#include "nodes/nodes.h"

using namespace onward;
using namespace onward::bench;

TEST_CASE("the scenarios that are measured have no mistakes and no warnings", "[bench]") {
  const std::vector<std::string> texts{
      webhook_scenario("a", "measured", 80),
      waiting_scenario("b", "measured"),
      due_scenario("c", "measured", "2030-01-01T00:00:00Z"),
      unmatched_scenario("d", "measured"),
      path_scenario("e", "measured", 200),
      large_scenario(5'000),
      padded_scenario(std::size_t{4} << 20, 1),
      journey_scenario(),
  };
  for (const std::string& text : texts) {
    const Loaded loaded = load_scenario(text, node_kinds());
    INFO(text.substr(0, 300));
    for (const Diagnostic& diagnostic : loaded.diagnostics) CHECK(diagnostic.message == "");
    CHECK(loaded.scenario);
  }
}

TEST_CASE("the long path and the large file have the nodes that they should", "[bench]") {
  CHECK(load_scenario(path_scenario("p", "measured", 200), node_kinds()).scenario->nodes.size() ==
        200);
  const std::string padded = padded_scenario(std::size_t{4} << 20, 1);
  CHECK(padded.size() <= std::size_t{4} << 20);
  CHECK(padded.size() > 4'100'000);
  CHECK(load_scenario(padded, node_kinds()).scenario->nodes.size() == 9'900);
  CHECK(padded != padded_scenario(std::size_t{4} << 20, 2));
  CHECK(load_scenario(large_scenario(5'000), node_kinds()).scenario->nodes.size() == 5'000);
}

TEST_CASE("events and contacts are JSON", "[bench]") {
  std::string event, contact;
  append_event(event, "measured", 7, 42, 1'700);
  append_contact(contact, 7);
  const auto read = parse_json(event);
  REQUIRE(read);
  CHECK(*read->find_path("contact.id")->text() == "c7");
  CHECK(*read->find_path("data.mark")->text() == "42.1700");
  REQUIRE(parse_json(contact));
  CHECK(*parse_json(contact)->find_path("contact.email")->text() == "person7@bench.example.org");
}
