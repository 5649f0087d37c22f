// No node renders more than its limits allow, whatever its author wrote and whatever an event
// holds: neither while it renders, nor over all visits of one input.
#include <catch2/catch.hpp>

#include "engine/core/contact/contact_size.h"
#include "tests/nodes/node_stage.h"
#include "tests/support/one_contact.h"
#include "tests/support/peak_bytes.h"

using namespace onward;

namespace {
constexpr std::size_t kMiB = std::size_t{1} << 20;
/// A request of 1 MiB, a string that grows to it by doubling, and one value of the event.
constexpr std::size_t kPeakMax = 5 * kMiB;

/// "k0: TEXT, k1: TEXT, …", or without keys "TEXT, TEXT, …".
std::string repeated(int count, std::string_view text, bool keys = true) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    if (keys) all += "k" + std::to_string(i) + ": ";
    all += std::string{text} + ", ";
  }
  return all;
}
/// TEXT many times in one scalar.
std::string chained(int count, std::string_view text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

std::string request(const std::string& settings) {
  return "{ kind: send_webhook, " + settings + " next: end }";
}
std::string to_crm(const std::string& settings) {
  return request("url: \"https://crm.example.com/in\", " + settings);
}

struct Place {
  const char* name;
  std::string node;
  const char* refusal;
};

std::vector<Place> places() {
  const std::string one = "\"{{ event.big }}\"", text = "\"a {{ event.big }}\"";
  const std::string many = chained(600, "{{ event.big }}");
  return {
      {"payload, typed", to_crm("payload: { " + repeated(600, one) + " },"), "too_large"},
      {"payload, text", to_crm("payload: { " + repeated(600, text) + " },"), "too_large"},
      {"payload, one text", to_crm("payload: { a: \"" + many + "\" },"), "too_large"},
      {"payload, list", to_crm("payload: { a: [" + repeated(600, one, false) + "] },"),
       "too_large"},
      {"payload, path", to_crm("payload: { " + repeated(600, "$.event.big") + " },"), "too_large"},
      {"payload, whole event", to_crm("payload: { " + repeated(600, "$.event") + " },"),
       "too_large"},
      {"additional", to_crm("additional: { " + repeated(600, one) + " },"), "too_large"},
      {"events", to_crm("envelope: events, additional: { " + repeated(600, one) + " },"),
       "too_large"},
      {"form", to_crm("content_type: form, payload: { " + repeated(600, one) + " },"), "too_large"},
      {"form, text", to_crm("content_type: form, payload: { " + repeated(600, text) + " },"),
       "too_large"},
      {"form, event", to_crm("content_type: form, payload: { " + repeated(600, "$.event") + " },"),
       "too_large"},
      {"payload in the URL", to_crm("method: GET, payload: { " + repeated(600, one) + " },"),
       "too_large"},
      {"query, mapping", to_crm("query: { " + repeated(600, one) + " },"), "too_large"},
      {"query, text", to_crm("query: \"a=" + many + "\","), "too_large"},
      {"path", request("url: \"https://crm.example.com/" + many + "\","), "too_large"},
      {"path with slashes",
       request("url: \"https://crm.example.com/" + chained(600, "{{ event.big | path }}") + "\","),
       "too_large"},
      {"query of the URL", request("url: \"https://crm.example.com/?a=" + many + "\","),
       "too_large"},
      {"header", to_crm("headers: { X-A: \"" + many + "\" },"), "bad_header: X-A"},
      {"bearer", to_crm("auth: { bearer: \"" + many + "\" },"), "bad_header: Authorization"},
      {"username", to_crm("auth: { basic: { username: \"" + many + "\", password: b } },"),
       "bad_header: Authorization"},
      {"password", to_crm("auth: { basic: { username: a, password: \"" + many + "\" } },"),
       "bad_header: Authorization"},
  };
}

/// 240 KB in one member: letters, bytes that become three in a URL, bytes that become six in JSON,
/// and a map.
std::vector<Value> contents() {
  ValueMap map;
  for (int i = 0; i < 12'000; ++i) map.emplace_back("member" + std::to_string(i), "v");
  return {std::string(240'000, 'x'), std::string(240'000, '/'), std::string(240'000, '\x05'),
          Value{std::move(map)}};
}
}  // namespace

TEST_CASE("a request stops at its limits while it is rendered", "[nodes][webhook][limits]") {
  for (const Place& place : places()) {
    INFO(place.name);
    NodeStage stage{place.node};
    INFO(stage.codes());
    REQUIRE(stage.loaded.scenario);
    for (const Value& content : contents()) {
      stage.event.data = ValueMap{{"big", content}};
      std::string refusal;
      std::size_t kept = 0;
      const std::size_t peak = PeakBytes::of([&] {
        const RequestDraft draft = stage.draft();
        refusal = draft.refusal;
        kept = draft.request.url.size() + draft.request.body.size();
      });
      CHECK(refusal == place.refusal);
      CHECK(peak < kPeakMax);
      CHECK(kept < 1'000);
    }
  }
}

TEST_CASE("the headers of a request have a limit together", "[nodes][webhook][limits]") {
  std::string headers;
  for (int i = 0; i < 100; ++i) headers += "X-" + std::to_string(i) + ": \"{{ event.text }}\", ";
  NodeStage stage{to_crm("headers: { " + headers + " },")};
  stage.event.data = ValueMap{{"text", std::string(100, 'x')}};
  CHECK(stage.draft().refusal.empty());
  stage.event.data = ValueMap{{"text", std::string(4'000, 'x')}};
  const RequestDraft draft = stage.draft();
  CHECK(draft.refusal == "too_large");
  CHECK(draft.request.headers.empty());
}

TEST_CASE("what is just within its limit is sent", "[nodes][webhook][limits]") {
  NodeStage stage{to_crm("payload: { a: \"{{ event.a }}\" },")};
  const std::size_t frame = std::string_view{R"({"a":""})"}.size();
  stage.event.data = ValueMap{{"a", std::string(kRequestBodyMax - frame, 'x')}};
  CHECK(stage.draft().refusal.empty());
  CHECK(stage.draft().request.body.size() == kRequestBodyMax);
  stage.event.data = ValueMap{{"a", std::string(kRequestBodyMax - frame + 1, 'x')}};
  CHECK(stage.draft().refusal == "too_large");

  NodeStage url{request("url: \"https://a.example.com/{{ event.a }}\",")};
  const std::size_t front = std::string_view{"https://a.example.com/"}.size();
  url.event.data = ValueMap{{"a", std::string(64 * 1024 - front, 'x')}};
  CHECK(url.draft().refusal.empty());
  url.event.data = ValueMap{{"a", std::string(64 * 1024 - front + 1, 'x')}};
  CHECK(url.draft().refusal == "too_large");
}

TEST_CASE("an update of a contact stops at its limits while it is rendered",
          "[nodes][update_contact][limits]") {
  const std::string many = chained(600, "{{ event.big }}");
  std::string typed, groups;
  for (int i = 0; i < 600; ++i) typed += "custom.c" + std::to_string(i) + ": \"{{ event.big }}\", ";
  for (int i = 0; i < 600; ++i) groups += "\"{{ event.big }}\", ";
  for (const std::string& setting :
       {"set: { note: \"" + many + "\" }", "set: { custom.a: \"" + many + "\" }",
        "set: { " + typed + "}", "groups_add: [" + groups + "]"}) {
    INFO(setting.substr(0, 60));
    NodeStage stage{"{ kind: update_contact, " + setting + ", next: end }"};
    INFO(stage.codes());
    REQUIRE(stage.loaded.scenario);
    for (const Value& content : contents()) {
      stage.event.data = ValueMap{{"big", content}};
      bool patched = true;
      std::string note;
      const std::size_t peak = PeakBytes::of([&] {
        const Outcome outcome = stage.enter();
        patched = outcome.patch.has_value();
        note = outcome.note;
      });
      CHECK_FALSE(patched);
      CHECK_FALSE(note.empty());
      CHECK(peak < kPeakMax);
    }
  }
}

TEST_CASE("all requests of one input have a limit together", "[nodes][webhook][limits]") {
  std::string text =
      "scenario: s\nreentry: parallel\nnodes:\n"
      "  t: { kind: trigger, event: subscription, next: n0 }\n";
  constexpr int kNodes = 100;
  for (int i = 0; i < kNodes; ++i)
    text += "  n" + std::to_string(i) +
            ": { kind: send_webhook, url: \"https://a.example.com/in\", payload: { a: $.event, b: "
            "$.event, c: $.event }, next: " +
            (i + 1 == kNodes ? "end" : "n" + std::to_string(i + 1)) + " }\n";
  OneContact one{text};
  Changes changes;
  const std::size_t peak = PeakBytes::of([&] {
    changes = one.event("subscription", ValueMap{{"big", std::string(240'000, 'x')}});
  });
  CHECK(changes.deliveries.size() == kNodes);
  std::size_t bytes = 0, sent = 0, refused = 0;
  for (const NewDelivery& made : changes.deliveries) {
    bytes += made.request->body.size();
    sent += made.delivery.pending() ? 1 : 0;
    refused += made.delivery.reason == "input_too_large" ? 1 : 0;
  }
  CHECK(bytes <= kInputRenderMax);
  CHECK(bytes > kInputRenderMax - kMiB);
  CHECK(sent + refused == kNodes);
  CHECK(sent == 5);  // of some 720 kB each
  CHECK(peak < kInputRenderMax + 16 * kMiB);
  CHECK(one.broken().empty());
  // The next input begins anew.
  changes = one.event("subscription", ValueMap{{"big", "small"}});
  for (const NewDelivery& made : changes.deliveries) CHECK(made.delivery.pending());
}

TEST_CASE("placeholders times members of an event have a limit", "[nodes][webhook][limits]") {
  NodeStage stage{
      to_crm("payload: { a: [" + repeated(9'000, "\"{{ event.none }}\"", false) + "] },")};
  ValueMap members;
  for (int i = 0; i < 20'000; ++i) members.emplace_back("m" + std::to_string(i), 1);
  stage.event.data = ValueMap{{"few", 1}};
  CHECK(stage.draft().refusal.empty());
  stage.event.data = Value{std::move(members)};
  WorkBudget room{kInputRenderMax};
  Visit visit = stage.visit();
  visit.room = &room;
  const Outcome outcome = stage.node().enter(visit);
  CHECK(outcome.request->refusal == "input_too_large");
  CHECK(room.left() == 0);
}

TEST_CASE("a change by a node that does not fit is counted and told", "[nodes][update_contact]") {
  OneContact one{R"(
scenario: s
reentry: parallel
nodes:
  t: { kind: trigger, event: subscription, next: keep }
  keep: { kind: update_contact, set: { custom.tier: gold, custom.text: "{{ event.text }}" }, next: w }
  w: { kind: wait, for: 1d, next: end }
)"};
  for (int i = 0; i < 4; ++i)
    one.state.contact.set_custom("c" + std::to_string(i), std::string(60'000, 'x'));
  one.event("subscription", ValueMap{{"text", std::string(40'000, 'y')}});
  CHECK(one.state.contact.get_custom("tier") == nullptr);
  CHECK(one.state.contact.get_custom("text") == nullptr);
  const PathStep& step = one.state.live.front().path.at(1);
  CHECK(step.port == "next");
  CHECK(step.note.starts_with("contact_full: "));
  const CounterKey key{.scenario = {1}, .node = one.number("s", "keep"), .version = 1};
  CHECK(one.counters.at(key)[Counter::ContactFull] == 1);
  one.event("subscription", ValueMap{{"text", "short"}});
  CHECK(*one.state.contact.get_custom("tier") == Value{"gold"});
  CHECK(one.counters.at(key)[Counter::ContactFull] == 1);
  CHECK(one.broken().empty());
}
