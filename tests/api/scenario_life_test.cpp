// Versions, plans, migrations and purges over HTTP.
#include <catch2/catch.hpp>

#include "tests/api/front.h"

namespace onward {
namespace {
constexpr const char* kOne = R"(scenario: course
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 7d, next: end }
)";
constexpr const char* kTwo = R"(scenario: course
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: rest }
  rest:   { kind: wait, for: 3d, next: end }
)";
const std::string kCourse = "/v1/scenarios/course";

void fill(const Front& front) {
  REQUIRE(front.put(kCourse, kOne).status == 201);
  REQUIRE(front.post(kCourse + "/activate").status == 200);
  for (const char* who : {"a", "b", "c"})
    REQUIRE(front
                .post("/v1/events",
                      std::string{R"({"type": "subscription", "contact": {"id": ")"} + who + "\"}}")
                .status == 202);
}
Told put(const Front& front, const std::string& text, const std::string& query) {
  return front.ask({.method = "PUT", .path = kCourse, .query = query, .body = text});
}
/// Until nothing is under way any more; each look comes after a piece of work.
Told idle(const Front& front) {
  for (int look = 0; look < 10'000; ++look) {
    Told told = front.get(kCourse + "/versions");
    if (told.at("progress").is_null()) return told;
  }
  FAIL("never idle");
  return {};
}
}  // namespace

TEST_CASE("a plan is asked for before a version is made", "[api][life]") {
  const Front front;
  fill(front);
  Told told = front.post(kCourse + "/plan", kTwo);
  CHECK(told.status == 200);
  CHECK(told.at("changes") == Value{true});
  CHECK(told.at("from") == Value{1});
  CHECK(told.at("to") == Value{2});
  CHECK(told.at("inside") == Value{3});
  CHECK(told.at("diff.nodes.1.id") == Value{"rest"});
  CHECK(told.at("diff.nodes.1.change") == Value{"added"});
  CHECK(told.at("places.0.node") == Value{"pause"});
  CHECK(told.at("places.0.waiting") == Value{3});
  CHECK(told.at("places.0.kept") == Value{false});
  CHECK(told.at("stranded").list()->size() == 1);
  CHECK(front.get(kCourse).at("version") == Value{1});
  CHECK(front.post(kCourse + "/plan", kOne).at("changes") == Value{false});

  told = front.ask(
      {.method = "POST", .path = kCourse + "/plan", .query = "map=pause:rest", .body = kTwo});
  CHECK(told.at("stranded").list()->empty());
  told = front.post(kCourse + "/plan", "scenario: course\nnods: {}\n");
  CHECK(told.status == 200);
  CHECK(told.at("refused") == Value{true});
  CHECK(told.body.find("\"unknown_key\"") != std::string::npos);
  told = front.post("/v1/scenarios/new/plan", kOne);
  CHECK(told.at("refused") == Value{true});
  CHECK(told.body.find("\"id_mismatch\"") != std::string::npos);
}

TEST_CASE("runs are moved with the version that they go to", "[api][life]") {
  const Front front;
  fill(front);
  Told told = put(front, kTwo, "migrate=true");
  CHECK(told.status == 409);
  CHECK(told.at("code") == Value{"would_strand"});
  CHECK(told.body.find("3 contacts wait at \\\"pause\\\" of version 1") != std::string::npos);
  CHECK(put(front, kTwo, "migrate=maybe").status == 400);
  CHECK(put(front, kTwo, "migrate=true&map=pause").status == 400);
  CHECK(put(front, kTwo, "migrate=true&map=pause:nowhere").status == 400);
  CHECK(front.get(kCourse).at("version") == Value{1});

  told = put(front, kTwo, "migrate=true&map=pause:rest");
  CHECK(told.status == 200);
  CHECK(told.at("migrating") == Value{true});
  told = idle(front);
  CHECK(told.at("versions.0.version") == Value{2});
  CHECK(told.at("versions.0.newest") == Value{true});
  CHECK(told.at("versions.0.inside") == Value{3});
  CHECK(told.at("versions.1.inside") == Value{0});
  told = front.get(kCourse + "/stats", "version=1");
  CHECK(told.at("live.moved_out") == Value{3});
  told = front.get(kCourse + "/stats");
  CHECK(told.at("live.moved_in") == Value{3});
  CHECK(told.at("live.entered") == Value{3});
  CHECK(told.at("live.goal") == Value{0});

  CHECK(front.get(kCourse + "/versions/1").at("text") == Value{kOne});
  CHECK(front.ask({.method = "GET", .path = kCourse + "/versions/2", .accept = "application/yaml"})
            .body == kTwo);
  CHECK(front.get(kCourse + "/versions/3").status == 404);
  CHECK(front.get(kCourse + "/versions/x").status == 404);
  CHECK(front.get("/v1/scenarios/curse/versions").status == 404);
}

