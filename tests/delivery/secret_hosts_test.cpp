// A secret is sent to its hosts and to no others, wherever in a request it is.
#include <catch2/catch.hpp>

#include "engine/core/delivery/delivery_codes.h"
#include "engine/delivery/attempt.h"
#include "engine/delivery/deliverer.h"
#include "tests/delivery/calls.h"
#include "tests/delivery/secret_places.h"
#include "tests/delivery/tasks.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
const Instant kNow{1'800'000'000'000ms};

SecretHosts only_to(std::vector<std::string> hosts) {
  auto rule = parse_secret_hosts(hosts);
  REQUIRE(rule);
  return *rule;
}

std::shared_ptr<SecretValues> values_with(const SecretPlace& place, const SecretHosts& hosts) {
  StoredSecret crm = place.credential;
  if (crm.value.empty()) crm.value = "not-used";
  crm.hosts = hosts;
  return std::make_shared<SecretValues>(
      named("key", {.value = std::string{kPlacedValue}, .hosts = hosts}), named("crm", crm));
}

DeliveryTask task_of(const SecretPlace& place, bool last = false) {
  DeliveryTask made = task(1, {.last = last});
  auto policy = std::make_shared<DeliveryPolicy>(*made.policy);
  policy->sign = place.sign;
  policy->log_body = LogBody::All;
  made.policy = policy.get();
  made.owner = policy;
  made.webhook_id = "evt_1";
  made.request = std::make_shared<Request>(place.request);
  return made;
}

/// Whether the request holds the value, or is signed with it.
bool holds_secret(const HttpRequest& request) {
  const std::string text = text_of(request);
  return !placed_value_in(text).empty() || text.find("webhook-signature") != std::string::npos;
}
}  // namespace

TEST_CASE("for each place in a request and each host: the secret is sent only where it may be",
          "[delivery][secrets]") {
  struct Row {
    std::vector<std::string> hosts;
    std::string front;  ///< Of the URL that is requested.
    std::string code;   ///< Empty: allowed.
  };
  const std::string refused{kSecretHostRefused};
  const std::vector<std::string> crm{"crm.example.com"}, below{"*.example.com"};
  for (const Row& row : std::vector<Row>{
           {crm, "https://crm.example.com", ""},
           {crm, "http://crm.example.com:8443", ""},
           {crm, "https://CRM.Example.COM", ""},
           {crm, "https://crm.example.com.", ""},
           {{"CRM.example.com."}, "https://crm.example.com", ""},
           {crm, "https://evil.example.com", refused},
           {crm, "https://example.com", refused},
           {crm, "https://a.crm.example.com", refused},
           {crm, "https://xcrm.example.com", refused},
           {crm, "https://crm.example.com.evil.org", refused},
           {crm, "https://crm.example.com..", refused},
           {crm, "https://evil.org/crm.example.com", refused},
           {crm, "https://evil.org?crm.example.com", refused},
           {crm, "https://evil.org#crm.example.com", refused},
           {crm, "https://crm.example.com@evil.org", "bad_url"},
           {crm, "https://crm.example.com:443@evil.org", "bad_url"},
           {crm, "https://evil.org\\@crm.example.com", "bad_url"},
           {crm, "https://evil.org%2ecrm.example.com", "bad_url"},
           {crm, "https://%63rm.example.com", "bad_url"},
           {crm, "https://evil.org:443:crm.example.com", "bad_url"},
           {crm, "//crm.example.com", "bad_url"},
           {{"crm.example.com:8443"}, "https://crm.example.com:8443", ""},
           {{"crm.example.com:8443"}, "https://crm.example.com", refused},
           {{"crm.example.com:443"}, "https://crm.example.com", ""},
           {{"crm.example.com:443"}, "http://crm.example.com", refused},
           {below, "https://crm.example.com", ""},
           {below, "https://a.b.example.com:8443", ""},
           {below, "https://example.com", refused},
           {below, "https://evilexample.com", refused},
           {below, "https://crm.example.com.evil.org", refused},
           {{"*.example.com:8443"}, "https://crm.example.com", refused},
           {{"127.0.0.1"}, "http://127.0.0.1:9000", ""},
           {{"127.0.0.1"}, "http://127.1:9000", ""},
           {{"127.0.0.1"}, "http://2130706433", ""},
           {{"127.0.0.1"}, "http://0x7f.0.0.1", ""},
           {{"127.0.0.1"}, "http://127.0.0.2", refused},
           {{"127.0.0.1"}, "http://localhost", refused},
           {{"127.0.0.1"}, "http://[::ffff:127.0.0.1]", refused},
           {{"127.0.0.1:9000"}, "http://127.0.0.1:9001", refused},
           {{"::1"}, "http://[::1]:9000", ""},
           {{"[0:0::1]:9000"}, "http://[::1]:9000", ""},
           {{"[::1]:9000"}, "http://[0:0:0:0:0:0:0:1]:9000", ""},
           {{"[::1]:9000"}, "http://[::1]:9001", refused},
           {{"crm.example.com", "192.0.2.7"}, "https://192.0.2.7", ""},
       })
    for (const SecretPlace& place : secret_places(row.front)) {
      CAPTURE(row.hosts, row.front, place.name);
      const auto values = values_with(place, only_to(row.hosts));
      const auto request = request_of(task_of(place), values.get(), kNow);
      CHECK((request ? std::string{} : request.error().code) == row.code);
      if (request) {
        CHECK(holds_secret(*request));
        continue;
      }
      CHECK(placed_value_in(request.error().message) == "");
      CHECK(is_delivery_code(request.error().code));
    }
}

