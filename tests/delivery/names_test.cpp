// Where requests go that name their receiver: the client with name servers that a test plays.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "engine/delivery/curl_http_client.h"
#include "tests/delivery/calls.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// Answers by name, in turn, the last one for ever: "127.0.0.1 127.0.0.2", "! why not", or "hang".
class Names {
 public:
  explicit Names(std::map<std::string, std::vector<std::string>> answers)
      : state_{std::make_shared<State>()} {
    state_->answers = std::move(answers);
  }
  ~Names() {
    const std::lock_guard lock{state_->mutex};
    state_->over = true;
    state_->changed.notify_all();
  }

  LookUpFunction look_up() const {
    return [state = state_](const std::string& name) { return state->look_up(name); };
  }
  int asked(const std::string& name) const {
    const std::lock_guard lock{state_->mutex};
    return state_->asked[name];
  }

 private:
  struct State {
    LookUp look_up(const std::string& name) {
      std::unique_lock lock{mutex};
      const auto& all = answers[name];
      if (all.empty()) return {.error = "has no address"};
      const std::string text =
          all[std::min<std::size_t>(static_cast<std::size_t>(asked[name]++), all.size() - 1)];
      if (text == "hang") changed.wait(lock, [&] { return over; });
      if (text.starts_with("! ")) return {.error = text.substr(2)};
      LookUp found;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (const auto address = IpAddress::parse(text.substr(at, end - at)))
          found.addresses.push_back(*address);
        at = end + 1;
      }
      return found;
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, std::vector<std::string>> answers;
    std::map<std::string, int> asked;
    bool over = false;
  };
  std::shared_ptr<State> state_;
};

/// "127.0.0.1" stands for what is public here; no other address may be called.
AddressGuard narrow_guard() { return *AddressGuard::make({.allow_networks = {"127.0.0.1/32"}}); }

std::unique_ptr<HttpClient> client_with(const Names& names, AddressGuard guard = narrow_guard()) {
  return make_curl_client({.guard = std::move(guard), .names = {.look_up = names.look_up()}});
}

std::string url_of(std::string_view name, std::uint16_t port) {
  return fmt::format("http://{}:{}/hook", name, port);
}

/// A listener whose queue is full, so that nobody answers who comes: a black hole.
class BlackHole {
 public:
  BlackHole(const char* address, std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    inet_pton(AF_INET, address, &at.sin_addr);
    auto* generic = reinterpret_cast<sockaddr*>(&at);
    sockets_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(sockets_[0], generic, sizeof at) == 0);
    REQUIRE(listen(sockets_[0], 0) == 0);
    for (int n = 0; n < 4; ++n) {
      sockets_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      connect(sockets_.back(), generic, sizeof at);
    }
  }
  ~BlackHole() {
    for (const int socket : sockets_) close(socket);
  }

 private:
  std::vector<int> sockets_;
};
}  // namespace

TEST_CASE("a name is looked up once; its connections are kept, and the receiver sees its name",
          "[delivery][client]") {
  LocalReceiver receiver;
  const Names names{{{"crm.test", {"127.0.0.1"}}}};
  const auto client = client_with(names);
  CHECK_FALSE(call(*client, request_to(url_of("crm.test", receiver.port()))).reused);
  for (int n = 0; n < 5; ++n)
    CHECK(call(*client, request_to(url_of("CRM.test", receiver.port()))).reused);
  CHECK(receiver.connections() == 1);
  CHECK(names.asked("crm.test") == 1);
  CHECK(receiver.requests()[0].header("host") == fmt::format("crm.test:{}", receiver.port()));
}

TEST_CASE("requests of a name that is being looked up wait together", "[delivery][client]") {
  LocalReceiver receiver;
  const Names names{{{"crm.test", {"127.0.0.1"}}}};
  const auto client = client_with(names);
  std::vector<HttpRequest> requests;
  for (int n = 0; n < 50; ++n) requests.push_back(request_to(url_of("crm.test", receiver.port())));
  for (const HttpReply& reply : call_all(*client, std::move(requests))) CHECK(reply.status == 200);
  CHECK(names.asked("crm.test") == 1);
}

TEST_CASE("fault 30: a name that cannot be looked up", "[delivery][client][faults]") {
  const Names names{{{"busy.test", {"! was not looked up: try again"}}}};
  const auto client = client_with(names);
  const HttpReply none = call(*client, request_to(url_of("none.test", 81)));
  CHECK(none.code == "dns");
  CHECK(none.error == "the name in none.test:81 has no address");
  const HttpReply busy = call(*client, request_to(url_of("busy.test", 81)));
  CHECK(busy.code == "dns");
  CHECK(busy.error == "the name in busy.test:81 was not looked up: try again");
  CHECK_FALSE(busy.local);
  // It is remembered for some seconds, so that a flood of requests is no flood of look-ups.
  CHECK(call(*client, request_to(url_of("busy.test", 81))).code == "dns");
  CHECK(names.asked("busy.test") == 1);
}

