#include "engine/simulation/trace.h"

#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

TEST_CASE("a journey is told step by step, in the order of time", "[simulation][trace]") {
  const std::vector<std::string> texts{R"(
scenario: s
nodes:
  in:   { kind: trigger, event: asked, next: vip }
  vip:  { kind: condition, if: { in_group: vip }, yes: wait, no: end }
  wait: { kind: wait, for: 1h, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in?k={{ secret.k }}", next: end }
)"};
  const Instant start = std::chrono::sys_days{std::chrono::year{2026} / 5 / 1} + 9h;
  std::string told;
  Trace trace{[&](const TraceStep& step) { told += to_text(step).substr(11) + "\n"; }};
  VirtualClock clock{start};
  ScriptedReceiver receiver;
  auto store =
      make_watched_store(make_memory_store(), [&](const Commit& commit) { trace.take(commit); });
  REQUIRE(store_drafts(*store, texts, node_kinds(), start).has_value());
  const auto simulation =
      Simulation::open(std::move(store), node_kinds(), clock, receiver, {.any_secret = true})
          .value();
  receiver.set_rules({{.node = "tell", .replies = {{.status = 503}, {.status = 200}}}},
                     simulation->engine().control().scenarios);
  REQUIRE(simulation->engine().scenarios().activate("s", std::nullopt).has_value());
  trace.begin(simulation->engine());

  const auto send = [&](const std::string& who, std::vector<std::string> groups) {
    trace.about(who);
    EventInput input{.who = {.id = ExternalId{.text = who}},
                     .event = {.type = "asked", .at = clock.now()}};
    input.patch.groups_add = std::move(groups);
    std::vector<EventInput> inputs;
    inputs.push_back(std::move(input));
    REQUIRE(simulation->send(std::move(inputs)).has_value());
    trace.about({});
  };
  send("ada", {"vip"});
  send("ben", {});
  send("ada", {});
  REQUIRE(simulation->run_out(start + 24h).value());
  const std::size_t jitter = told.find("again at ");
  REQUIRE(jitter != std::string::npos);
  const std::size_t again = told.find('\n', jitter);
  CHECK(told.substr(0, jitter) == R"(09:00:00Z ada s: enters by in
09:00:00Z ada s: in: next
09:00:00Z ada s: vip: yes, groups has "vip"
09:00:00Z ada s: wait: waits until 2026-05-01T10:00:00Z
09:00:00Z ben s: enters by in
09:00:00Z ben s: in: next
09:00:00Z ben s: vip: no, groups has no "vip"
09:00:00Z ben s: done
09:00:00Z ada s: not let in: already_entered
10:00:00Z ada s: wait: next
10:00:00Z ada s: tell: asks for POST https://crm.example.com/in?k={{ secret.k }}
10:00:00Z ada s: tell: next
10:00:00Z ada s: done
10:00:00Z ada s: tell: refused, 503; )");
  const std::string last = told.substr(again + 1);
  CHECK(last.find("ada s: tell: accepted, 200\n") != std::string::npos);
  CHECK(std::count(last.begin(), last.end(), '\n') == 1);
}
}  // namespace
}  // namespace onward
