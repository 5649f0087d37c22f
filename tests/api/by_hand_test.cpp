// What people do to deliveries, nodes and runs, and what the log tells of it.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "tests/api/front.h"

namespace onward {
namespace {
constexpr const char* kRelay = R"(scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)";

void put(const Front& front, const std::string& id, const std::string& text) {
  REQUIRE(front.put("/v1/scenarios/" + id, text).status == 201);
  REQUIRE(front.post("/v1/scenarios/" + id + "/activate").status == 200);
}

void opened(const Front& front, const std::string& contact) {
  REQUIRE(front.post("/v1/events", R"({"type": "opened", "contact": {"id": ")" + contact + R"("}})")
              .status == 202);
}

std::string text(const Told& told, std::string_view path) { return to_text(told.at(path)); }

TEST_CASE("failed requests are found, counted, retried and told of", "[api][by_hand]") {
  Front front;
  front.receivers_answer(410);
  put(front, "relay", kRelay);
  opened(front, "c1");
  opened(front, "c2");
  front.settled("relay");
  const Told list = front.get("/v1/deliveries", "state=failed&code=410&scenario=relay");
  REQUIRE(list.status == 200);
  REQUIRE(list.at("deliveries").list()->size() == 2);
  CHECK(front.get("/v1/deliveries", "since=soon").at("code") == Value{"bad_parameter"});
  CHECK(front.get("/v1/deliveries", "node=tell").at("code") == Value{"no_scenario"});
  // Nothing would be found, and nobody told why.
  const Told bogus = front.get("/v1/deliveries", "code=timeot");
  CHECK(bogus.status == 400);
  CHECK(bogus.at("code") == Value{"bad_parameter"});
  CHECK(text(bogus, "detail").find("a status such as 503, or one of archived, ") !=
        std::string::npos);
  CHECK(text(bogus, "detail").find("found \"timeot\"; perhaps \"timeout\"?") != std::string::npos);
  for (const char* known : {"503", "timeout", "deadline", "status_404", "bad_header"})
    CHECK(front.get("/v1/deliveries", fmt::format("code={}", known)).status == 200);
  const std::string id = text(list, "deliveries.0.id");

  const std::string path = "/v1/deliveries/retry";
  CHECK(front.post(path).at("code") == Value{"no_scenario"});
  CHECK(front.post(path, R"({"scenario": "relay", "sate": "failed"})").status == 400);
  CHECK(front.post(path, R"({"scenario": "relay", "code": "bogus"})").at("code") ==
        Value{"bad_parameter"});
  CHECK(front.post(path, R"({"scenario": "relay", "state": "accepted"})").status == 400);
  CHECK(front.post(path, R"({"scenario": "relax"})").status == 404);
  CHECK(
      front.post(path, R"({"scenario": "relay", "until": "2020-01-01T00:00:00Z"})").at("changed") ==
      Value{0});
  const Told counted = front.post(path, R"({"scenario": "relay", "code": 410, "dry_run": true})");
  CHECK(counted.at("changed") == Value{2});
  CHECK(text(front.get("/v1/scenarios/relay/stats"), "live.nodes.1.failed") == "2");

  front.receivers_answer(200);
  CHECK(front.post("/v1/deliveries/" + id + "/cancel").at("code") == Value{"not_pending"});
  CHECK(front.post("/v1/deliveries/" + id + "/retry").at("changed") == Value{1});
  front.settled("relay");
  CHECK(front.post("/v1/deliveries/" + id + "/retry").at("code") == Value{"not_settled"});
  CHECK(front.post("/v1/deliveries/evt_nobody/retry").status == 404);
  CHECK(front.post(path, R"({"scenario": "relay"})").at("changed") == Value{1});
  CHECK(text(front.settled("relay"), "live.nodes.1.accepted") == "2");
  const Told one = front.get("/v1/deliveries/" + id);
  CHECK(one.at("series") == Value{1});
  CHECK(one.at("attempts").list()->size() == 2);

  const Told logs = front.get("/v1/logs", "scenario=relay");
  REQUIRE(logs.status == 200);
  std::string words;
  for (const Value& line : *logs.at("lines").list()) words += to_text(*line.find("what")) + " ";
  CHECK(words ==
        "scenario.applied scenario.activated delivery.failed delivery.failed deliveries.retried "
        "deliveries.retried ");
  CHECK(logs.at("lines.0.who") == Value{"admin"});
  CHECK(logs.at("more") == Value{false});
  const std::string next = text(logs, "next");
  CHECK(front.get("/v1/logs", "scenario=relay&cursor=" + next).at("lines").list()->empty());
  REQUIRE(front.post("/v1/scenarios/relay/hold").status == 200);
  CHECK(front.get("/v1/logs", "cursor=" + next).at("lines.0.what") == Value{"scenario.held"});
  CHECK(front.get("/v1/logs", "scenario=relax").status == 404);
  CHECK(front.get("/v1/logs", "cursor=x").at("code") == Value{"bad_cursor"});
}

TEST_CASE("a node is paused and resumed", "[api][by_hand]") {
  const Front front;
  put(front, "relay", kRelay);
  const std::string node = "/v1/scenarios/relay/nodes/tell/";
  const Told paused = front.post(node + "pause");
  REQUIRE(paused.status == 200);
  CHECK(paused.at("paused") == Value{true});
  opened(front, "c1");
  const Told stats = front.get("/v1/scenarios/relay/stats");
  CHECK(stats.at("live.nodes.1.paused") == Value{true});
  CHECK(stats.at("live.nodes.1.parked") == Value{1});
  const Told journey = front.get("/v1/contacts/c1/runs");
  CHECK(journey.at("runs.0.path.1.delivery_state") == Value{"pending"});
  CHECK(journey.at("runs.0.path.1.delivery_parked") == Value{true});
  CHECK(journey.at("refused") == Value{ValueList{}});
  CHECK(front.get("/v1/deliveries").at("deliveries.0.parked_since").text());
  const Told resumed = front.post(node + "resume");
  CHECK(resumed.at("paused") == Value{false});
  CHECK(resumed.at("pending") == Value{1});
  CHECK(text(front.settled("relay"), "live.nodes.1.accepted") == "1");
  CHECK(front.post("/v1/scenarios/relay/nodes/any/pause").at("code") == Value{"not_sending"});
  CHECK(front.post("/v1/scenarios/relay/nodes/nay/pause").status == 404);
  CHECK(front.post(node + "pause", R"({"why": 1})").status == 400);
  const Front::Ask reader{.method = "POST", .path = node + "pause", .token = "read"};
  CHECK(front.ask(reader).status == 403);
}

TEST_CASE("waiting and parked runs are listed, and parked ones resumed", "[api][by_hand]") {
  const Front front;
  put(front, "patient", R"(scenario: patient
nodes:
  any:   { kind: trigger, event: clicked, next: pause }
  pause: { kind: wait, for: 1h, next: end }
)");
  REQUIRE(front.post("/v1/events", R"({"type": "clicked", "contact": {"email": "j@example.org"}})")
              .status == 202);
  // More nodes than one event may visit.
  std::string text = "scenario: long\nnodes:\n  any: { kind: trigger, event: opened, next: n0 }\n";
  for (int i = 0; i < 300; ++i)
    text += fmt::format("  n{}: {{ kind: condition, if: {{ in_group: x }}, yes: end, no: {} }}\n",
                        i, i == 299 ? "end" : fmt::format("n{}", i + 1));
  put(front, "long", text);
  for (const char* who : {"c1", "c2", "c3"}) opened(front, who);

  const Told all = front.get("/v1/runs");
  REQUIRE(all.status == 200);
  CHECK(all.at("runs").list()->size() == 4);
  const Told waiting = front.get("/v1/runs", "state=waiting");
  REQUIRE(waiting.at("runs").list()->size() == 1);
  CHECK(waiting.at("runs.0.contact") == Value{"email:j@example.org"});
  CHECK(waiting.at("runs.0.wake_at").text());
  const Told parked = front.get("/v1/runs", "scenario=long&reason=cascade&limit=2");
  CHECK(parked.at("runs").list()->size() == 2);
  CHECK(parked.at("next").text());
  CHECK(front.get("/v1/runs", "state=done").status == 400);
  CHECK(front.get("/v1/runs", "scenario=lnog").status == 404);
  CHECK(front.get("/v1/runs", "node=any").status == 400);

  const std::string id = *parked.at("runs.0.id").text();
  CHECK(front.post("/v1/runs/" + id + "/resume").at("resumed") == Value{true});
  CHECK(front.post("/v1/runs/" + id + "/resume").status == 404);
  CHECK(front.post("/v1/runs/walk/resume").status == 404);
  CHECK(front.post("/v1/runs/resume").at("code") == Value{"no_scenario"});
  CHECK(front.post("/v1/runs/resume", R"({"scenario": "long", "reason": "x"})").at("resumed") ==
        Value{0});
  CHECK(
      front.post("/v1/runs/resume", R"({"scenario": "long", "reason": "cascade"})").at("resumed") ==
      Value{2});
  const Told stats = front.get("/v1/scenarios/long/stats");
  CHECK(stats.at("live.done") == Value{3});
  CHECK(stats.at("live.parked") == Value{0});
}
}  // namespace
}  // namespace onward
