#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr int kRounds = 12;         // kills
constexpr int kEventsARound = 150;  // acknowledged before the kill, more or less
constexpr int kSenders = 4;

std::string read_token(const std::filesystem::path& data) {
  std::string token;
  FILE* file = std::fopen((data / "token").c_str(), "r");
  REQUIRE(file != nullptr);
  for (int c; (c = std::fgetc(file)) != EOF && c != '\n';) token += static_cast<char>(c);
  std::fclose(file);
  return token;
}

/// A client of one server's whole life, over its restarts.
class Client {
 public:
  explicit Client(std::filesystem::path data) : data_{std::move(data)} {}

  Result<HttpAnswer> call(const std::string& base, std::string method, const std::string& path,
                          std::string body = {}, std::string type = "application/json") const {
    return http_call({.method = std::move(method),
                      .url = base + path,
                      .headers = {{"Authorization", "Bearer " + read_token(data_)},
                                  {"Content-Type", std::move(type)}},
                      .body = std::move(body)},
                     10s);
  }

 private:
  std::filesystem::path data_;
};

std::string scenario_for(const LocalReceiver& receiver) {
  return fmt::format(R"(scenario: crash
nodes:
  joined: {{ kind: trigger, event: subscription, next: known }}
  known:  {{ kind: condition, if: {{ email: {{ ends_with: "@example.org" }} }}, yes: tell, no: end }}
  tell:   {{ kind: send_webhook, url: "{}", retry: {{ delays: [1s] }}, next: end }}
)",
                     receiver.url());
}

std::string event_of(int number) {
  return fmt::format(
      R"({{"id":"e{0}","type":"subscription","contact":{{"id":"c{0}","email":"c{0}@example.org"}}}})",
      number);
}

/// The numbers of node "tell".
Value tell_of(const Client& client, const std::string& base) {
  const auto answer = client.call(base, "GET", "/v1/scenarios/crash/stats");
  REQUIRE(answer);
  REQUIRE(answer->status == 200);
  const Value stats = parse_json(answer->body).value();
  for (const Value& node : *stats.find_path("live.nodes")->list())
    if (*node.find("id")->text() == "tell") return node;
  FAIL("no node tell");
  return {};
}

std::int64_t count(const Value& node, std::string_view name) {
  return std::get<std::int64_t>(node.find(name)->rep());
}

/// Sends events from several threads until the server is gone. What was acknowledged is in `acked`.
void send_until_gone(const Client& client, const std::string& base, std::atomic<int>& next,
                     std::set<int>& acked, std::set<int>& unsure, std::mutex& mutex,
                     std::atomic<int>& done) {
  while (true) {
    const int number = next++;
    const auto answer = client.call(base, "POST", "/v1/events", event_of(number));
    const std::lock_guard lock{mutex};
    if (answer && answer->status == 202) {
      acked.insert(number);
      ++done;
      continue;
    }
    unsure.insert(number);
    if (!answer) return;
  }
}
}  // namespace

TEST_CASE("after kill -9 at any moment every acknowledged event is there, each once",
          "[end_to_end][crash]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  // Refuses now and then, so that deliveries of all ages are pending when the end comes.
  std::atomic<int> asked = 0;
  LocalReceiver receiver{[&](Peer& peer) {
    while (peer.read()) {
      const bool refuse = ++asked % 5 == 0;
      if (!peer.send(http_reply(refuse ? 503 : 200))) return;
    }
  }};
  const std::vector<std::string> allow{"--allow-host",
                                       fmt::format("127.0.0.1:{}", receiver.port())};
  const Client client{data};
  std::atomic<int> next = 1;
  std::set<int> acked, unsure;
  std::mutex mutex;

  for (int round = 0; round < kRounds; ++round) {
    ServerChild server{data, allow};
    if (round == 0) {
      REQUIRE(client
                  .call(server.url(), "PUT", "/v1/scenarios/crash", scenario_for(receiver),
                        "application/yaml")
                  ->status == 201);
      REQUIRE(client.call(server.url(), "POST", "/v1/scenarios/crash/activate")->status == 200);
    }
    std::atomic<int> done = 0;
    std::vector<std::thread> senders;
    for (int i = 0; i < kSenders; ++i)
      senders.emplace_back(
          [&] { send_until_gone(client, server.url(), next, acked, unsure, mutex, done); });
    while (done < kEventsARound * (round % 3 + 1) / 2) std::this_thread::yield();
    server.kill();
    for (std::thread& sender : senders) sender.join();
  }

  // What was not answered is sent again, as its sender would: once is enough.
  ServerChild server{data, allow};
  for (const int number : unsure) {
    const auto answer = client.call(server.url(), "POST", "/v1/events", event_of(number));
    REQUIRE(answer);
    REQUIRE(answer->status == 202);
    acked.insert(number);
  }
  const auto expected = static_cast<std::int64_t>(acked.size());
  Value tell = tell_of(client, server.url());
  const auto patience = std::chrono::steady_clock::now() + 60s;
  while (count(tell, "pending") > 0 && std::chrono::steady_clock::now() < patience)
    tell = tell_of(client, server.url());

  CHECK(count(tell, "visits") == expected);
  CHECK(count(tell, "unique_contacts") == expected);
  CHECK(count(tell, "requests") == expected);
  CHECK(count(tell, "accepted") == expected);
  CHECK(count(tell, "pending") == 0);
  CHECK(count(tell, "failed") == 0);

  std::map<std::string, std::string> body_by_id;
  std::map<std::string, std::string> id_by_contact;
  for (const ReceivedRequest& request : receiver.requests()) {
    const std::string id = request.header("webhook-id").value_or("");
    CHECK(body_by_id.emplace(id, request.body).first->second == request.body);
    const Value body = parse_json(request.body).value();
    const std::string contact = to_text(*body.find_path("data.id"));
    CHECK(id_by_contact.emplace(contact, id).first->second == id);
  }
  CHECK(id_by_contact.size() == acked.size());
  for (const int number : acked) CHECK(id_by_contact.contains(fmt::format("c{}", number)));
  CHECK(server.stop() == 0);
}
