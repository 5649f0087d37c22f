// The server at its socket: what a well-behaved, a hasty and a hostile caller get.
#include <sys/socket.h>
#include <optional>

#include <atomic>
#include <future>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/api/work_thread.h"
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
      "POST /big HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\nConnection: close\r\n"
      "Content-Length: 3000000\r\n\r\n");
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

/// A server whose only connection has a request under way.
struct FullStand {
  static HttpServerOptions one_connection() {
    HttpServerOptions options;
    options.connections_max = 1;
    return options;
  }
  FullStand() {
    first.send(get("/later"));
    held.emplace(stand.held());
  }
  void answer_first() {
    (*held)(ApiReply{200, "text/plain", "at last"});
    CHECK(first.until("at last").find("HTTP/1.1 200") == 0);
  }
  Stand stand{one_connection()};
  Caller first{stand.port()};
  std::optional<Responder> held;
};

TEST_CASE("a client is sent away where every connection has a request under way", "[api][server]") {
  FullStand full;
  Caller second{full.stand.port()};
  const std::string told = second.rest();
  CHECK(told.find("HTTP/1.1 503 Service Unavailable\r\n") == 0);
  CHECK(told.find("Retry-After: 1\r\n") != std::string::npos);
  CHECK(told.find("Content-Type: application/problem+json\r\n") != std::string::npos);
  const auto body = parse_json(told.substr(told.find("\r\n\r\n") + 4));
  REQUIRE(body);
  CHECK(*body->find("code")->text() == "too_many_connections");
  full.answer_first();
  full.first.send("GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  CHECK(full.first.rest().find("/b") != std::string::npos);
}

TEST_CASE("a client that is sent away is not reset while it still sends", "[api][server]") {
  FullStand full;
  Caller second{full.stand.port()};
  CHECK(second.until("too_many_connections").find("HTTP/1.1 503") == 0);
  // A connection that is closed answers the first piece with a reset, and the second one fails.
  for (const std::string_view piece : {"POST /b HTTP/1.1\r\n", "Host: a\r\n", "Content-Len"})
    CHECK(::send(second.socket(), piece.data(), piece.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(piece.size()));
  second.rest();
  CHECK(second.ended());
  full.answer_first();
}

/// A client that has been answered and keeps its connection.
std::unique_ptr<Caller> idle_client(const Stand& stand, bool known) {
  auto client = std::make_unique<Caller>(stand.port());
  client->send(std::string{"GET /x HTTP/1.1\r\nHost: a\r\n"} +
               (known ? "Authorization: Bearer t\r\n\r\n" : "\r\n"));
  CHECK(client->until("0.").find("HTTP/1.1 200") == 0);
  return client;
}
bool is_served(Caller& client) {
  client.send(get("/again"));
  return client.until("0.").find("HTTP/1.1 200") == 0;
}

TEST_CASE("a new client takes the place of the one that has been idle longest", "[api][server]") {
  HttpServerOptions options;
  options.connections_max = 4;
  Stand stand{std::move(options)};
  const auto known = idle_client(stand, /*known=*/true);
  const auto first = idle_client(stand, /*known=*/false);
  const auto second = idle_client(stand, /*known=*/false);
  const auto third = idle_client(stand, /*known=*/false);
  CHECK(is_served(*first));  // Now the second has been idle longest.
  const auto fourth = idle_client(stand, /*known=*/false);
  CHECK(second->rest().empty());
  CHECK(second->ended());
  CHECK(is_served(*known));
  CHECK(is_served(*third));
  CHECK(is_served(*first));
  CHECK(is_served(*fourth));
}

TEST_CASE("clients without a token cannot keep the others out", "[api][server]") {
  HttpServerOptions options;
  options.connections_max = 8;
  Stand stand{std::move(options)};
  const std::string head = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n";
  const std::pair<const char*, std::string> ways[] = {
      {"says nothing", ""},
      {"begins a header", head},
      {"begins a body", head + "\r\nabc"},
      {"does not read its answer", get("/large")},
  };
  for (const auto& [way, bytes] : ways) {
    CAPTURE(way);
    std::vector<std::unique_ptr<Caller>> strangers;
    for (int i = 0; i < 8; ++i) {
      strangers.push_back(std::make_unique<Caller>(stand.port()));
      strangers.back()->send(bytes);
    }
    for (int i = 0; i < 3; ++i) CHECK(is_served(*idle_client(stand, /*known=*/true)));
  }
}

TEST_CASE("known clients give way last, and only while they are idle", "[api][server]") {
  HttpServerOptions options;
  options.connections_max = 2;
  Stand stand{std::move(options)};
  const auto busy = std::make_unique<Caller>(stand.port());
  busy->send(get("/later"));
  const Responder held = stand.held();
  const auto known = idle_client(stand, /*known=*/true);
  const auto next = idle_client(stand, /*known=*/true);
  CHECK(known->rest().empty());
  CHECK(is_served(*next));
  held(ApiReply{200, "text/plain", "at last"});
  CHECK(busy->until("at last").find("HTTP/1.1 200") == 0);
}

TEST_CASE("bodies without proof have a limit each, and one together", "[api][server]") {
  HttpServerOptions options;
  options.unproven_body_max = 50'000;
  options.bodies.unproven_max = 60'000;
  Stand stand{std::move(options)};
  const auto post = [](std::size_t length, const std::string& token = {}) {
    return "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(length) + "\r\n" +
           token + "\r\n";
  };
  const std::string token = "Authorization: Bearer t\r\n";
  Caller large{stand.port()};
  large.send(post(50'001));
  CHECK(large.rest().find("HTTP/1.1 413") == 0);
  Caller known{stand.port()};
  known.send(post(200'000, token) + std::string(200'000, 'x'));
  CHECK(known.until("200000.").find("HTTP/1.1 200") == 0);

  // Each is within its limit; who asks to be told that it may send shows that its header was read.
  Caller first{stand.port()};
  first.send(post(50'000, "Expect: 100-continue\r\n"));
  CHECK(first.until("\r\n\r\n").find("HTTP/1.1 100") == 0);
  first.send(std::string(40'000, 'x'));
  Caller second{stand.port()};
  second.send(post(50'000) + std::string(45'000, 'x'));
  // Together too many, whichever is read first: who began earlier gives way.
  const std::string refused = first.rest();
  CHECK(refused.find("HTTP/1.1 503") == 0);
  CHECK(refused.find("too_many_bodies") != std::string::npos);
  CHECK(refused.find("Retry-After: 1\r\n") != std::string::npos);
  second.send(std::string(5'000, 'x'));
  CHECK(second.until("50000.").find("HTTP/1.1 200") == 0);
  // What was given back can be used again.
  Caller third{stand.port()};
  third.send(post(50'000) + std::string(50'000, 'x'));
  CHECK(third.until("50000.").find("HTTP/1.1 200") == 0);
}

TEST_CASE("headers without proof count in the budget, and the oldest gives way", "[api][server]") {
  HttpServerOptions options;
  options.bodies.unproven_max = 40'000;
  Stand stand{std::move(options)};
  const std::string part = "GET /x HTTP/1.1\r\nHost: a\r\nX: " + std::string(15'000, 'x');
  // Each fits alone. What the older ones have sent is given back when they are refused.
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 20; ++i) {
    callers.push_back(std::make_unique<Caller>(stand.port()));
    callers.back()->send(part);
  }
  const std::string refused = callers.front()->rest();
  CHECK(refused.find("HTTP/1.1 503") == 0);
  CHECK(refused.find("too_many_bodies") != std::string::npos);
  callers.back()->send("\r\n\r\n");
  CHECK(callers.back()->until("GET /x  0.").find("HTTP/1.1 200") == 0);
  std::size_t refusals = 0;
  for (std::size_t i = 1; i + 1 < callers.size(); ++i) {
    callers[i]->send("\r\n\r\n");
    const std::string answer = callers[i]->until("\r\n\r\n");
    refusals += answer.starts_with("HTTP/1.1 503") ? 1 : 0;
  }
  CHECK(refusals >= 16);
  // A client with a token is not concerned.
  Caller known{stand.port()};
  known.send("GET /k HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n\r\n");
  CHECK(known.until("/k  0.").find("HTTP/1.1 200") == 0);
  known.send(part);
  known.send("\r\n\r\n");
  CHECK(known.until("/x  0.").find("HTTP/1.1 200") == 0);
}

TEST_CASE("the parsed header of a body without proof counts with it", "[api][server]") {
  HttpServerOptions options;
  options.bodies.unproven_max = 60'000;
  Stand stand{std::move(options)};
  std::string head = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n";
  for (int i = 0; i < 97; ++i) head += "a:\r\n";
  // Their bodies have one byte each: it is the headers that take the memory.
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 10; ++i) {
    callers.push_back(std::make_unique<Caller>(stand.port()));
    callers.back()->send(head + "\r\nx");
  }
  CHECK(callers.front()->rest().find("HTTP/1.1 503") == 0);
  callers.back()->send("123456789");
  CHECK(callers.back()->until("POST /x  10.").find("HTTP/1.1 200") == 0);
}

TEST_CASE("a large body is handled aside: others are answered meanwhile, its own client in order",
          "[api][server]") {
  std::promise<void> go;
  std::shared_future<void> may_go = go.get_future().share();
  HttpServerOptions options;
  options.body_on_io_max = 1'000;
  options.handle = [may_go](ApiRequest& request, Responder reply) {
    if (request.body.size() > 1'000) may_go.wait();
    reply(ApiReply{200, "text/plain",
                   std::string{request.path} + " " + std::string{request.header("x-name")} + " " +
                       std::to_string(request.body.size()) + "."});
  };
  auto server = HttpServer::listen(std::move(options));
  REQUIRE(server);
  (*server)->start();
  Caller large{(*server)->port()};
  large.send("POST /large HTTP/1.1\r\nHost: a\r\nX-Name: one\r\nContent-Length: 5000\r\n\r\n" +
             std::string(5'000, 'x') + get("/second") +
             "POST /third HTTP/1.1\r\nHost: a\r\nX-Name: three\r\nContent-Length: 3000\r\n\r\n" +
             std::string(3'000, 'x') + get("/fourth"));
  Caller gone{(*server)->port()};
  gone.send("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" +
            std::string(5'000, 'x'));
  ::shutdown(gone.socket(), SHUT_RDWR);
  Caller small{(*server)->port()};
  for (int i = 0; i < 3; ++i) {
    small.send(get("/small"));
    CHECK(small.until("/small  0.").find("HTTP/1.1 200") == 0);
  }
  CHECK_FALSE(large.has_answer(/*wait_ms=*/0));
  go.set_value();
  const std::string all = large.until("/fourth  0.");
  const std::size_t first = all.find("/large one 5000.");
  const std::size_t second = all.find("/second  0.");
  const std::size_t third = all.find("/third three 3000.");
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third < all.find("/fourth  0."));
  (*server)->stop(std::chrono::seconds{5});
}

TEST_CASE("a long reply is made aside: others are answered meanwhile", "[api][server]") {
  std::promise<void> go;
  std::shared_future<void> may_go = go.get_future().share();
  HttpServerOptions options;
  options.handle = [may_go](ApiRequest& request, Responder reply) {
    const std::string path{request.path};
    if (path == "/throw")
      return reply.later_at_length([]() -> ApiReply { throw std::bad_alloc{}; });
    if (path != "/long") return reply(ApiReply{200, "text/plain", path + "."});
    reply.later_at_length([may_go] {
      may_go.wait();
      return ApiReply{200, "text/plain", "at length."};
    });
  };
  auto server = HttpServer::listen(std::move(options));
  REQUIRE(server);
  (*server)->start();
  Caller patient{(*server)->port()};
  patient.send(get("/long") + get("/next"));
  Caller other{(*server)->port()};
  for (int i = 0; i < 3; ++i) {
    other.send(get("/other"));
    CHECK(other.until("/other.").find("HTTP/1.1 200") == 0);
  }
  CHECK_FALSE(patient.has_answer(/*wait_ms=*/0));
  go.set_value();
  const std::string all = patient.until("/next.");
  CHECK(all.find("at length.") < all.find("/next."));
  other.send(get("/throw"));
  CHECK(other.until("\r\n\r\n").find("HTTP/1.1 500") == 0);
  (*server)->stop(std::chrono::seconds{5});
}

TEST_CASE("a work thread that stops drops what waits, and waits for the job at work",
          "[api][server]") {
  std::promise<void> begun;
  std::promise<void> go;
  std::promise<void> dropped;
  std::atomic<int> handled = 0;
  WorkThread thread;
  thread.start("onward-test");
  thread.post([&] {
    begun.set_value();
    go.get_future().wait();
    ++handled;
  });
  begun.get_future().wait();
  thread.post([&handled, mark = std::shared_ptr<void>(
                             nullptr, [&dropped](void*) { dropped.set_value(); })] { ++handled; });
  auto stopped = std::async(std::launch::async, [&] { thread.stop(); });
  dropped.get_future().wait();
  CHECK(handled.load() == 0);
  go.set_value();
  stopped.get();
  CHECK(handled.load() == 1);
  thread.post([&] { ++handled; });
  CHECK(handled.load() == 1);
}

TEST_CASE("a header is judged before its body, also where both come in one packet",
          "[api][server]") {
  Stand stand;
  const std::string head = "POST /closed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
  Caller stranger{stand.port()};
  stranger.send(head + "\r\n5\r\n{\n  1\r\n5\r");
  CHECK(stranger.rest().find("HTTP/1.1 401") == 0);
  Caller folded{stand.port()};
  folded.send(head + "X: a\r\n b\r\n\r\n5\r\n{\n  1\r\n5\r");
  CHECK(folded.rest().find("folded_header") != std::string::npos);
  Caller pretty{stand.port()};
  pretty.send(
      "POST /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\n{\n  1\r\n1\r");
  CHECK_FALSE(pretty.has_answer(/*wait_ms=*/20));
  pretty.send("\n}\r\n0\r");
  pretty.send("\n\r\n");
  CHECK(pretty.until("6.").find("HTTP/1.1 200") == 0);
}

TEST_CASE("a client that reads nothing has few of its pipelined requests answered", "[api][http]") {
  std::atomic<std::size_t> handled = 0;
  HttpServerOptions options{.port = 0};
  options.handle = [&](ApiRequest& request, Responder reply) {
    if (request.path == "/") return reply(ApiReply{200, "text/plain", "ok."});
    ++handled;
    reply(ApiReply{200, "text/plain", std::string(100'000, 'x')});
  };
  options.admit = [](const ApiRequest&) -> Admission { return {.known = true}; };
  auto server = HttpServer::listen(std::move(options));
  REQUIRE(server);
  (*server)->start();
  std::vector<std::unique_ptr<Caller>> silent;
  std::string requests;
  for (int i = 0; i < 40; ++i) requests += "GET /much HTTP/1.1\r\nHost: a\r\n\r\n";
  constexpr std::size_t kSilent = 8;
  for (std::size_t i = 0; i < kSilent; ++i) {
    silent.push_back(std::make_unique<Caller>((*server)->port()));
    const int small = 4096;
    ::setsockopt(silent.back()->socket(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    silent.back()->send(requests);
  }
  // The io thread has done all that it can for them when it has answered another one so often.
  Caller other{(*server)->port()};
  for (int i = 0; i < 200; ++i) {
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(other.until("ok.").ends_with("ok."));
  }
  // About 128 KiB in the kernel for sending, some for receiving, and one that waits in memory.
  CHECK(handled <= 5 * kSilent);
  (*server)->stop(std::chrono::seconds{1});
}

TEST_CASE("an answer for all clients is one text, whoever reads it and however slowly",
          "[api][server]") {
  const auto text = std::make_shared<const std::string>(3'000'000, 'x');
  HttpServerOptions options;
  options.handle = [&](ApiRequest&, Responder reply) { reply(ApiReply{.shared_body = text}); };
  auto server = HttpServer::listen(std::move(options));
  REQUIRE(server);
  (*server)->start();
  Caller reader{(*server)->port()};
  reader.send(get("/a") + get("/b") + "HEAD /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string all = reader.rest();
  CHECK(all.size() > 6'000'000);
  CHECK(all.size() < 6'010'000);
  CHECK(all.find("Content-Length: 3000000\r\n", 6'000'000) != std::string::npos);
}

TEST_CASE("answers that nobody reads have a limit together, and the oldest gives way",
          "[api][server]") {
  // The kernel takes a part of each answer; the memory of the whole one counts until it is sent.
  HttpServerOptions options;
  options.unread_max = 2 * kLarge + 20'000;  // With their heads.
  Stand stand{std::move(options)};
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 6; ++i) {
    callers.push_back(std::make_unique<Caller>(stand.port()));
    callers.back()->send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(callers.back()->has_answer(/*wait_ms=*/10'000));
  }
  std::string whole;
  for (const auto& caller : callers) whole += caller->rest().size() > kLarge ? "1" : "0";
  CHECK(whole == "000011");
}

TEST_CASE("a stopping server answers what is under way and nothing else", "[api][server]") {
  Stand stand;
  Caller idle{stand.port()};
  idle.send(get("/a"));
  (void)idle.until("0.");
  Caller busy{stand.port()};
  busy.send(get("/later"));
  const Responder reply = stand.held();
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
  std::optional<Responder> late;
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
