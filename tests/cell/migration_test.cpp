// Runs under way that go over to a new version, and what a plan says of it before.
#include <catch2/catch.hpp>

#include "engine/cell/scenario_pass.h"
#include "engine/store/memory/memory_store.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kOne = R"(scenario: course
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: first }
  first:  { kind: wait, for: 7d, next: second }
  second: { kind: wait, for: 7d, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/one", next: end }
)";
// The first wait is shorter, a node came in, the second wait went.
constexpr std::string_view kTwo = R"(scenario: course
reentry: after_exit
nodes:
  joined: { kind: trigger, event: subscription, next: first }
  first:  { kind: wait, for: 5d, next: note }
  note:   { kind: send_webhook, url: "https://crm.example.com/note", next: rest }
  rest:   { kind: wait, for: 1d, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/two", next: end }
)";

MigrationRequest moving(std::vector<std::pair<std::string, std::string>> map = {}) {
  return {.wanted = true, .map = std::move(map)};
}
ScenarioPlan plan(Stage& stage, std::string_view text, MigrationRequest request = {}) {
  auto plan = stage.engine().views().plan("course", std::string{text}, request);
  REQUIRE(plan);
  return std::move(*plan);
}
bool any(const std::vector<std::string>& lines, std::string_view part) {
  for (const std::string& line : lines)
    if (line.find(part) != std::string::npos) return true;
  return false;
}
std::int64_t inside(Stage& stage, Version version) {
  return stage.engine().views().stats("course", version)->live.scenario[Counter::Inside];
}
/// Three contacts at `second`, two at `first`.
void fill(Stage& stage) {
  for (const char* who : {"ada", "bob", "eve"}) stage.event(who, "subscription");
  stage.pass(8 * 24h);
  for (const char* who : {"jan", "kim"}) stage.event(who, "subscription");
}
}  // namespace

TEST_CASE("a plan says who is where and what they will see, and changes nothing", "[cell][plan]") {
  Stage stage{kOne};
  fill(stage);
  const ScenarioPlan found = plan(stage, kTwo);
  CHECK(found.changed);
  CHECK(found.from == 1);
  CHECK(found.to == 2);
  CHECK(found.inside == 5);
  REQUIRE(found.places.size() == 2);
  CHECK(found.places[0].node == "first");
  CHECK(found.places[0].waiting == 2);
  CHECK(found.places[1].waiting == 3);
  CHECK_FALSE(found.places[1].kept);
  REQUIRE(found.inserted.size() == 2);
  CHECK(found.inserted[0].node == "note");
  CHECK(found.inserted[0].ahead == 2);
  CHECK(any(found.notes, "5 runs under way finish on the version where they began"));
  CHECK(any(found.notes, "re-entry changes from never to after_exit"));
  CHECK(any(found.notes, "5 contacts who have entered before may do so again"));
  REQUIRE(found.stranded.size() == 1);
  CHECK(found.stranded[0] ==
        "3 contacts wait at \"second\" of version 1: that node is not in the new version; name "
        "where they go on, --map second=NODE");
  CHECK(plan(stage, kTwo, moving({{"second", "rest"}})).stranded.empty());
  CHECK(stage.engine().control().scenarios.find("course")->newest == 1);

  const ScenarioPlan same = plan(stage, kOne);
  CHECK_FALSE(same.changed);
  CHECK(same.diff.empty());
}

TEST_CASE("a plan counts those who are past an inserted node", "[cell][plan]") {
  Stage stage{kOne};
  fill(stage);
  std::string text{kOne};
  text.replace(text.find("next: first"), 11, "next: hello");
  text += "  hello:  { kind: wait, for: 1h, next: first }\n";
  const ScenarioPlan found = plan(stage, text);
  REQUIRE(found.inserted.size() == 1);
  CHECK(found.inserted[0].past == 5);
  CHECK(any(found.notes, "5 contacts are past this point and will never see it"));
  CHECK(found.stranded.empty());
}

TEST_CASE("a plan of a wrong file tells its mistakes, one of a new file all that is added",
          "[cell][plan]") {
  Stage stage{kOne};
  std::string text{kOne};
  text.replace(text.find("kind: wait, for: 7d, next: second"), 33,
               "kind: condition, if: { in_group: vip }, yes: end, no: second");
  const ScenarioPlan wrong = plan(stage, text);
  CHECK(wrong.refused);
  CHECK(wrong.diagnostics.back().code == "kind_changed");
  CHECK_FALSE(wrong.diff.empty());

  Stage empty;
  const ScenarioPlan fresh = plan(empty, kOne);
  CHECK(fresh.created);
  CHECK(fresh.to == 1);
  CHECK(fresh.diff.nodes.size() == 4);
  CHECK(empty.engine().control().scenarios.find("course") == nullptr);
}

