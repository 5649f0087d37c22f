// `advance` by itself: what one input does to one contact.
#include "engine/core/journey/advance.h"

#include <catch2/catch.hpp>

#include "engine/core/base/work_budget.h"
#include "tests/support/one_contact.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kShared = R"(
  x: { kind: update_contact, set: { custom.x: 1 }, next: y }
  y: { kind: wait, for: 30d, next: z }
  z: { kind: update_contact, set: { custom.z: 1 }, next: end }
)";
const std::string kOne = R"(scenario: two_ways
reentry: parallel
nodes:
  t: { kind: trigger, event: start_it, next: s }
  s: { kind: condition, if: { event.which: one }, yes: n1, no: n2 }
  n1: { kind: wait, for: 30d, next: end }
  n2: { kind: wait_until, event: group_joined, next: x })" +
                         std::string{kShared};
/// m1 joins a group, which wakes a run that waits at n2.
const std::string kTwo = R"(scenario: two_ways
reentry: parallel
nodes:
  t: { kind: trigger, event: start_it, next: s }
  s: { kind: condition, if: { event.which: one }, yes: m1, no: m2 }
  m1: { kind: update_contact, groups_add: [vip], next: q }
  q: { kind: wait, for: 30d, next: end }
  m2: { kind: update_contact, set: { custom.m: 1 }, next: x })" +
                         std::string{kShared};
/// The same, but y comes before x.
const std::string kTurned = R"(scenario: two_ways
reentry: parallel
nodes:
  t: { kind: trigger, event: start_it, next: s }
  s: { kind: condition, if: { event.which: one }, yes: m1, no: y }
  m1: { kind: update_contact, groups_add: [vip], next: q }
  q: { kind: wait, for: 30d, next: end }
  y: { kind: wait, for: 30d, next: x }
  x: { kind: update_contact, set: { custom.x: 1 }, next: end }
)";

/// Two live runs, one at n1 and one at n2.
OneContact two_runs() {
  OneContact one{kOne};
  one.event("start_it", ValueMap{{"which", "one"}});
  one.event("start_it", ValueMap{{"which", "two"}});
  REQUIRE(one.state.live.size() == 2);
  REQUIRE(one.path("two_ways", one.state.live[0]) == "t s n1");
  REQUIRE(one.path("two_ways", one.state.live[1]) == "t s n2");
  return one;
}
}  // namespace

TEST_CASE("a change that causes many events looks at runs that cannot react only once",
          "[core][advance]") {
  OneContact one{kTwo};
  OneContact other{R"(scenario: two_ways
reentry: parallel
nodes:
  t: { kind: trigger, event: start_it, next: w }
  w: { kind: wait, for: 30d, next: end })"};
  for (std::uint32_t i = 0; i < kParallelRuns; ++i) {
    one.event("start_it", ValueMap{{"which", "one"}});
    other.event("start_it");
  }
  REQUIRE(one.state.live.size() == kParallelRuns);
  REQUIRE(other.state.live.size() == kParallelRuns);
  std::vector<std::string> groups;
  for (int i = 0; i < 900; ++i) groups.push_back("g" + std::to_string(i));
  CHECK(one.join(groups).steps <= 5 * kParallelRuns * kLookSteps);
  CHECK(other.join(groups).steps <= 5 * kParallelRuns * kLookSteps);
}

