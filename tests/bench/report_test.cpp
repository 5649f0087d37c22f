#include "tools/bench/report.h"

#include <catch2/catch.hpp>

#include "engine/core/base/value.h"

using namespace onward;
using namespace onward::bench;

namespace {
Reading rate(double value, double goal) {
  return {.name = "rate",
          .text = "posts",
          .value = value,
          .unit = "/s",
          .limit = 200,
          .limit_text = "the machine",
          .goal = at_least(goal)};
}
}  // namespace

TEST_CASE("a spread is the middle value, the least and the most", "[bench]") {
  const Spread odd = spread_of({5, 1, 9});
  CHECK(odd.median == 5);
  CHECK(odd.least == 1);
  CHECK(odd.most == 9);
  CHECK(spread_of({4, 1, 2, 9}).median == 3);
  CHECK(spread_of({}).median == 0);
}

TEST_CASE("the readings of several runs are one figure, judged by their median", "[bench]") {
  Report report;
  for (const double value : {90.0, 110.0, 120.0}) {
    report.begin("part", "A part");
    report.add(rate(value, 100));
  }
  REQUIRE(report.sections().size() == 1);
  REQUIRE(report.sections()[0].figures.size() == 1);
  const Figure& figure = report.sections()[0].figures[0];
  CHECK(figure.values == std::vector<double>{90, 110, 120});
  CHECK(figure.met() == true);

  const auto json = parse_json(to_json_text(report, {}));
  REQUIRE(json);
  const Value* written = json->find_path("parts.part.figures.rate");
  REQUIRE(written);
  CHECK(*written->find("text")->text() == "posts");
  CHECK(written->find("value")->number() == 110);
  CHECK(written->find("min")->number() == 90);
  CHECK(written->find("ratio")->number() == 0.55);
  CHECK(to_table(report, {}).find("1 of 1 goals met") != std::string::npos);
  CHECK(to_markdown(report, {})
            .find("| posts | 110 /s | 90.0..120 | >= 100 met | 0.55 of the machine (200) |") !=
        std::string::npos);
}

TEST_CASE("a goal that moves with the machine is the median of what it was", "[bench]") {
  Report report;
  report.begin("part", "A part");
  for (const double bound : {10.0, 30.0, 20.0}) {
    report.add({.name = "took", .text = "took", .value = 25, .unit = "us", .goal = at_most(bound)});
  }
  CHECK(report.sections()[0].figures[0].met() == false);
}

TEST_CASE("faults stay with the part that they were found in", "[bench]") {
  Report report;
  report.begin("one", "One");
  report.begin("two", "Two");
  report.begin("one", "One");
  report.fault("an event was lost");
  REQUIRE(report.sections().size() == 2);
  CHECK(report.sections()[0].faults.size() == 1);
  CHECK(report.sections()[1].faults.empty());
  CHECK(report.has_faults());
  CHECK(to_table(report, {}).find("FAULT: an event was lost") != std::string::npos);
}
