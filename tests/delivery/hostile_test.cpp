// Receivers that mean harm, or cannot help it, beside one that is well.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "engine/delivery/curl_http_client.h"
#include "engine/delivery/failure.h"
#include "engine/delivery/transfer.h"
#include "tests/delivery/calls.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
using namespace std::string_literals;
using Script = LocalReceiver::Script;

/// What a receiver does, and what its requests must come to.
struct Hostile {
  std::string name;
  int status;        ///< 0: none is believed.
  std::string code;  ///< Where none is.
  Script script;
};

/// Reads a request and goes on as `then` says, until the other side has had enough.
Script after_request(std::function<void(Peer&)> then) {
  return [then = std::move(then)](Peer& peer) {
    if (!peer.read()) return;
    then(peer);
    peer.wait_for_close();
  };
}

Script says(std::string text) {
  return after_request([text = std::move(text)](Peer& peer) { peer.send(text); });
}

Script floods(std::string first, std::string again) {
  return after_request([first = std::move(first), again = std::move(again)](Peer& peer) {
    peer.send(first);
    peer.flood(again);
  });
}

std::vector<Hostile> hostiles() {
  const std::string packed = "\x1f\x8b\x08"s + std::string(1000, '\0');
  const std::string encodings = "Content-Encoding: gzip, gzip, br, deflate, gzip, zstd\r\n";
  return {
      {"fault 3: never answers", 0, "timeout", [](Peer& peer) { peer.wait_for_close(); }},
      {"fault 4: resets", 0, "reset",
       [](Peer& peer) {
         peer.read();
         peer.reset();
       }},
      {"fault 5: resets in the body", 200, "",
       [](Peer& peer) {
         peer.read();
         peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
         peer.reset();
       }},
      {"fault 7: drips headers", 0, "timeout", after_request([](Peer& peer) {
         peer.drip("HTTP/1.1 200 OK\r\nX: " + std::string(10'000, 'x'), 20ms);
       })},
      {"fault 8: drips its body", 200, "", after_request([](Peer& peer) {
         peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
         peer.drip(std::string(10'000, 'x'), 20ms);
       })},
      {"fault 9: a body without end", 200, "",
       floods("HTTP/1.1 200 OK\r\n\r\n", std::string(4096, 'x'))},
      {"fault 10: 103 for ever", 0, "header_limit",
       floods("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")},
      {"fault 11: headers for ever", 0, "header_limit",
       floods("HTTP/1.1 200 OK\r\n", "X-Header: 1234567890\r\n")},
      {"fault 11: one endless line", 0, "header_limit",
       floods("HTTP/1.1 200 OK\r\nX: ", std::string(4096, 'x'))},
      {"fault 12: no HTTP", 0, "protocol", says("SSH-2.0-OpenSSH_9.2\r\n" + std::string(100, 'x'))},
      {"fault 13: two lengths", 200, "",
       says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
      {"fault 14: a bomb", 200, "", says(http_reply(200, packed, encodings))},
      {"fault 16: answers twice", 204, "",
       says("HTTP/1.1 204 No\r\n\r\n" + http_reply(500, "stray"))},
      {"fault 17: switches", 0, "protocol",
       says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")},
      {"fault 19: points inside", 302, "",
       says(http_reply(302, "", "Location: http://169.254.169.254/\r\n"))},
      {"fault 35: half closes", 200, "", after_request([](Peer& peer) {
         peer.send(http_reply(200));
         peer.shut_sending();
       })},
  };
}

/// More than 64 requests and their receivers, which are in this process too, may take; sanitizers
/// take much for themselves.
#ifdef ONWARD_SANITIZED
constexpr std::size_t kMemoryMax = 1024 * 1024 * 1024;
#else
constexpr std::size_t kMemoryMax = 32 * 1024 * 1024;
#endif

/// Bytes of memory that the process holds.
std::size_t memory_now() {
  std::ifstream file{"/proc/self/statm"};
  std::size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

std::size_t descriptors_now() {
  const std::filesystem::directory_iterator all{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
}  // namespace

TEST_CASE(
    "faults 3 to 35: whatever receivers do all at once, each has its name, one beside them is "
    "answered, and little memory is taken",
    "[delivery][client][faults]") {
  const std::vector<Hostile> all = hostiles();
  std::vector<std::unique_ptr<LocalReceiver>> receivers;
  for (const Hostile& one : all) receivers.push_back(std::make_unique<LocalReceiver>(one.script));
  LocalReceiver well;
  const auto client = open_client();
  CHECK(call(*client, request_to(well.url())).status == 200);
  const std::size_t before = memory_now();

  constexpr std::size_t kEach = 4;
  using Replies = std::map<std::uint64_t, HttpReply>;
  const auto ask_all = [&](Duration timeout) {
    for (std::size_t n = 0; n < all.size() * kEach; ++n) {
      HttpRequest request = request_to(receivers[n % all.size()]->url(), timeout);
      request.token = 1 + n;
      client->start(std::move(request));
    }
    std::vector<HttpReply> replies;
    Replies hostile;
    // One request after another to the one that is well, as long as there is any other.
    constexpr std::size_t kWellMax = 500;
    std::size_t asked = 0, answered = 0;
    while (hostile.size() < all.size() * kEach || client->in_flight() > 0) {
      if (asked == answered && asked++ < kWellMax) client->start(request_to(well.url()));
      client->poll(10s, replies);
      for (HttpReply& reply : replies) {
        if (reply.token != 0) {
          hostile.emplace(reply.token, std::move(reply));
          continue;
        }
        ++answered;
        CHECK(reply.status == 200);
      }
      replies.clear();
    }
    CHECK(answered > 0);
    return hostile;
  };
  const Replies hostile = patiently(2s, ask_all, [&](const Replies& replies) {
    return std::all_of(replies.begin(), replies.end(), [&](const auto& one) {
      return all[(one.first - 1) % all.size()].code == "timeout" || in_time(one.second);
    });
  });
  const std::size_t after = memory_now();
  CHECK(after < before + kMemoryMax);
  for (const auto& [token, reply] : hostile) {
    const Hostile& one = all[(token - 1) % all.size()];
    INFO(one.name << ": " << reply.error);
    CHECK(reply.status == one.status);
    CHECK(reply.code == one.code);
    CHECK(reply.body.size() <= 4096);
    CHECK_FALSE(reply.local);
  }
}

TEST_CASE("fault 3: a receiver that takes no more of the request", "[delivery][client][faults]") {
  LocalReceiver receiver{[](Peer& peer) { peer.wait_for_close_unread(); }};
  const auto client = open_client();
  const auto ask = [&](Duration timeout) {
    HttpRequest request = request_to(receiver.url(), timeout);
    request.request = std::make_shared<Request>(
        Request{.url = receiver.url(), .body = std::string(16 * 1024 * 1024, 'x')});
    return call(*client, std::move(request));
  };
  const auto times_out = [](const HttpReply& reply) { return reply.code == "timeout"; };
  CHECK(patiently(500ms, ask, times_out).code == "timeout");
}

TEST_CASE("faults 8 and 9: a connection whose answer did not end is not used again",
          "[delivery][client][faults]") {
  const bool fast = GENERATE(true, false);
  LocalReceiver receiver{after_request([=](Peer& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    fast ? static_cast<void>(peer.flood(std::string(4096, 'x')))
         : static_cast<void>(peer.drip(std::string(10'000, 'x'), 20ms));
  })};
  const auto client = open_client();
  for (int n = 0; n < 2; ++n) {
    const auto ask = [&](Duration timeout) {
      return call(*client, request_to(receiver.url(), timeout));
    };
    const HttpReply reply = patiently(500ms, ask, in_time);
    CHECK(reply.status == 200);
    CHECK(reply.body_truncated);
  }
  CHECK(receiver.requests().size() >= 2);
  CHECK(receiver.connections() >= receiver.requests().size());
}

TEST_CASE("faults 18 to 20: wherever a redirect points, one request is all there is",
          "[delivery][client][faults]") {
  LocalReceiver target;
  const auto where = GENERATE_REF(as<std::string>{}, target.url(), "http://169.254.169.254/latest",
                                  "file:///etc/passwd", "gopher://127.0.0.1/", "/hook", "//");
  LocalReceiver receiver{
      LocalReceiver::answers({http_reply(308, "", fmt::format("Location: {}\r\n", where))})};
  const auto client = open_client();
  const HttpReply reply = call(*client, request_to(receiver.url()));
  CHECK(reply.status == 308);
  CHECK(reply.location == where);
  CHECK(receiver.requests().size() == 1);
  CHECK(target.connections() == 0);
}

TEST_CASE("fault 34: a kept connection is judged again at each request",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  init_curl();
  AddressGuard guard = open_guard();
  const TransferOptions options{.guard = &guard};
  Transfer transfer{options};
  const auto ask = [&] {
    HttpReply reply;
    REQUIRE(transfer.prepare(request_to(receiver.url()), reply));
    return transfer.finish(curl_easy_perform(transfer.handle()));
  };
  CHECK(ask().status == 200);
  CHECK(ask().reused);
  guard = *AddressGuard::make({});
  const HttpReply moved = ask();
  CHECK(moved.code == "blocked_policy");
  CHECK(moved.blocked);
  CHECK(receiver.connections() == 1);
  CHECK(receiver.requests().size() == 2);
}

TEST_CASE("fault 35: a kept connection that ends once it was chosen carries no request",
          "[delivery][client][faults]") {
  // libcurl looks at a connection when it chooses it; the receiver ends it just after that.
  struct Moment {
    std::atomic<bool> chosen = false, ended = false, closed = false;
    static int remark(CURL*, curl_infotype type, char* text, std::size_t size, void* self) {
      auto& moment = *static_cast<Moment*>(self);
      const std::string_view words{text, size};
      if (type != CURLINFO_TEXT || words.find("using existing") == words.npos) return 0;
      moment.chosen = true;
      while (!moment.ended) std::this_thread::yield();
      return 0;
    }
  } moment;
  LocalReceiver receiver{[&](Peer& peer) {
    peer.read();
    peer.send(http_reply(200));
    if (peer.number() > 1) return;
    while (!moment.chosen) std::this_thread::yield();
    peer.shut_sending();
    moment.ended = true;
    while (peer.read()) continue;  // What still comes is seen too.
    moment.closed = true;
  }};
  init_curl();
  const AddressGuard guard = open_guard();
  OpenSockets sockets;
  const TransferOptions options{.guard = &guard, .sockets = &sockets};
  auto transfer = std::make_unique<Transfer>(options);
  HttpReply reply;
  REQUIRE(transfer->prepare(request_to(receiver.url()), reply));
  CHECK(transfer->finish(curl_easy_perform(transfer->handle())).status == 200);

  REQUIRE(transfer->prepare(request_to(receiver.url()), reply));
  curl_easy_setopt(transfer->handle(), CURLOPT_DEBUGFUNCTION, &Moment::remark);
  curl_easy_setopt(transfer->handle(), CURLOPT_DEBUGDATA, &moment);
  curl_easy_setopt(transfer->handle(), CURLOPT_VERBOSE, 1L);
  const CURLcode first = curl_easy_perform(transfer->handle());
  const bool chosen = moment.chosen.exchange(true);
  REQUIRE(chosen);
  CHECK(transfer->again(first));
  CHECK(transfer->finish(curl_easy_perform(transfer->handle())).status == 200);
  transfer.reset();
  while (!moment.closed) std::this_thread::yield();
  CHECK(receiver.connections() == 2);
  CHECK(receiver.requests().size() == 2);  // None came on the one that had ended.
}

TEST_CASE("fault 40: however many origins there are, few connections are kept",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  const auto client = make_curl_client({.guard = open_guard(),
                                        .connections_max = 16,
                                        .names = {.look_up = [](const std::string&) {
                                          return LookUp{{*IpAddress::parse("127.0.0.1")}, {}};
                                        }}});
  const std::size_t before = descriptors_now();
  std::uint64_t good = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<HttpRequest> requests;
    for (int n = 0; n < 20; ++n)
      requests.push_back(
          request_to(fmt::format("http://r{}n{}.test:{}/", round, n, receiver.port())));
    for (const HttpReply& reply : call_all(*client, std::move(requests)))
      good += reply.status == 200;
  }
  CHECK(good == 400);
  // Both ends of each connection are ours, and the receiver closes its own a moment later.
  std::size_t now = descriptors_now();
  for (const auto until = std::chrono::steady_clock::now() + 10s;
       now > before + 2 * 16 + 4 && std::chrono::steady_clock::now() < until;)
    now = descriptors_now();
  CHECK(now <= before + 2 * 16 + 4);

  // Those that rest longest are closed first, whenever they were opened.
  const auto reused = [&](std::string_view name) {
    return call(*client, request_to(fmt::format("http://{}.test:{}/", name, receiver.port())))
        .reused;
  };
  CHECK_FALSE(reused("once"));
  CHECK_FALSE(reused("often"));
  for (int n = 0; n < 20; ++n) {
    CHECK_FALSE(reused(fmt::format("other{}", n)));
    CHECK(reused("often"));
  }
  CHECK_FALSE(reused("once"));
}

TEST_CASE("fault 41: what we lack is told from what the receiver does",
          "[delivery][client][faults]") {
  const auto named = [](FailedTransfer failed) { return name_failure(failed); };
  FailedTransfer socket{.code = CURLE_COULDNT_CONNECT, .where = "crm.test:443"};
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    socket.socket_errno = error;
    CHECK(named(socket).code == "local");
    CHECK(named(socket).local);
  }
  FailedTransfer connect{
      .code = CURLE_COULDNT_CONNECT, .where = "crm.test:443", .socket_opened = true};
  connect.os_errno = EADDRNOTAVAIL;
  CHECK(named(connect).code == "local");
  connect.os_errno = ENETUNREACH;
  CHECK(named(connect).code == "no_network");
  CHECK(named(connect).local);
  connect.ipv6 = true;
  CHECK(named(connect).code == "unreachable");
  CHECK_FALSE(named(connect).local);
  connect.os_errno = EHOSTUNREACH;
  CHECK(named(connect).code == "unreachable");
}
}  // namespace onward
