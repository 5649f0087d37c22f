#include "engine/delivery/deliverer.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "engine/delivery/curl_http_client.h"
#include "tests/delivery/secret_places.h"
#include "tests/delivery/tasks.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// What was reported, from whatever thread.
class Reports {
 public:
  void add(std::vector<AttemptResult> results) {
    const std::lock_guard lock{mutex_};
    ++calls_;
    std::move(results.begin(), results.end(), std::back_inserter(results_));
    came_.notify_all();
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock{mutex_};
    return came_.wait_for(lock, 60s, [&] { return results_.size() >= count; });
  }
  std::vector<AttemptResult> all() const {
    const std::lock_guard lock{mutex_};
    return results_;
  }
  std::size_t calls() const {
    const std::lock_guard lock{mutex_};
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::vector<AttemptResult> results_;
  std::size_t calls_ = 0;
};

/// A deliverer over a fake client, in virtual time, without a thread unless `start` is called.
struct Stage {
  Instant now{1'800'000'000'000ms};
  Reports reports;
  FakeHttpClient* client = new FakeHttpClient;
  Deliverer deliverer;

  explicit Stage(const SecretSource* secrets = nullptr, const ConcurrencyLimits& limits = {})
      : deliverer{std::unique_ptr<HttpClient>{client},
                  {.limits = limits,
                   .report = [this](auto results) { reports.add(std::move(results)); },
                   .clock = [this] { return now; },
                   .secrets = secrets}} {}

  void submit(std::uint64_t from, std::uint64_t to, TaskParts parts = {}, Request request = {}) {
    std::vector<DeliveryTask> tasks;
    for (std::uint64_t n = from; n <= to; ++n) {
      tasks.push_back(task(n, parts));
      tasks.back().request = std::make_shared<Request>(request);
      tasks.back().webhook_id = "evt_" + std::to_string(n);
    }
    deliverer.submit(std::move(tasks));
  }
  /// Rounds without waiting, until nothing more happens.
  void step() {
    for (std::size_t before = 0;; before = reports.all().size()) {
      deliverer.step(0ms);
      if (reports.all().size() == before) return;
    }
  }
};
}  // namespace

TEST_CASE("tasks become requests and requests results", "[delivery][deliverer]") {
  Stage stage;
  stage.submit(1, 20, {}, {.url = "http://a/x", .body = "b"});
  stage.step();
  const auto results = stage.reports.all();
  REQUIRE(results.size() == 20);
  CHECK(results[0].delivery.value == 1);
  CHECK(results[0].status == 200);
  CHECK(results[0].number == 1);
  CHECK(results[0].started == stage.now);
  CHECK(stage.client->seen()[4].extra_headers == std::vector<Header>{{"webhook-id", "evt_5"}});
  CHECK(stage.client->seen()[4].request->body == "b");
  CHECK(stage.client->seen()[4].timeout == 15s);
  CHECK(stage.deliverer.figures().started == 20);
}

