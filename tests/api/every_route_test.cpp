// Every route of the table, whoever knocks. A new route is held to this by being in the table.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "engine/api/access.h"
#include "engine/api/resources.h"
#include "tests/api/front.h"

namespace onward {
namespace {
/// A path of that form, whose names are of nothing that exists.
std::string path_of(std::string_view pattern) {
  std::string path;
  while (!pattern.empty()) {
    const std::size_t open = pattern.find('{');
    path += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    path += "nobody";
    pattern.remove_prefix(pattern.find('}') + 1);
  }
  return path;
}

struct Knock {
  const char* token;
  std::optional<Role> role;  ///< Nothing: nobody's.
};
const Knock kKnocks[] = {{"", {}},
                         {"wrong", {}},
                         {"Admin", {}},
                         {"read", Role::Read},
                         {"ingest", Role::Ingest},
                         {"metrics", Role::Metrics},
                         {"author", Role::Author},
                         {"admin", Role::Admin}};

int expected(const Route& route, const Knock& knock) {
  if (route.need == Need::Nothing) return 0;
  if (!knock.role) return 401;
  return allows(*knock.role, route.need) ? 0 : 403;
}

TEST_CASE("fault 81: every route asks every caller for the role that it declares",
          "[api][access][faults]") {
  const Front front;
  std::size_t routes = 0;
  for (const Route& route : front.api().router().routes()) {
    ++routes;
    for (const Knock& knock : kKnocks) {
      CAPTURE(route.method, route.pattern, knock.token);
      const int wanted = expected(route, knock);
      const Told told = front.ask({.method = std::string{route.method},
                                   .path = path_of(route.pattern),
                                   .token = knock.token});
      if (wanted != 0)
        CHECK(told.status == wanted);
      else
        CHECK((told.status != 401 && told.status != 403));
      // The same by the head alone, before a body is read.
      ApiRequest request;
      const std::string path = path_of(route.pattern);
      const std::string authorization = std::string{"Bearer "} + knock.token;
      request.method = route.method;
      request.path = path;
      if (*knock.token) request.headers.emplace_back("Authorization", authorization);
      const auto refusal = front.api().admit(request).refusal;
      CHECK((refusal ? refusal->status : 0) == wanted);
    }
  }
  CHECK(routes > 50);
}

TEST_CASE("a token of role metrics reads /metrics and nothing else that asks for a token",
          "[api][access]") {
  const Front front{/*start=*/false};
  for (const Route& route : front.api().router().routes()) {
    CAPTURE(route.method, route.pattern);
    CHECK(allows(Role::Metrics, route.need) ==
          (route.need == Need::Nothing || route.pattern == "/metrics"));
    if (route.pattern == "/metrics")
      for (const Role role : {Role::Read, Role::Author, Role::Admin})
        CHECK(allows(role, route.need));
  }
}

TEST_CASE("fault 81: routes that change something ask for more than to read",
          "[api][access][faults]") {
  const Front front{/*start=*/false};
  for (const Route& route : front.api().router().routes()) {
    CAPTURE(route.method, route.pattern);
    if (route.method != "GET") CHECK_FALSE(allows(Role::Read, route.need));
    if (route.pattern.starts_with("/v1/tokens")) CHECK(route.need == Need::Admin);
    if (route.pattern.starts_with("/v1/")) CHECK(route.need != Need::Nothing);
  }
}

TEST_CASE("fault 81: another spelling of a path is another path, whoever asks",
          "[api][access][faults]") {
  const Front front{/*start=*/false};
  const Router& router = front.api().router();
  for (const Route& route : router.routes()) {
    const std::string path = path_of(route.pattern);
    std::string upper = path;
    upper[1] = static_cast<char>(upper[1] - 'a' + 'A');
    const std::string escaped = fmt::format("/%{:x}{}", path[1], path.substr(2));
    for (const std::string& spelling :
         {"/" + path, path + "/", upper, escaped, "/." + path, "/x/.." + path, "/%2e%2e" + path,
          "%2f" + path.substr(1), "http:/" + path, "//admin" + path}) {
      CAPTURE(route.method, spelling);
      for (const char* token : {"", "wrong", "admin"})
        CHECK(front.ask({.method = std::string{route.method}, .path = spelling, .token = token})
                  .status == 404);
    }
    // Behind the end such things make another name at most, and never the same route.
    for (const std::string& spelling : {path + "%2f..", path + "\\", path + ";a=b", path + "%00"})
      if (!route.pattern.ends_with('}')) {
        CAPTURE(route.method, spelling);
        CHECK(router.find(route.method, spelling).route != &route);
      }
  }
}

TEST_CASE("fault 81: no header makes a request another one", "[api][access][faults]") {
  const Front front{/*start=*/false};
  for (const char* name : {"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
                           "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"}) {
    CAPTURE(name);
    ApiRequest request;
    request.method = "POST";
    request.path = "/v1/events";
    request.headers = {{name, "DELETE"}, {"Authorization", "Bearer ingest"}};
    CHECK_FALSE(front.api().admit(request).refusal);
    request.path = "/v1/scenarios/a";
    CHECK(front.api().admit(request).refusal->status == 405);
    request.method = "GET";
    request.headers = {{name, "/readyz"}};
    CHECK(front.api().admit(request).refusal->status == 401);
  }
  for (const char* method : {"get", "Get", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "DEBUG"}) {
    CAPTURE(method);
    ApiRequest request;
    request.method = method;
    request.path = "/v1/scenarios";
    CHECK(front.api().admit(request).refusal->status == 405);
  }
}

TEST_CASE("fault 81: a token of any other form opens nothing", "[api][access][faults]") {
  const Front front{/*start=*/false};
  const std::string longest(100'000, 'a');
  for (const std::string& authorization :
       {std::string{}, std::string{"Bearer"}, std::string{"Bearer "}, std::string{"Bearer a"},
        std::string{"admin"}, std::string{"Basic admin"}, std::string{"Bearer admin x"},
        std::string{"Bearer admin,Bearer admin"}, std::string{"Bearer \tadmin"},
        std::string{"Bearer admi"}, std::string{"Bearer adminn"}, "Bearer " + sha256_hex("admin"),
        "Bearer " + longest}) {
    CAPTURE(authorization.substr(0, 80));
    ApiRequest request;
    request.method = "GET";
    request.path = "/v1/scenarios";
    request.headers = {{"Authorization", authorization}};
    const auto refusal = front.api().admit(request).refusal;
    REQUIRE(refusal);
    CHECK(refusal->status == 401);
    CHECK(refusal->body.find("admin") == std::string::npos);
  }
}

TEST_CASE("fault 81: a route with a secret of its own lets nobody in without either",
          "[api][access][faults]") {
  const Front front;
  const Api api = front.another(IntakeSecrets{{"egoi", "a-secret-of-the-route"}});
  std::size_t guarded = 0;
  for (const Route& route : api.router().routes()) {
    if (!route.guard) continue;
    ++guarded;
    for (const Knock& knock : kKnocks) {
      CAPTURE(route.pattern, knock.token);
      ApiRequest request;
      const std::string authorization = std::string{"Bearer "} + knock.token;
      request.method = route.method;
      request.path = route.pattern;
      if (*knock.token) request.headers.emplace_back("Authorization", authorization);
      const auto refusal = api.admit(request).refusal;
      CHECK((refusal ? refusal->status : 0) == expected(route, knock));
      request.headers.emplace_back("X-Onward-Secret", "another-secret");
      if (!knock.role) CHECK(api.admit(request).refusal->status == 401);
    }
  }
  CHECK(guarded == 1);
}
}  // namespace
}  // namespace onward
