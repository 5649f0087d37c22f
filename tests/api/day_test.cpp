// One day of many contacts, twice: through the API, the runtime's threads and SQLite, and through
// the simulation. Both must come to the same numbers.
#include <fmt/format.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <future>
#include <map>
#include <random>

#include "engine/api/access.h"
#include "engine/api/event_json.h"
#include "engine/api/resources.h"
#include "engine/api/views.h"
#include "engine/simulation/simulation.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "nodes/nodes.h"
#include "tests/support/fake_http_client.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

constexpr int kContacts = ONWARD_DAY_CONTACTS;
constexpr int kMinutes = 24 * 60;
const Instant kMidnight = *parse_instant("2026-05-01T00:00:00Z");

/// Conditions, waits of every form, ways, changes by nodes, segments, dates, keys, exits, goals,
/// a receiver that never accepts, and test mode.
constexpr std::string_view kScenarios[] = {R"(
scenario: welcome
exit: { event: unsubscribe }
goal: { event: new_order }
nodes:
  joined: { kind: trigger, event: subscription, next: known }
  known:  { kind: condition, if: { company: { exists: true } }, yes: tell, no: pause }
  pause:  { kind: wait, for: 2h, next: reply }
  reply:  { kind: wait_until, event: opened, timeout: 3h, next: tag, on_timeout: end }
  tag:    { kind: update_contact, groups_add: [readers], next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)",
                                           R"(
scenario: readers
nodes:
  in:   { kind: trigger, event: group_joined, where: { event.group: readers }, next: way }
  way:  { kind: split, ways: { a: 30, b: 70 }, next: { a: tell, b: hours } }
  hours: { kind: wait_until, window: { from: "09:00", to: "17:00" }, next: tell }
  tell: { kind: send_webhook, url: "https://mail.example.com/in", next: end }
)",
                                           R"(
scenario: orders
reentry: { mode: parallel, key: event.order }
nodes:
  bought: { kind: trigger, event: new_order, next: large }
  large:  { kind: condition, if: { event.total: { gte: 50 } }, yes: tell, no: end }
  tell:   { kind: send_webhook, url: "https://gone.example.com/in", retry: { permanent: [404] }, next: end }
)",
                                           R"(
scenario: vip
reentry: { mode: after_exit, min_gap: 1h }
nodes:
  rich: { kind: trigger_segment, if: { custom.spent: { gte: 80 } }, next: quiet }
  quiet: { kind: wait_until, if: { opened: { within: 1h } }, timeout: 6h, next: tell, on_timeout: tell }
  tell: { kind: send_webhook, url: "https://vip.example.com/in", next: end }
)",
                                           R"(
scenario: silent
reentry: restart
nodes:
  gone: { kind: trigger_segment, if: { all: [ { clicked: any }, { not: { clicked: { within: 4h } } } ] }, next: tell }
  tell: { kind: send_webhook, url: "https://silent.example.com/in", next: end }
)",
                                           R"(
scenario: birthday
timezone: America/Toronto
nodes:
  bday: { kind: trigger_date, field: birth_date, every: year, at: "09:00", next: tell }
  tell: { kind: send_webhook, url: "https://cake.example.com/in", next: end }
)",
                                           R"(
scenario: trial
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://trial.example.com/in", next: end }
)"};
constexpr std::string_view kTester = "c7@example.org";

