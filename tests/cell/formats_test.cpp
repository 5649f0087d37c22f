// Versions that were checked by older rules, under a program with newer ones.
#include <catch2/catch.hpp>

#include "nodes/nodes.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kCourse = R"(
scenario: course
reentry: parallel
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 40d, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)";

std::string changed(std::string_view text, std::string_view from, std::string_view to) {
  std::string result{text};
  result.replace(result.find(from), from.size(), to);
  return result;
}

/// Node kinds whose newest rules refuse waits above 30 days, and read shorter ones in another way.
const NodeKinds& stricter_kinds() {
  static const NodeKinds kKinds = [] {
    NodeKinds kinds = node_kinds();
    for (NodeKind& kind : kinds) {
      if (kind.name != "wait") continue;
      kind.make = [make = kind.make](Settings& settings) {
        const auto length = settings.optional<Duration>("for");
        if (length && *length > 30 * 24h)
          settings.error_since(kNewestFormat, settings.find("for")->at, "too_long",
                               "\"for\" must be at most 30d");
        return make(settings);
      };
      kind.changes.push_back({.since = kNewestFormat,
                              .sentence = "\"for\" counts working days",
                              .concerns = [](const Tree& node) { return node.find("for"); }});
    }
    return kinds;
  }();
  return kKinds;
}

/// A stage on which `kCourse` is active and one contact waits, all of it stored by the older rules,
/// and then started again under the newer ones.
class Upgraded {
 public:
  Upgraded() {
    options.log = [this](const LogRecord& record) {
      if (record.event == "scenario.outdated" || record.event == "scenario.unreadable") {
        const std::string line = to_line(record, Instant{});
        logged.push_back(line.substr(line.find(' ') + 1));
      }
    };
    stage.emplace(kCourse, nullptr, options);
    stage->event("ada", "subscription");
    store(kNewestFormat - 1);
    stage->restart(stricter_kinds());
  }
  /// Says of the newest version which rules checked it.
  void store(RulesFormat format) {
    VersionRecord version = stage->engine().store().snapshot()->control.versions.back();
    version.text = *stage->engine().control().scenarios.text("course", version.version);
    version.format = format;
    REQUIRE(stage->engine().store().commit({.control = {.versions = {version}}}));
  }

  RuntimeOptions options;
  std::vector<std::string> logged;
  std::optional<Stage> stage;
};

RulesFormat format_of(Stage& stage, const std::string& id) {
  return stage.engine().views().info(id)->format;
}
}  // namespace

TEST_CASE("a stored version that only newer rules refuse continues after a restart, with a warning",
          "[cell][formats]") {
  Upgraded world;
  Stage& stage = *world.stage;
  CHECK(world.logged == std::vector<std::string>{
                            "scenario.outdated level=warning scenario=course version=1 format=1 "
                            "warnings=1 line=6 first=\"node \\\"pause\\\": \\\"for\\\" must be at "
                            "most 30d (this stored version continues to work; a new version must "
                            "not have it)\""});
  CHECK(stage.engine().views().info("course")->state == ScenarioState::Active);
  stage.event("bob", "subscription");
  CHECK(stage.place_of("bob") == "pause");
  stage.pass(40 * 24h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.place_of("bob") == "done");
  CHECK(stage.deliveries().size() == 2);
  // Reading it again is not worth another line; another start is.
  CHECK(stage.engine().views().versions("course"));
  CHECK(world.logged.size() == 1);
  stage.restart();
  CHECK(world.logged.size() == 2);
}

TEST_CASE("a stored text is unchanged when it is applied again, whatever newer rules say",
          "[cell][formats]") {
  Upgraded world;
  Cell& engine = world.stage->engine();
  const ApplyAnswer same = engine.scenarios().apply("course", std::string{kCourse}).value();
  CHECK_FALSE(same.refused);
  CHECK_FALSE(same.changed);
  REQUIRE(same.diagnostics.size() == 1);
  CHECK(same.diagnostics.front().severity == Severity::Warning);
  CHECK(same.scenario.version == 1);
  CHECK(format_of(*world.stage, "course") == kNewestFormat - 1);
  const ScenarioPlan plan = engine.views().plan("course", std::string{kCourse}, {}).value();
  CHECK_FALSE(plan.refused);
  CHECK_FALSE(plan.changed);
  CHECK(plan.notes.empty());

  // A new text is held to the newest rules, also where what they refuse was there before.
  const std::string other = changed(kCourse, "/in", "/other");
  CHECK(engine.scenarios().apply("course", other)->refused);
  CHECK(engine.views().plan("course", other, {})->refused);
  CHECK(engine.scenarios().apply("fresh", changed(kCourse, "course", "fresh"))->refused);
}

TEST_CASE("a duplicate keeps the format of its original until it is changed", "[cell][formats]") {
  Upgraded world;
  Stage& stage = *world.stage;
  REQUIRE(stage.engine().scenarios().duplicate("course", "copy"));
  CHECK(format_of(stage, "copy") == kNewestFormat - 1);
  REQUIRE(stage.engine().scenarios().activate("copy", std::nullopt));
  stage.restart();
  stage.event("bob", "subscription");
  CHECK(stage.counts("pause")[Counter::Waiting] == 2);

  const std::string shorter = changed(changed(kCourse, "course", "copy"), "40d", "20d");
  REQUIRE(stage.engine().scenarios().apply("copy", shorter)->changed);
  CHECK(format_of(stage, "copy") == kNewestFormat);
  const ScenarioVersions versions = stage.engine().views().versions("copy").value();
  CHECK(versions.versions.at(0).format == kNewestFormat);
  CHECK(versions.versions.at(1).format == kNewestFormat - 1);
  CHECK(stage.engine().control().scenarios.version("copy", 1)->format == kNewestFormat - 1);
}

TEST_CASE("a plan names each node that newer rules read in another way", "[cell][formats]") {
  Upgraded world;
  Cell& engine = world.stage->engine();
  const std::string next = changed(changed(kCourse, "40d", "20d"), "next: end }",
                                   "next: rest }\n  rest: { kind: wait, for: 1d, next: end }");
  const auto meanings = [&](const std::string& text) {
    std::vector<std::string> found;
    const ScenarioPlan plan = engine.views().plan("course", text, {}).value();
    for (const std::string& note : plan.notes)
      if (note.find("meaning") != std::string::npos) found.push_back(note);
    return found;
  };
  // "rest" is new, so nobody knows it by another meaning.
  CHECK(meanings(next) ==
        std::vector<std::string>{"\"pause\" changes its meaning: \"for\" counts working days"});
  REQUIRE(engine.scenarios().apply("course", next)->changed);
  CHECK(meanings(changed(next, "20d", "10d")).empty());
}

TEST_CASE("a version that a newer program checked is not read by an older one", "[cell][formats]") {
  Upgraded world;
  Stage& stage = *world.stage;
  world.store(kNewestFormat + 1);
  world.logged.clear();
  stage.restart();
  REQUIRE_FALSE(world.logged.empty());
  CHECK(
      world.logged.front().starts_with("scenario.unreadable level=error scenario=course version=1 "
                                       "first=\"it was checked by the rules of format 3"));
  stage.event("bob", "subscription");
  CHECK(stage.runs_of("bob").empty());
  // The program that knows the format continues where this one stopped.
  world.store(kNewestFormat);
  stage.restart(node_kinds());
  stage.pass(40 * 24h);
  CHECK(stage.place_of("ada") == "done");
}
