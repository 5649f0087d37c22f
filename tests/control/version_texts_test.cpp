// What the memory holds of the versions of a scenario: those that are needed, and no text.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/support/stores.h"

namespace onward {
namespace {
std::string course(int number) {
  return fmt::format(R"(scenario: course
title: "{} {}"
nodes:
  joined: {{ kind: trigger, event: subscription, next: pause }}
  pause:  {{ kind: wait, for: 30d, next: end }}
)",
                     number, std::string(2'000, 'x'));
}
}  // namespace

TEST_CASE("however often a scenario is applied, only the versions in use are in memory",
          "[control][scenarios]") {
  LastingStage stage{course(1), GENERATE(false, true)};
  stage->event("ada", "subscription");
  for (int number = 2; number <= 1'000; ++number) stage->apply(course(number));
  const auto check = [&] {
    const ScenarioBook& book = stage->engine().control().scenarios;
    // The newest, and that of the run under way.
    CHECK(book.held().built == 2);
    CHECK(book.held().text_bytes == 0);
    CHECK(book.find("course")->newest == 1'000);
    for (const Version version : {1, 2, 500, 1'000})
      CHECK(book.text("course", version) == course(static_cast<int>(version)));
    CHECK(book.text("course", 1'001).error().code == "unknown_version");
  };
  check();
  stage.restart();
  // A start reads what it builds.
  CHECK(stage->engine().control().scenarios.texts().reads() == 2);
  check();
  CHECK(stage->place_of("ada") == "pause");
}

TEST_CASE("memory keeps nothing of a deleted draft and only what runs need of an archived scenario",
          "[control][scenarios]") {
  const auto relay = [](std::string_view id, std::string_view next) {
    return fmt::format(R"(scenario: {0}
title: The title of {0}
nodes:
  joined: {{ kind: trigger, event: {0}, next: tell }}
  tell:   {{ kind: send_webhook, url: "https://crm.example.com/in", next: {1} }}
  pause:  {{ kind: wait, for: 7d, next: end }}
)",
                       id, next);
  };
  LastingStage stage{course(1), GENERATE(false, true)};
  const auto built = [&] { return stage->engine().control().scenarios.held().built; };
  CHECK(built() == 1);

  stage->apply(relay("draft", "pause"), /*activate=*/false);
  REQUIRE(stage->engine().scenarios().duplicate("draft", "copy", ""));
  CHECK(built() == 3);
  for (const char* id : {"draft", "copy"}) REQUIRE(stage->engine().scenarios().remove_draft(id));
  CHECK(built() == 1);
  CHECK(stage->engine().control().scenarios.find("draft")->nodes.empty());

  for (const char* id : {"idle", "busy", "pending"}) stage->apply(relay(id, "pause"));
  stage->event("ada", "busy");
  stage->event("ada", "idle");
  stage->reply(200);
  stage->pass(std::chrono::hours{7 * 24});  // Both runs are done.
  stage->event("bob", "busy");
  stage->reply(200);
  stage->event("bob", "pending");
  CHECK(built() == 4);
  for (const char* id : {"idle", "busy", "pending"})
    REQUIRE(stage->engine().scenarios().archive(id, /*cancel_pending=*/false));

  const auto check_idle = [&] {
    Cell& engine = stage->engine();
    CHECK(engine.views().info("idle")->title == "The title of idle");
    const ScenarioStats stats = engine.views().stats("idle", 0).value();
    REQUIRE(stats.live.nodes.size() == 3);
    CHECK(stats.live.nodes[1].id == "tell");
    CHECK(stats.live.nodes[1].kind == "send_webhook");
    CHECK(stats.live.nodes[1].counts[Counter::Accepted] == 1);
    CHECK(engine.views().versions("idle")->versions.at(0).nodes == 3);
    CHECK(engine.control().scenarios.text("idle", 1) == relay("idle", "pause"));
    CHECK(engine.secrets().webhook_test("idle", "tell"));
    CHECK(engine.deliveries().switch_node("idle", "tell", /*pause=*/true, ""));
    CHECK(engine.deliveries().switch_node("idle", "tell", /*pause=*/false, ""));
    CHECK(engine.scenarios().apply("draft", relay("draft", "pause")).error().code == "id_used");
    CHECK(engine.views().info("draft").error().code == "unknown_scenario");
  };
  CHECK(built() == 3);
  check_idle();
  stage.restart();
  // A start reads what it builds: nothing of "idle".
  CHECK(stage->engine().control().scenarios.texts().reads() == 3);
  CHECK(built() == 3);
  check_idle();
  CHECK(built() == 3);
  REQUIRE(stage->engine().scenarios().duplicate("idle", fmt::format("again-{}", 1), ""));
  CHECK(built() == 4);
  REQUIRE(stage->engine().scenarios().remove_draft("again-1"));
  CHECK(built() == 3);

  CHECK(stage->place_of("bob") == "pause");
  CHECK(stage->reply(200) == 1);
  for (const char* id : {"busy", "pending"}) {
    REQUIRE(stage->engine().scenarios().purge(id));
    stage->pass({});
  }
  CHECK(built() == 1);
  stage.restart();
  CHECK(built() == 1);
  CHECK(stage->engine().views().info("busy")->title == "The title of busy");
  CHECK(stage->broken() == "");
}
}  // namespace onward
