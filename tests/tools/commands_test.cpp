#include "tools/onward/commands.h"

#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "nodes/nodes.h"
#include "tools/onward/cli.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/serve.h"

namespace onward {
namespace {
TEST_CASE("the test button's answer is told in a few lines", "[tools]") {
  Value answer =
      ValueMap{{"accepted", true},
               {"status", 200},
               {"code", Value{}},
               {"took_ms", 34},
               {"response", "thanks\x1b[31m"},
               {"request", ValueMap{{"method", "POST"}, {"url", "https://a.example/x"}}}};
  CHECK(webhook_test_text(answer) ==
        "✓ 200  POST https://a.example/x  34 ms\n  It answered: thanks\\x1b[31m\n");
  CHECK(webhook_test_text(answer).coloured().find("\x1b[32m✓ 200\x1b[0m") == 0);
  answer.set("accepted", false);
  answer.set("status", Value{});
  answer.set("code", "connect_refused");
  answer.set("error", "could not connect");
  answer.set("explanation", "Nothing listens there.");
  answer.set("response", Value{});
  CHECK(webhook_test_text(answer) ==
        "✗ connect_refused  POST https://a.example/x  34 ms\n  could not connect\n"
        "  Nothing listens there.\n");
  CHECK(webhook_test_text(answer).coloured().find("\x1b[31m✗ connect_refused\x1b[0m") == 0);
}

TEST_CASE("flags describe an event", "[tools]") {
  SendOptions options;
  options.what = "subscription";
  options.id = "e1";
  options.email = "jane@example.org";
  options.set = {"first_name=Jane", "custom.plan=gold", "custom.seats=3"};
  options.data = {"form=newsletter", "order.total=12.5"};
  const auto event = event_from(options);
  REQUIRE(event);
  CHECK(to_json(*event) ==
        R"({"type":"subscription","id":"e1","contact":{"email":"jane@example.org",)"
        R"("first_name":"Jane","custom":{"plan":"gold","seats":3}},)"
        R"("data":{"form":"newsletter","order":{"total":12.5}}})");
}

TEST_CASE("times are told as an instant, a day, or how long ago", "[tools]") {
  const Instant now = *parse_instant("2026-05-02T10:00:00Z");
  CHECK(*when_of("2h", "--since", now) == "2026-05-02T08:00:00Z");
  CHECK(*when_of("2026-05-01", "--since", now) == "2026-05-01T00:00:00Z");
  CHECK(*when_of("2026-05-01T09:00:00-04:00", "--since", now) == "2026-05-01T13:00:00Z");
  const auto wrong = when_of("yesterday", "--until", now);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.starts_with("--until wants"));
  CHECK_FALSE(when_of("-2h", "--since", now));
}

TEST_CASE("what is retried, cancelled or resumed must be named", "[tools]") {
  const ClientOptions nowhere{.server = "http://127.0.0.1:1"};
  CHECK(run_by_hand(nowhere, "retry", {}) == kExitUsage);
  CHECK(run_by_hand(nowhere, "retry", {.filter = {.code = "500"}}) == kExitUsage);
  CHECK(run_by_hand(nowhere, "cancel", {.ids = {"evt_x"}, .filter = {.scenario = "a"}}) ==
        kExitUsage);
  CHECK(run_by_hand(nowhere, "retry", {.filter = {.scenario = "a", .since = "soon"}}) ==
        kExitUsage);
  CHECK(run_resume(nowhere, {}) == kExitUsage);
  CHECK(run_resume(nowhere, {.runs = {"run_x"}}) == kExitUnavailable);
}

TEST_CASE("a JSON event goes as it is, with what flags add", "[tools]") {
  SendOptions options;
  options.what = R"({"type": "clicked", "contact": {"id": 7}, "data": {"a": 1}})";
  options.data = {"b=2"};
  const auto event = event_from(options);
  REQUIRE(event);
  CHECK(to_json(*event) == R"({"type":"clicked","contact":{"id":7},"data":{"a":1,"b":2}})");
  options.what = R"({"type": )";
  CHECK_FALSE(event_from(options));
  options.what = "clicked";
  options.set = {"novalue"};
  CHECK_FALSE(event_from(options));
}

TEST_CASE("flags add to objects only", "[tools]") {
  SendOptions options;
  options.what = R"({"type": "x", "contact": "x"})";
  options.contact_id = "y";
  REQUIRE_FALSE(event_from(options));
  CHECK(exit_code_of(event_from(options).error().kind) == kExitData);
  options.what = R"({"type": "x", "contact": null, "data": []})";
  REQUIRE(event_from(options));
  options.data = {"a=1"};
  CHECK_FALSE(event_from(options));
}

TEST_CASE("a phone number stays text, and null clears it", "[tools]") {
  SendOptions options;
  options.what = "subscription";
  options.set = {"phone=5551234567", "first_name=true", "company=null", "custom.seats=3"};
  const auto event = event_from(options);
  REQUIRE(event);
  CHECK(to_json(*event->find("contact")) ==
        R"({"phone":"5551234567","first_name":"true","company":null,"custom":{"seats":3}})");
}

TEST_CASE("groups of an event's contact are a list, however they are typed", "[tools]") {
  SendOptions options;
  options.what = "subscription";
  options.set = {"groups=vip", "groups_add=lead|7", R"(groups_remove=["a, b"])"};
  const auto event = event_from(options);
  REQUIRE(event);
  CHECK(to_json(*event->find("contact")) ==
        R"({"groups":["vip"],"groups_add":["lead","7"],"groups_remove":["a, b"]})");
  options.set = {"groups=null"};
  CHECK(to_json(*event_from(options)->find("contact")) == R"({"groups":null})");
  options.set = {"groups=[1"};
  CHECK_FALSE(event_from(options));
}

TEST_CASE("an address to listen on is read, and a wrong one refused", "[tools]") {
  const auto full = parse_listen("0.0.0.0:80");
  REQUIRE(full);
  CHECK(full->address == "0.0.0.0");
  CHECK(full->port == 80);
  CHECK(parse_listen("[::1]:0")->address == "::1");
  CHECK(parse_listen("8787")->address == "127.0.0.1");
  for (const char* wrong : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "1:2:3", ":80",
                            "127.0.0.1:70000", "127.0.0.1:-1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_listen(wrong));
  }
}

TEST_CASE("the numbers fit eighty columns", "[tools]") {
  const auto stats = parse_json(R"({"scenario": "welcome", "state": "active",
    "as_of": "2026-05-01T09:00:00Z", "versions": [1], "live": {"entered": 1204, "inside": 0,
    "done": 1204, "exited": 0, "stopped": 0, "parked": 0, "refused": {"already_entered": 3},
    "nodes": [
      {"id": "signed_up", "kind": "trigger", "visits": 1204, "unique_contacts": 1204, "waiting": 0,
       "ports": {"next": 1204}, "unknown": 0, "requests": 0, "accepted": 0, "pending": 0,
       "parked": 0, "failed": 0, "cancelled": 0},
      {"id": "has_company", "kind": "condition", "visits": 1204, "unique_contacts": 1204,
       "waiting": 0, "ports": {"yes": 4, "no": 1200}, "unknown": 2, "requests": 0, "accepted": 0,
       "pending": 0, "parked": 0, "failed": 0, "cancelled": 0},
      {"id": "tell_crm", "kind": "send_webhook", "visits": 4, "unique_contacts": 4, "waiting": 0,
       "ports": {"next": 4}, "unknown": 0, "requests": 4, "accepted": 3, "pending": 0, "parked": 0,
       "failed": 1, "cancelled": 0}]}})");
  REQUIRE(stats);
  CHECK(stats_text(*stats, /*test=*/false, 80) ==
        "welcome (active), 2026-05-01T09:00:00Z\n"
        "entered 1,204   inside 0   done 1,204   exited 0   stopped 0   parked 0\n"
        "not let in: already_entered 3\n"
        "\n"
        "node         visits  contacts  waiting  requests  accepted  pending  failed\n"
        "signed_up     1,204     1,204        0\n"
        "has_company   1,204     1,204        0\n"
        "tell_crm          4         4        0         4         3        0       1\n"
        "\n"
        "has_company: yes 4, no 1,200, unknown 2\n");
}

