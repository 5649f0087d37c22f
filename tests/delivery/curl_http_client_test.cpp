// The real client against a receiver that misbehaves in every way we could think of.
#include "engine/delivery/curl_http_client.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <future>
#include <thread>

#include "tests/delivery/calls.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
using namespace std::string_literals;

/// What a client makes of a receiver that answers its first request like this.
HttpReply reply_to(LocalReceiver::Script script, Duration timeout = kPatience) {
  LocalReceiver receiver{std::move(script)};
  const auto client = open_client();
  return call(*client, request_to(receiver.url(), timeout));
}

/// The same with a time-out that is long enough for `holds`, if any is.
template <class Holds>
HttpReply patient_reply_to(const LocalReceiver::Script& script, Duration first, Holds holds) {
  return patiently(
      first, [&](Duration timeout) { return reply_to(script, timeout); }, holds);
}
bool times_out(const HttpReply& reply) { return reply.code == "timeout"; }

/// Reads the request, then sends these bytes and says goodbye.
LocalReceiver::Script bytes(std::string text) {
  return [text = std::move(text)](Peer& peer) {
    if (peer.read()) peer.send(text);
  };
}

/// As `bytes`, but the connection stays open.
LocalReceiver::Script bytes_and_wait(std::string text) {
  return [text = std::move(text)](Peer& peer) {
    if (peer.read() && peer.send(text)) peer.wait_for_close();
  };
}
}  // namespace

TEST_CASE("a request goes out with its method, headers and body, and nothing of libcurl's own",
          "[delivery][client]") {
  LocalReceiver receiver;
  const auto client = open_client();
  HttpRequest request = request_to(receiver.url("/a/b?c=d"));
  request.extra_headers = {{"webhook-id", "evt_1"}, {"X-Empty", ""}};
  const HttpReply reply = call(*client, std::move(request));
  CHECK(reply.status == 200);
  CHECK(reply.code == "");

  const auto seen = receiver.requests();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].method == "POST");
  CHECK(seen[0].path == "/a/b?c=d");
  CHECK(seen[0].body == "{}");
  CHECK(seen[0].header("content-type") == "application/json");
  CHECK(seen[0].header("webhook-id") == "evt_1");
  CHECK(seen[0].header("x-empty") == "");
  CHECK_THAT(*seen[0].header("user-agent"), Catch::StartsWith("Onward/"));
  CHECK_FALSE(seen[0].header("expect"));
  CHECK_FALSE(seen[0].header("accept-encoding"));
  CHECK_FALSE(seen[0].header("cookie"));
}

TEST_CASE("every method goes out, with a body and without, on one handle", "[delivery][client]") {
  LocalReceiver receiver;
  const auto client = open_client();
  const auto send = [&](std::string method, std::string body) {
    HttpRequest request;
    request.request =
        std::make_shared<Request>(Request{.method = method, .url = receiver.url(), .body = body});
    request.connect_timeout = request.timeout = 5s;
    CHECK(call(*client, std::move(request)).status == 200);
    const ReceivedRequest seen = receiver.requests().back();
    CHECK(seen.method == method);
    CHECK(seen.body == body);
    CHECK_FALSE(seen.header("content-type"));
    return seen;
  };
  for (const char* method : {"POST", "GET", "PUT", "DELETE", "PATCH", "GET", "POST"}) {
    send(method, "");
    send(method, "x=1");
  }
  CHECK_FALSE(send("GET", "").header("content-length"));
  CHECK(send("POST", "").header("content-length") == "0");
}

TEST_CASE("secrets that were resolved take the place of their references", "[delivery][client]") {
  LocalReceiver receiver;
  const auto client = open_client();
  HttpRequest request = request_to("http://127.0.0.1:1/\x01key\x02");
  request.url = receiver.url("/s3cret");
  request.headers = {{"Authorization", "Bearer x"}, {"User-Agent", "Mine"}};
  request.headers_replaced = true;
  CHECK(call(*client, std::move(request)).status == 200);
  const auto seen = receiver.requests();
  CHECK(seen[0].path == "/s3cret");
  CHECK(seen[0].header("authorization") == "Bearer x");
  CHECK(seen[0].header("user-agent") == "Mine");
}

