// Every resource on a real engine.
#include <chrono>
#include <fstream>
#include <latch>
#include <memory>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/api/server.h"
#include "engine/host/runtime.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "nodes/nodes.h"
#include "tests/api/front.h"
#include "tests/api/stand.h"
#include "tests/support/fake_http_client.h"

namespace onward {
namespace {
constexpr const char* kWelcome = R"(scenario: welcome
title: Welcome
nodes:
  signed_up:
    kind: trigger
    event: subscription
    next: known
  known:
    kind: condition
    if: { email: { ends_with: "@example.org" } }
    yes: tell_crm
    no: end
  tell_crm:
    kind: send_webhook
    url: https://crm.example.com/hooks
    next: end
)";

void put_welcome(const Front& front) {
  REQUIRE(front.put("/v1/scenarios/welcome", kWelcome).status == 201);
  REQUIRE(front.post("/v1/scenarios/welcome/activate").status == 200);
}

std::string event(const std::string& id, const std::string& email) {
  return R"({"id": ")" + id + R"(", "type": "subscription", "contact": {"id": "c-)" + id +
         R"(", "email": ")" + email + R"("}})";
}

TEST_CASE("an event runs through a scenario and the numbers tell of it", "[api]") {
  const Front front;
  put_welcome(front);
  const Told posted = front.post("/v1/events", "[" + event("1", "jane@example.org") + "," +
                                                   event("2", "bob@elsewhere.net") +
                                                   R"(, {"type": "subscription"}])");
  CHECK(posted.status == 202);
  CHECK(posted.at("accepted") == Value{2});
  CHECK(posted.at("rejected") == Value{1});
  CHECK(posted.at("errors.0.index") == Value{2});

  const Told stats = front.settled("welcome");
  CHECK(stats.at("live.entered") == Value{2});
  CHECK(stats.at("live.done") == Value{2});
  CHECK(stats.at("live.nodes.1.ports.yes") == Value{1});
  CHECK(stats.at("live.nodes.1.ports.no") == Value{1});
  CHECK(stats.at("live.nodes.2.requests") == Value{1});
  CHECK(stats.at("live.nodes.2.accepted") == Value{1});
  CHECK(stats.at("test.entered") == Value{0});

  const Told runs = front.get("/v1/contacts/c-1/runs");
  REQUIRE(runs.status == 200);
  CHECK(runs.at("runs.0.state") == Value{"done"});
  CHECK(runs.at("runs.0.path.0.node") == Value{"signed_up"});
  CHECK(runs.at("runs.0.path.1.port") == Value{"yes"});
  REQUIRE(runs.at("runs.0.path.2.delivery").text());
  const std::string delivery = *runs.at("runs.0.path.2.delivery").text();

  const Told one = front.get("/v1/deliveries/" + delivery);
  REQUIRE(one.status == 200);
  CHECK(one.at("state") == Value{"accepted"});
  CHECK(one.at("attempts.0.status") == Value{200});
  CHECK(one.at("request.url") == Value{"https://crm.example.com/hooks"});
  CHECK(one.at("request.body").text()->find("jane@example.org") != std::string::npos);

  const Told list =
      front.get("/v1/scenarios/welcome/nodes/tell_crm/deliveries", "state=accepted&limit=10");
  REQUIRE(list.status == 200);
  CHECK(list.at("deliveries.0.id") == Value{delivery});
  CHECK(list.at("next").is_null());
  CHECK(front.get("/v1/scenarios/welcome/nodes/tell_crm/deliveries", "state=failed")
            .at("deliveries")
            .list()
            ->empty());
}

TEST_CASE("a path names a contact by the rules of a body", "[api]") {
  const Front front;
  CHECK(front.put("/v1/contacts/email:jane", "{}").at("code") == Value{"bad_email"});
  CHECK(front.put("/v1/contacts/" + std::string(257, 'x'), "{}").at("code") == Value{"bad_id"});
  CHECK(front.put("/v1/contacts/" + std::string(256, 'x'), "{}").status == 201);
}

TEST_CASE("a contact does not lose all its names", "[api]") {
  const Front front;
  const std::string jane = "/v1/contacts/email:jane@example.org";
  const Told told = front.put(jane, R"({"email": null})");
  CHECK(told.status == 400);
  CHECK(told.at("code") == Value{"no_identity"});
  CHECK(front.put(jane, R"({"first_name": "Jane"})").status == 201);
  CHECK(front.ask({.method = "PATCH", .path = jane, .body = R"({"email": null})"}).status == 400);
  CHECK(front.put(jane, R"({"id": "c1", "email": null})").status == 200);
  CHECK(front.get("/v1/contacts/c1").at("email").is_null());
}