TEST_CASE("a broken file is refused and the version that runs goes on", "[api][life]") {
  const Front front;
  fill(front);
  for (const char* broken : {"scenario: course\nnodes: [[[[", "scenario: course\nnods: {}\n",
                             "scenario: course\nnodes:\n  joined: { kind: trigger, event: "
                             "subscription, next: gone }\n"}) {
    CAPTURE(broken);
    const Told refused = put(front, broken, "");
    CHECK(refused.status == 422);
    CHECK_FALSE(refused.at("diagnostics").list()->empty());
  }
  const Told told = front.get(kCourse);
  CHECK(told.at("version") == Value{1});
  CHECK(told.at("state") == Value{"active"});
  CHECK(told.at("text") == Value{kOne});
  CHECK(front.get(kCourse + "/versions").at("versions").list()->size() == 1);

  REQUIRE(front.post("/v1/events", R"({"type": "subscription", "contact": {"id": "d"}})").status ==
          202);
  const Told runs = front.get("/v1/contacts/d/runs");
  REQUIRE(runs.at("runs").list()->size() == 1);
  CHECK(runs.at("runs.0.version") == Value{1});
  CHECK(runs.at("runs.0.path.1.node") == Value{"pause"});
}

TEST_CASE("an archived scenario is purged, and its numbers stay", "[api][life]") {
  const Front front;
  fill(front);
  Told told = front.post(kCourse + "/purge");
  CHECK(told.status == 409);
  CHECK(told.at("code") == Value{"not_archived"});
  REQUIRE(front.post(kCourse + "/archive").status == 200);
  told = front.post(kCourse + "/purge");
  CHECK(told.status == 202);
  CHECK(told.at("progress.what") == Value{"purge"});
  idle(front);
  CHECK(front.get(kCourse).at("purged").text() != nullptr);
  CHECK(front.get(kCourse + "/stats").at("live.stopped") == Value{3});
  CHECK(front.get("/v1/contacts/a/runs").at("runs").list()->empty());
}

TEST_CASE("the list is sorted and filtered, with numbers and what comes next", "[api][life]") {
  const Front front;
  fill(front);
  const auto scenario = [](const std::string& id) {
    return "scenario: " + id +
           "\nreentry: never\nnodes:\n  joined: { kind: trigger, event: opened, next: end }\n";
  };
  for (const char* id : {"alpha", "zeta"})
    REQUIRE(front.put(std::string{"/v1/scenarios/"} + id, scenario(id)).status == 201);
  REQUIRE(front.post("/v1/scenarios/zeta/activate").status == 200);
  const auto ids = [&](const std::string& query) {
    std::string text;
    const Told told = front.get("/v1/scenarios", query);
    INFO(told.body);
    REQUIRE(told.status == 200);
    for (const Value& item : *told.at("scenarios").list())
      text += *item.find("scenario")->text() + " ";
    return text;
  };
  CHECK(ids("") == "alpha course zeta ");
  CHECK(ids("sort=name&reverse=true") == "zeta course alpha ");
  CHECK(ids("sort=entered") == "course alpha zeta ");
  CHECK(ids("sort=state") == "alpha course zeta ");
  CHECK(ids("state=active") == "course zeta ");
  CHECK(ids("state=archived").empty());
  const Told told = front.get("/v1/scenarios", "state=active");
  CHECK(told.at("scenarios.0.entered") == Value{3});
  CHECK(told.at("scenarios.0.inside") == Value{3});
  CHECK(told.at("scenarios.0.next").is_null());
  CHECK(front.get("/v1/scenarios", "sort=colour").status == 400);
  CHECK(front.get("/v1/scenarios", "state=on").status == 400);
}
}  // namespace onward