TEST_CASE("a secret for any host, and one stored before secrets had hosts, go everywhere",
          "[delivery][secrets]") {
  for (const auto rule : {SecretHosts::Rule::Any, SecretHosts::Rule::Unset})
    for (const SecretPlace& place : secret_places("https://somewhere.example.org")) {
      CAPTURE(place.name);
      const auto values = values_with(place, {rule});
      const auto request = request_of(task_of(place), values.get(), kNow);
      REQUIRE(request);
      CHECK(holds_secret(*request));
    }
}

TEST_CASE("a reference to a secret in the host of a stored request is never resolved",
          "[delivery][secrets]") {
  const auto values = values_with({}, {SecretHosts::Rule::Any});
  for (const char* url : {"http://\x01key\x02/", "http://a\x01key\x02.example.com/",
                          "http://a:\x01key\x02/", "\x01key\x02://a/"}) {
    const SecretPlace place{.name = "host", .request = {.url = url}};
    const auto request = request_of(task_of(place), values.get(), kNow);
    REQUIRE_FALSE(request);
    CHECK(request.error().code == "bad_url");
  }
}

TEST_CASE("a host that is not allowed costs no attempt, and the last one fails for it",
          "[delivery][secrets]") {
  for (const SecretPlace& place : secret_places("https://evil.example.org")) {
    CAPTURE(place.name);
    FakeHttpClient* client = new FakeHttpClient;
    SecretBox box;
    box.put(values_with(place, only_to({"crm.example.com"})));
    std::vector<AttemptResult> results;
    Deliverer deliverer{
        std::unique_ptr<HttpClient>{client},
        {.report = [&](auto came) { std::ranges::move(came, std::back_inserter(results)); },
         .clock = [] { return kNow; },
         .secrets = &box}};
    deliverer.submit({task_of(place)});
    deliverer.step(0ms);
    REQUIRE(results.size() == 1);
    CHECK(results[0].code == kSecretHostRefused);
    CHECK(results[0].local);
    CHECK_FALSE(results[0].permanent);
    CHECK(results[0].retry_after == 30s);
    CHECK(results[0].error.find("evil.example.org; allowed: crm.example.com") != std::string::npos);

    deliverer.submit({task_of(place, /*last=*/true)});
    deliverer.step(0ms);
    REQUIRE(results.size() == 2);
    CHECK(results[1].code == kSecretHostRefused);
    CHECK(results[1].permanent);
    CHECK_FALSE(results[1].local);

    std::vector<AttemptResult> probed;
    REQUIRE(deliverer.probe(task_of(place),
                            [&](AttemptResult result) { probed.push_back(std::move(result)); }));
    deliverer.step(0ms);
    REQUIRE(probed.size() == 1);
    CHECK(probed[0].code == kSecretHostRefused);
    CHECK(client->seen().empty());

    // The admin allows the host: what waits is sent.
    box.put(values_with(place, only_to({"crm.example.com", "evil.example.org"})));
    deliverer.submit({task_of(place)});
    deliverer.step(0ms);
    REQUIRE(client->seen().size() == 1);
    CHECK(holds_secret(client->seen()[0]));
  }
}

TEST_CASE("a redirect from an allowed host takes no secret to another one", "[delivery][secrets]") {
  LocalReceiver other{LocalReceiver::answers({http_reply(200)})};
  for (const int status : {301, 302, 303, 307, 308}) {
    LocalReceiver allowed{LocalReceiver::answers(
        std::vector<std::string>(20, http_reply(status, "", "Location: " + other.url() + "\r\n")))};
    const std::string front = "http://127.0.0.1:" + std::to_string(allowed.port());
    const auto client = open_client();
    for (const SecretPlace& place : secret_places(front)) {
      CAPTURE(status, place.name);
      const auto values =
          values_with(place, only_to({"127.0.0.1:" + std::to_string(allowed.port())}));
      auto request = request_of(task_of(place), values.get(), kNow);
      REQUIRE(request);
      request->connect_timeout = request->timeout = kPatience;
      CHECK(call(*client, std::move(*request)).status == status);
    }
    CHECK(allowed.requests().size() == secret_places(front).size());
  }
  CHECK(other.requests().empty());
}
}  // namespace onward