TEST_CASE("a delivery of another store is not found, whatever its number", "[api]") {
  const Front front;
  put_welcome(front);
  REQUIRE(front.post("/v1/events", event("1", "jane@example.org")).status == 202);
  const Told list = front.get("/v1/scenarios/welcome/nodes/tell_crm/deliveries");
  REQUIRE(list.at("deliveries.0.id").text());
  std::string id = *list.at("deliveries.0.id").text();
  CHECK(front.get("/v1/deliveries/" + id).status == 200);
  id[4] = id[4] == 'x' ? 'y' : 'x';
  CHECK(front.get("/v1/deliveries/" + id).status == 404);
}

TEST_CASE("a repeat takes no effect, and another body under its id is a conflict", "[api]") {
  const Front front;
  CHECK(front.post("/v1/events", event("1", "jane@example.org")).at("accepted") == Value{1});
  const Told repeat = front.post("/v1/events", event("1", "jane@example.org"));
  CHECK(repeat.status == 202);
  CHECK(repeat.at("duplicates") == Value{1});
  CHECK(front.post("/v1/events", event("1", "john@example.org")).status == 409);
}

/// Its first look for repeats takes until it may go on.
class HeldStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    if (asked.try_wait()) return PassingStore::seen(keys, now);
    asked.count_down();
    goes_on.wait();
    return PassingStore::seen(keys, now);
  }
  std::latch asked{1}, goes_on{1};
};