TEST_CASE("runs that listen to what one input causes are looked at a bounded number of times",
          "[core][advance]") {
  OneContact one{R"(scenario: listeners
reentry: { mode: never, key: event.n }
nodes:
  t: { kind: trigger, event: start_it, next: w }
  w: { kind: wait_until, event: group_joined, where: { event.group: nobody }, next: end })"};
  for (std::uint32_t i = 0; i <= kScenarioRuns; ++i)
    one.event("start_it", ValueMap{{"n", std::int64_t{i}}});
  CHECK(one.state.live.size() == kScenarioRuns);
  using Named = std::vector<std::pair<std::string, std::int64_t>>;
  CHECK(one.counters.at({.scenario = {1}, .version = 1}).named == Named{{"too_many", 1}});
  std::vector<std::string> groups;
  for (int i = 0; i < 1'000; ++i) groups.push_back("g" + std::to_string(i));
  const Changes changes = one.join(groups);
  CHECK(changes.steps <= kInputStepsMax + (kInputLooksMax + 3 * kScenarioRuns) * kLookSteps);
  CHECK(changes.warnings == std::vector<std::string>{"too_much_work"});
  CHECK(one.state.live.size() == kScenarioRuns);
}

TEST_CASE("a contact has a bounded number of live runs, whatever its scenarios",
          "[core][advance]") {
  OneContact one;
  for (int scenario = 0; scenario < 3; ++scenario)
    one.apply("scenario: s" + std::to_string(scenario) + R"(
reentry: { mode: restart, key: event.n }
nodes:
  t: { kind: trigger, event: start_it, next: w }
  w: { kind: wait, for: 30d, next: end })");
  for (int i = 0; i < 700; ++i) one.event("start_it", ValueMap{{"n", std::int64_t{i}}});
  CHECK(one.state.live.size() == kContactRuns);
  one.event("start_it", ValueMap{{"n", 1}});  // These end and begin again.
  CHECK(one.state.live.size() == kContactRuns);
  CHECK(one.ended.size() == 3);
  CHECK(one.broken().empty());
}

TEST_CASE("a run that another run's move has woken moves from where it is then",
          "[core][advance][migration]") {
  OneContact one = two_runs();
  one.apply(kTwo);
  const auto map = std::make_shared<const NodeMap>(
      NodeMap{{one.number("two_ways", "n1"), one.number("two_ways", "m1")},
              {one.number("two_ways", "n2"), one.number("two_ways", "m2")}});
  for (const RunKey run : {one.state.live[0].key, one.state.live[1].key})
    one.command(MoveRun{.run = run, .to = 2, .map = map});
  REQUIRE(one.state.live.size() == 2);
  CHECK(one.path("two_ways", one.state.live[0]) == "t s n1 m1 q");
  CHECK(one.path("two_ways", one.state.live[1]) == "t s n2 x y");
  CHECK(one.state.live[0].version == 2);
  CHECK(one.state.live[1].version == 2);
  CHECK(one.broken() == "");
  one.wake(one.state.live[1]);
  CHECK(one.state.contact.get_custom("z") != nullptr);
  CHECK(one.broken() == "");
}

TEST_CASE("a run that would visit a node twice stays, is counted, and says why",
          "[core][advance][migration]") {
  OneContact one = two_runs();
  one.apply(kTurned);
  const auto map = std::make_shared<const NodeMap>(
      NodeMap{{one.number("two_ways", "n1"), one.number("two_ways", "m1")},
              {one.number("two_ways", "n2"), one.number("two_ways", "y")}});
  const RunKey stays = one.state.live[1].key;
  for (const RunKey run : {one.state.live[0].key, stays})
    one.command(MoveRun{.run = run, .to = 2, .map = map});
  REQUIRE(one.state.live.size() == 2);
  const Run& run = one.state.live[1];
  CHECK(run.version == 1);
  CHECK(run.state == RunState::Waiting);
  CHECK(one.path("two_ways", run) == "t s n2 x y");
  const std::string why =
      "not moved to version 2: it leads to \"x\", which this run has already visited";
  CHECK(run.path.back().note == why);
  const CounterRow& counted = one.counters[{.scenario = {1}, .version = 1}];
  REQUIRE(counted.named.size() == 1);
  CHECK(counted.named.front() == std::pair{std::string{"not_moved"}, std::int64_t{1}});
  CHECK(one.broken() == "");

  // The same command once more, as after a crash between the move and the cursor of its pass.
  const Changes again = one.command(MoveRun{.run = stays, .to = 2, .map = map});
  CHECK(again.live.empty());
  CHECK(again.counters.empty());
  // The run goes on in its own version.
  one.wake(one.state.live[1]);
  CHECK(one.state.contact.get_custom("z") != nullptr);
  CHECK(one.broken() == "");
}

TEST_CASE("a move is refused as a value, whatever node it names", "[core][advance][migration]") {
  OneContact one = two_runs();
  one.apply(kTwo);
  const std::string target = GENERATE("t", "gone", "s");
  const NodeNumber node = target == "gone" ? NodeNumber{99} : one.number("two_ways", target);
  const auto map = std::make_shared<const NodeMap>(NodeMap{{one.number("two_ways", "n1"), node}});
  one.command(MoveRun{.run = one.state.live[0].key, .to = 2, .map = map});
  CHECK(one.state.live[0].version == 1);
  CHECK(one.path("two_ways", one.state.live[0]) == "t s n1");
  const std::string note = one.state.live[0].path.back().note;
  CHECK(note.starts_with("not moved to version 2: "));
  // A later version gives its own reason, in place of the earlier one.
  one.apply(kTwo + "\n");
  one.command(MoveRun{.run = one.state.live[0].key, .to = 3, .map = map});
  CHECK(one.state.live[0].path.back().note.starts_with("not moved to version 3: "));
}

TEST_CASE("a version leads from a node to all that come after it", "[core][scenario]") {
  std::string text =
      "scenario: chain\nreentry: never\nnodes:\n"
      "  t: { kind: trigger, event: joined, next: n0 }\n";
  constexpr int kLength = 200;  // more than a word of bits
  for (int i = 0; i < kLength; ++i)
    text += "  n" + std::to_string(i) + ": { kind: wait, for: 1h, next: " +
            (i + 1 < kLength ? "n" + std::to_string(i + 1) : "end") + " }\n";
  Loaded loaded = load_scenario(text, node_kinds());
  REQUIRE(loaded.scenario);
  std::vector<std::pair<std::string, NodeNumber>> numbers;
  loaded.scenario->number_nodes(numbers);
  const Scenario& chain = *loaded.scenario;
  for (int a = 0; a < kLength; a += 7)
    for (int b = 0; b < kLength; b += 3)
      CHECK(chain.leads_to(chain.find("n" + std::to_string(a))->number,
                           chain.find("n" + std::to_string(b))->number) == (a <= b));
  CHECK_FALSE(chain.leads_to(chain.find("n0")->number, NodeNumber{9999}));
  CHECK_FALSE(chain.leads_to(NodeNumber{9999}, chain.find("n0")->number));
}

TEST_CASE("a question about the ledger adds no row to it", "[core][advance]") {
  OneContact one{R"(scenario: birthday
nodes:
  day: { kind: trigger_date, field: birth_date, every: year, at: "09:00", next: end }
)"};
  one.take(PatchInput{.patch = {.fields = {{Field::BirthDate, Value{"1990-05-02"}}}}});
  CHECK(one.state.ledger.empty());
  one.command(ArmTrigger{.scenario = {1}, .node = one.number("birthday", "day")});
  CHECK(one.state.ledger.empty());
}

namespace {
/// A node that holds until a moment that is past when it is asked, and then says more.
class HeldNode final : public Node {
 public:
  Outcome enter(const Visit& visit) const override {
    ids.push_back(std::string{visit.delivery_id});
    return hold_until(visit.now.at - 1h);
  }
  Outcome wake(const Visit& visit, const WakeCause&) const override {
    ids.push_back(std::string{visit.delivery_id});
    Outcome outcome = leave_by("next");
    outcome.note = "its time was over";
    outcome.unknown = true;
    outcome.request = RequestDraft{.request = {.url = "https://a.example.com/"}};
    return outcome;
  }
  const DeliveryPolicy* delivery_policy() const override { return &policy_; }
  static inline std::vector<std::string> ids;

 private:
  DeliveryPolicy policy_;
};
}  // namespace

TEST_CASE("all that a node says when its hold is over takes effect", "[core][advance]") {
  NodeKinds kinds = node_kinds();
  kinds.push_back({.name = "held",
                   .family = NodeFamily::Action,
                   .summary = "Holds.",
                   .sends = true,
                   .make = [](Settings&) { return std::make_unique<HeldNode>(); }});
  OneContact one{R"(scenario: held
nodes:
  t: { kind: trigger, event: joined, next: h }
  h: { kind: held, next: end }
)",
                 kinds};
  HeldNode::ids.clear();
  const Changes changes = one.event("joined");
  REQUIRE(one.ended.size() == 1);
  CHECK(one.ended.front().path.back().note == "its time was over");
  CHECK(one.counters[{.scenario = {1}, .node = one.number("held", "h"), .version = 1}]
                    [Counter::Unknown] == 1);
  REQUIRE(changes.deliveries.size() == 1);
  // Both visits were told the id that the request then got.
  REQUIRE(HeldNode::ids.size() == 2);
  CHECK_FALSE(HeldNode::ids[0].empty());
  CHECK(HeldNode::ids[0] == HeldNode::ids[1]);
}
