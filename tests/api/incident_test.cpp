// A request that meets a fault of ours: the client gets 500 with an incident id, the log has the
// same id, and the server continues. The policy is in engine/guard/guarded.h.
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"
#include "tests/api/front.h"
#include "tests/api/stand.h"
#include "tests/support/bomb.h"
#include "tests/support/faulty_store.h"

using namespace onward;

namespace {
/// What the server logs of incidents, from any of its threads.
class Incidents {
 public:
  LogSink sink() {
    return [this](const LogRecord& record) {
      if (record.event != "internal.error") return;
      const std::lock_guard lock{mutex_};
      std::map<std::string, std::string>& kept = records_.emplace_back();
      for (const auto& [name, value] : record.fields) kept[name] = to_text(value);
    };
  }
  std::map<std::string, std::string> last() {
    const std::lock_guard lock{mutex_};
    return records_.empty() ? std::map<std::string, std::string>{} : records_.back();
  }
  std::size_t count() {
    const std::lock_guard lock{mutex_};
    return records_.size();
  }

 private:
  std::mutex mutex_;
  std::vector<std::map<std::string, std::string>> records_;
};

constexpr std::string_view kBomb = R"(
scenario: danger
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: boom }
  boom: { kind: bomb, next: end }
)";

/// A front whose store throws at the read that `throws_at` names.
struct Danger {
  std::atomic<const char*> throws_at{""};
  Bomb bomb;
  Incidents incidents;
  std::shared_ptr<Faults> faults =
      std::make_shared<Faults>(Faults{.on_read = [this](std::string_view call) {
        if (call == throws_at.load()) throw std::bad_alloc{};
      }});
  Front front{make_faulty_store(make_memory_store(), faults), kinds_with_bomb(), incidents.sink()};

  void must_be_incident(const Told& told, std::string_view where) {
    INFO(told.body);
    CHECK(told.status == 500);
    REQUIRE(told.at("code").text());
    CHECK(*told.at("code").text() == "internal_error");
    const auto logged = incidents.last();
    REQUIRE(told.at("incident").text());
    CHECK(*told.at("incident").text() == logged.at("incident"));
    CHECK(logged.at("where") == where);
  }
};

std::string event(std::string_view id, std::string_view who) {
  return R"({"id": ")" + std::string{id} + R"(", "type": "opened", "contact": {"id": ")" +
         std::string{who} + R"("}})";
}
}  // namespace

TEST_CASE("whatever throws behind a route, the client gets an incident and the server continues",
          "[api][incident]") {
  Danger danger;
  Front& front = danger.front;
  REQUIRE(front.put("/v1/contacts/ada", R"({"first_name": "Ada"})").status < 300);
  REQUIRE(front
              .ask({.method = "PUT",
                    .path = "/v1/scenarios/danger",
                    .body = std::string{kBomb},
                    .content_type = "application/yaml"})
              .status < 300);

  struct Row {
    const char* throws_at;
    const char* where;
    Front::Ask ask;
  };
  const std::vector<Row> rows{
      {"identify", "engine.call", {.method = "GET", .path = "/v1/contacts/ada"}},
      {"load", "engine.call", {.method = "GET", .path = "/v1/contacts/ada"}},
      {"load", "engine.input", {.method = "PUT", .path = "/v1/contacts/ada", .body = "{}"}},
      {"load",
       "engine.input",
       {.method = "POST", .path = "/v1/events", .body = event("e1", "ada")}},
      {"reader.contacts", "reader.query", {.method = "GET", .path = "/v1/contacts", .query = ""}},
      {"reader.identify",
       "reader.query",
       {.method = "GET", .path = "/v1/contacts/ada/runs", .query = ""}},
      {"reader.live_runs", "reader.query", {.method = "GET", .path = "/v1/runs"}},
      {"reader.activity", "reader.query", {.method = "GET", .path = "/v1/logs"}},
      {"reader.live_runs",
       "reader.query",
       {.method = "POST", .path = "/v1/runs/resume", .body = R"({"scenario": "danger"})"}},
      {"identify", "engine.call", {.method = "DELETE", .path = "/v1/contacts/ada"}},
  };
  for (const Row& row : rows) {
    INFO(row.ask.method << " " << row.ask.path << " while " << row.throws_at << " throws");
    const std::size_t before = danger.incidents.count();
    danger.throws_at = row.throws_at;
    danger.must_be_incident(front.ask(row.ask), row.where);
    CHECK(danger.incidents.count() == before + 1);
    danger.throws_at = "";
    CHECK(front.ask(row.ask).status < 300);
  }
}

TEST_CASE("a scenario that cannot be built because of a fault of ours changes nothing",
          "[api][incident]") {
  Danger danger;
  const Front::Ask put{.method = "PUT",
                       .path = "/v1/scenarios/danger",
                       .body = std::string{kBomb},
                       .content_type = "application/yaml"};
  Front::Ask plan = put;
  plan.method = "POST";
  plan.path += "/plan";
  for (const Front::Ask& ask : {put, plan}) {
    Bomb::unbuildable = true;
    const Told told = danger.front.ask(ask);
    INFO(told.body);
    CHECK(told.status == 500);
    CHECK(*told.at("incident").text() == danger.incidents.last().at("incident"));
    CHECK(danger.front.get("/v1/scenarios/danger").status == 404);
    Bomb::unbuildable = false;
  }
  CHECK(danger.front.ask(put).status < 300);
}