TEST_CASE("fault 76: of many callers who bring one event at once, one takes effect",
          "[api][server][faults]") {
  auto held = std::make_unique<HeldStore>(make_memory_store());
  HeldStore& store = *held;
  auto runtime = Runtime::open(std::move(held), node_kinds(), std::make_unique<FakeHttpClient>(),
                               {}, system_clock(), {});
  REQUIRE(runtime);
  (*runtime)->start();
  ServerOptions options;
  options.port = 0;
  options.no_auth = true;
  auto server = Server::listen(**runtime, options);
  REQUIRE(server);
  (*server)->start();
  const auto post = [](const std::string& body) {
    return "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
           "Content-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  const std::string request = post(event("1", "jane@example.org"));
  constexpr std::size_t kCallers = 32;
  std::vector<std::unique_ptr<Caller>> callers;
  for (std::size_t i = 0; i < kCallers; ++i)
    callers.push_back(std::make_unique<Caller>((*server)->port()));
  const auto round = [&] {
    std::size_t accepted = 0, duplicates = 0;
    for (const auto& caller : callers) {
      const std::string answer = caller->until("\"errors\":[]}");
      accepted += answer.find("\"accepted\":1,\"duplicates\":0,") != std::string::npos;
      duplicates += answer.find("\"accepted\":0,\"duplicates\":1,") != std::string::npos;
    }
    return std::pair{accepted, duplicates};
  };

  // All wait while the engine is busy with another one, so that it takes them together.
  Caller first{(*server)->port()};
  first.send(post(event("0", "john@example.org")));
  store.asked.wait();
  for (const auto& caller : callers) caller->send(request);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while ((*runtime)->figures().queued <= kCallers && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  CHECK((*runtime)->figures().queued == 1 + kCallers);  // The first is not answered yet.
  store.goes_on.count_down();
  CHECK(round() == std::pair{std::size_t{1}, kCallers - 1});

  // Once more while it runs, from as many threads.
  {
    std::vector<std::jthread> threads;
    for (const auto& caller : callers) threads.emplace_back([&] { caller->send(request); });
  }
  CHECK(round() == std::pair{std::size_t{0}, kCallers});
  CHECK(first.until("\"errors\":[]}").find("\"accepted\":1") != std::string::npos);
  (*server)->stop(std::chrono::seconds{5});
  CHECK((*runtime)->stop(std::chrono::seconds{5}));
}

TEST_CASE("events come one a line as well, in no other form", "[api]") {
  const Front front;
  const std::string lines = event("1", "a@example.org") + "\n" + event("2", "b@example.org") + "\n";
  const Told told = front.ask({.method = "POST",
                               .path = "/v1/events",
                               .query = "mode=history",
                               .body = lines,
                               .content_type = "application/x-ndjson"});
  CHECK(told.status == 202);
  CHECK(told.at("accepted") == Value{2});
  CHECK(
      front
          .ask(
              {.method = "POST", .path = "/v1/events", .body = "a=1", .content_type = "text/plain"})
          .status == 415);
  CHECK(
      front.ask({.method = "POST", .path = "/v1/events", .query = "mode=x", .body = "{}"}).status ==
      400);
}

TEST_CASE("JSON is known by its looks where a client says that it is a form", "[api]") {
  const Front front;
  const std::string form = "application/x-www-form-urlencoded";
  Front::Ask ask{.method = "POST", .path = "/v1/events", .body = " " + event("1", "a@example.org")};
  ask.content_type = form;
  CHECK(front.ask(ask).status == 202);
  ask.body = "type=x";
  CHECK(front.ask(ask).status == 415);
}

TEST_CASE("events that the door refuses are counted", "[api]") {
  const Front front;
  REQUIRE(front.post("/v1/events", R"([{}, {"type": "x"}])").status == 202);
  REQUIRE(front.post("/v1/events", R"({"type": "x"})").status == 400);
  CHECK(front.get("/metrics").body.find("onward_events_total{result=\"rejected\"} 3\n") !=
        std::string::npos);
}

TEST_CASE("a wrong scenario is answered with every mistake at its place", "[api]") {
  const Front front;
  const Told told = front.put("/v1/scenarios/welcome",
                              "scenario: welcome\nnodes:\n  a: {kind: triger, nex: b}\n");
  CHECK(told.status == 422);
  CHECK(told.at("code") == Value{"bad_scenario"});
  REQUIRE(told.at("diagnostics").list());
  CHECK(told.at("diagnostics.0.line") == Value{3});
  CHECK(told.at("diagnostics.0.nearest") == Value{"trigger"});
  CHECK(told.at("text").text()->find("3:") != std::string::npos);
  CHECK(front.get("/v1/scenarios/welcome").status == 404);
}

TEST_CASE("a scenario lives: draft, active, on hold, archived; and its copy is a draft", "[api]") {
  const Front front;
  const std::string one = "/v1/scenarios/welcome";
  Told told = front.put(one, kWelcome);
  CHECK(told.status == 201);
  CHECK(told.at("state") == Value{"draft"});
  CHECK(told.at("version") == Value{1});
  CHECK(told.at("changed") == Value{true});
  told = front.put(one, kWelcome);
  CHECK(told.status == 200);
  CHECK(told.at("changed") == Value{false});

  told = front.post(one + "/activate",
                    R"({"test_emails": [" Jane@Example.org", "jane@example.org"]})");
  CHECK(told.status == 200);
  CHECK(told.at("state") == Value{"active"});
  REQUIRE(told.at("test_emails").list());
  CHECK(*told.at("test_emails").list() == ValueList{"jane@example.org"});
  CHECK(front.post(one + "/activate", R"({"test_emails": ["jane"]})").status == 400);
  const auto activate = [&](const ValueList& emails) {
    return front.post(one + "/activate", to_json(Value{ValueMap{{"test_emails", emails}}}));
  };
  ValueList most;
  for (int i = 0; i < 100; ++i) most.emplace_back(fmt::format("tester{}@example.org", i));
  CHECK(activate(most).at("test_emails").list()->size() == 100);
  const std::string log = front.get("/v1/logs", "limit=500").body;
  CHECK(log.find("test mode for tester0@example.org, tester1@example.org, ") != std::string::npos);
  CHECK(log.find(" more\"") != std::string::npos);
  CHECK(log.find("tester99@example.org") == std::string::npos);
  most.emplace_back("tester0@example.org");  // Counted before equal ones are taken together.
  CHECK(activate(most).at("code") == Value{"too_many"});
  const std::string long_name(310, 'x');
  CHECK(activate({long_name + "@ab.example"}).at("code") == Value{"bad_email"});
  CHECK(activate({std::string(1 << 20, 'x') + "@example.org"}).body.size() < 1'000);
  CHECK(activate({"a b@example.org"}).at("code") == Value{"bad_email"});
  CHECK(activate({Value{1}}).at("code") == Value{"bad_email"});
  CHECK(front.post(one + "/activate", R"({"test_email": []})").status == 400);
  CHECK(front.post(one + "/activate").at("test_emails").list()->empty());
  CHECK(front.post(one + "/hold").at("state") == Value{"on_hold"});

  told = front.post(one + "/duplicate", R"({"id": "welcome-2"})");
  CHECK(told.status == 201);
  CHECK(told.at("state") == Value{"draft"});
  const Told text =
      front.ask({.method = "GET", .path = "/v1/scenarios/welcome-2", .accept = "application/yaml"});
  CHECK(text.body.starts_with("scenario: welcome-2\n"));
  CHECK(front.get("/v1/scenarios/welcome-2").at("text") == Value{text.body});
  CHECK(front.get("/v1/scenarios").at("scenarios").list()->size() == 2);
  CHECK(front.ask({.method = "DELETE", .path = "/v1/scenarios/welcome-2"}).status == 204);
  CHECK(front.get("/v1/scenarios/welcome-2").status == 404);

  CHECK(front.post(one + "/archive", R"({"cancel_pending": 1})").status == 400);
  CHECK(front.post(one + "/archive", R"({"cancel_pending": true})").at("state") ==
        Value{"archived"});
  CHECK(front.post(one + "/activate").status == 409);
  CHECK(front.get(one + "/stats").status == 200);
  CHECK(front.get(one + "/stats", "version=7").status == 404);
  CHECK(front.get(one + "/stats", "version=x").status == 400);
}

TEST_CASE("a contact is made, changed, read and forgotten", "[api]") {
  const Front front;
  const std::string one = "/v1/contacts/c1";
  CHECK(front.get(one).status == 404);
  CHECK(front.ask({.method = "PATCH", .path = one, .body = R"({"first_name": "Jane"})"}).status ==
        404);
  Told told = front.put(one, R"({"first_name": "Jane", "email": "jane@example.org",
                                 "groups": ["vip"], "custom": {"plan": "gold"}})");
  CHECK(told.status == 201);
  CHECK(told.at("id") == Value{"c1"});
  CHECK(told.at("first_name") == Value{"Jane"});
  CHECK(told.at("statistics").find("mailings_received"));
  told = front.ask({.method = "PATCH", .path = one, .body = R"({"first_name": null})"});
  CHECK(told.status == 200);
  CHECK(told.at("first_name").is_null());
  CHECK(front.get("/v1/contacts/email%3Ajane%40example.org").at("id") == Value{"c1"});
  CHECK(front.put(one, R"({"id": "c2"})").status == 400);
  CHECK(front.put(one, R"({"frist_name": "x"})").status == 400);
  CHECK(front.put(one, "[]").status == 400);
  CHECK(front.put("/v1/contacts/email:bob@example.org", "{}").status == 201);
  CHECK(front.get("/v1/contacts/email:bob@example.org").at("email") == Value{"bob@example.org"});
  CHECK(front.ask({.method = "DELETE", .path = one}).status == 204);
  CHECK(front.ask({.method = "DELETE", .path = one}).status == 404);
  CHECK(front.get(one).status == 404);
  CHECK(front.get("/v1/contacts/email:").status == 400);
}

TEST_CASE("a refused webhook stays pending and says when it goes on", "[api]") {
  Front front;
  front.receivers_answer(503);
  put_welcome(front);
  REQUIRE(front.post("/v1/events", event("1", "jane@example.org")).status == 202);
  Told list;
  do {  // The first attempt is made on another thread.
    list = front.get("/v1/scenarios/welcome/nodes/tell_crm/deliveries");
  } while (list.at("deliveries.0.attempt_count") != Value{1});
  CHECK(list.at("deliveries.0.state") == Value{"pending"});
  CHECK(list.at("deliveries.0.last_attempt.status") == Value{503});
  CHECK(list.at("deliveries.0.next_attempt").text());
  CHECK(front.get("/v1/contacts/c-1/runs").at("runs.0.state") == Value{"done"});
}

/// A path of the pattern's form: "{id}" becomes "a".
std::string sample_path(std::string_view pattern) {
  std::string path;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '{') {
      path += 'a';
      i = pattern.find('}', i);
    } else {
      path += pattern[i];
    }
  }
  return path;
}

