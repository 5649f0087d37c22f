#include "engine/api/router.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
/// Remembers what was answered.
struct Answered {
  std::optional<ApiReply> reply;
  Responder sink() {
    return Responder{[this](Completion completion) {
      reply = completion.make ? completion.make() : std::move(completion.reply);
    }};
  }
};

std::vector<Route> table() {
  const auto echo = [](const Call& call) {
    std::string text;
    for (const std::string& param : call.params) text += param + ";";
    for (const auto& [name, value] : call.query) text += name + "=" + value + ";";
    call.reply(ApiReply{200, "text/plain", text});
  };
  return {{"GET", "/v1/things/{id}", Need::Nothing, "", {"limit"}, echo},
          {"PUT", "/v1/things/{id}", Need::Author, "", {}, echo},
          {"GET", "/v1/things/{id}/parts/{part}", Need::Nothing, "", {}, echo},
          {"GET", "/v1/things", Need::Nothing, "", {}, echo}};
}

ApiReply ask(std::string_view method, std::string_view path, std::string_view query = {}) {
  const Api api{table(), Access{{[](std::string_view) { return std::nullopt; }}}};
  ApiRequest request;
  request.method = method;
  request.path = path;
  request.query = query;
  Answered answered;
  api.handle(request, answered.sink());
  REQUIRE(answered.reply);
  return *answered.reply;
}

TEST_CASE("a route is found by its method and each segment of its path", "[api][router]") {
  CHECK(ask("GET", "/v1/things").body.empty());
  CHECK(ask("GET", "/v1/things/a%2Fb").body == "a/b;");
  CHECK(ask("GET", "/v1/things/a/parts/7").body == "a;7;");
  CHECK(ask("GET", "/v1/things/a", "limit=5").body == "a;limit=5;");
}

TEST_CASE("other spellings of a path lead nowhere", "[api][router]") {
  for (const char* path : {"", "/", "//v1/things", "/v1/things/", "/V1/things", "/v1//things",
                           "/v1/%74hings", "/v1/things/a/", "/v1/x/../things", "v1/things", "*"}) {
    CAPTURE(path);
    CHECK(ask("GET", path).status == 404);
  }
}

TEST_CASE("a wrong method is told which ones there are", "[api][router]") {
  const ApiReply reply = ask("DELETE", "/v1/things/a");
  CHECK(reply.status == 405);
  REQUIRE(reply.headers.size() == 1);
  CHECK(reply.headers[0] == std::pair<std::string, std::string>{"Allow", "GET, HEAD, PUT"});
}

TEST_CASE("the door comes before what the request says", "[api][router]") {
  CHECK(ask("PUT", "/v1/things/a").status == 401);
  CHECK(ask("PUT", "/v1/things/%zz").status == 401);
  CHECK(ask("GET", "/v1/things/%zz").status == 400);
}

TEST_CASE("a parameter nobody knows is refused with the nearest one", "[api][router]") {
  const ApiReply reply = ask("GET", "/v1/things/a", "limt=5");
  CHECK(reply.status == 400);
  CHECK(reply.body.find("perhaps \\\"limit\\\"") != std::string::npos);
  CHECK(ask("GET", "/v1/things/a", "limit=1&limit=2").status == 400);
  CHECK(ask("GET", "/v1/things/a", "limit=%zz").status == 400);
}
}  // namespace
}  // namespace onward
