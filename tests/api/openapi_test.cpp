#include "engine/api/openapi.h"

#include <catch2/catch.hpp>

#include <set>

#include <fmt/format.h>

#include "engine/api/schemas.h"
#include "tests/api/contract.h"
#include "tests/api/front.h"

namespace onward {
namespace {
Route complete() {
  return {"GET",
          "/v1/scenarios/{id}/stats",
          Need::Read,
          "Numbers.",
          {"limit"},
          [](const Call&) {},
          {.id = "numbers", .answers = {{200, "Stats"}}, .faults = {{404, "unknown_scenario"}}}};
}

TEST_CASE("every route tells its callers everything", "[api][openapi]") {
  // To mend a failure: the row of the route (engine/api/router.h) lacks a summary, an answer or a
  // schema; a parameter wants a line in route_docs.cpp, a schema one in schemas.cpp, a tag one in
  // openapi.cpp.
  const Front front{/*start=*/false};
  for (const Route& route : front.api().router().routes()) {
    CAPTURE(route.method, route.pattern);
    CHECK(undocumented(route) == std::vector<std::string>{});
  }
}

TEST_CASE("what a row fails to tell is found", "[api][openapi]") {
  CHECK(undocumented(complete()).empty());
  Route route = complete();
  route.summary = "";
  CHECK(undocumented(route) == std::vector<std::string>{"no summary"});
  route = complete();
  route.docs.answers.clear();
  CHECK(undocumented(route) == std::vector<std::string>{"no answer"});
  route = complete();
  route.docs.answers = {{200, "Nothing"}};
  CHECK(undocumented(route) == std::vector<std::string>{"there is no schema Nothing"});
  route = complete();
  route.docs.answers = {{200}};
  CHECK(undocumented(route) == std::vector<std::string>{"the answer 200 has no schema"});
  route = complete();
  route.query = {"limit", "colour"};
  CHECK(undocumented(route) == std::vector<std::string>{"the parameter colour is not explained"});
  route = complete();
  route.pattern = "/v1/scenarios/{id}/{what}";
  CHECK(undocumented(route) == std::vector<std::string>{"{what} of the path is not explained"});
  route = complete();
  route.docs.tag = "things";
  CHECK(undocumented(route) == std::vector<std::string>{"the tag things is not explained"});
  route = complete();
  route.docs.body = {{"{"}};
  CHECK(undocumented(route) == std::vector<std::string>{"there is no schema {"});
  route = complete();
  route.docs.faults = {{409, ""}};
  CHECK(undocumented(route) == std::vector<std::string>{"409 has no codes"});
}

TEST_CASE("a row says few words, the rest follows", "[api][openapi]") {
  Route route = complete();
  route.docs.id = "";
  const Value document = openapi_document({&route, 1}, "1.2.3");
  CHECK(*document.find_path("info.version") == Value{"1.2.3"});
  const Value* operation = document.find("paths")->find("/v1/scenarios/{id}/stats")->find("get");
  REQUIRE(operation);
  CHECK(*operation->find("operationId") == Value{"getScenariosIdStats"});
  CHECK(*operation->find_path("tags.0") == Value{"scenarios"});
  CHECK(*operation->find_path("parameters.0.in") == Value{"path"});
  CHECK(*operation->find_path("parameters.0.name") == Value{"id"});
  CHECK(*operation->find_path("parameters.1.schema.maximum") == Value{500});
  std::string statuses;
  for (const auto& [status, response] : *operation->find("responses")->map())
    statuses += status + " ";
  CHECK(statuses == "200 400 401 403 404 421 429 500 503 ");
  CHECK(*operation->find_path("responses.200.content")
             ->find("application/json")
             ->find_path("schema.$ref") == Value{"#/components/schemas/Stats"});
}

TEST_CASE("a route with a secret names the proofs that it takes", "[api][openapi]") {
  Route route = complete();
  route.guard = std::make_shared<Guard>();
  const Value document = openapi_document({&route, 1}, "1");
  const Value* operation = document.find("paths")->find("/v1/scenarios/{id}/stats")->find("get");
  CHECK(to_json(*operation->find("security")) ==
        R"([{"token":[]},{"secret":[]},{"signature":[]},{"hubSignature":[]}])");
  CHECK(document.find_path("components.securitySchemes")->map()->size() == 4);
  bool named = false;
  for (const auto& [status, codes] : faults_of(route))
    for (const std::string_view code : codes) named |= status == 401 && code == "stale_signature";
  CHECK(named);
}

TEST_CASE("the description is served to everybody and holds every route once", "[api][openapi]") {
  const Front front{/*start=*/false};
  const Told told = front.ask({.method = "GET", .path = "/openapi.json", .token = ""});
  REQUIRE(told.status == 200);
  CHECK(told.at("openapi") == Value{"3.1.0"});
  std::set<std::string> known;
  for (const Route& route : front.api().router().routes())
    CHECK(known.insert(fmt::format("{} {}", route.method, route.pattern)).second);
  std::set<std::string> described;
  std::set<std::string> ids;
  for (const auto& [path, operations] : *told.at("paths").map())
    for (const auto& [method, operation] : *operations.map()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      described.insert(upper + " " + path);
      CHECK(ids.insert(*operation.find("operationId")->text()).second);
      const bool open = operation.find("security")->list()->empty();
      CHECK(open == (operation.find("responses")->find("401") == nullptr));
    }
  CHECK(described == known);
}

TEST_CASE("every schema is used", "[api][openapi]") {
  const Front front{/*start=*/false};
  const std::string text = front.ask({.method = "GET", .path = "/openapi.json"}).body;
  for (const auto& [name, schema] : *api_schemas().map()) {
    CAPTURE(name);
    CHECK(text.find("#/components/schemas/" + name + "\"") != std::string::npos);
  }
}

TEST_CASE("an answer that the description does not promise is noticed", "[api][openapi]") {
  const Route route = complete();
  const Router router{{route}};
  const Contract contract{router.routes()};
  ApiRequest request;
  request.method = "GET";
  request.path = "/v1/scenarios/a/stats";
  const auto breach = [&](int status, const std::string& type, const std::string& body) {
    return contract.breach(router, request, {status, type, body});
  };
  const std::string side = R"({"entered":0,"inside":0,"done":0,"exited":0,"stopped":0,"parked":0,)"
                           R"("goal":0,"moved_in":0,"moved_out":0,"refused":{},"nodes":[)";
  const std::string stats =
      R"({"scenario":"a","state":"draft","as_of":"2026-05-01T09:00:00Z","versions":[1],"live":)" +
      side + R"(]},"test":)" + side;
  CHECK(breach(200, "application/json", stats + "]}}").empty());
  CHECK(breach(200, "application/json", stats + "{}]}}") != "");
  CHECK(breach(200, "text/plain", stats + "]}}") == "the form text/plain is not promised");
  CHECK(breach(418, "application/json", "{}") == "the status 418 is not promised");
  const auto problem = [](const std::string& code) {
    return R"({"type":"t","title":"t","status":404,"detail":"d","code":")" + code + R"("})";
  };
  CHECK(breach(404, "application/problem+json", problem("unknown_scenario")).empty());
  CHECK(breach(404, "application/problem+json", problem("gone")) != "");
}
}  // namespace
}  // namespace onward