int run(std::vector<const char*> words) {
  words.insert(words.begin(), "onward");
  return run_command_line(static_cast<int>(words.size()), words.data(), node_kinds());
}

TEST_CASE("words that mean nothing end with 64", "[tools]") {
  CHECK(run({}) == kExitUsage);
  CHECK(run({"aply"}) == kExitUsage);
  CHECK(run({"apply", "--sever", "x"}) == kExitUsage);
  CHECK(run({"apply"}) == kExitUsage);
  CHECK(run({"stats", "welcome", "--version", "x"}) == kExitUsage);
  CHECK(run({"serve", "--data", "/nonexistent", "--log-format", "xml"}) == kExitUsage);
  CHECK(run({"serve", "--data", "/nonexistent", "--listen", "nowhere"}) == kExitUsage);
  CHECK(run({"help", "aply"}) == kExitUsage);
  CHECK(run({"apply", "scenarios/welcome.yaml", "--map", "a=b"}) == kExitUsage);
  CHECK(run({"apply", "scenarios/welcome.yaml", "--migrate", "--map", "a"}) == kExitUsage);
  CHECK(run({"apply", "scenarios", "--migrate", "--map", "a=b"}) == kExitUsage);
  CHECK(run({"scenarios", "--sort", "colour"}) == kExitUsage);
}