TEST_CASE("a migration that would strand somebody is refused whole", "[cell][migration]") {
  Stage stage{kOne};
  fill(stage);
  const auto refused = stage.engine().scenarios().apply("course", std::string{kTwo}, moving());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "would_strand");
  CHECK(refused.error().message.find("3 contacts wait at \"second\" of version 1") !=
        std::string::npos);
  CHECK(stage.engine().control().scenarios.find("course")->newest == 1);
  struct Row {
    std::string to, code, part;
  };
  for (const auto& [to, code, part] :
       {Row{"joined", "would_strand", "is a trigger"}, Row{"first", "would_strand", "already"},
        Row{"tel", "unknown_node", "did you mean \"tell\""},
        Row{"end", "unknown_node", "no node of the new version"}}) {
    const auto answer =
        stage.engine().scenarios().apply("course", std::string{kTwo}, moving({{"second", to}}));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == code);
    CHECK(answer.error().message.find(part) != std::string::npos);
  }
  const auto unknown =
      stage.engine().scenarios().apply("course", std::string{kTwo}, moving({{"secnd", "rest"}}));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("did you mean \"second\"") != std::string::npos);
}

TEST_CASE("runs go over to the new version and wait on from what they have waited",
          "[cell][migration]") {
  Stage stage{kOne};
  fill(stage);
  const ApplyAnswer answer = stage.engine()
                                 .scenarios()
                                 .apply("course", std::string{kTwo}, moving({{"second", "rest"}}))
                                 .value();
  CHECK(answer.migrating);
  CHECK(answer.scenario.version == 2);
  CHECK(stage.engine().views().versions("course")->progress);
  stage.pass(0s);
  CHECK_FALSE(stage.engine().views().versions("course")->progress);
  CHECK(inside(stage, 1) == 0);
  CHECK(stage.broken() == "");

  // Those at the second wait had waited a day there, as long as "rest" lasts.
  CHECK(stage.path_of("ada") == "joined first second rest tell");
  CHECK(stage.place_of("jan") == "first");
  stage.pass(5 * 24h);  // of seven
  CHECK(stage.place_of("jan") == "rest");
  stage.pass(1 * 24h);
  CHECK(stage.path_of("jan") == "joined first note rest tell");
  CHECK(stage.counts("note")[Counter::Visits] == 2);
  CHECK(stage.counts("")[Counter::Entered] == 5);
  CHECK(stage.counts("")[Counter::MovedIn] == 5);
  CHECK(stage.counts("")[Counter::MovedOut] == 5);
  CHECK(stage.engine().views().stats("course", 2)->live.scenario[Counter::Done] == 5);
  CHECK(stage.broken() == "");
}

TEST_CASE("who was left behind can follow later, without a new version", "[cell][migration]") {
  Stage stage{kOne};
  fill(stage);
  stage.apply(kTwo);
  stage.pass(0s);
  CHECK(inside(stage, 1) == 5);
  const ApplyAnswer again = stage.engine()
                                .scenarios()
                                .apply("course", std::string{kTwo}, moving({{"second", "rest"}}))
                                .value();
  CHECK_FALSE(again.changed);
  CHECK(again.migrating);
  stage.pass(0s);
  CHECK(inside(stage, 1) == 0);
  CHECK_FALSE(stage.engine()
                  .scenarios()
                  .apply("course", std::string{kTwo}, moving({{"second", "rest"}}))
                  ->migrating);
}

TEST_CASE("a migration whose step finds the disk full takes the step again", "[cell][migration]") {
  const int full_at = GENERATE(0, 1, 2);
  auto faults = std::make_shared<Faults>();
  Stage stage{kOne, make_faulty_store(make_memory_store(), faults)};
  fill(stage);
  std::string text{kOne};
  text.replace(text.find("for: 7d"), 7, "for: 9d");
  REQUIRE(stage.engine().scenarios().apply("course", text, moving()));
  for (int turn = 0; turn < full_at; ++turn) REQUIRE(drive(stage.engine()));
  faults->full = true;
  REQUIRE(drive(stage.engine()));
  faults->full = false;
  stage.pass(1min);
  CHECK(inside(stage, 1) == 0);
  CHECK_FALSE(stage.engine().views().versions("course")->progress);
  CHECK(stage.broken() == "");
}

