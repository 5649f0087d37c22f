// The server at its socket: what a well-behaved, a hasty and a hostile caller get.
#include <future>

#include <catch2/catch.hpp>

#include "tests/api/stand.h"

namespace onward {
namespace {
TEST_CASE("one connection serves many requests", "[api][server]") {
  Stand stand;
  Caller caller{stand.port()};
  for (int i = 0; i < 3; ++i) {
    caller.send(get("/a?x=1"));
    CHECK(caller.until("0.").find("HTTP/1.1 200 OK\r\n") == 0);
  }
  caller.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  const std::string last = caller.rest();
  CHECK(last.find("POST /b  5.") != std::string::npos);
  CHECK(last.find("Connection: close\r\n") != std::string::npos);
}

TEST_CASE("requests sent ahead are answered one after the other, in order", "[api][server]") {
  Stand stand;
  Caller caller{stand.port()};
  caller.send(get("/later") + get("/second") +
              "POST /third HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
              "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" +
              "GET /last HTTP/1.0\r\n\r\n");
  stand.held()(ApiReply{200, "text/plain", "first"});
  const std::string all = caller.rest();
  const std::size_t first = all.find("first");
  const std::size_t second = all.find("/second");
  const std::size_t third = all.find("/third  5.");
  const std::size_t last = all.find("/last");
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third < last);
  CHECK(last != std::string::npos);
}

TEST_CASE("what is no HTTP gets its status and the connection ends", "[api][server]") {
  Stand stand;
  const std::pair<std::string, int> cases[] = {
      {"hello\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n"
       "Content-Length: 1\r\n\r\nx",
       501},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 415},
      {"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
       400},
      {"GET / HTTP/3.7\r\nHost: a\r\n\r\n", 505},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},  // lines end with CR LF
      {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
      {"GET / HTTP/2.0\n\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
      {"GET /" + std::string(40'000, 'x'), 431},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: cake\r\n\r\n", 417},
  };
  for (const auto& [request, status] : cases) {
    CAPTURE(request.substr(0, 100));
    Caller caller{stand.port()};
    caller.send(request);
    const std::string reply = caller.rest();
    CHECK(caller.ended());
    CHECK(reply.find("HTTP/1.1 " + std::to_string(status)) == 0);
    CHECK(reply.find("Connection: close\r\n") != std::string::npos);
    CHECK(parse_json(reply.substr(reply.find("\r\n\r\n") + 4)));
  }
}

TEST_CASE("a body over the limit is refused while it comes", "[api][server]") {
  HttpServerOptions options;
  options.body_max = 1000;
  Stand stand{std::move(options)};
  Caller caller{stand.port()};
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "200\r\n" + std::string(0x200, 'x') + "\r\n";
  caller.send(chunk + chunk);
  CHECK(caller.rest().find("HTTP/1.1 413") == 0);
}

TEST_CASE("a large body within the limit arrives whole", "[api][server]") {
  Stand stand;
  Caller caller{stand.port()};
  const std::string body(3'000'000, 'x');
  caller.send(
      "POST /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n");
  caller.send(body);
  CHECK(caller.rest().find("POST /big  3000000.") != std::string::npos);
}

TEST_CASE("who may not come in is told before sending a body", "[api][server]") {
  Stand stand;
  Caller caller{stand.port()};
  caller.send(
      "POST /closed HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  CHECK(caller.rest().find("HTTP/1.1 401") == 0);

  Caller other{stand.port()};
  other.send("POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  CHECK(other.until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  other.send("hello");
  CHECK(other.until("5.").find("HTTP/1.1 200") == 0);
}

TEST_CASE("a header, a body or a first word that does not come ends the connection",
          "[api][server]") {
  HttpServerOptions options;
  options.header_timeout = Duration{30};
  options.body_timeout = Duration{30};
  Stand stand{std::move(options)};
  Caller silent{stand.port()};
  CHECK(silent.rest().empty());
  Caller slow{stand.port()};
  slow.send("GET / HT");
  CHECK(slow.rest().find("HTTP/1.1 408") == 0);
  Caller slower{stand.port()};
  slower.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  CHECK(slower.rest().find("HTTP/1.1 408") == 0);
}

TEST_CASE("HEAD gets the head of a GET alone", "[api][server]") {
  Stand stand;
  Caller caller{stand.port()};
  caller.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" + get("/y"));
  const std::string head = caller.until("\r\n\r\n");
  CHECK(head.find("Content-Length: 10\r\n") != std::string::npos);
  CHECK(caller.until("/y  0.").find("HTTP/1.1 200") == 0);
}

TEST_CASE("one caller too many is sent away and room comes back", "[api][server]") {
  HttpServerOptions options;
  options.connections_max = 1;
  Stand stand{std::move(options)};
  {
    Caller first{stand.port()};
    first.send(get("/a"));
    CHECK(first.until("0.").find("200") != std::string::npos);
    Caller second{stand.port()};
    const std::string told = second.rest();
    CHECK(told.find("HTTP/1.1 503 Service Unavailable\r\n") == 0);
    CHECK(told.find("Retry-After: 1\r\n") != std::string::npos);
    CHECK(told.find("Content-Type: application/problem+json\r\n") != std::string::npos);
    const auto body = parse_json(told.substr(told.find("\r\n\r\n") + 4));
    REQUIRE(body);
    CHECK(*body->find("code")->text() == "too_many_connections");
    first.send("GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(first.rest().find("/b") != std::string::npos);
  }
}

TEST_CASE("a stopping server answers what is under way and nothing else", "[api][server]") {
  Stand stand;
  Caller idle{stand.port()};
  idle.send(get("/a"));
  (void)idle.until("0.");
  Caller busy{stand.port()};
  busy.send(get("/later"));
  const Reply reply = stand.held();
  auto stopped =
      std::async(std::launch::async, [&] { stand.server->stop(std::chrono::seconds{10}); });
  CHECK(idle.rest().empty());
  reply(ApiReply{200, "text/plain", "at last"});
  const std::string answer = busy.rest();
  CHECK(answer.find("at last") != std::string::npos);
  CHECK(answer.find("Connection: close") != std::string::npos);
  stopped.get();
}

TEST_CASE("an answer after the end is dropped in peace", "[api][server]") {
  std::optional<Reply> late;
  {
    Stand stand;
    Caller caller{stand.port()};
    caller.send(get("/later"));
    late = stand.held();
    stand.server->stop(Duration{0});
  }
  (*late)(ApiReply{200});
  late.reset();
}

TEST_CASE("two servers cannot have one port, and the message says which", "[api][server]") {
  Stand stand;
  HttpServerOptions options;
  options.port = stand.port();
  const auto second = HttpServer::listen(std::move(options));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == "cannot_listen");
  CHECK(second.error().message.find(std::to_string(stand.port())) != std::string::npos);
  HttpServerOptions nowhere;
  nowhere.address = "example.org";
  CHECK_FALSE(HttpServer::listen(std::move(nowhere)));
}
}  // namespace
}  // namespace onward
