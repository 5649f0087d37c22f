// Who changed what: every route that changes something leaves a line with the name of the token.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <map>
#include <set>

#include "tests/api/front.h"

namespace onward {
namespace {
/// What changes nothing, or is too frequent for a line each; and what a server that holds nothing
/// back has no cause to tell (its line: tests/cell/sending_test.cpp).
const std::set<std::string> kUntold{
    "POST /v1/clock/accept", "POST /v1/sending/resume",     "POST /v1/scenarios/{id}/plan",
    "POST /v1/events",       "POST /v1/intake/egoi",        "POST /v1/intake/taguchi",
    "PUT /v1/contacts/{id}", "POST /v1/intake/cloudevents", "PATCH /v1/contacts/{id}",
};

/// Asks, and remembers which routes left their line.
class Auditor {
 public:
  explicit Auditor(Front& front) : front_{front} { next_ = text(front_.get("/v1/logs"), "next"); }

  static std::string text(const Told& told, std::string_view path) {
    return to_text(told.at(path));
  }
  /// Holds the one line that the request leaves to `what` and the token's name.
  Told change(const std::string& method, const std::string& path, const std::string& body,
              const std::string& what) {
    const Router::Match match = front_.api().router().find(method, path);
    REQUIRE(match.route);
    const std::string route = fmt::format("{} {}", match.route->method, match.route->pattern);
    const std::string token{to_string(match.route->need)};
    CAPTURE(route, path, body);
    const Told told = front_.ask(
        {.method = method,
         .path = path,
         .body = body,
         .content_type = path.ends_with("/import") ? "application/x-ndjson" : "application/json",
         .token = token});
    CAPTURE(told.body);
    REQUIRE(told.status >= 200);
    REQUIRE(told.status < 300);
    std::set<std::string> lines;
    const Told logs = front_.get("/v1/logs", "limit=500&cursor=" + next_);
    next_ = text(logs, "next");
    CAPTURE(logs.body);
    for (const Value& line : *logs.at("lines").list()) {
      const Value* who = line.find("who");
      if (who && *who == Value{token}) lines.insert(to_text(*line.find("what")));
    }
    CHECK(lines.contains(what));
    told_.insert(route);
    return told;
  }
  /// Those of the table that change something, and were not asked for here.
  std::vector<std::string> missing() const {
    std::vector<std::string> left;
    for (const Route& route : front_.api().router().routes()) {
      const std::string name = fmt::format("{} {}", route.method, route.pattern);
      if (route.method != "GET" && !told_.contains(name) && !kUntold.contains(name))
        left.push_back(name);
    }
    return left;
  }

 private:
  Front& front_;
  std::string next_;
  std::set<std::string> told_;
};

constexpr const char* kRelay = R"(scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", retry: { permanent: [400] }, next: end }
)";

/// More nodes than one event may visit: its runs are parked.
std::string long_scenario() {
  std::string text = "scenario: long\nnodes:\n  any: { kind: trigger, event: walked, next: n0 }\n";
  for (int i = 0; i < 300; ++i)
    text += fmt::format("  n{}: {{ kind: condition, if: {{ in_group: x }}, yes: end, no: {} }}\n",
                        i, i == 299 ? "end" : fmt::format("n{}", i + 1));
  return text;
}

void post_event(const Front& front, const std::string& type, const std::string& contact) {
  REQUIRE(front
              .post("/v1/events",
                    fmt::format(R"({{"type": "{}", "contact": {{"id": "{}"}}}})", type, contact))
              .status == 202);
}