TEST_CASE("an event of a list that throws is refused by itself, and a repeat is taken",
          "[api][incident]") {
  Danger danger;
  Front& front = danger.front;
  REQUIRE(front
              .ask({.method = "PUT",
                    .path = "/v1/scenarios/danger",
                    .body = std::string{kBomb},
                    .content_type = "application/yaml"})
              .status < 300);
  REQUIRE(front.post("/v1/scenarios/danger/activate").status < 300);
  Bomb::armed = true;
  const std::string list = "[" + event("e1", "ada") + "," + event("e2", "boom") + "]";
  const Told told = front.post("/v1/events", list);
  INFO(told.body);
  CHECK(told.status == 202);
  CHECK(told.at("accepted") == Value{1});
  REQUIRE(told.at("errors").list());
  REQUIRE(told.at("errors").list()->size() == 1);
  const Value& error = told.at("errors").list()->front();
  CHECK(*error.find("index") == Value{1});
  CHECK(*error.find("code")->text() == "internal_error");
  CHECK(*error.find("incident")->text() == danger.incidents.last().at("incident"));

  danger.must_be_incident(front.post("/v1/events", event("e2", "boom")), "engine.input");
  Bomb::armed = false;
  const Told again = front.post("/v1/events", list);
  CHECK(again.at("accepted") == Value{1});
  CHECK(again.at("duplicates") == Value{1});
}

TEST_CASE("a contact that cannot be read is answered, and the server continues",
          "[api][incident]") {
  auto faults = std::make_shared<Faults>();
  const Front front{make_faulty_store(make_memory_store(), faults), node_kinds(), {}};
  REQUIRE(front.post("/v1/events", event("e1", "ada")).status == 202);
  faults->unreadable = "identify";
  CHECK(front.get("/v1/contacts/ada").status == 500);
  faults->unreadable = {};
  CHECK(front.get("/v1/contacts/ada").status == 200);
  CHECK(front.post("/v1/events", event("e2", "ada")).status == 202);
}

TEST_CASE("a row of an import that throws is refused by itself", "[api][incident]") {
  Danger danger;
  REQUIRE(danger.front.put("/v1/contacts/ada", R"({"first_name": "Ada"})").status < 300);
  danger.throws_at = "load";
  const Told told = danger.front.ask({.method = "POST",
                                      .path = "/v1/contacts/import",
                                      .body = "{\"id\": \"ada\", \"first_name\": \"Eve\"}\n"
                                              "{\"id\": \"new\"}\n",
                                      .content_type = "application/x-ndjson"});
  INFO(told.body);
  CHECK(told.status == 200);
  CHECK(told.at("created") == Value{1});
  CHECK(told.at("refused") == Value{1});
}

TEST_CASE("a handler that throws is answered with the pattern of its route in the log",
          "[api][incident]") {
  Incidents incidents;
  std::vector<Route> routes{
      {"GET", "/v1/things/{id}", Need::Nothing, "", {}, [](const Call&) { throw 7; }},
      // One that has answered before it throws has answered.
      {"GET", "/v1/done", Need::Nothing, "", {}, [](const Call& call) {
         call.reply(ApiReply{200, "text/plain", "done"});
         throw std::bad_alloc{};
       }}};
  const Api api{std::move(routes), Access{{[](std::string_view) { return std::nullopt; }}},
                incidents.sink()};
  const auto ask = [&](std::string_view path) {
    ApiRequest request;
    request.method = "GET";
    request.path = path;
    std::vector<ApiReply> replies;
    api.handle(request, Responder{[&](Completion completion) {
                 replies.push_back(std::move(completion.reply));
               }});
    REQUIRE(replies.size() == 1);
    return replies.front();
  };
  const ApiReply reply = ask("/v1/things/jane");
  CHECK(reply.status == 500);
  CHECK(reply.body.find(incidents.last().at("incident")) != std::string::npos);
  CHECK(incidents.last().at("where") == "GET /v1/things/{id}");
  CHECK(incidents.last().at("message") == "int");
  CHECK(ask("/v1/done").status == 200);
}

TEST_CASE("an exception on the io thread ends its connection and no other", "[api][incident]") {
  Incidents incidents;
  HttpServerOptions options;
  options.log = incidents.sink();
  Stand stand{std::move(options)};
  Caller other{stand.port()};
  for (const char* path : {"/throw", "/throw/later"}) {
    INFO(path);
    Caller caller{stand.port()};
    caller.send(get(path));
    const std::string answer = caller.until("}");
    CHECK(answer.starts_with("HTTP/1.1 500 "));
    CHECK(answer.find("\"code\":\"internal_error\"") != std::string::npos);
    CHECK(answer.find(incidents.last().at("incident")) != std::string::npos);
  }
  CHECK(incidents.count() == 2);
  other.send(get("/fine"));
  CHECK(other.until("\r\n") == "HTTP/1.1 200 OK\r\n");
}