TEST_CASE("connections and handles are used again", "[delivery][client]") {
  LocalReceiver receiver;
  const auto client = open_client();
  CHECK_FALSE(call(*client, request_to(receiver.url())).reused);
  for (int n = 0; n < 5; ++n) CHECK(call(*client, request_to(receiver.url())).reused);
  CHECK(receiver.connections() == 1);
}

TEST_CASE("many requests are in flight at once", "[delivery][client]") {
  LocalReceiver receiver;
  const auto client = open_client();
  for (int round = 0; round < 3; ++round) {
    std::vector<HttpRequest> requests;
    for (int n = 0; n < 100; ++n) requests.push_back(request_to(receiver.url()));
    for (const HttpReply& reply : call_all(*client, std::move(requests)))
      CHECK(reply.status == 200);
  }
  CHECK(receiver.requests().size() == 300);
  CHECK(receiver.connections() <= 100);
}

TEST_CASE("every status of a complete answer is handed on as it is", "[delivery][client]") {
  const int status =
      GENERATE(201, 204, 205, 304, 400, 401, 403, 408, 410, 417, 425, 429, 500, 503, 520, 599, 999);
  CHECK(reply_to(bytes(http_reply(status))).status == status);
}

TEST_CASE("a redirect is an answer and is never followed", "[delivery][client]") {
  const int status = GENERATE(301, 302, 303, 307, 308);
  LocalReceiver target;
  const HttpReply reply =
      reply_to(bytes(http_reply(status, "", "Location: " + target.url() + "\r\n")));
  CHECK(reply.status == status);
  CHECK(target.connections() == 0);
}