TEST_CASE("what is withdrawn is not sent, unless it is handed in again after that",
          "[delivery][deliverer]") {
  Stage stage;
  stage.submit(1, 3);
  stage.deliverer.withdraw({{3}, {1}});
  stage.submit(1, 1);
  stage.step();
  std::vector<std::uint64_t> sent;
  for (const AttemptResult& result : stage.reports.all()) sent.push_back(result.delivery.value);
  std::ranges::sort(sent);
  CHECK(sent == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("an attempt that is handed in again while it is in flight is made once",
          "[delivery][deliverer]") {
  Stage stage;
  stage.client->hold();
  stage.submit(1, 1);
  stage.step();
  REQUIRE(stage.client->seen().size() == 1);
  stage.deliverer.withdraw({{1}});
  stage.submit(1, 1);
  stage.step();
  CHECK(stage.client->seen().size() == 1);
  // The next attempt waits until this one has ended.
  DeliveryTask next = task(1);
  next.number = 2;
  next.request = std::make_shared<Request>();
  stage.deliverer.submit({next});
  stage.step();
  CHECK(stage.client->seen().size() == 1);
  SECTION("and is made then") {
    stage.client->release();
    stage.step();
    REQUIRE(stage.reports.all().size() == 2);
    CHECK(stage.reports.all()[0].number == 1);
    CHECK(stage.reports.all()[1].number == 2);
  }
  SECTION("unless it is withdrawn") {
    stage.deliverer.withdraw({{1}});
    stage.client->release();
    stage.step();
    CHECK(stage.reports.all().size() == 1);
  }
}

TEST_CASE("a round starts a few of many, and the next ones the rest", "[delivery][deliverer]") {
  Stage stage;
  for (std::uint64_t origin = 0; origin < 20; ++origin)
    stage.submit(8 * origin + 1, 8 * origin + 8,
                 {.origin = "http://a" + std::to_string(origin) + ":80"});
  std::vector<std::size_t> started;
  for (int round = 0; round < 4; ++round) {
    stage.deliverer.step(0ms);
    started.push_back(stage.client->seen().size());
  }
  CHECK(started == std::vector<std::size_t>{64, 128, 160, 160});
}

TEST_CASE("what finished is reported together", "[delivery][deliverer]") {
  Stage stage;
  stage.submit(1, 8);
  stage.deliverer.step(0ms);
  CHECK(stage.reports.calls() == 1);
  CHECK(stage.reports.all().size() == 8);
}

TEST_CASE("a missing secret reaches nobody and is reported", "[delivery][deliverer]") {
  Stage stage;
  stage.submit(1, 20, {}, {.url = "http://a/\x01key\x02"});
  stage.submit(21, 22, {.node = 2}, {.url = "http://a/"});
  stage.step();
  const auto results = stage.reports.all();
  REQUIRE(results.size() == 22);
  CHECK(std::count_if(results.begin(), results.end(), [](const auto& result) {
          return result.code == "secret_missing" && result.local;
        }) == 20);
  CHECK(stage.client->seen().size() == 2);
}

namespace {
/// Everything that a receiver can repeat of a request, and the value in each form that is masked.
std::string repeated(const HttpRequest& request) {
  std::string text = text_of(request);
  std::string json;
  for (const std::string& part : {text, std::string{kPlacedValue}}) append_json_string(json, part);
  return text + json + std::string{kPlacedValue} + percent_encode(kPlacedValue);
}
}  // namespace

TEST_CASE("a late answer is masked with the values that its request used", "[delivery][secrets]") {
  enum class Meanwhile { Replaced, Removed, Rotated, NothingKnown };
  for (const SecretPlace& place : secret_places())
    for (const Meanwhile change :
         {Meanwhile::Replaced, Meanwhile::Removed, Meanwhile::Rotated, Meanwhile::NothingKnown})
      for (const bool probe : {false, true}) {
        CAPTURE(place.name, static_cast<int>(change), probe);
        SecretBox box;
        const auto put = [&](StoredSecret key, StoredSecret crm) {
          box.put(std::make_shared<SecretValues>(named("key", std::move(key)),
                                                 named("crm", std::move(crm))));
        };
        put({.value = std::string{kPlacedValue}}, place.credential);
        Stage stage{&box};
        stage.client->decide([](const HttpRequest& request) {
          const std::string text = repeated(request);
          // What follows "?" and a user in front of "@" are not kept, but a part of a value may be.
          return FakeHttpClient::Answer{
              .status = 302,
              .body = text,
              .location = "http://b/" + std::string{kPlacedValue} + "?" + text};
        });
        stage.client->hold();
        DeliveryTask made = task(1);
        auto policy = std::make_shared<DeliveryPolicy>(*made.policy);
        policy->log_body = LogBody::All;
        policy->sign = place.sign;
        made.policy = policy.get();
        made.owner = policy;
        made.webhook_id = "evt_1";
        made.request = std::make_shared<Request>(place.request);
        std::vector<AttemptResult> results;
        if (probe) {
          REQUIRE(stage.deliverer.probe(
              made, [&](AttemptResult result) { results.push_back(std::move(result)); }));
        } else {
          stage.deliverer.submit({made});
        }
        stage.deliverer.step(0ms);
        REQUIRE(stage.client->seen().size() == 1);
        // A signature does not show its key, so here the receiver repeats what it knows besides.
        StoredSecret crm = place.credential;
        if (change == Meanwhile::Replaced) {
          crm.value = "another-value";
          put({.value = "another-value"}, crm);
        } else if (change == Meanwhile::Rotated) {
          put({.value = "third-value", .previous = "second-value"}, crm);
        } else if (change == Meanwhile::Removed) {
          box.put(std::make_shared<SecretValues>(SecretValues::Named{}, SecretValues::Named{}));
        } else {
          box.put(nullptr);
        }
        stage.client->release();
        stage.deliverer.step(0ms);
        if (!probe) results = stage.reports.all();
        REQUIRE(results.size() == 1);
        CHECK(results[0].status == 302);
        CHECK(results[0].response.find("***") != std::string::npos);
        CHECK(results[0].error.find("***") != std::string::npos);
        CHECK(placed_value_in(results[0].response) == "");
        CHECK(placed_value_in(results[0].error) == "");
      }
}

TEST_CASE("a probe is made at once, passes pauses and stands in no figure",
          "[delivery][deliverer]") {
  Stage stage;
  stage.client->decide([](const HttpRequest&) {
    return FakeHttpClient::Answer{.status = 503, .retry_after = "60", .body = "full"};
  });
  stage.submit(1, 1);
  stage.step();
  stage.submit(2, 2);
  stage.step();
  REQUIRE(stage.reports.all().size() == 1);
  const auto before = stage.deliverer.figures();

  DeliveryTask probe = task(99);
  probe.request = std::make_shared<Request>(Request{.url = "http://a/x"});
  probe.webhook_id = "test_evt_1";
  std::vector<AttemptResult> answers;
  REQUIRE(stage.deliverer.probe(probe, [&](AttemptResult result) { answers.push_back(result); }));
  stage.step();
  stage.step();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].status == 503);
  CHECK(stage.client->seen().back().extra_headers[0].second == "test_evt_1");
  CHECK(stage.reports.all().size() == 1);
  const auto after = stage.deliverer.figures();
  CHECK(after.started == before.started);
  CHECK(after.waiting == before.waiting);
  CHECK(after.in_flight == before.in_flight);
}

