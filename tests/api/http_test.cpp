#include "engine/api/http.h"

#include <catch2/catch.hpp>

#include "engine/api/problem.h"
#include "engine/core/base/error_codes.h"

namespace onward {
namespace {
TEST_CASE("a percent escape is decoded, and a broken one refused", "[api][http]") {
  CHECK(percent_decode("jane%40example.org") == "jane@example.org");
  CHECK(percent_decode("a+b") == "a+b");
  CHECK(percent_decode("a+b", /*plus=*/true) == "a b");
  CHECK(percent_decode("caf%C3%A9") == "café");
  for (const char* broken : {"%", "%4", "%zz", "a%0Ab", "%00", "%FF", "%ED%A0%80"}) {
    CAPTURE(broken);
    CHECK_FALSE(percent_decode(broken));
  }
}

TEST_CASE("a query is a list of decoded pairs", "[api][http]") {
  const auto query = parse_query("state=failed&cursor=a%3Db&&fresh");
  REQUIRE(query);
  CHECK(*query == QueryParameters{{"state", "failed"}, {"cursor", "a=b"}, {"fresh", ""}});
  CHECK(parse_query("")->empty());
  CHECK_FALSE(parse_query("a=%zz"));
}

TEST_CASE("a header is found whatever its case", "[api][http]") {
  ApiRequest request;
  request.headers = {{"Content-Type", "application/JSON; charset=utf-8"}};
  CHECK(request.header("content-type") == "application/JSON; charset=utf-8");
  CHECK(request.header("content").empty());
  CHECK(media_type(request.header("CONTENT-TYPE")) == "application/json");
}

TEST_CASE("a problem carries its code, and says when to come back", "[api][http]") {
  const ApiReply reply =
      problem_of({ErrorKind::Busy, "busy", "Twenty thousand events wait already."});
  CHECK(reply.status == 429);
  CHECK(reply.content_type == "application/problem+json");
  CHECK(reply.body ==
        R"({"type":"urn:onward:problem:busy","title":"Too Many Requests","status":429,)"
        R"("detail":"Twenty thousand events wait already.","code":"busy","retry_after":1})");
  REQUIRE(reply.headers.size() == 1);
  CHECK(reply.headers[0].first == "Retry-After");
  CHECK(problem(401, "no_token", "").headers[0].first == "WWW-Authenticate");
}

TEST_CASE("a damaged row is answered alike by all calls", "[api][http]") {
  CHECK(problem_of({ErrorKind::Internal, kUnreadableRow, "it is damaged"}).status == 503);
  CHECK(problem_of({ErrorKind::Internal, "internal_error", "a fault"}).status == 500);
}

TEST_CASE("a reply that nobody gives becomes 503, and only the first one counts", "[api][http]") {
  std::vector<int> seen;
  const auto sink = [&](Completion completion) {
    seen.push_back(completion.make ? completion.make().status : completion.reply.status);
  };
  { const Responder dropped{sink}; }
  CHECK(seen == std::vector<int>{503});

  seen.clear();
  {
    const Responder reply{sink};
    const Responder copy = reply;
    copy.later([] { return ApiReply{201}; });
    reply(ApiReply{200});
  }
  CHECK(seen == std::vector<int>{201});
}
}  // namespace
}  // namespace onward
