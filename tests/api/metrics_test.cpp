#include "engine/api/metrics.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

namespace onward {
namespace {
TEST_CASE("the figures are Prometheus text, each family once", "[api][metrics]") {
  RuntimeFigures figures;
  figures.events_accepted = 5;
  figures.commit_micros_total = 1'500'000;
  figures.log_lines_dropped = 7;
  const Instant now = *parse_instant("2026-05-01T09:00:00Z");
  figures.oldest_due = now - std::chrono::milliseconds{2500};
  ScenarioStats stats;
  stats.id = "welcome";
  stats.live.scenario.add(Counter::Entered, 4);
  NodeStats node{"tell", "send_webhook", true, {}, {}};
  node.counts.add(Counter::Accepted, 3);
  stats.live.nodes = {node, node};
  const std::string text =
      prometheus_text(figures, {stats}, now, {{.reason = "wrong_token", .refused = 3}});
  for (const char* line :
       {"# TYPE onward_events_total counter\n", "onward_events_total{result=\"accepted\"} 5\n",
        "onward_log_lines_dropped_total 7\n",
        "onward_refused_logins_total{reason=\"wrong_token\"} 3\n",
        "onward_commit_seconds_total 1.5\n", "onward_oldest_due_seconds 2.5\n",
        "onward_scenario_entered_total{scenario=\"welcome\"} 4\n",
        "onward_scenario_deliveries{scenario=\"welcome\",state=\"accepted\"} 6\n"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("however many scenarios and origins there are, labels stay bounded", "[api][metrics]") {
  RuntimeFigures figures;
  std::vector<ScenarioStats> many(1000);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i].id = fmt::format("s{}", i);
    many[i].live.scenario.add(Counter::Entered, static_cast<std::int64_t>(i));
    figures.delivery.origins.push_back({fmt::format("https://o{}.example:443", i)});
  }
  const std::string text = prometheus_text(figures, many, {});
  CHECK(text.find("{scenario=\"s999\"}") != std::string::npos);
  CHECK(text.find("{scenario=\"s1\"}") == std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') < 2000);
}
}  // namespace
}  // namespace onward