TEST_CASE("eight probes at once are enough, and the end answers those under way",
          "[delivery][deliverer]") {
  std::vector<AttemptResult> answers;
  {
    Stage stage;
    stage.client->hold();
    DeliveryTask probe = task(99);
    probe.request = std::make_shared<Request>(Request{.url = "http://a/x"});
    const auto add = [&](AttemptResult result) { answers.push_back(std::move(result)); };
    for (int i = 0; i < 8; ++i) REQUIRE(stage.deliverer.probe(probe, add));
    const Status ninth = stage.deliverer.probe(probe, add);
    REQUIRE_FALSE(ninth);
    CHECK(ninth.error().kind == ErrorKind::Busy);
    stage.step();
    stage.client->release();
    stage.step();
    stage.step();
    CHECK(answers.size() == 8);
    stage.client->hold();
    REQUIRE(stage.deliverer.probe(probe, add));
    stage.step();
  }
  REQUIRE(answers.size() == 9);
  CHECK(answers[8].code == "stopping");
}

TEST_CASE("Retry-After holds back what waits for the endpoint", "[delivery][deliverer]") {
  Stage stage;
  stage.client->decide([](const HttpRequest&) {
    return FakeHttpClient::Answer{.status = 503, .retry_after = "60"};
  });
  stage.submit(1, 1);
  stage.step();
  REQUIRE(stage.reports.all().size() == 1);
  CHECK(stage.reports.all()[0].retry_after == 60s);

  stage.client->decide({});
  stage.submit(2, 3);
  stage.step();
  CHECK(stage.reports.all().size() == 1);
  CHECK(stage.deliverer.figures().waiting == 2);
  stage.now += 59s;
  stage.step();
  CHECK(stage.reports.all().size() == 1);
  stage.now += 1s;
  stage.step();
  CHECK(stage.reports.all().size() == 3);
}