TEST_CASE("a migration goes on after a restart, and meanwhile nothing else is applied",
          "[cell][migration]") {
  Stage stage{kOne};
  for (int i = 0; i < 450; ++i) stage.event("c" + std::to_string(i), "subscription");
  std::string text{kOne};
  text.replace(text.find("for: 7d"), 7, "for: 9d");
  REQUIRE(stage.engine().scenarios().apply("course", text, moving()));
  REQUIRE(drive(stage.engine()));  // one piece
  const auto progress = stage.engine().views().versions("course")->progress;
  REQUIRE(progress);
  CHECK(progress->done > 0);
  CHECK(progress->done < 450);
  const auto refused = stage.engine().scenarios().apply("course", std::string{kOne}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "migrating");

  stage.restart();
  CHECK(stage.engine().views().versions("course")->progress);
  stage.pass(0s);
  CHECK_FALSE(stage.engine().views().versions("course")->progress);
  CHECK(inside(stage, 1) == 0);
  CHECK(inside(stage, 2) == 450);
  CHECK(stage.broken() == "");
  stage.pass(8 * 24h);
  CHECK(stage.place_of("c0") == "first");
  auto reader = stage.engine().store().open_reader();
  CHECK((*reader)->activity("course", 1, "")->rows.at(0).second.text ==
        "450 moved to version 2, 0 stayed");
}

TEST_CASE("an archive ends a migration under way", "[cell][migration]") {
  Stage stage{kOne};
  for (int i = 0; i < 250; ++i) stage.event("c" + std::to_string(i), "subscription");
  std::string text{kOne};
  text.replace(text.find("for: 7d"), 7, "for: 9d");
  REQUIRE(stage.engine().scenarios().apply("course", text, moving()));
  REQUIRE(stage.engine().scenarios().archive("course", false));
  stage.pass(0s);
  CHECK_FALSE(stage.engine().views().versions("course")->progress);
  CHECK(stage.broken() == "");
}

TEST_CASE("versions tell how many are on each", "[cell][versions]") {
  Stage stage{kOne};
  fill(stage);
  stage.apply(kTwo);
  stage.event("zoe", "subscription");
  const ScenarioVersions found = stage.engine().views().versions("course").value();
  REQUIRE(found.versions.size() == 2);
  CHECK(found.versions[0].version == 2);
  CHECK(found.versions[0].newest);
  CHECK(found.versions[0].nodes == 5);
  CHECK(found.versions[0].inside == 1);
  CHECK(found.versions[1].inside == 5);
  CHECK(found.versions[1].entered == 5);
  CHECK(stage.engine().control().scenarios.text("course", 1) == kOne);
  CHECK(stage.engine().control().scenarios.text("course", 3).error().code == "unknown_version");
}

TEST_CASE("the record of a pass comes back as it was written", "[cell][migration]") {
  ScenarioPass pass{.scenario = "course", .to = 3, .map = {{{1}, {2}}}, .base = 4, .after = 5};
  pass.stayed = 6;
  const auto read = read_pass(record_of(pass));
  REQUIRE(read);
  CHECK(read->scenario == "course");
  CHECK(read->kind == ScenarioPass::Kind::Migrate);
  CHECK(read->to == 3);
  CHECK(read->map == pass.map);
  CHECK(read->base == 4);
  CHECK(read->after == 5);
  CHECK(read->stayed == 6);
  CHECK_FALSE(read_pass({.kind = AdminKind::Pass, .name = "arm/course", .content = "{}"}));
  CHECK_FALSE(read_pass({.kind = AdminKind::Setting, .name = "purge/course", .content = "{}"}));
}