TEST_CASE("every route that changes something leaves a line with the name of the token",
          "[api][audit]") {
  Front front;
  Auditor audit{front};

  // Scenarios, their nodes and what they asked for.
  audit.change("PUT", "/v1/scenarios/relay", kRelay, "scenario.applied");
  audit.change("POST", "/v1/scenarios/relay/activate", "", "scenario.activated");
  audit.change("POST", "/v1/scenarios/relay/nodes/tell/test", "", "node.tested");
  front.receivers_answer(400);
  for (const char* who : {"c1", "c2"}) post_event(front, "opened", who);
  front.settled("relay");
  const std::string failed =
      Auditor::text(front.get("/v1/deliveries", "state=failed"), "deliveries.0.id");
  audit.change("POST", "/v1/scenarios/relay/nodes/tell/pause", "", "node.paused");
  audit.change("POST", "/v1/deliveries/" + failed + "/retry", "", "deliveries.retried");
  audit.change("POST", "/v1/deliveries/retry", R"({"scenario": "relay"})", "deliveries.retried");
  audit.change("POST", "/v1/deliveries/" + failed + "/cancel", "", "deliveries.cancelled");
  audit.change("POST", "/v1/deliveries/cancel", R"({"scenario": "relay"})", "deliveries.cancelled");
  audit.change("POST", "/v1/scenarios/relay/nodes/tell/resume", "", "node.resumed");
  audit.change("POST", "/v1/scenarios/relay/duplicate", R"({"id": "copy"})", "scenario.duplicated");
  audit.change("DELETE", "/v1/scenarios/copy", "", "scenario.deleted");
  audit.change("POST", "/v1/scenarios/relay/hold", "", "scenario.held");
  audit.change("POST", "/v1/scenarios/relay/archive", R"({"cancel_pending": true})",
               "scenario.archived");
  audit.change("POST", "/v1/scenarios/relay/purge", "", "scenario.purging");

  // Runs.
  audit.change("PUT", "/v1/scenarios/long", long_scenario(), "scenario.applied");
  audit.change("POST", "/v1/scenarios/long/activate", "", "scenario.activated");
  for (const char* who : {"c1", "c2"}) post_event(front, "walked", who);
  const std::string run = Auditor::text(front.get("/v1/runs", "state=parked"), "runs.0.id");
  audit.change("POST", "/v1/runs/" + run + "/resume", "", "runs.resumed");
  audit.change("POST", "/v1/runs/resume", R"({"scenario": "long"})", "runs.resumed");

  // What people are, what they may have, and what is known of them.
  audit.change("PUT", "/v1/fields/plan", R"({"type": "text"})", "field.declared");
  audit.change("DELETE", "/v1/fields/plan", "", "field.removed");
  audit.change("POST", "/v1/contacts/import", R"({"id": "jane-3rd", "email": "jane@example.org"})",
               "contacts.imported");
  audit.change("DELETE", "/v1/contacts/jane-3rd", "", "contact.forgotten");

  // Secrets and tokens.
  audit.change("PUT", "/v1/secrets/key", R"({"value": "s3cr3t-value", "any_host": true})",
               "secret.set");
  audit.change("PUT", "/v1/secrets/key", R"({"hosts": ["crm.example.com"]})", "secret.hosts_set");
  audit.change("PUT", "/v1/credentials/crm", R"({"bearer": "s3cr3t-value", "any_host": true})",
               "credential.set");
  audit.change("PUT", "/v1/credentials/crm", R"({"hosts": ["crm.example.com"]})",
               "credential.hosts_set");
  audit.change("POST", "/v1/secrets/rekey", "", "secret.rekeyed");
  audit.change("DELETE", "/v1/secrets/key", "", "secret.removed");
  audit.change("DELETE", "/v1/credentials/crm", "", "credential.removed");
  audit.change("POST", "/v1/tokens", R"({"name": "ci", "role": "read"})", "token.created");
  audit.change("DELETE", "/v1/tokens/ci", "", "token.revoked");

  // To mend a failure: let the route leave an `Activity`, and ask for it above.
  CHECK(audit.missing() == std::vector<std::string>{});

  // Nobody who was forgotten, and nothing secret, is remembered by the log.
  const std::string log = front.get("/v1/logs", "limit=500").body;
  for (const char* never : {"jane@example.org", "jane-3rd", "s3cr3t"})
    CHECK(log.find(never) == std::string::npos);
}

TEST_CASE("the log names secrets and tokens to those alone who may list them", "[api][audit]") {
  const Front front;
  const std::string masked = R"({"value": "s3cr3t-value", "any_host": true})";
  const std::string login =
      R"({"basic": {"username": "jane", "password": "passw0rd"}, "any_host": true})";
  CHECK(front.put("/v1/fields/plan", R"({"type": "text"})").status == 201);
  CHECK(front.put("/v1/secrets/crm_key", masked).status == 201);
  CHECK(front.put("/v1/credentials/crm", login).status == 201);
  CHECK(front.post("/v1/tokens", R"({"name": "shop", "role": "ingest"})").status == 201);
  CHECK(front.put("/v1/fields/size", R"({"type": "text"})").status == 201);

  // Page by page from the beginning: one that holds nothing for this token has a next all the same.
  const auto seen = [&](const std::string& token) {
    std::vector<std::string> all;
    std::string query = "since=2000-01-01T00:00:00Z&limit=1";
    for (int page = 0; page < 7; ++page) {
      const Told told =
          front.ask({.method = "GET", .path = "/v1/logs", .query = query, .token = token});
      CHECK(told.at("more") == Value{page < 6});
      for (const Value& line : *told.at("lines").list()) all.push_back(to_text(*line.find("what")));
      query = "limit=1&cursor=" + Auditor::text(told, "next");
    }
    return all;
  };
  using Lines = std::vector<std::string>;
  CHECK(seen("read") == Lines{"field.declared", "field.declared"});
  CHECK(seen("author") == Lines{"field.declared", "secret.set", "secret.hosts_set",
                                "credential.set", "credential.hosts_set", "field.declared"});
  CHECK(seen("admin") == Lines{"field.declared", "secret.set", "secret.hosts_set", "credential.set",
                               "credential.hosts_set", "token.created", "field.declared"});
}

TEST_CASE("what changes nothing leaves no line, nor does a dry run of an import", "[api][audit]") {
  const Front front;
  const auto import = [&](const std::string& query, const std::string& body) {
    return front
        .ask({.method = "POST",
              .path = "/v1/contacts/import",
              .query = query,
              .body = body,
              .content_type = "application/x-ndjson"})
        .status;
  };
  CHECK(import("", R"({"id": "c1"})") == 200);
  CHECK(import("", R"({"id": "c1"})") == 200);
  CHECK(import("", R"({"nobody": "c1"})") == 200);
  CHECK(import("dry_run=true", R"({"id": "c2"})") == 200);
  CHECK(front.put("/v1/contacts/c1", R"({"first_name": "Jane"})").status == 200);
  CHECK(front.ask({.method = "DELETE", .path = "/v1/contacts/nobody"}).status == 404);
  CHECK(front.ask({.method = "DELETE", .path = "/v1/fields/nothing"}).status == 404);
  CHECK(front.ask({.method = "DELETE", .path = "/v1/tokens/nobody"}).status == 404);
  const Told log = front.get("/v1/logs");
  REQUIRE(log.at("lines").list()->size() == 1);
  CHECK(log.at("lines.0.text") == Value{"1 created, 0 updated, 0 unchanged, 0 refused"});
}
}  // namespace
}  // namespace onward
