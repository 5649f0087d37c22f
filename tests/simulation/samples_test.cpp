// The samples' own tests run here: each scenario of scenarios/ proves itself.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/authoring/load.h"
#include "engine/simulation/test_runner.h"
#include "nodes/nodes.h"

using namespace onward;

TEST_CASE("every sample passes its own tests", "[simulation][samples]") {
  int samples = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"scenarios"}) {
    if (entry.path().extension() != ".yaml") continue;
    ++samples;
    std::ostringstream text;
    text << std::ifstream{entry.path(), std::ios::binary}.rdbuf();
    INFO(entry.path().string());
    const Loaded loaded = load_scenario(text.str(), node_kinds());
    REQUIRE(loaded.scenario);
    const auto report = run_tests(*loaded.scenario, text.str(), node_kinds());
    REQUIRE(report);
    CHECK_FALSE(report->results.empty());
    for (const TestResult& result : report->results)
      for (const TestDifference& one : result.differences) {
        INFO(result.name << ": " << one.what << ": expected " << one.expected << ", found "
                         << one.found);
        CHECK(result.passed());
      }
  }
  CHECK(samples >= 3);
}