/// The posts of one day: NDJSON by minute. The same each time.
std::vector<std::string> make_day() {
  std::vector<std::string> posts(kMinutes);
  std::mt19937 random{20260501};
  const auto below = [&](std::uint32_t end) { return static_cast<int>(random() % end); };
  constexpr const char* kZones[] = {"UTC", "Asia/Tokyo", "America/Toronto", "Europe/Lisbon"};
  int events = 0;
  const auto add = [&](int minute, int contact, std::string_view type, std::string_view data,
                       const std::string& fields = {}) {
    if (minute >= kMinutes) return;
    posts[static_cast<std::size_t>(minute)] +=
        fmt::format(R"({{"id":"e{}","type":"{}","contact":{{"id":"c{}"{}}},"data":{}}})"
                    "\n",
                    ++events, type, contact, fields, data);
  };
  for (int contact = 0; contact < kContacts; ++contact) {
    const int born = below(kMinutes);
    std::string fields =
        fmt::format(R"(,"email":"c{}@example.org","timezone":"{}")", contact, kZones[below(4)]);
    if (below(3) == 0) fields += R"(,"company":"Engines")";
    if (below(40) == 0) fields += R"(,"birth_date":"1990-05-01")";
    add(born, contact, "subscription", "{}", fields);
    if (below(4) == 0) add(born + below(400), contact, "opened", R"({"mailing":"m1"})");
    if (below(8) == 0) add(born + below(300), contact, "clicked", R"({"mailing":"m1"})");
    if (below(20) == 0) add(born + below(200), contact, "unsubscribe", "{}");
    if (below(10) == 0) {
      const int spent = below(100);
      add(born + below(500), contact, "new_order",
          fmt::format(R"({{"order":"o{}","total":{}}})", below(3), spent),
          fmt::format(R"(,"custom":{{"spent":{}}})", spent));
    }
  }
  return posts;
}

/// Read by several threads, moved by one.
class SharedClock final : public Clock {
 public:
  Instant now() const override { return Instant{Duration{now_.load()}}; }
  void set(Instant at) { now_ = at.time_since_epoch().count(); }

 private:
  std::atomic<std::int64_t> now_{kMidnight.time_since_epoch().count()};
};

int status_of(std::string_view url) { return url.find("gone.example") == url.npos ? 200 : 404; }

using Numbers = std::map<std::string, std::string>;

/// Through the front door.
class Served {
 public:
  explicit Served(const std::filesystem::path& folder) {
    auto client = std::make_unique<FakeHttpClient>([](const HttpRequest& request) {
      return FakeHttpClient::Answer{.status = status_of(request.request->url)};
    });
    runtime_ = Runtime::open(open_sqlite_store({.folder = folder}).value(), node_kinds(),
                             std::move(client), {}, clock_,
                             {.since_boot = [this] { return clock_.now().time_since_epoch(); }})
                   .value();
    AccessOptions access;
    access.find_token = [](std::string_view) {
      return std::optional{TokenRecord{.name = "test", .role = Role::Admin}};
    };
    api_ = std::make_unique<Api>(all_routes(*runtime_, clock_), Access{std::move(access)});
    runtime_->start();
  }
  ~Served() { (void)runtime_->stop(5s); }

  Value ask(const std::string& method, const std::string& path, const std::string& body = {},
            const std::string& type = "application/json") {
    ApiRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    request.headers.emplace_back("Authorization", "Bearer token");
    if (!body.empty()) request.headers.emplace_back("Content-Type", type);
    auto promise = std::make_shared<std::promise<ApiReply>>();
    auto answered = promise->get_future();
    api_->handle(request, Responder{[promise](Completion done) {
                   promise->set_value(done.make ? done.make() : std::move(done.reply));
                 }});
    REQUIRE(answered.wait_for(60s) == std::future_status::ready);
    const ApiReply reply = answered.get();
    INFO(method << " " << path << ": " << reply.body);
    REQUIRE(reply.status < 300);
    return parse_json(reply.body, {.depth = 64}).value();
  }

  /// Until nothing is due and nothing on its way.
  void settle() {
    while (true) {
      const RuntimeFigures before = runtime_->figures();
      ask("GET", "/v1/scenarios");  // one round of the engine, which takes what is due first
      const RuntimeFigures after = runtime_->figures();
      if (before.inputs == after.inputs && after.pending == 0) return;
    }
  }
  void at(Instant now) {
    clock_.set(now);
    settle();
  }
  Numbers numbers() {
    Numbers all;
    for (const char* id : {"welcome", "readers", "orders", "vip", "silent", "birthday", "trial"}) {
      const Value told = ask("GET", fmt::format("/v1/scenarios/{}/stats", id));
      all[id] = to_json(*told.find("live")) + to_json(*told.find("test"));
    }
    return all;
  }