TEST_CASE("every route is shut without a token, with a wrong one and with too weak a one",
          "[api][access]") {
  const Front front;
  for (const Route& route : front.api().router().routes()) {
    CAPTURE(route.method, route.pattern);
    CHECK_FALSE(route.summary.empty());
    const auto status = [&](const std::string& token) {
      return front
          .ask({.method = std::string{route.method},
                .path = sample_path(route.pattern),
                .token = token})
          .status;
    };
    if (route.need == Need::Nothing) {
      CHECK(status("") == 200);
      continue;
    }
    CHECK(status("") == 401);
    CHECK(status("wrong") == 401);
    CHECK((status("metrics") == 403) == (route.need != Need::Metrics));
    CHECK((status("read") == 403) == (route.need != Need::Read && route.need != Need::Metrics));
    CHECK((status("ingest") == 403) == (route.need != Need::Ingest));
    CHECK(status("admin") != 403);
    if (route.method != "GET") CHECK(route.need != Need::Read);
  }
}

TEST_CASE("the documentation lists every route with its role, and no other", "[api]") {
  std::ifstream file{"docs/http-api.md"};
  REQUIRE(file);
  std::multiset<std::string> documented;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("| `") && line.find(" /") < 12)
      documented.insert(line.substr(2, line.find('|', line.find('|', 1) + 1) - 3));
  const Front front{/*start=*/false};
  std::multiset<std::string> known;
  for (const Route& route : front.api().router().routes())
    known.insert(fmt::format("`{} {}` | {}", route.method, route.pattern, to_string(route.need)));
  CHECK(documented == known);
}