TEST_CASE("an option that is repeated takes one value each time", "[tools]") {
  // What follows is the scenario; it was swallowed, and the command said that it was missing.
  CHECK(run({"activate", "--test-email", "a@example.org", "--test-email", "b@example.org",
             "welcome", "--server", "http://127.0.0.1:1"}) == kExitUnavailable);
  CHECK(run({"events", "send", "--set", "a=1", "--field", "b=2", "subscription", "--contact", "c1",
             "--server", "http://127.0.0.1:1"}) == kExitUnavailable);
}

TEST_CASE("settings that cannot be meant end before anything is opened", "[tools]") {
  CHECK(run({"serve", "--data", "/nonexistent", "--ca-file", "/nonexistent"}) == kExitConfig);
  CHECK(run({"serve", "--data", "/nonexistent", "--ca-file", "/dev/null"}) == kExitConfig);
  CHECK(run({"serve", "--data", "/nonexistent", "--account-id", "-1"}) == kExitUsage);
  CHECK(run({"serve", "--data", "/nonexistent", "--dedupe-for", "5s"}) == kExitUsage);
  CHECK(run({"stats", "welcome", "--version", "0"}) == kExitUsage);
}

TEST_CASE("the service is not started again after what another start cannot mend", "[tools]") {
  std::ifstream unit{"tools/package/onward.service"};
  const std::string text{std::istreambuf_iterator<char>{unit}, {}};
  CHECK(text.find(fmt::format("\nRestartPreventExitStatus={} {} {}\n", static_cast<int>(kExitUsage),
                              static_cast<int>(kExitPermission), static_cast<int>(kExitConfig))) !=
        std::string::npos);
}

TEST_CASE("a file that is not there ends with 66, a server that is not there with 69", "[tools]") {
  CHECK(run({"apply", "/nonexistent.yaml", "--server", "http://127.0.0.1:1"}) == kExitNoInput);
  CHECK(run({"scenarios", "--server", "http://127.0.0.1:1"}) == kExitUnavailable);
  CHECK(run({"validate", "tests/nets"}) == kExitNoInput);
  CHECK(run({"validate", "scenarios"}) == kExitOk);
  CHECK(run({"version"}) == kExitOk);
  CHECK(run({"help", "events", "import"}) == kExitOk);
}

TEST_CASE("a server's refusal becomes the exit code it means", "[tools]") {
  CHECK(exit_code_of_status(202) == kExitOk);
  CHECK(exit_code_of_status(400) == kExitData);
  CHECK(exit_code_of_status(401) == kExitPermission);
  CHECK(exit_code_of_status(404) == kExitNoInput);
  CHECK(exit_code_of_status(422) == kExitData);
  CHECK(exit_code_of_status(429) == kExitTemp);
  CHECK(exit_code_of_status(500) == kExitSoftware);
}
}  // namespace
}  // namespace onward