TEST_CASE("the answer's body, Retry-After and Date are kept", "[delivery][client]") {
  const HttpReply reply = reply_to(bytes(http_reply(
      503, "too\0busy"s, "Retry-After:  120 \r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n")));
  CHECK(reply.retry_after == "120");
  CHECK(reply.date == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(reply.body == "too\0busy"s);
  CHECK_FALSE(reply.body_truncated);
  CHECK(reply_to(bytes(http_reply(503, "", "Retry-After: 1\r\nRetry-After: 2\r\n"))).retry_after ==
        "");
}

TEST_CASE("fault 1: a refused connection", "[delivery][client][faults]") {
  const std::uint16_t port = closed_port();
  const auto client = open_client();
  const HttpReply reply = call(*client, request_to(fmt::format("http://127.0.0.1:{}/", port)));
  CHECK(reply.status == 0);
  CHECK(reply.code == "connect_refused");
  CHECK(reply.error == fmt::format("could not connect to 127.0.0.1:{}: connection refused", port));
}

TEST_CASE("fault 2: a connection that nobody takes up", "[delivery][client][faults]") {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(listener, 0) == 0);
  REQUIRE(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  // Fills the queue, so that the system no longer answers.
  std::vector<int> fillers;
  for (int n = 0; n < 4; ++n) {
    fillers.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  const auto client = open_client();
  HttpRequest request = request_to(fmt::format("http://127.0.0.1:{}/", ntohs(address.sin_port)));
  request.connect_timeout = 100ms;
  const HttpReply reply = call(*client, std::move(request));
  CHECK(reply.code == "connect_timeout");
  CHECK_THAT(reply.error, Catch::EndsWith("within 100ms"));
  CHECK(DeliveryPolicy{}.connect_timeout == 5s);  // Where nobody says otherwise.
  for (const int filler : fillers) close(filler);
  close(listener);
}

TEST_CASE("fault 3: a receiver that takes the request and never answers",
          "[delivery][client][faults]") {
  const HttpReply reply =
      patient_reply_to([](Peer& peer) { peer.wait_for_close(); }, 100ms, times_out);
  CHECK(reply.status == 0);
  CHECK(reply.code == "timeout");
  CHECK(DeliveryPolicy{}.timeout == 15s);  // Where nobody says otherwise.
}

TEST_CASE("fault 4: a connection that ends before an answer", "[delivery][client][faults]") {
  CHECK(reply_to([](Peer& peer) { peer.read(); }).code == "reset");
  CHECK(reply_to([](Peer& peer) {
          peer.read();
          peer.reset();
        }).code == "reset");
  CHECK(reply_to([](Peer& peer) { peer.reset(); }).code == "reset");
}

TEST_CASE("fault 4: a kept connection that died is not taken for a lost request",
          "[delivery][client][faults]") {
  // The second request finds its connection closed and goes out on a new one.
  LocalReceiver receiver{[](Peer& peer) {
    if (peer.read()) peer.send(http_reply(200));
  }};
  const auto client = open_client();
  for (int n = 0; n < 4; ++n) CHECK(call(*client, request_to(receiver.url())).status == 200);
  CHECK(receiver.connections() == 4);
  CHECK(receiver.requests().size() == 4);  // None was lost, none came twice.
}

TEST_CASE("faults 5 and 6: what the status said holds, though the body broke off",
          "[delivery][client][faults]") {
  const int status = GENERATE(200, 500);
  const bool reset = GENERATE(true, false);
  const HttpReply reply = reply_to([=](Peer& peer) {
    if (!peer.read()) return;
    peer.send(fmt::format("HTTP/1.1 {} X\r\nContent-Length: 100\r\n\r\nhalf", status));
    if (reset) peer.reset();
  });
  CHECK(reply.status == status);
  CHECK(reply.body_truncated);
}

TEST_CASE("fault 7: headers that drip in, byte by byte", "[delivery][client][faults]") {
  const HttpReply reply = patient_reply_to(
      [](Peer& peer) {
        peer.read();
        peer.drip("HTTP/1.1 200 OK\r\nX: " + std::string(30'000, 'x'), 10ms);
      },
      150ms, times_out);
  CHECK(reply.status == 0);
  CHECK(reply.code == "timeout");
}

TEST_CASE("fault 8: a body that drips in for ever", "[delivery][client][faults]") {
  const HttpReply reply = patient_reply_to(
      [](Peer& peer) {
        peer.read();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n");
        peer.drip(std::string(30'000, 'x'), 10ms);
      },
      400ms, in_time);
  CHECK(reply.status == 200);
  CHECK(reply.body_truncated);
}

TEST_CASE("fault 9: a body without end", "[delivery][client][faults]") {
  std::atomic<std::size_t> sent = 0;
  const HttpReply reply = reply_to([&](Peer& peer) {
    peer.read();
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    sent = peer.flood(std::string(4096, 'x'));
  });
  CHECK(reply.status == 200);
  CHECK(reply.body_truncated);
  CHECK(reply.body == std::string(4096, 'x'));
  CHECK(sent < 16 * 1024 * 1024);  // What sockets hold, and no more.

  // It is read as far as 64 KiB: what ends before that is whole, and its connection is kept.
  LocalReceiver receiver{LocalReceiver::answers(
      {http_reply(200, std::string(60'000, 'x')), http_reply(200, std::string(100'000, 'x'))})};
  const auto client = open_client();
  CHECK_FALSE(call(*client, request_to(receiver.url())).body_truncated);
  const HttpReply longer = call(*client, request_to(receiver.url()));
  CHECK(longer.reused);
  CHECK(longer.status == 200);
  CHECK(longer.body_truncated);
  CHECK_FALSE(call(*client, request_to(receiver.url())).reused);
}

TEST_CASE("faults 10 and 11: headers without end", "[delivery][client][faults]") {
  const auto flood = [](std::string first, std::string again) {
    return reply_to([=](Peer& peer) {
      peer.read();
      peer.send(first);
      peer.flood(again);
    });
  };
  const HttpReply provisional = flood("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
  CHECK(provisional.status == 0);
  CHECK(provisional.code == "header_limit");
  CHECK(flood("HTTP/1.1 200 OK\r\n", "X-Header: 1234567890\r\n").code == "header_limit");
  const HttpReply line = flood("HTTP/1.1 200 OK\r\nX: ", std::string(4096, 'x'));
  CHECK(line.status == 0);
  CHECK(line.code == "header_limit");
  CHECK_FALSE(line.local);
}

TEST_CASE("a provisional answer comes before the real one", "[delivery][client]") {
  const std::string provisional = "HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n";
  const HttpReply reply =
      reply_to(bytes("HTTP/1.1 100 Continue\r\n\r\n" + provisional + http_reply(503)));
  CHECK(reply.status == 503);
  CHECK(reply.retry_after == "");
  const HttpReply never = reply_to(bytes(provisional));
  CHECK(never.status == 0);
  CHECK(never.code != "");
}

TEST_CASE("fault 12: what answers is no HTTP", "[delivery][client][faults]") {
  const auto text = GENERATE(as<std::string>{}, "garbage\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                             "<html>hello</html>", "\x16\x03\x01\x02"s, "HTTP/9.9 200 OK\r\n\r\n",
                             "HTTP/1.1 abc\r\n\r\n", std::string(64, '\0'));
  const HttpReply reply = reply_to(bytes(text));
  CHECK(reply.status == 0);
  CHECK(reply.code == "protocol");
}

TEST_CASE("fault 13: an answer that contradicts itself is not kept for the next request",
          "[delivery][client][faults]") {
  const auto text = GENERATE(
      as<std::string>{}, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 7\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 5abc\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  LocalReceiver receiver{bytes_and_wait(text)};
  const auto client = open_client();
  const auto ask = [&](Duration timeout) {
    return call(*client, request_to(receiver.url(), timeout));
  };
  const HttpReply first = patiently(200ms, ask, in_time);
  // A complete header block with a status stands; a broken one is a protocol error.
  CHECK((first.code == "protocol" || first.body_truncated));
  patiently(200ms, ask, in_time);
  CHECK(receiver.requests().size() >= 2);
  CHECK(receiver.connections() >= receiver.requests().size());  // Each on one of its own.
}

TEST_CASE("fault 14: an encoded body is never decoded", "[delivery][client][faults]") {
  const std::string packed = "\x1f\x8b\x08"s + std::string(100, '\0');
  const HttpReply reply = reply_to(bytes(http_reply(200, packed, "Content-Encoding: gzip\r\n")));
  CHECK(reply.status == 200);
  CHECK(reply.body == packed);
}

TEST_CASE("fault 16: bytes after an answer end its connection", "[delivery][client][faults]") {
  const std::string answer =
      GENERATE(as<std::string>{}, "HTTP/1.1 204 No\r\n\r\n", http_reply(205), http_reply(200, "x"),
               "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
  const std::string stray = GENERATE(as<std::string>{}, "stray bytes", http_reply(500, "y"));
  const bool later = GENERATE(false, true);
  CAPTURE(answer, stray, later);
  constexpr int kCalls = 3;
  std::atomic<int> read = 0, strays = 0;
  LocalReceiver receiver{[&](Peer& peer) {
    while (peer.read()) {
      if (!peer.send(later ? answer : answer + stray)) return;
      while (read <= strays) std::this_thread::yield();
      if (later) peer.send(stray);
      ++strays;
    }
  }};
  const auto client = open_client();
  for (int n = 0; n < kCalls; ++n) {
    const HttpReply reply = call(*client, request_to(receiver.url()));
    CHECK((reply.status >= 200 && reply.status <= 205));
    ++read;
    while (receiver.requests().size() > static_cast<std::size_t>(n) && strays <= n)
      std::this_thread::yield();
  }
  CHECK(receiver.connections() == kCalls);
}

TEST_CASE("fault 17: nobody asked to switch protocols", "[delivery][client][faults]") {
  const HttpReply reply = patient_reply_to(
      bytes_and_wait("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), 150ms,
      in_time);
  CHECK(reply.status == 0);
  CHECK(reply.code == "protocol");
}

TEST_CASE("fault 28: no TLS where TLS was expected", "[delivery][client][faults]") {
  const auto client = open_client();
  LocalReceiver plain{[](Peer& peer) { peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"); }};
  const HttpReply reply =
      call(*client, request_to(fmt::format("https://127.0.0.1:{}/", plain.port())));
  CHECK(reply.status == 0);
  CHECK(reply.code == "tls");

  LocalReceiver silent{[](Peer& peer) { peer.wait_for_close(); }};
  const auto stalled = [&](Duration timeout) {
    return call(*client, request_to(fmt::format("https://127.0.0.1:{}/", silent.port()), timeout));
  };
  CHECK(patiently(400ms, stalled, in_time).code == "tls");
}

TEST_CASE("fault 30: a name that has no address", "[delivery][client][faults]") {
  const auto client = open_client();
  CHECK(call(*client, request_to("http://no-such-host.invalid/")).code == "dns");
}

TEST_CASE("fault 33: whatever an address is spelt like, it is judged as what it is",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  const auto client = make_curl_client({.guard = *AddressGuard::make({})});
  const auto host =
      GENERATE(as<std::string>{}, "127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1",
               "localhost", "[::ffff:127.0.0.1]", "0", "0.0.0.0", "[::]", "[::1]", "127.0.0.1.",
               "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::1]", "[fe80::1%25eth0]",
               "[fe80::1%25lo]", "[fd00:ec2::254]", "169.254.169.254", "0xa9fea9fe", "%31%32%37.1");
  const HttpReply reply =
      call(*client, request_to(fmt::format("http://{}:{}/", host, receiver.port())));
  CHECK(reply.status == 0);
  CHECK(reply.code == "blocked_policy");
  CHECK(reply.blocked);
  CHECK_THAT(reply.error, Catch::Contains("--allow-host"));
  CHECK(receiver.connections() == 0);
}

TEST_CASE("a kept connection does not let a host through that was not opened",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  const auto client =
      make_curl_client({.guard = *AddressGuard::make(
                            {.allow_hosts = {fmt::format("127.0.0.1:{}", receiver.port())}})});
  CHECK(call(*client, request_to(receiver.url())).status == 200);
  CHECK(call(*client, request_to(receiver.url())).reused);
  const auto other =
      call(*client, request_to(fmt::format("http://localhost:{}/", receiver.port())));
  CHECK(other.code == "blocked_policy");
}

TEST_CASE("fault 35: a receiver that says goodbye early is understood",
          "[delivery][client][faults]") {
  constexpr std::size_t kCalls = 3;
  std::atomic<std::size_t> goodbyes = 0, ended = 0;
  LocalReceiver receiver{[&](Peer& peer) {
    peer.read();
    peer.send(http_reply(200));
    peer.shut_sending();
    ++goodbyes;
    while (peer.read()) continue;  // What still comes is seen too.
    ++ended;
  }};
  auto client = open_client();
  for (std::size_t n = 0; n < kCalls; ++n) {
    CHECK(call(*client, request_to(receiver.url())).status == 200);
    while (goodbyes <= n) std::this_thread::yield();
  }
  client.reset();
  while (ended < receiver.connections()) std::this_thread::yield();
  CHECK(receiver.connections() == kCalls);
  CHECK(receiver.requests().size() == kCalls);  // None came on a connection that had ended.

  // Where a client is made, a write to whoever is gone is an error and no signal.
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  close(ends[1]);
  const ssize_t written = write(ends[0], "x", 1);
  const int reason = errno;
  close(ends[0]);
  CHECK(written == -1);
  CHECK(reason == EPIPE);
}

TEST_CASE("fault 36: a large body goes out without asking first", "[delivery][client][faults]") {
  LocalReceiver receiver;
  const auto client = open_client();
  HttpRequest request = request_to(receiver.url());
  request.request = std::make_shared<Request>(
      Request{.url = receiver.url(), .body = std::string(3 * 1024 * 1024, 'x')});
  CHECK(call(*client, std::move(request)).status == 200);
  CHECK_FALSE(receiver.requests()[0].header("expect"));
  CHECK(receiver.requests()[0].body.size() == 3 * 1024 * 1024);
}

TEST_CASE("fault 41: a lack of descriptors is ours, not the receiver's",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  const auto client = open_client();
  CHECK(call(*client, request_to(fmt::format("http://127.0.0.1:{}/", closed_port()))).code ==
        "connect_refused");
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int next = dup(0);
  close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const HttpReply reply = call(*client, request_to(receiver.url()));
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(reply.local);
  CHECK(reply.code == "local");
  CHECK(call(*client, request_to(receiver.url())).status == 200);
}

TEST_CASE("fault 42: a proxy in the environment is none of ours", "[delivery][client][faults]") {
  LocalReceiver receiver, proxy;
  setenv("http_proxy", proxy.origin().c_str(), 1);
  setenv("ALL_PROXY", proxy.origin().c_str(), 1);
  for (const char* exceptions : {"no_proxy", "NO_PROXY"}) unsetenv(exceptions);
  const auto client = open_client();
  CHECK(call(*client, request_to(receiver.url())).status == 200);
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  CHECK(proxy.connections() == 0);
}

TEST_CASE("a URL that may not be called is refused before anything leaves", "[delivery][client]") {
  const auto client = open_client();
  const auto url =
      GENERATE(as<std::string>{}, "", "crm.example.com/x", "ftp://127.0.0.1/", "file:///etc/passwd",
               "gopher://127.0.0.1/", "http://", "http://user:pw@127.0.0.1/",
               "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: 1", "http://127.0.0.1:99999/");
  const HttpReply reply = call(*client, request_to(url));
  CHECK(reply.code == "bad_url");
  CHECK_THAT(reply.error, !Catch::Contains("pw"));
}

TEST_CASE("a header that would break out of its line is refused", "[delivery][client]") {
  LocalReceiver receiver;
  const auto client = open_client();
  const Header header =
      GENERATE(Header{"X", "a\r\nY: b"}, Header{"X", "a\nb"}, Header{"X", "a\0b"s},
               Header{"X Y", "a"}, Header{"", "a"}, Header{"X:", "a"}, Header{"X\r\nY", "a"});
  HttpRequest request = request_to(receiver.url());
  request.extra_headers = {header};
  CHECK(call(*client, std::move(request)).code == "bad_header");
  CHECK(receiver.connections() == 0);
}

TEST_CASE("with --https-only no plain request is made", "[delivery][client]") {
  LocalReceiver receiver;
  const auto client = make_curl_client({.guard = open_guard(), .https_only = true});
  const HttpReply reply = call(*client, request_to(receiver.url()));
  CHECK(reply.code == "blocked_policy");
  CHECK_THAT(reply.error, Catch::Contains("--https-only"));
  CHECK(receiver.connections() == 0);
}

TEST_CASE("a wake ends the waiting", "[delivery][client]") {
  const auto client = open_client();
  client->wake();
  std::vector<HttpReply> replies;
  client->poll(1h, replies);
  CHECK(replies.empty());
}

TEST_CASE("a kept connection that is closed, or brings what nobody asked for, wakes no one twice",
          "[delivery][client]") {
  const bool closes = GENERATE(true, false);
  std::atomic<bool> answered = false, done = false;
  LocalReceiver receiver{[&](Peer& peer) {
    if (!peer.read() || !peer.send(http_reply(200))) return;
    while (!answered) std::this_thread::yield();
    closes ? peer.shut_sending() : static_cast<void>(peer.send("stray"));
    done = true;
    peer.wait_for_close();
  }};
  const auto client = open_client();
  CHECK(call(*client, request_to(receiver.url())).status == 200);
  answered = true;
  while (!done) std::this_thread::yield();
  std::vector<HttpReply> replies;
  int returns = 0;
  for (const auto end = std::chrono::steady_clock::now() + 200ms;
       std::chrono::steady_clock::now() < end; ++returns)
    client->poll(100ms, replies);
  CHECK(returns <= 4);
  const HttpReply again = call(*client, request_to(receiver.url()));
  CAPTURE(closes, again.code, again.error);
  CHECK(again.status == 200);
}

TEST_CASE("a client ends with requests in flight", "[delivery][client]") {
  LocalReceiver receiver{[](Peer& peer) { peer.wait_for_close(); }};
  const auto client = open_client();
  client->start(request_to(receiver.url()));
  std::vector<HttpReply> replies;
  client->poll(0ms, replies);
  CHECK(client->in_flight() == 1);
}

TEST_CASE("the command line's call answers with status, type and the whole body",
          "[delivery][client]") {
  const std::string large(300'000, 'x');
  LocalReceiver receiver{
      LocalReceiver::answers({http_reply(201, large, "Content-Type: application/json\r\n")})};
  const auto answer = http_call({.method = "PUT", .url = receiver.url(), .body = "b"}, 5s);
  REQUIRE(answer);
  CHECK(answer->status == 201);
  CHECK(answer->content_type == "application/json");
  CHECK(answer->body == large);
  CHECK(receiver.requests()[0].method == "PUT");

  const auto refused = http_call({.url = fmt::format("http://127.0.0.1:{}/", closed_port())}, 5s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "connect_refused");
  CHECK_FALSE(http_call({.url = "nonsense"}, 5s));
}

namespace {
/// A receiver that answers when a test says so, and a client whose clock the test turns.
class StopStage {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit StopStage(Duration timeout) {
    client_->start(request_to(receiver_.url(), timeout));
    while (receiver_.requests().empty()) poll();
    CHECK(replies.empty());
  }
  ~StopStage() { answer(); }
  void pass(Duration time) { *now_ += time.count(); }
  /// Returns when the answer is in the socket of the client.
  void answer() {
    if (answered_) return;
    answered_ = true;
    gate_.set_value();
    sent_.get_future().wait();
  }
  void poll() { client_->poll(0ms, replies); }

  std::vector<HttpReply> replies;

 private:
  std::shared_ptr<std::atomic<Duration::rep>> now_ =
      std::make_shared<std::atomic<Duration::rep>>(1'000'000);
  std::promise<void> gate_, sent_;
  bool answered_ = false;
  LocalReceiver receiver_{[this](Peer& peer) {
    if (!peer.read()) return;
    gate_.get_future().wait();
    peer.send(http_reply(200));
    sent_.set_value();
    peer.wait_for_close();
  }};
  std::unique_ptr<HttpClient> client_ = make_curl_client(
      {.guard = open_guard(), .clock = [now = now_] { return Time{Duration{now->load()}}; }});
};
}  // namespace

TEST_CASE("an answer that came while this process was stopped is read before limits are judged",
          "[delivery][client]") {
  // A short stop, which nobody notices as one, and a long one.
  const Duration stopped = GENERATE(as<Duration>{}, 1500ms, 20s, 24h);
  StopStage stage{/*timeout=*/1s};
  stage.pass(stopped);
  stage.answer();
  while (stage.replies.empty()) stage.poll();
  CHECK(stage.replies[0].status == 200);
  CHECK(stage.replies[0].took < 2s);
}

TEST_CASE("a receiver has all of its time, less that in which this process was stopped",
          "[delivery][client]") {
  StopStage stage{/*timeout=*/15s};
  stage.pass(20s);
  for (int second = 0; second < 13; ++second) {
    stage.poll();
    REQUIRE(stage.replies.empty());
    stage.pass(1s);
  }
  stage.pass(1s);
  stage.poll();
  REQUIRE(stage.replies.size() == 1);
  CHECK(stage.replies[0].code == "timeout");
  CHECK(stage.replies[0].took >= 15s);
}
}  // namespace onward