TEST_CASE("fault 30: while a look-up hangs, others go on, and it ends in time",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  // Nothing where the look-up had ended before the others were served.
  const auto run = [&](Duration patience) -> std::optional<HttpReply> {
    const Names names{{{"slow.test", {"hang"}}, {"crm.test", {"127.0.0.1"}}}};
    const auto client = client_with(names);
    HttpRequest hanging = request_to(url_of("slow.test", receiver.port()));
    hanging.connect_timeout = patience;
    hanging.token = 7;
    client->start(std::move(hanging));
    bool ended = false;
    for (int n = 0; n < 5; ++n) {
      HttpRequest other = request_to(url_of("crm.test", receiver.port()));
      other.token = 8;
      client->start(std::move(other));
      client->start(request_to(receiver.url()));
      for (int served = 0; served < 2;) {
        std::vector<HttpReply> replies;
        client->poll(10s, replies);
        for (const HttpReply& reply : replies) {
          ended = ended || reply.token == 7;
          if (reply.token == 7) continue;
          CHECK(reply.status == 200);
          ++served;
        }
      }
    }
    if (ended) return std::nullopt;
    std::vector<HttpReply> replies;
    while (replies.empty()) client->poll(10s, replies);
    CHECK(replies[0].token == 7);
    CHECK(replies[0].took >= std::min<Duration>(patience, ResolverOptions{}.patience));
    CHECK(client->in_flight() == 0);
    return replies[0];
  };
  const auto reply =
      patiently(1500ms, run, [](const std::optional<HttpReply>& one) { return one.has_value(); });
  REQUIRE(reply);
  CHECK(reply->code == "dns");
  CHECK(reply->error ==
        fmt::format("the name in slow.test:{} was not resolved in time", receiver.port()));
}

TEST_CASE("a name whose look-up could not begin is not its receiver's failure",
          "[delivery][client]") {
  const Names names{{{"dead.test", {"hang"}}, {"crm.test", {"127.0.0.1"}}}};
  const auto client =
      make_curl_client({.guard = narrow_guard(),
                        .names = {.look_up = names.look_up(), .threads_max = 1, .reserved = 0}});
  std::vector<HttpReply> replies;
  client->start(request_to(url_of("dead.test", 81)));
  while (names.asked("dead.test") == 0) client->poll(0ms, replies);
  HttpRequest request = request_to(url_of("crm.test", 81));
  request.connect_timeout = 50ms;
  request.token = 1;
  client->start(std::move(request));
  while (replies.empty()) client->poll(10s, replies);
  CHECK(replies[0].token == 1);
  CHECK(replies[0].code == "dns_busy");
  CHECK(replies[0].local);
  CHECK(names.asked("crm.test") == 0);
}

TEST_CASE("fault 30: of a thousand addresses four are tried", "[delivery][client][faults]") {
  LocalReceiver receiver;
  std::string many;
  for (int n = 0; n < 1000; ++n) many += fmt::format("127.0.{}.{} ", 1 + n / 250, 1 + n % 250);
  const Names names{{{"in-time.test", {"127.9.0.1 127.9.0.2 127.9.0.3 127.0.0.1 " + many}},
                     {"too-late.test", {"127.9.0.1 127.9.0.2 127.9.0.3 127.9.0.4 127.0.0.1"}},
                     {"nobody.test", {many}}}};
  const auto client = client_with(names, open_guard());
  CHECK(call(*client, request_to(url_of("in-time.test", receiver.port()))).status == 200);
  CHECK(call(*client, request_to(url_of("too-late.test", receiver.port()))).code ==
        "connect_refused");
  CHECK(receiver.connections() == 1);
  CHECK(call(*client, request_to(url_of("nobody.test", receiver.port()))).code ==
        "connect_refused");
  // The next attempt begins with addresses that have not failed.
  CHECK(call(*client, request_to(url_of("too-late.test", receiver.port()))).status == 200);
}

TEST_CASE("an address that swallows what is sent to it costs half of the time to connect, once",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  const BlackHole hole{"127.0.0.2", receiver.port()};
  const Names names{{{"crm.test", {"127.0.0.2 127.0.0.1"}}}};
  const auto ask = [&](Duration timeout) {
    HttpRequest request = request_to(url_of("crm.test", receiver.port()));
    request.connect_timeout = timeout;
    HttpReply reply = call(*client_with(names, open_guard()), std::move(request));
    CHECK(reply.took >= timeout / 2);
    return reply;
  };
  CHECK(patiently(1s, ask, in_time).status == 200);

  // Where nothing else answers, it is the time to connect that was not enough.
  const BlackHole other{"127.0.0.3", receiver.port()};
  const Names holes{{{"crm.test", {"127.0.0.2 127.0.0.3"}}}};
  const auto fresh = client_with(holes, open_guard());
  HttpRequest request = request_to(url_of("crm.test", receiver.port()));
  request.connect_timeout = 300ms;
  CHECK(call(*fresh, std::move(request)).code == "connect_timeout");
}