TEST_CASE("an engine that does not run is live, not ready, and takes nothing", "[api]") {
  const Front front{/*start=*/false};
  CHECK(front.get("/livez").status == 200);
  CHECK(front.get("/readyz").status == 503);
  const Told told = front.post("/v1/events", event("1", "jane@example.org"));
  CHECK(told.status == 503);
  CHECK(told.headers.at(0).first == "Retry-After");
}

TEST_CASE("the figures name scenarios", "[api]") {
  const Front front;
  put_welcome(front);
  CHECK(front.get("/readyz").status == 200);
  REQUIRE(front.post("/v1/events", event("1", "jane@example.org")).status == 202);
  (void)front.settled("welcome");
  const Told told = front.get("/metrics");
  CHECK(told.status == 200);
  CHECK(told.body.find("onward_events_total{result=\"accepted\"} 1\n") != std::string::npos);
  CHECK(told.body.find("onward_scenario_deliveries{scenario=\"welcome\",state=\"accepted\"} 1\n") !=
        std::string::npos);
}

TEST_CASE("what is not there, or not a number, is said so", "[api]") {
  const Front front;
  CHECK(front.get("/v1/scenarios/nobody/stats").status == 404);
  CHECK(front.post("/v1/scenarios/nobody/hold").status == 404);
  CHECK(front.get("/v1/deliveries/evt_1").status == 404);
  CHECK(front.get("/v1/contacts/nobody/runs").status == 404);
  CHECK(front.get("/v1/contacts/nobody/runs", "limit=0").status == 400);
  CHECK(front.get("/v1/contacts/nobody/runs", "limit=abc").status == 400);
  CHECK(front.get("/v1/contacts/nobody/runs", "fresh=maybe").status == 400);
  CHECK(front.get("/v1/scenarios/a/nodes/b/deliveries", "state=lost").status == 400);
}

TEST_CASE("a refusal is UTF-8 whatever bytes it quotes", "[api]") {
  // Front holds each answer to the description of the API, and so to being JSON.
  const Front front;
  for (const char* type : {"appli\xC3/x-ndjson", "\xFF", "\xED\xA0\x80", "text/\xC3"}) {
    Front::Ask ask{.method = "POST", .path = "/v1/contacts/import", .body = "id\n1\n"};
    ask.content_type = type;
    const Told told = front.ask(ask);
    CHECK(told.status == 415);
    CHECK(told.at("code") == Value{"unsupported_media_type"});
    CHECK(told.at("detail").text()->find('?') != std::string::npos);
  }
}

TEST_CASE("an event with an unknown member is refused with a code that the API names", "[api]") {
  const Front front;
  const Told told =
      front.post("/v1/events", R"({"type": "opened", "contact": {"id": "c1"}, "colour": "red"})");
  CHECK(told.status == 400);
  CHECK(told.at("code") == Value{"unknown_member"});
}

TEST_CASE("a server without tokens does not leave the machine", "[api][server]") {
  auto runtime = Runtime::open(make_memory_store(), node_kinds(),
                               std::make_unique<FakeHttpClient>(), {}, system_clock(), {});
  REQUIRE(runtime);
  ServerOptions options;
  options.port = 0;
  options.no_auth = true;
  options.address = "0.0.0.0";
  CHECK(Server::listen(**runtime, options).error().code == "no_auth_in_public");
  options.address = "127.0.0.1";
  CHECK(Server::listen(**runtime, options));
}
}  // namespace
}  // namespace onward
