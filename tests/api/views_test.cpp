#include "engine/api/views.h"

#include <catch2/catch.hpp>

#include "engine/core/template/template.h"
#include "engine/query/pages.h"

namespace onward {
namespace {
TEST_CASE("the statistics have the promised names", "[api][views]") {
  ScenarioStats stats;
  stats.id = "welcome";
  stats.state = ScenarioState::Active;
  stats.as_of = *parse_instant("2026-05-01T09:00:00Z");
  stats.versions = {1, 2};
  stats.live.scenario.add(Counter::Entered, 3);
  stats.live.scenario.add("already_entered", 2);
  NodeStats node{"is_tester", "condition", false, {"yes", "no"}, {}};
  node.counts.add(Counter::Visits, 3);
  node.counts.add("yes", 1);
  stats.live.nodes.push_back(node);
  CHECK(
      to_json(view_of(stats)) ==
      R"({"scenario":"welcome","state":"active","as_of":"2026-05-01T09:00:00Z",)"
      R"("versions":[1,2],"live":{"entered":3,"inside":0,"done":0,"exited":0,"stopped":0,)"
      R"("parked":0,"goal":0,"moved_in":0,"moved_out":0,"refused":{"already_entered":2},)"
      R"("nodes":[{"id":"is_tester","kind":"condition","visits":3,"unique_contacts":0,)"
      R"("waiting":0,"moved_in":0,"moved_out":0,"ports":{"yes":1,"no":0},"unknown":0,"requests":0,"accepted":0,"pending":0,)"
      R"("parked":0,"failed":0,"cancelled":0}]},"test":{"entered":0,"inside":0,"done":0,)"
      R"("exited":0,"stopped":0,"parked":0,"goal":0,"moved_in":0,"moved_out":0,"refused":{},)"
      R"("nodes":[]}})");
}

TEST_CASE("a delivery shows the secret's name, never more, and inert answers", "[api][views]") {
  DeliveryView view;
  view.delivery.key = DeliveryKey{numbered(7, 0)};
  view.scenario = "welcome";
  view.node = "tell_crm";
  auto request = std::make_shared<Request>();
  request->url = "https://crm.example.com/hook";
  request->headers = {{"X-Api-Key", std::string{kSecretOpen} + "crm_key" + kSecretClose}};
  request->body = R"({"id":"evt_1"})";
  view.request = request;
  Attempt attempt;
  attempt.status = 500;
  attempt.response = std::string{"\x1b[31mno\xff <b>"};
  view.attempts = {attempt};

  const Value shown = view_of(view, Epochs{"EPOCHEPOCH00"}, /*whole=*/true);
  CHECK(*shown.find("id") == Value{"evt_EPOCHEPOCH00" + to_base32(numbered(7, 0))});
  CHECK(*shown.find_path("request.headers.0.value") == Value{"{{ secret.crm_key }}"});
  CHECK(*shown.find_path("request.body") == Value{R"({"id":"evt_1"})"});
  CHECK(*shown.find_path("attempts.0.response") == Value{"\\x1b[31mno\\xff <b>"});
  CHECK_FALSE(view_of(view, Epochs{"EPOCHEPOCH00"}, /*whole=*/false).find("request"));
}

TEST_CASE("references show as an author writes them", "[api][views]") {
  CHECK(with_secret_references("a\x01"
                               "crm_key\x02z") == "a{{ secret.crm_key }}z");
  CHECK(with_secret_references("\x01"
                               "credential:crm\x02") == "{{ credential.crm }}");
  CHECK(with_secret_references("Basic \x03jane:\x01"
                               "crm\x02\x04") == "Basic base64(jane:{{ secret.crm }})");
}

TEST_CASE("text of unknown origin keeps its letters and loses its powers", "[api][views]") {
  CHECK(inert_text("caf\u00e9\n\tok") == "caf\u00e9\n\tok");
  CHECK(inert_text(std::string_view{"a\0b", 3}) == "a\\x00b");
  CHECK(inert_text("\xc3") == "\\xc3");
  CHECK(inert_text("\xe2\x82") == "\\xe2\\x82");
  CHECK(inert_text("\r\x7f") == "\\x0d\\x7f");
  CHECK(inert_text("\x1b[2J") == "\\x1b[2J");
  CHECK(inert_text("\u009b31m") == "\\xc2\\x9b31m");  // ESC [, in one character
  CHECK(inert_text("\u202egpj") == "\\xe2\\x80\\xaegpj");
  CHECK(inert_text("\u2066x\u2069") == "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9");
  CHECK(inert_text("\u00a0\u2065\u2070\u202f") == "\u00a0\u2065\u2070\u202f");
  CHECK(inert_text("<b>") == "<b>");  // Nothing shows it as HTML.
}

TEST_CASE("a mistake is shown with its place and the name that was meant", "[api][views]") {
  const std::vector<Diagnostic> found{
      {Severity::Error, {9, 12}, "unknown_key", "no key \"nex\"", "next"}};
  CHECK(to_json(view_of(found)) ==
        R"([{"severity":"error","line":9,"column":12,"code":"unknown_key",)"
        R"("message":"no key \"nex\"","nearest":"next"}])");
  CHECK(diagnostic_lines("welcome", found) == "welcome:9:12: error[unknown_key]: no key \"nex\"\n");
}
}  // namespace
}  // namespace onward