TEST_CASE("without descriptors nothing is started for a moment", "[delivery][deliverer]") {
  Stage stage;
  stage.client->decide([](const HttpRequest&) {
    return FakeHttpClient::Answer{.status = 0, .code = "local", .local = true};
  });
  stage.submit(1, 100);
  stage.step();
  CHECK(stage.reports.all().size() == 8);
  CHECK(stage.reports.all()[0].local);
  stage.client->decide({});
  stage.now += 99ms;
  stage.step();
  CHECK(stage.reports.all().size() == 8);
  stage.now += 1ms;
  stage.step();
  CHECK(stage.reports.all().size() == 100);
}

TEST_CASE("while it is paused nothing begins, and what is in flight ends",
          "[delivery][deliverer]") {
  Stage stage;
  stage.client->hold();
  stage.submit(1, 2);
  stage.step();
  stage.deliverer.pause(true);
  stage.submit(3, 4);
  stage.deliverer.expedite({DeliveryKey{4}});
  stage.client->release();
  stage.now += 1h;
  stage.step();
  CHECK(stage.reports.all().size() == 2);
  CHECK(stage.deliverer.figures().waiting == 2);
  const bool last = GENERATE(false, true);
  if (last) stage.deliverer.start_no_more();
  stage.deliverer.pause(false);
  stage.step();
  CHECK(stage.reports.all().size() == (last ? 2 : 4));
}

TEST_CASE("the end of a pause wakes who slept through it", "[delivery][deliverer]") {
  Stage stage;
  stage.deliverer.pause(true);
  stage.deliverer.start();
  stage.submit(1, 3);
  while (stage.deliverer.figures().waiting < 3) std::this_thread::yield();
  stage.deliverer.pause(false);
  CHECK(stage.reports.wait_for(3));
}

TEST_CASE("no attempt begins while the outcomes of so many are not recorded",
          "[delivery][deliverer]") {
  Stage stage{nullptr, {.first = 3, .most = 3, .until_recorded = true}};
  stage.submit(1, 8);
  stage.step();
  CHECK(stage.reports.all().size() == 3);
  CHECK(stage.deliverer.figures().unrecorded == 3);
  stage.deliverer.recorded({stage.reports.all()[1].delivery});
  stage.step();
  CHECK(stage.reports.all().size() == 4);
  // A sleeper that waits for slots is woken, and nobody else.
  stage.deliverer.start();
  for (std::size_t known = 4; known < 8; ++known) {
    stage.deliverer.recorded({stage.reports.all()[known - 1].delivery});
    REQUIRE(stage.reports.wait_for(known + 1));
  }
  stage.deliverer.recorded({stage.reports.all()[0].delivery});
  stage.deliverer.stop(1s);
  CHECK(stage.reports.all().size() == 8);
}

TEST_CASE("a clock that is set back makes no pause longer", "[delivery][deliverer]") {
  Stage stage;
  stage.client->decide([](const HttpRequest&) {
    return FakeHttpClient::Answer{.status = 0, .code = "local", .local = true};
  });
  stage.submit(1, 20);
  stage.step();
  REQUIRE(stage.reports.all().size() == 8);
  stage.client->decide({});
  stage.now -= 26h;
  stage.step();
  CHECK(stage.reports.all().size() == 8);
  stage.now += 100ms;
  stage.step();
  CHECK(stage.reports.all().size() == 20);
}

TEST_CASE("submitting wakes the thread only while it sleeps", "[delivery][deliverer]") {
  Stage stage;
  stage.submit(1, 1);
  stage.submit(2, 2);
  CHECK(stage.client->wakes() == 0);
  stage.deliverer.start();
  REQUIRE(stage.reports.wait_for(2));
  stage.submit(3, 500);
  REQUIRE(stage.reports.wait_for(500));
  CHECK(stage.client->wakes() <= 1);
  stage.deliverer.stop(1s);
}