TEST_CASE("who moves to a version whose exit rule holds already goes no further",
          "[cell][migration]") {
  const bool elsewhere = GENERATE(false, true);
  Stage stage{kOne};
  stage.event("ada", "subscription", "{}", R"({"groups": ["customers"]})");
  stage.event("bob", "subscription");
  stage.pass(6 * 24h);
  std::string text{kTwo};
  text.replace(text.find("reentry"), 0, "exit: [{ if: { in_group: customers } }]\n");
  if (elsewhere) stage.pass(2 * 24h);  // both are at `second`, and go over to `rest`
  const auto applied = stage.engine().scenarios().apply(
      "course", text, elsewhere ? moving({{"second", "rest"}}) : moving());
  REQUIRE(applied);
  REQUIRE_FALSE(applied->refused);
  stage.pass(0s);
  CHECK(stage.place_of("ada") == "exited");
  CHECK(stage.counts("")[Counter::Exited] == 1);
  CHECK(stage.deliveries().size() == 1);  // of bob, whose wait is over by the new version
  CHECK(stage.broken().empty());
  stage.restart();
  stage.pass(30 * 24h);
  CHECK(stage.place_of("bob") == "done");
  CHECK(stage.broken().empty());
}

namespace {
/// Two live runs of one contact; the first one's move wakes the second.
constexpr std::string_view kTwoWays = R"(scenario: course
reentry: parallel
nodes:
  t:  { kind: trigger, event: start_it, next: s }
  s:  { kind: condition, if: { event.which: one }, yes: n1, no: n2 }
  n1: { kind: wait, for: 30d, next: end }
  n2: { kind: wait_until, event: group_joined, next: x }
  x:  { kind: update_contact, set: { custom.x: 1 }, next: y }
  y:  { kind: wait, for: 30d, next: z }
  z:  { kind: update_contact, set: { custom.z: 1 }, next: end }
)";
constexpr std::string_view kJoins = R"(scenario: course
reentry: parallel
nodes:
  t:  { kind: trigger, event: start_it, next: s }
  s:  { kind: condition, if: { event.which: one }, yes: m1, no: m2 }
  m1: { kind: update_contact, groups_add: [vip], next: q }
  q:  { kind: wait, for: 30d, next: end }
  m2: { kind: update_contact, set: { custom.m: 1 }, next: x }
  x:  { kind: update_contact, set: { custom.x: 1 }, next: y }
  y:  { kind: wait, for: 30d, next: z }
  z:  { kind: update_contact, set: { custom.z: 1 }, next: end }
)";
/// The same, but y leads to x.
constexpr std::string_view kJoinsTurned = R"(scenario: course
reentry: parallel
nodes:
  t:  { kind: trigger, event: start_it, next: s }
  s:  { kind: condition, if: { event.which: one }, yes: m1, no: y }
  m1: { kind: update_contact, groups_add: [vip], next: q }
  q:  { kind: wait, for: 30d, next: end }
  y:  { kind: wait, for: 30d, next: x }
  x:  { kind: update_contact, set: { custom.x: 1 }, next: end }
)";
}  // namespace

TEST_CASE("runs of one contact move, though the move of one wakes another", "[cell][migration]") {
  Stage stage{kTwoWays};
  for (const char* which : {"one", "two"})
    stage.event("ada", "start_it", R"({"which": ")" + std::string{which} + R"("})");
  REQUIRE(stage.engine().scenarios().apply("course", std::string{kJoins},
                                           moving({{"n1", "m1"}, {"n2", "m2"}})));
  stage.pass(0s);
  CHECK_FALSE(stage.engine().views().versions("course")->progress);
  CHECK(inside(stage, 1) == 0);
  CHECK(inside(stage, 2) == 2);
  CHECK(stage.path_of("ada") == "t s n2 x y");
  CHECK(stage.broken() == "");
  stage.restart();
  stage.pass(40 * 24h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.broken() == "");
}

TEST_CASE("a run that another run's move keeps from moving stays, and says why",
          "[cell][migration]") {
  Stage stage{kTwoWays};
  for (const char* which : {"one", "two"})
    stage.event("ada", "start_it", R"({"which": ")" + std::string{which} + R"("})");
  REQUIRE(stage.engine().scenarios().apply("course", std::string{kJoinsTurned},
                                           moving({{"n1", "m1"}, {"n2", "y"}})));
  stage.pass(0s);
  CHECK(inside(stage, 1) == 1);
  CHECK(inside(stage, 2) == 1);
  const Run stayed = stage.runs_of("ada").front();
  CHECK(stayed.version == 1);
  CHECK(stayed.path.back().note.starts_with("not moved to version 2: it leads to \"x\""));
  auto reader = stage.reader();
  CHECK(reader->activity("course", 1, "")->rows.at(0).second.text ==
        "1 moved to version 2, 1 stayed");
  CHECK(stage.broken() == "");
  stage.pass(40 * 24h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.broken() == "");
}
