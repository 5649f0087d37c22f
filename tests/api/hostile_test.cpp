// Callers who mean harm, at the socket and in what they say. The numbers are those of
// docs/reliability.md.
#include <catch2/catch.hpp>

#include "tests/api/front.h"
#include "tests/api/stand.h"

namespace onward {
namespace {
/// What comes until the server ends the connection, which it has to.
std::string answer_to(Stand& stand, const std::string& bytes) {
  Caller caller{stand.port()};
  caller.send(bytes);
  std::string answer = caller.rest();
  CHECK(caller.ended());
  return answer;
}
int status_of_answer(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

TEST_CASE("fault 73: a body that never ends, or lies about its length, is cut off",
          "[api][server][faults]") {
  HttpServerOptions options;
  options.body_max = 100'000;
  Stand stand{options};
  options.body_timeout = Duration{50};
  Stand hasty{std::move(options)};
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";

  // Chunks without end: as soon as they are too many.
  Caller endless{stand.port()};
  endless.send(chunked);
  const std::string chunk = "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
  for (int i = 0; i < 30; ++i) endless.send(chunk);
  CHECK(status_of_answer(endless.rest()) == 413);
  CHECK(endless.ended());
  // A chunk whose size, extension or trailer never ends is no body at all: as soon as a header
  // would be too long.
  CHECK(status_of_answer(answer_to(stand, chunked + "5;" + std::string(200'000, 'x'))) == 431);
  CHECK(status_of_answer(answer_to(stand, chunked + std::string(200'000, '0'))) == 431);
  CHECK(status_of_answer(answer_to(stand, chunked + "0\r\nA: " + std::string(200'000, 'x'))) ==
        431);
  CHECK(status_of_answer(answer_to(stand, chunked + "ffffffffffffffff\r\nx")) == 413);
  CHECK(status_of_answer(answer_to(stand, chunked + "fffffffffffffffff\r\nx")) == 400);
  CHECK(status_of_answer(answer_to(stand, chunked + "-5\r\nxxxxx\r\n")) == 400);
  // Less than was promised: when its time is up. More: the rest is taken for another request.
  CHECK(status_of_answer(answer_to(hasty, head + "Content-Length: 10\r\n\r\nabc")) == 408);
  const std::string more = answer_to(stand, head + "Content-Length: 3\r\n\r\nabcdefgh\r\n\r\n");
  CHECK(status_of_answer(more) == 200);
  CHECK(more.find("HTTP/1.1 400") != std::string::npos);
  CHECK(status_of_answer(answer_to(stand, head + "Content-Length: 100001\r\n\r\n")) == 413);
  CHECK(status_of_answer(answer_to(stand, head + "Content-Length: 18446744073709551616\r\n\r\n")) ==
        400);
  CHECK(status_of_answer(answer_to(stand, head + "Content-Length: -1\r\n\r\n")) == 400);
  // The door is still open.
  CHECK(status_of_answer(answer_to(stand, "GET /x HTTP/1.0\r\n\r\n")) == 200);
}

TEST_CASE("fault 74: a header that trickles has one deadline, however often a byte comes",
          "[api][server][faults]") {
  HttpServerOptions options;
  options.header_timeout = Duration{100};
  Stand stand{std::move(options)};
  Caller slow{stand.port()};
  slow.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  // Were the deadline to begin anew with each byte, this would go on to the end of the loop.
  int sent = 0;
  while (sent < 10'000 && !slow.has_answer(/*wait_ms=*/5)) {
    slow.send("x");
    ++sent;
  }
  CHECK(sent < 10'000);
  CHECK(status_of_answer(slow.rest()) == 408);
  CHECK(slow.ended());
  CHECK(HttpServerOptions{}.header_timeout == std::chrono::seconds{10});
}

TEST_CASE("fault 74: a body that trickles has one deadline, however often a byte comes",
          "[api][server][faults]") {
  HttpServerOptions options;
  options.body_timeout = Duration{100};
  Stand stand{std::move(options)};
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::pair<std::string, std::string> bodies[] = {
      {"Content-Length: 100000\r\n\r\n", "x"},
      {"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"}};
  for (const auto& [framing, piece] : bodies) {
    CAPTURE(framing);
    Caller slow{stand.port()};
    slow.send(head + framing);
    int sent = 0;
    while (sent < 10'000 && !slow.has_answer(/*wait_ms=*/5)) {
      slow.send(piece);
      ++sent;
    }
    CHECK(sent < 10'000);
    CHECK(status_of_answer(slow.rest()) == 408);
    CHECK(slow.ended());
  }
  CHECK(HttpServerOptions{}.body_timeout == std::chrono::seconds{30});
}

TEST_CASE("fault 74: callers beyond the cap take the places of idle ones, not of those served",
          "[api][server][faults]") {
  HttpServerOptions options;
  options.connections_max = 50;
  Stand stand{std::move(options)};
  Caller served{stand.port()};
  const std::string known = "GET /first HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n\r\n";
  served.send(known);
  CHECK(served.until("/first  0.").find("200") != std::string::npos);
  // Callers who only connect come and go; the one with a token stays.
  std::vector<std::unique_ptr<Caller>> idle;
  for (int i = 0; i < 150; ++i) idle.push_back(std::make_unique<Caller>(stand.port()));
  CHECK(idle.front()->rest().empty());
  CHECK(idle.front()->ended());
  served.send(get("/second"));
  CHECK(served.until("/second  0.").find("HTTP/1.1 200") == 0);
}

TEST_CASE(
    "fault 84: what two readers could understand differently is refused and the connection ends",
    "[api][server][faults]") {
  Stand stand;
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string cases[] = {
      // Two ways of telling the body's end.
      post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
      post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden,
      post + "Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + hidden,
      post + "Content-Length: 40\r\nContent-Length: 0\r\n\r\n" + hidden,
      post + "Content-Length: 0, 40\r\n\r\n" + hidden,
      post + "Content-Length: +0\r\n\r\n" + hidden,
      post + "Content-Length: 0x10\r\n\r\n" + hidden,
      post + "Content-Length: 1 0\r\n\r\n" + hidden,
      post + "Content-Length: \r\n\r\n" + hidden,
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
      post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
      post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
      // Lines that end otherwise, and lines that go on.
      "GET / HTTP/1.1\nHost: a\n\n" + hidden,
      post + "X: a\nContent-Length: 40\r\n\r\n" + hidden,
      post + "X: a\r\n\tContent-Length: 40\r\n\r\n" + hidden,
      post + "X: a\r\n Content-Length: 40\r\n\r\n" + hidden,
      " " + post + "\r\n" + hidden,
      "\r\n\r\n" + post + "X: a\r\n Content-Length: 40\r\n\r\n" + hidden,
      "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n" + hidden,
      // What is no token, or no text.
      post + "X\x01: a\r\n\r\n" + hidden,
      post + std::string("X: a\0b\r\n\r\n", 10) + hidden,
      post + "Content-Length\x0b: 40\r\n\r\n" + hidden,
      "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" + hidden,
      "GET / x HTTP/1.1\r\nHost: a\r\n\r\n" + hidden,
      std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 28) + hidden,
  };
  for (const std::string& bytes : cases) {
    CAPTURE(bytes);
    const std::string answer = answer_to(stand, bytes);
    const int status = status_of_answer(answer);
    CHECK((status == 400 || status == 431 || status == 501 || status == 505));
    CHECK(answer.find("/hidden") == std::string::npos);
    CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  }
}

TEST_CASE("fault 75: JSON that is none, or holds what nothing can, is refused with its place",
          "[api][faults]") {
  const Front front;
  /// `at`: the byte of it that cannot be, or the last of the name or value that may not.
  struct Row {
    std::string bad;
    std::size_t at;
    bool deep = false;  ///< `at` the first level of its own; refused is the 33rd of all.
  };
  const Row rows[] = {
      {R"("a": )", 5},
      {R"("a": 1, "a": 2)", 10},
      {R"("a": 1e400)", 9},
      {R"("a": -1e400)", 10},
      {R"("a": "\ud800")", 12},
      {R"("a": "\udc00\ud800")", 11},
      {R"("a": "\u0000")", 12},
      {std::string(R"("a": "x)") + '\0' + "\"", 7},
      {"\"a\": \"\xff\"", 6},
      {"\"a\": \"\xed\xa0\x80\"", 7},
      {R"("a": NaN)", 5},
      {R"("a": 01)", 6},
      {R"("a": 'x')", 5},
      {"\"a\": \"line\nend\"", 10},
      {"\"a\": " + std::string(100'000, '['), 5, true},
      {"\"a\": " + std::string(40, '[') + std::string(40, ']'), 5, true},
  };
  struct Route {
    const char *method, *path;
    std::string before, behind;
    std::size_t levels = 1;  ///< Of `before`.
  };
  const Route routes[] = {
      {"POST", "/v1/events", R"({"type": "opened", "contact": {"id": "c1"}, "data": {)", "}}", 2},
      {"PUT", "/v1/contacts/c2", R"({"custom": {)", "}}", 2},
      {"PUT", "/v1/fields/plan", "{", "}"},
      {"POST", "/v1/tokens", "{", "}"},
      {"POST", "/v1/deliveries/retry", "{", "}"},
  };
  for (const Row& row : rows)
    for (const auto& [method, path, before, behind, levels] : routes) {
      CAPTURE(row.bad.substr(0, 60), path);
      const Told told =
          front.ask({.method = method, .path = path, .body = before + row.bad + behind});
      CHECK(told.status == 400);
      CHECK(told.at("code") == Value{"bad_json"});
      const std::size_t at = before.size() + row.at + (row.deep ? 32 - levels : 0);
      CHECK_THAT(*told.at("detail").text(),
                 Catch::Matchers::StartsWith("byte " + std::to_string(at) + ": "));
    }
  CHECK(front.get("/v1/contacts/c1").status == 404);
  CHECK(front.get("/v1/contacts/c2").status == 404);
}
}  // namespace
}  // namespace onward