TEST_CASE("stopping forgets what waits and reports what is in flight", "[delivery][deliverer]") {
  Stage stage;
  stage.client->hold();
  stage.submit(1, 100);
  stage.deliverer.start();
  while (stage.client->seen().size() < 8) std::this_thread::yield();
  std::thread stopper{[&] { stage.deliverer.stop(20s); }};
  stage.client->release();
  stopper.join();
  const auto results = stage.reports.all();
  CHECK(results.size() >= 8);
  CHECK(stage.client->seen().size() == results.size());
  CHECK(stage.deliverer.figures().waiting == 0);
  CHECK(stage.deliverer.figures().in_flight == 0);
}

TEST_CASE("stopping waits no longer than its patience", "[delivery][deliverer]") {
  Stage stage;
  stage.client->hold();
  stage.submit(1, 3);
  stage.deliverer.start();
  while (stage.client->seen().size() < 3) std::this_thread::yield();
  stage.deliverer.stop(50ms);
  CHECK(stage.reports.all().empty());
}

TEST_CASE("many threads submit, and each task has one result", "[delivery][deliverer]") {
  Stage stage;
  stage.deliverer.start();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&stage, t] {
      for (std::uint64_t n = 0; n < 50; ++n) {
        const std::uint64_t from = t * 10'000 + n * 20;
        std::vector<DeliveryTask> tasks;
        for (std::uint64_t i = from; i < from + 20; ++i) {
          DeliveryTask made;
          static const auto policy = std::make_shared<DeliveryPolicy>(
              DeliveryPolicy{.origin = "http://a:80", .retry = {}});
          made.delivery = DeliveryKey{i + 1};
          made.endpoint = {ScenarioKey{1}, NodeNumber{static_cast<std::uint32_t>(t + 1)}, 1};
          made.policy = policy.get();
          made.request = std::make_shared<Request>();
          tasks.push_back(std::move(made));
        }
        stage.deliverer.submit(std::move(tasks));
        stage.deliverer.figures();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(stage.reports.wait_for(4000));
  stage.deliverer.stop(1s);
  std::set<std::uint64_t> seen;
  for (const auto& result : stage.reports.all()) seen.insert(result.delivery.value);
  CHECK(seen.size() == 4000);
  CHECK(stage.reports.all().size() == 4000);
}

TEST_CASE("the whole way, through libcurl to a receiver and back", "[delivery][deliverer]") {
  LocalReceiver receiver{LocalReceiver::answers({http_reply(500, "no"), http_reply(200)})};
  Reports reports;
  Deliverer deliverer{
      make_curl_client({.guard = *AddressGuard::make({.allow_networks = {"127.0.0.0/8"}})}),
      {.report = [&](auto results) { reports.add(std::move(results)); },
       .clock = [] { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }}};
  deliverer.start();
  std::vector<DeliveryTask> tasks;
  for (std::uint64_t n = 1; n <= 500; ++n) {
    tasks.push_back(task(n, {.origin = receiver.origin()}));
    tasks.back().request = std::make_shared<Request>(Request{.url = receiver.url(), .body = "{}"});
    tasks.back().webhook_id = "evt_" + std::to_string(n);
  }
  deliverer.submit(std::move(tasks));
  REQUIRE(reports.wait_for(500));
  deliverer.stop(1s);
  const auto results = reports.all();
  CHECK(std::count_if(results.begin(), results.end(), [](auto& r) { return r.status == 200; }) ==
        499);
  CHECK(std::count_if(results.begin(), results.end(),
                      [](auto& r) { return r.status == 500 && r.response == "no"; }) == 1);
  std::set<std::string> ids;
  for (const auto& request : receiver.requests()) ids.insert(request.header("webhook-id").value());
  CHECK(ids.size() == 500);
  CHECK(deliverer.figures().reused > 300);
}
}  // namespace onward
