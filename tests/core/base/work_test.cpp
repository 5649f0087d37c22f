// What conditions cost is bounded for each input, and never changes what was decided.
#include <catch2/catch.hpp>

#include "engine/authoring/yaml_reader.h"
#include "engine/core/segment/segment.h"
#include "tests/support/one_contact.h"

using namespace onward;

namespace {
const Instant kNow = *parse_instant("2026-05-01T12:00:00Z");

Segment compiled(std::string_view yaml) {
  Diagnostics diagnostics;
  const auto tree = read_yaml(yaml, diagnostics);
  INFO(yaml);
  REQUIRE(tree);
  Segment made = Segment::compile(*tree, "\"if\"", "UTC", diagnostics);
  for (const auto& d : diagnostics.sorted()) UNSCOPED_INFO(d.message);
  REQUIRE_FALSE(diagnostics.has_errors());
  return made;
}

struct Asked {
  Contact contact;
  Engagement engagement;
  Event event{.type = "ping", .at = kNow, .data = {}};

  SegmentSubject subject(WorkBudget* work = nullptr) const {
    return {.contact = contact,
            .engagement = engagement,
            .event = &event,
            .now = kNow,
            .timezone = "UTC",
            .work = work};
  }
};

/// A contact and an event for which each of `kinds` has work to do.
Asked asked() {
  Asked made;
  made.contact.id = ExternalId{"c1", false};
  made.contact.set(Field::Email, "jane@example.org");
  made.contact.set(Field::BirthDate, *parse_date("1990-05-03"));
  made.contact.groups = {"customers", "vip"};
  ValueList list;
  for (int i = 0; i < 1'000; ++i) list.emplace_back("item" + std::to_string(i));
  made.event.data = ValueMap{{"text", std::string(2'000, 'a')},
                             {"other", std::string(2'000, 'a')},
                             {"number", "12345678901234567890"},
                             {"day", "2026-05-02"},
                             {"list", std::move(list)}};
  for (int i = 0; i < 100; ++i) {
    Event sent{.type = "sent", .at = kNow, .data = ValueMap{{"mailing", std::to_string(i)}}};
    made.engagement.take(sent);
  }
  return made;
}

/// Every kind of condition; all are told with enough steps.
constexpr const char* kConditions[] = {
    "event.text: { matches: 'b$' }",
    "event.text: { contains: b }",
    "event.text: { contains: { field: event.other } }",
    "event.text: { is: { field: event.other } }",
    "event.text: { starts_with: aaaa }",
    "event.text: { ends_with: aaab }",
    "event.text: { in: [a, b, c, d, e, f, g, h] }",
    "event.list: { contains: item999 }",
    "event.list: { contains: none }",
    "event.number: { gt: 5 }",
    "event.number: { between: [1, 5] }",
    "event.day: { after: 2026-05-01 }",
    "event.day: { on: { field: birth_date } }",
    "event.day: { next: 3d }",
    "birth_date: { anniversary: { next: 7d } }",
    "event.none: { exists: true }",
    "event.none: { empty: true }",
    "email: { contains: EXAMPLE }",
    "groups: { contains: vip }",
    "in_group: [a, b, c, vip]",
    "received: { within: 3d }",
    "opened: any",
    "mailings_received: { gte: 100 }",
    "all: [{ event.text: { contains: a } }, { event.text: { matches: b } }]",
    "any: [{ event.text: { contains: b } }, { event.text: { matches: a } }]",
    "not: { event.text: { contains: b } }",
};
}  // namespace

TEST_CASE("each condition is told with enough steps, and unknown with fewer", "[core][work]") {
  const Asked world = asked();
  for (const char* yaml : kConditions) {
    INFO(yaml);
    const Segment segment = compiled(yaml);
    WorkBudget enough{kScenarioStepsMax};
    const SegmentResult whole = segment.evaluate(world.subject(&enough));
    const std::uint64_t cost = kScenarioStepsMax - enough.left();
    CHECK(whole.truth != Truth::Unknown);
    CHECK_FALSE(whole.too_much_work);
    CHECK(cost > 0);
    CHECK(cost < 50'000);
    // The same answer without the time at which it ends, for no more.
    WorkBudget again{cost};
    CHECK(segment.decide(world.subject(&again)).truth == whole.truth);
    // Exactly as many steps suffice, and none of the smaller budgets makes another answer.
    for (std::uint64_t budget = 0; budget <= cost; budget += budget < 300 ? 1 : 97) {
      WorkBudget work{budget};
      const SegmentResult result = segment.evaluate(world.subject(&work));
      if (result.truth == Truth::Unknown)
        CHECK(result.too_much_work);
      else
        CHECK(result.truth == whole.truth);
    }
    WorkBudget none{0};
    const SegmentResult cut = segment.evaluate(world.subject(&none));
    CHECK(cut.truth == Truth::Unknown);
    CHECK(cut.too_much_work);
    WorkBudget few{0};
    const Segment::Judgement judged = segment.judge(world.subject(&few));
    CHECK(judged.too_much_work);
    CHECK(judged.why.starts_with("too_much_work: "));
  }
}

TEST_CASE("what is decided needs no further steps", "[core][work]") {
  Asked world = asked();
  world.event.data = ValueMap{{"a", 1}, {"text", std::string(200'000, 'x')}};
  const Segment any = compiled("any: [{ event.a: 1 }, { event.text: { matches: '(a|b){30}' } }]");
  WorkBudget work{1'000};
  CHECK(any.decide(world.subject(&work)).truth == Truth::Yes);
  CHECK(work.left() > 900);
  const Segment all = compiled("all: [{ event.a: 2 }, { event.text: { matches: '(a|b){30}' } }]");
  CHECK(all.decide(world.subject(&work)).truth == Truth::No);
  CHECK(work.left() > 900);
}

TEST_CASE("an expression, a list and a wide event cost what they are", "[core][work]") {
  Asked world = asked();
  const auto cost = [&](const std::string& yaml) {
    WorkBudget work{kScenarioStepsMax};
    const SegmentResult result = compiled(yaml).evaluate(world.subject(&work));
    return result.too_much_work ? kScenarioStepsMax : kScenarioStepsMax - work.left();
  };
  world.event.data = ValueMap{{"text", std::string(240'000, 'a')}};
  CHECK(cost("event.text: { matches: '[ab].{800}!' }") == kScenarioStepsMax);
  std::string many = "any:\n";
  for (int i = 0; i < 9'000; ++i)
    many += "  - { event.text: { contains: n" + std::to_string(i) + " } }\n";
  CHECK(cost(many) == kScenarioStepsMax);
  ValueMap wide;
  for (int i = 0; i < 30'000; ++i) wide.emplace_back("m" + std::to_string(i), 1);
  world.event.data = Value{std::move(wide)};
  many = "any:\n";
  for (int i = 0; i < 1'000; ++i)
    many += "  - { event.none" + std::to_string(i) + ": { exists: true } }\n";
  CHECK(cost(many) == kScenarioStepsMax);
  // What is usual is far from any limit.
  world.event.data = ValueMap{{"form", "newsletter"}, {"total", 99.5}};
  CHECK(cost("all: [{ event.form: newsletter }, { event.total: { gte: 50 } }, { email: { matches: "
             "'@example[.]org$' } }, { in_group: [a, b] }]") < 1'000);
}

TEST_CASE("scenarios share the steps of one input, and none takes all", "[core][work]") {
  ConditionWork work;
  const ScenarioKey a{1}, b{2}, c{3};
  CHECK(work.of(a).spend(kScenarioStepsMax));
  CHECK_FALSE(work.of(a).spend(1));
  CHECK(work.of(b).spend(kScenarioStepsMax - 10));
  CHECK_FALSE(work.of(a).spend(1));  // it has not been forgotten
  CHECK(work.of(b).left() == 10);
  CHECK(work.of(c).left() == 10);  // which is all that is left of the input
  CHECK(work.of(c).spend(10));
  CHECK(work.of(b).left() == 0);
}

TEST_CASE("compiled conditions are bounded for each file", "[core][work]") {
  std::string text =
      "scenario: s\nreentry: parallel\nnodes:\n"
      "  t: { kind: trigger, event: subscription, where: { any: [";
  for (int i = 0; i < 1'500; ++i) text += "{ email: { matches: 'x" + std::to_string(i) + "' } }, ";
  text += "] }, next: end }\n";
  Loaded loaded = load_scenario(text, node_kinds());
  CHECK_FALSE(loaded.scenario);
  CHECK(loaded.diagnostics.back().code == "conditions_too_large");
  CHECK(loaded.diagnostics.back().at.line == 4);
  // A version that is stored already is read all the same.
  AuthorContext stored;
  stored.stored = true;
  loaded = load_scenario(text, node_kinds(), stored);
  REQUIRE(loaded.scenario);
  CHECK(loaded.scenario->condition_bytes > kConditionBytesMax);
}

namespace {
/// A condition that takes more than a scenario has.
constexpr std::string_view kHeavy = "{ event.text: { matches: '(a|b).{100}!' } }";
const Value kLong = ValueMap{{"text", std::string(100'000, 'a')}};

std::string with_heavy(std::string text) {
  for (std::size_t at = text.find("HEAVY"); at != std::string::npos; at = text.find("HEAVY"))
    text.replace(at, 5, kHeavy);
  return text;
}
}  // namespace

TEST_CASE("a trigger that takes too much work starts nothing, and others go on",
          "[core][work][advance]") {
  OneContact one{with_heavy(R"(
scenario: a
reentry: parallel
nodes:
  t: { kind: trigger, event: ping, where: HEAVY, next: w }
  w: { kind: wait, for: 1d, next: end }
)")};
  one.apply(R"(
scenario: b
reentry: parallel
nodes:
  t: { kind: trigger, event: ping, where: { event.text: { exists: true } }, next: w }
  w: { kind: wait, for: 1d, next: end }
)");
  one.event("ping", kLong);
  REQUIRE(one.state.live.size() == 1);
  CHECK(one.state.live.front().scenario == ScenarioKey{2});
  const CounterRow& refused = one.counters.at({.scenario = {1}, .node = {}, .version = 1});
  REQUIRE(refused.named.size() == 1);
  CHECK(refused.named.front() == std::pair<std::string, std::int64_t>{"too_much_work", 1});
  REQUIRE(one.state.ledger.size() >= 1);
  CHECK(one.state.ledger.front().refusals.front().reason == "too_much_work");
  one.event("ping", ValueMap{{"text", "short"}});
  CHECK(one.state.live.size() == 2);
  CHECK(one.broken().empty());
}

TEST_CASE("a condition that takes too much work leaves by no, counted and told",
          "[core][work][advance]") {
  OneContact one{with_heavy(R"(
scenario: s
reentry: parallel
nodes:
  t: { kind: trigger, event: ping, next: c }
  c: { kind: condition, if: HEAVY, yes: end, no: w }
  w: { kind: wait, for: 1d, next: end }
)")};
  one.event("ping", kLong);
  const PathStep& step = one.state.live.front().path.at(1);
  CHECK(step.port == "no");
  CHECK(step.note.starts_with("too_much_work: "));
  const CounterRow& row =
      one.counters.at({.scenario = {1}, .node = one.number("s", "c"), .version = 1});
  CHECK(row[Counter::Unknown] == 1);
  CHECK(row[Counter::TooMuchWork] == 1);
  CHECK(one.broken().empty());
}

TEST_CASE("rules and waits that take too much work leave the run as it is, counted and told",
          "[core][work][advance]") {
  for (const bool rule : {true, false}) {
    INFO(rule);
    OneContact one{with_heavy(std::string{"scenario: s\nreentry: parallel\n"} +
                              (rule ? "exit: { event: ping, where: HEAVY }\n" : "") +
                              "nodes:\n  t: { kind: trigger, event: subscription, next: w }\n" +
                              (rule ? "  w: { kind: wait, for: 1d, next: end }\n"
                                    : "  w: { kind: wait_until, event: ping, where: HEAVY, "
                                      "next: end }\n"))};
    one.event("subscription");
    one.event("ping", kLong);
    one.event("ping", kLong);
    REQUIRE(one.state.live.size() == 1);
    CHECK(one.state.live.front().path.back().note ==
          "too_much_work: rules or waits could not be told");
    const CounterRow& row = one.counters.at({.scenario = {1}, .node = {}, .version = 1});
    CHECK(row[Counter::TooMuchWork] == 2);
    CHECK(one.broken().empty());
  }
}

TEST_CASE("a change that takes too much work is no edge", "[core][work][advance]") {
  OneContact one{R"(
scenario: s
reentry: parallel
nodes:
  t: { kind: trigger_segment, if: { custom.text: { matches: '(a|b).{100}!' } }, next: w }
  w: { kind: wait, for: 1d, next: end }
)"};
  ContactPatch patch;
  patch.custom.emplace_back("text", std::string(60'000, 'a') + std::string(200, 'b') + "!");
  one.take(PatchInput{.patch = patch});
  CHECK(one.state.live.empty());
  const CounterRow& row = one.counters.at({.scenario = {1}, .node = {}, .version = 1});
  REQUIRE(row.named.size() == 1);
  CHECK(row.named.front().first == "too_much_work");
  patch.custom.front().second = "a" + std::string(200, 'b') + "!";
  one.take(PatchInput{.patch = patch});
  CHECK(one.state.live.empty());  // what it was before cannot be told
  patch.custom.front().second = "none";
  one.take(PatchInput{.patch = patch});
  patch.custom.front().second = "a" + std::string(200, 'b') + "!";
  one.take(PatchInput{.patch = patch});
  CHECK(one.state.live.size() == 1);
}