TEST_CASE("a handshake that is slow is no reason for another address", "[delivery][client]") {
  LocalReceiver silent{[](Peer& peer) { peer.wait_for_close(); }};
  LocalReceiver other{{}, {"127.0.0.2", silent.port()}};
  const Names names{{{"crm.test", {"127.0.0.1 127.0.0.2"}}}};
  const auto client = client_with(names, open_guard());
  const auto ask = [&](Duration timeout) {
    HttpRequest request = request_to(fmt::format("https://crm.test:{}/", silent.port()));
    request.connect_timeout = timeout;
    return call(*client, std::move(request));
  };
  CHECK(patiently(300ms, ask, in_time).code == "tls");
  CHECK(other.connections() == 0);
}

TEST_CASE("fault 31: what was checked is what is called, whatever the name says later",
          "[delivery][client][faults]") {
  LocalReceiver receiver;
  LocalReceiver inside{{}, {"127.0.0.2", receiver.port()}};
  const Names names{{{"rebind.test", {"127.0.0.1", "127.0.0.2"}}}};
  const auto now = std::make_shared<std::atomic<Duration::rep>>(0);
  const auto client =
      make_curl_client({.guard = narrow_guard(),
                        .names = {.look_up = names.look_up(), .clock = [now] {
                                    return Resolver::Clock::time_point{Duration{now->load()}};
                                  }}});
  for (int n = 0; n < 3; ++n)
    CHECK(call(*client, request_to(url_of("rebind.test", receiver.port()))).status == 200);
  CHECK(names.asked("rebind.test") == 1);
  // Fault 34: the next look-up counts for kept connections too.
  *now += 61'000;
  const HttpReply moved = call(*client, request_to(url_of("rebind.test", receiver.port())));
  CHECK(moved.code == "blocked_policy");
  CHECK(moved.blocked);
  CHECK_THAT(moved.error,
             Catch::Contains("127.0.0.2 of rebind.test is a loopback address") &&
                 Catch::Contains(fmt::format("--allow-host rebind.test:{}", receiver.port())) &&
                 Catch::Contains("--allow-network 127.0.0.2/32"));
  CHECK(inside.connections() == 0);
  CHECK(receiver.requests().size() == 3);
}

TEST_CASE("fault 32: of a mixed answer only what may be called is", "[delivery][client][faults]") {
  LocalReceiver receiver;
  LocalReceiver inside{{}, {"127.0.0.2", receiver.port()}};
  const Names names{{{"mixed.test", {"127.0.0.2 10.0.0.1 fd00:ec2::254 ::1 127.0.0.1"}}}};
  const auto client = client_with(names);
  CHECK(call(*client, request_to(url_of("mixed.test", receiver.port()))).status == 200);
  CHECK(inside.connections() == 0);
}

TEST_CASE("fault 33: a name is judged by its addresses", "[delivery][client][faults]") {
  const auto address = GENERATE(as<std::string>{}, "127.0.0.2", "::1", "::", "::ffff:127.0.0.2",
                                "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fe80::1",
                                "fd00:ec2::254", "169.254.169.254", "10.0.0.1");
  const Names names{{{"crm.test", {address}}}};
  const auto client = client_with(names, *AddressGuard::make({}));
  const HttpReply reply = call(*client, request_to(url_of("crm.test", 81)));
  CHECK(reply.code == "blocked_policy");
  CHECK_THAT(reply.error, Catch::Contains("--allow-host crm.test:81"));
}

TEST_CASE("a host that was opened by name is called at any address", "[delivery][client]") {
  LocalReceiver receiver;
  const Names names{{{"crm.test", {"127.0.0.1"}}}};
  const auto client = client_with(names, *AddressGuard::make({.allow_hosts = {"crm.test"}}));
  CHECK(call(*client, request_to(url_of("crm.test", receiver.port()))).status == 200);
}

TEST_CASE("rules that are replaced count for the next request, for known names as well",
          "[delivery][client]") {
  LocalReceiver receiver;
  const Names names{{{"crm.test", {"127.0.0.1"}}}};
  AddressGuard guard = *AddressGuard::make({});
  const auto client = client_with(names, guard);
  const auto ask = [&] { return call(*client, request_to(url_of("crm.test", receiver.port()))); };
  CHECK(ask().code == "blocked_policy");
  CHECK(ask().code == "blocked_policy");
  guard.replace(*AddressGuard::make({.allow_hosts = {"crm.test"}}));
  CHECK(ask().status == 200);
  CHECK(ask().reused);
  guard.replace(*AddressGuard::make({}));
  CHECK(ask().code == "blocked_policy");
  CHECK(receiver.requests().size() == 2);
  CHECK(names.asked("crm.test") == 1);
}

TEST_CASE("a client ends while a name is being looked up", "[delivery][client]") {
  const Names names{{{"slow.test", {"hang"}}}};
  const auto client = client_with(names);
  client->start(request_to(url_of("slow.test", 81)));
  std::vector<HttpReply> replies;
  client->poll(0ms, replies);
  CHECK(client->in_flight() == 1);
}
}  // namespace onward