 private:
  SharedClock clock_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Api> api_;
};

Numbers served_day(const std::vector<std::string>& posts) {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("onward-day-{}", getpid());
  std::filesystem::remove_all(folder);
  Numbers numbers;
  {
    Served served{folder};
    for (const std::string_view text : kScenarios) {
      const std::size_t from = text.find(':') + 2;
      const std::string id{text.substr(from, text.find('\n', from) - from)};
      served.ask("PUT", "/v1/scenarios/" + id, std::string{text}, "application/yaml");
      served.ask("POST", "/v1/scenarios/" + id + "/activate",
                 id == "trial" ? fmt::format(R"({{"test_emails":["{}"]}})", kTester) : "");
    }
    for (int minute = 0; minute < 2 * kMinutes; ++minute) {
      served.at(kMidnight + std::chrono::minutes{minute});
      if (minute >= kMinutes || posts[static_cast<std::size_t>(minute)].empty()) continue;
      served.ask("POST", "/v1/events", posts[static_cast<std::size_t>(minute)],
                 "application/x-ndjson");
      served.settle();
    }
    numbers = served.numbers();
  }
  std::filesystem::remove_all(folder);
  return numbers;
}

Numbers simulated_day(const std::vector<std::string>& posts) {
  VirtualClock clock{kMidnight};
  ScriptedReceiver receiver;
  auto simulation = Simulation::open(make_memory_store(), node_kinds(), clock, receiver).value();
  Cell& engine = simulation->engine();
  std::vector<std::string> ids;
  for (const std::string_view text : kScenarios) {
    const std::size_t from = text.find(':') + 2;
    ids.emplace_back(text.substr(from, text.find('\n', from) - from));
    const auto applied = engine.scenarios().apply(ids.back(), std::string{text});
    REQUIRE(applied.has_value());
    for (const Diagnostic& found : applied->diagnostics) UNSCOPED_INFO(found.message);
    REQUIRE(!applied->refused);
    std::optional<std::vector<std::string>> testers;
    if (ids.back() == "trial") testers = {std::string{kTester}};
    const auto activated = engine.scenarios().activate(ids.back(), testers);
    INFO(ids.back() << ": " << (activated ? "" : activated.error().message));
    REQUIRE(activated.has_value());
  }
  receiver.set_rules({{.scenario = "orders", .node = "tell", .replies = {{.status = 404}}}},
                     engine.control().scenarios);
  for (int minute = 0; minute < 2 * kMinutes; ++minute) {
    REQUIRE(simulation->run_until(kMidnight + std::chrono::minutes{minute}).has_value());
    if (minute >= kMinutes || posts[static_cast<std::size_t>(minute)].empty()) continue;
    auto post = parse_events(posts[static_cast<std::size_t>(minute)], EventForm::Lines, clock.now(),
                             /*history=*/false)
                    .value();
    REQUIRE(post.refused.empty());
    REQUIRE(simulation->send(std::move(post.events)).has_value());
    REQUIRE(simulation->work().has_value());
  }
  Numbers numbers;
  for (const std::string& id : ids) {
    const Value told = view_of(engine.views().stats(id, 0).value());
    numbers[id] = to_json(*told.find("live")) + to_json(*told.find("test"));
  }
  CHECK(check_counters(engine.context().counters).empty());
  return numbers;
}

TEST_CASE("a day of many contacts has the same numbers served as simulated", "[api][day]") {
  const std::vector<std::string> posts = make_day();
  const Numbers simulated = simulated_day(posts);
  const Numbers served = served_day(posts);
  for (const auto& [id, numbers] : simulated) {
    INFO(id);
    CHECK(served.at(id) == numbers);
    // Every scenario had something to do, so that the comparison says something.
    if (id == "trial")
      CHECK(numbers.find("{\"entered\":1,") != numbers.npos);  // in test mode
    else
      CHECK(numbers.find("\"entered\":0,") != 1);
  }
}
}  // namespace
}  // namespace onward
