// Exit rules, goals, waits for more than time, and runs that move to another version.
#include <catch2/catch.hpp>

#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kCourse = R"(
scenario: course
reentry: parallel
exit:
  - { event: unsubscribe }
  - { event: order, where: { event.total: { gte: 100 } } }
  - { if: { in_group: customers } }
goal: { event: order }
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 3d, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)";

std::string note_of(const Run& run) { return run.path.empty() ? "" : run.path.back().note; }
}  // namespace

TEST_CASE("an exit rule ends a run at once, inside a wait, and its delivery is never asked for",
          "[cell][exit]") {
  Stage stage{kCourse};
  for (const char* who : {"ada", "bob", "cyd", "dan"}) stage.event(who, "subscription");
  stage.event("ada", "unsubscribe");
  stage.event("bob", "new_order", R"({"total": 99})");
  stage.event("bob", "new_order", R"({"total": 100})");
  stage.patch("cyd", R"({"groups_add": ["customers"]})");
  stage.patch("dan", R"({"groups_add": ["readers"]})");
  CHECK(stage.place_of("ada") == "exited");
  CHECK(stage.place_of("bob") == "exited");
  CHECK(stage.place_of("cyd") == "exited");
  CHECK(stage.place_of("dan") == "pause");
  CHECK(stage.runs_of("ada").front().reason == "exit");
  CHECK(note_of(stage.runs_of("ada").front()) == "exit: event unsubscribe");
  CHECK(note_of(stage.runs_of("cyd").front()).find("customers") != std::string::npos);
  CHECK(stage.counts("")[Counter::Exited] == 3);
  CHECK(stage.counts("pause")[Counter::Waiting] == 1);
  stage.pass(4 * 24h);
  CHECK(stage.deliveries().size() == 1);
  CHECK(stage.engine().next_wake() == std::nullopt);
  CHECK(stage.broken().empty());
}

TEST_CASE("an import that makes a contact match an exit rule ends its run, and starts nothing",
          "[cell][exit]") {
  Stage stage{kCourse};
  stage.event("ada", "subscription");
  stage.patch("ada", R"({"groups_add": ["customers"]})", /*quiet=*/true);
  CHECK(stage.place_of("ada") == "exited");
}

TEST_CASE("one who matches an exit rule already enters and leaves at once", "[cell][exit]") {
  Stage stage{kCourse};
  stage.event("ada", "subscription", "{}", R"({"groups": ["customers"]})");
  CHECK(stage.place_of("ada") == "exited");
  CHECK(stage.path_of("ada") == "joined");
  CHECK(stage.counts("")[Counter::Entered] == 1);
}

TEST_CASE("the event that starts a run does not end it", "[cell][exit]") {
  Stage stage{R"(
scenario: s
reentry: parallel
exit: { event: subscription }
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 3d, next: end }
)"};
  stage.event("ada", "subscription");
  CHECK(stage.place_of("ada") == "pause");
  stage.event("ada", "subscription");
  CHECK(stage.counts("")[Counter::Exited] == 1);
  CHECK(stage.counts("")[Counter::Inside] == 1);
}

TEST_CASE("time alone can make an exit rule hold", "[cell][exit]") {
  Stage stage{R"(
scenario: s
exit: { if: { not: { opened: { within: 10d } } } }
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 30d, next: end }
)"};
  stage.event("ada", "opened", R"({"mailing": "m"})");
  stage.event("ada", "subscription");
  stage.pass(5 * 24h);
  stage.event("ada", "opened", R"({"mailing": "m"})");
  stage.restart();
  stage.pass(9 * 24h);
  CHECK(stage.place_of("ada") == "pause");
  stage.pass(2 * 24h);
  CHECK(stage.place_of("ada") == "exited");
  CHECK(stage.engine().next_wake() == std::nullopt);
}

TEST_CASE("a change by a node ends its own run before the next node, and others in the same breath",
          "[cell][exit]") {
  Stage stage{R"(
scenario: s
exit: { if: { in_group: done } }
nodes:
  joined: { kind: trigger, event: subscription, next: tag }
  tag:    { kind: update_contact, groups_add: [done], next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)"};
  stage.apply(R"(
scenario: other
exit: { if: { in_group: done } }
nodes:
  viewed: { kind: trigger, event: viewed, next: pause }
  pause:  { kind: wait, for: 30d, next: end }
)");
  stage.event("ada", "viewed");
  stage.event("ada", "subscription");
  CHECK(stage.deliveries().empty());
  for (const Run& run : stage.runs_of("ada")) CHECK(run.state == RunState::Exited);
  CHECK(stage.broken().empty());
}

TEST_CASE("a goal is counted once a run and changes nothing else", "[cell][goal]") {
  Stage stage{kCourse};
  stage.event("ada", "new_order", R"({"total": 5})");
  stage.event("ada", "subscription");
  CHECK(stage.counts("")[Counter::Goal] == 0);
  stage.event("ada", "new_order", R"({"total": 5})");
  stage.restart();
  stage.event("ada", "new_order", R"({"total": 5})");
  CHECK(stage.counts("")[Counter::Goal] == 1);
  CHECK(stage.place_of("ada") == "pause");
  CHECK(stage.runs_of("ada").front().goal);
}

TEST_CASE("a goal that is an exit as well is counted before the run ends", "[cell][goal]") {
  Stage stage{kCourse};
  stage.event("ada", "subscription");
  stage.event("ada", "new_order", R"({"total": 500})");
  CHECK(stage.counts("")[Counter::Goal] == 1);
  CHECK(stage.place_of("ada") == "exited");
}

// ---- waits ----

TEST_CASE("a wait for an event ends with it, or with its timeout", "[cell][wait_until]") {
  Stage stage{R"(
scenario: s
nodes:
  joined: { kind: trigger, event: survey_answered, next: reply }
  reply:  { kind: wait_until, event: survey_answered, where: { event.survey: q1 }, timeout: 3d, next: yes, on_timeout: no }
  yes:    { kind: send_webhook, url: "https://a.example.com/yes", next: end }
  no:     { kind: send_webhook, url: "https://a.example.com/no", next: end }
)"};
  stage.event("ada", "survey_answered", R"({"survey": "q1"})");
  stage.event("bob", "survey_answered", R"({"survey": "q1"})");
  CHECK(stage.place_of("ada") == "reply");  // what started the run does not end its wait
  stage.event("ada", "survey_answered", R"({"survey": "q2"})");
  CHECK(stage.place_of("ada") == "reply");
  stage.restart();
  stage.event("ada", "survey_answered", R"({"survey": "q1"})");
  CHECK(stage.path_of("ada") == "joined reply yes");
  stage.pass(3 * 24h);
  CHECK(stage.path_of("bob") == "joined reply no");
  CHECK(stage.counts("reply").named ==
        std::vector<std::pair<std::string, std::int64_t>>{{"next", 1}, {"on_timeout", 1}});
  stage.pass(24h);
  CHECK(stage.engine().next_wake() == std::nullopt);
  CHECK(stage.broken().empty());
}

TEST_CASE("a wait for a segment ends when the contact matches, by a change or by time",
          "[cell][wait_until]") {
  Stage stage{R"(
scenario: s
nodes:
  joined: { kind: trigger, event: subscription, next: match }
  match:  { kind: wait_until, if: { any: [ { in_group: vip }, { not: { opened: { within: 5d } } } ] }, timeout: 30d, next: yes, on_timeout: end }
  yes:    { kind: send_webhook, url: "https://a.example.com/yes", next: end }
)"};
  for (const char* who : {"ada", "bob", "cyd"}) stage.event(who, "opened", R"({"mailing": "m"})");
  for (const char* who : {"ada", "bob"}) stage.event(who, "subscription");
  stage.event("cyd", "subscription", "{}", R"({"groups": ["vip"]})");
  CHECK(stage.place_of("cyd") == "done");  // already so on arrival
  stage.patch("ada", R"({"first_name": "Ada"})");
  CHECK(stage.place_of("ada") == "match");
  stage.patch("ada", R"({"groups_add": ["vip"]})");
  CHECK(stage.place_of("ada") == "done");
  stage.pass(4 * 24h);
  stage.restart();
  CHECK(stage.place_of("bob") == "match");
  stage.pass(2 * 24h);
  CHECK(stage.path_of("bob") == "joined match yes");
  CHECK(stage.engine().next_wake() == std::nullopt);
  CHECK(stage.broken().empty());
}

TEST_CASE("a window moves with the contact's time zone", "[cell][wait_until]") {
  Stage stage{R"(
scenario: s
timezone: UTC
nodes:
  joined: { kind: trigger, event: subscription, next: hours }
  hours:  { kind: wait_until, window: { from: "20:00", to: "21:00" }, next: end }
)"};  // 2026-05-01T09:00Z
  stage.event("ada", "subscription");
  stage.event("kim", "subscription");
  stage.pass(1h);
  CHECK(stage.place_of("kim") == "hours");
  stage.patch("kim", R"({"timezone": "Asia/Tokyo"})");  // 19:00 there
  CHECK(stage.place_of("kim") == "hours");
  CHECK(stage.counts("hours")[Counter::Visits] == 2);
  stage.pass(1h);
  CHECK(stage.place_of("kim") == "done");
  CHECK(stage.place_of("ada") == "hours");
  stage.pass(9h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.broken().empty());
}

TEST_CASE("a group that a node adds starts other scenarios in the same transaction",
          "[cell][update_contact]") {
  Stage stage{R"(
scenario: one
nodes:
  joined: { kind: trigger, event: subscription, next: tag }
  tag:    { kind: update_contact, set: { custom.tier: gold }, groups_add: [vip], next: end }
)"};
  stage.apply(R"(
scenario: two
reentry: { mode: never, key: event.group }
nodes:
  vip:  { kind: trigger, event: group_joined, where: { event.group: vip }, next: tell }
  tell: { kind: send_webhook, url: "https://a.example.com/vip", payload: { tier: "{{ contact.custom.tier }}" }, next: end }
)");
  stage.apply(R"(
scenario: three
nodes:
  gold: { kind: trigger_segment, if: { custom.tier: gold }, next: end }
)");
  const auto commits = stage.engine().context().figures.commits;
  stage.event("ada", "subscription");
  CHECK(stage.engine().context().figures.commits == commits + 1);
  REQUIRE(stage.deliveries().size() == 1);
  CHECK(stage.request_of(stage.deliveries().front().key)->body == R"({"tier":"gold"})");
  CHECK(stage.runs_of("ada").size() == 3);
  // Out and in again: the ledger knows the key, though nothing foretold that it would be asked.
  stage.restart();
  stage.patch("ada", R"({"groups_remove": ["vip"]})");
  stage.patch("ada", R"({"groups_add": ["vip"]})");
  CHECK(stage.deliveries().size() == 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("what nobody foresaw of the ledger is loaded before anything is decided",
          "[cell][update_contact]") {
  Stage stage{R"(
scenario: one
reentry: parallel
nodes:
  viewed: { kind: trigger, event: viewed, next: off }
  off:    { kind: update_contact, groups_remove: [vip], next: on }
  on:     { kind: update_contact, groups_add: [vip], next: end }
)"};
  stage.apply(R"(
scenario: two
reentry: { mode: never, key: event.group }
nodes:
  vip:  { kind: trigger, event: group_joined, next: tell }
  tell: { kind: send_webhook, url: "https://a.example.com/vip", next: end }
)");
  for (int i = 0; i < 3; ++i) {
    stage.event("ada", "viewed");
    stage.restart();
  }
  CHECK(stage.deliveries().size() == 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("scenarios that change each other's contact for ever are bounded",
          "[cell][update_contact]") {
  Stage stage{R"(
scenario: one
reentry: parallel
nodes:
  in:  { kind: trigger, event: group_joined, next: off }
  off: { kind: update_contact, groups_remove: [vip], next: end }
)"};
  stage.apply(R"(
scenario: two
reentry: parallel
nodes:
  out: { kind: trigger, event: group_left, next: on }
  on:  { kind: update_contact, groups_add: [vip], next: end }
)");
  stage.patch("ada", R"({"groups_add": ["vip"]})");
  CHECK(stage.runs_of("ada").size() < 20);
  CHECK(stage.broken().empty());
}

// ---- versions ----

namespace {
constexpr std::string_view kOne = R"(
scenario: course
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 7d, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/one", next: end }
)";
constexpr std::string_view kTwo = R"(
scenario: course
nodes:
  joined: { kind: trigger, event: subscription, next: pause }
  pause:  { kind: wait, for: 5d, next: again }
  again:  { kind: wait, for: 9d, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/two", next: end }
)";
NodeNumber number_of(Stage& stage, std::string_view node) {
  for (const auto& [id, number] : stage.engine().control().scenarios.find("course")->nodes)
    if (id == node) return number;
  return {};
}
MoveRun move_to(Stage& stage, const Run& run, std::string_view node) {
  return {.run = run.key,
          .to = 2,
          .map = std::make_shared<const NodeMap>(NodeMap{{run.place(), number_of(stage, node)}})};
}
}  // namespace

TEST_CASE("a run that moves to another version counts the time it has waited", "[cell][versions]") {
  Stage stage{kOne};
  stage.event("ada", "subscription");
  stage.pass(4 * 24h);
  stage.event("bob", "subscription");
  stage.pass(1h);
  stage.apply(kTwo);
  for (const char* who : {"ada", "bob"}) {
    const Run run = stage.runs_of(who).front();
    stage.command(run.contact, MoveRun{.run = run.key, .to = 2});
    CHECK(stage.runs_of(who).front().version == 2);
  }
  CHECK(stage.counts("")[Counter::MovedIn] == 2);
  CHECK(stage.counts("pause")[Counter::Visits] == 2);
  CHECK(stage.counts("pause")[Counter::Waiting] == 2);
  stage.pass(23h);
  CHECK(stage.place_of("ada") == "again");  // five days after it came, not after it moved
  CHECK(stage.place_of("bob") == "pause");
  stage.restart();
  stage.pass(14 * 24h);
  CHECK(stage.path_of("bob") == "joined pause again hello");
  CHECK(stage.broken().empty());
}

TEST_CASE("a run that has waited longer than its new wait goes on at once", "[cell][versions]") {
  Stage stage{kOne};
  stage.event("ada", "subscription");
  stage.pass(6 * 24h);
  stage.apply(kTwo);
  const Run run = stage.runs_of("ada").front();
  stage.command(run.contact, MoveRun{.run = run.key, .to = 2});
  CHECK(stage.place_of("ada") == "again");
  CHECK(stage.broken().empty());
}

TEST_CASE("a run can move to another node, but not to one where it has been", "[cell][versions]") {
  Stage stage{kOne};
  stage.event("ada", "subscription");
  stage.event("bob", "subscription");
  stage.apply(kTwo);
  const Run ada = stage.runs_of("ada").front();
  stage.command(ada.contact, move_to(stage, ada, "joined"));
  CHECK(stage.runs_of("ada").front().version == 1);
  stage.command(ada.contact, move_to(stage, ada, "again"));
  CHECK(stage.path_of("ada") == "joined pause again");
  stage.pass(24h);
  const Run bob = stage.runs_of("bob").front();
  stage.command(bob.contact, move_to(stage, bob, "hello"));
  CHECK(stage.place_of("bob") == "done");
  REQUIRE(stage.deliveries().size() == 1);
  CHECK(stage.request_of(stage.deliveries().front().key)->url == "https://mailer.example.com/two");
  stage.pass(20 * 24h);
  CHECK(stage.deliveries().size() == 2);
  CHECK(stage.broken().empty());
}

TEST_CASE("whoever waits again for the same time in one post of events goes on at that time",
          "[cell][rules]") {
  Stage stage{R"(
scenario: office
nodes:
  asked: { kind: trigger, event: opened, next: open }
  open:  { kind: wait_until, window: { from: "12:00", to: "17:00" }, next: end }
)"};
  std::vector<EventInput> inputs;
  inputs.push_back(stage.input("ada", "opened", "{}", R"({"timezone": "Europe/Berlin"})"));
  // Another zone, the same clock.
  inputs.push_back(stage.input("ada", "clicked", "{}", R"({"timezone": "Europe/Paris"})"));
  stage.send(std::move(inputs));
  CHECK(stage.place_of("ada") == "open");
  stage.pass(24h);
  CHECK(stage.place_of("ada") == "done");
}

TEST_CASE("however many wait for one instant, all go on at it", "[cell][rules]") {
  Stage stage{R"(
scenario: noon
nodes:
  asked: { kind: trigger, event: opened, next: rest }
  rest:  { kind: wait, for: 1h, next: end }
)"};
  for (int i = 0; i < 3'500; ++i) stage.event("c" + std::to_string(i), "opened");
  stage.pass(1h);
  CHECK(stage.counts("")[Counter::Done] == 3'500);
}

TEST_CASE("time makes an exit rule hold that a change began, inside a wait for an event too",
          "[cell][exit]") {
  Stage stage{R"(
scenario: renewals
exit: { if: { custom.renewal: { next: 1d } } }
nodes:
  asked: { kind: trigger, event: asked, next: wait }
  wait:  { kind: wait_until, event: answered, where: { event.by: phone }, timeout: 30d, next: end, on_timeout: remind }
  remind: { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)"};
  for (const char* who : {"ada", "bob"}) stage.event(who, "asked");
  stage.patch("ada", R"({"custom": {"renewal": "2026-05-10T09:00:00Z"}})");
  // With an event that is waited for, and is another one all the same.
  stage.event("bob", "answered", R"({"by": "mail"})",
              R"({"custom": {"renewal": "2026-05-10T09:00:00Z"}})");
  stage.pass(8 * 24h - 1s);
  CHECK(stage.place_of("ada") == "wait");
  CHECK(stage.place_of("bob") == "wait");
  stage.pass(1s);
  CHECK(stage.place_of("ada") == "exited");
  CHECK(stage.place_of("bob") == "exited");
  stage.pass(40 * 24h);
  CHECK(stage.deliveries().empty());
}

TEST_CASE("a goal that is an if is reached on entry, and by time alone", "[cell][goal]") {
  Stage stage{R"(
scenario: keep
goal: { if: { any: [{ in_group: customers }, { custom.due: { within: 1d } }] } }
nodes:
  joined: { kind: trigger, event: joined, next: pause }
  pause:  { kind: wait, for: 20d, next: end }
)"};
  stage.patch("ada", R"({"groups_add": ["customers"]})");
  stage.event("ada", "joined");
  CHECK(stage.counts("")[Counter::Goal] == 1);
  stage.patch("ada", R"({"groups_add": ["others"]})");
  CHECK(stage.counts("")[Counter::Goal] == 1);
  stage.event("bob", "joined", "{}", R"({"custom": {"due": "2026-05-05T09:00:00Z"}})");
  stage.pass(4 * 24h - 1s);
  CHECK(stage.counts("")[Counter::Goal] == 1);
  stage.pass(2s);
  CHECK(stage.counts("")[Counter::Goal] == 2);
  stage.pass(30 * 24h);
  CHECK(stage.counts("")[Counter::Goal] == 2);
  CHECK(stage.counts("")[Counter::Done] == 2);
}

TEST_CASE("an archived scenario goes no further, whatever changes, and reaches no goal",
          "[cell][exit]") {
  Stage stage{R"(
scenario: late
goal: { event: order }
nodes:
  joined: { kind: trigger, event: joined, next: hours }
  hours:  { kind: wait_until, window: { from: "20:00", to: "23:00" }, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)"};
  stage.event("ada", "joined", "{}", R"({"timezone": "UTC"})");
  stage.event("bob", "joined", "{}", R"({"timezone": "UTC"})");
  REQUIRE(stage.engine().scenarios().archive("late", false));
  stage.event("bob", "new_order");
  CHECK(stage.counts("")[Counter::Goal] == 0);
  stage.patch("ada", R"({"timezone": "Asia/Tokyo"})");  // 18:00 there
  stage.patch("ada", R"({"timezone": "Asia/Vladivostok"})");
  stage.patch("ada", R"({"timezone": "Pacific/Auckland"})");  // 21:00: open
  CHECK(stage.place_of("ada") == "stopped");
  CHECK(stage.deliveries().empty());
}

TEST_CASE("whoever is woken late finds a window as it is then", "[cell][wait_until]") {
  Stage stage{R"(
scenario: hours
nodes:
  joined: { kind: trigger, event: joined, next: hours }
  hours:  { kind: wait_until, window: { from: "10:00", to: "17:00" }, next: hello }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)"};
  stage.event("ada", "joined");  // at nine
  stage.clock().pass(11h);       // Nobody wakes the engine until eight in the evening.
  stage.pass(1s);
  CHECK(stage.place_of("ada") == "hours");
  CHECK(stage.counts("hours")[Counter::Waiting] == 1);
  stage.pass(14h - 2s);
  CHECK(stage.deliveries().empty());
  stage.pass(2s);
  CHECK(stage.deliveries().size() == 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("a run that moves to a window or a segment finds it as it is, not as it was",
          "[cell][versions]") {
  const auto text = [](std::string_view wait) {
    return "scenario: hours\nnodes:\n  joined: { kind: trigger, event: joined, next: hold }\n"
           "  hold: { kind: wait_until, " +
           std::string{wait} +
           ", next: hello }\n"
           "  hello: { kind: send_webhook, url: \"https://mailer.example.com/in\", next: end }\n";
  };
  const auto [after, open] =
      GENERATE(table<std::string, bool>({{"window: { from: \"08:30\", to: \"09:30\" }", false},
                                         {"window: { from: \"09:30\", to: \"11:00\" }", true},
                                         {"if: { custom.due: { next: 1h } }", false},
                                         {"if: { custom.due: { within: 1h } }", true}}));
  Stage stage{text("window: { from: \"20:00\", to: \"21:00\" }")};
  stage.event("ada", "joined", "{}", R"({"custom": {"due": "2026-05-01T09:15:00Z"}})");
  stage.pass(1h);  // ten o'clock
  stage.apply(text(after));
  const Run run = stage.runs_of("ada").front();
  stage.command(run.contact, MoveRun{.run = run.key, .to = 2});
  CHECK(stage.deliveries().size() == (open ? 1 : 0));
  CHECK(stage.place_of("ada") == (open ? "done" : "hold"));
}

TEST_CASE("a date that was read on arrival stays where it is on the contact's clocks",
          "[cell][wait_until]") {
  Stage stage{R"(
scenario: renewals
nodes:
  joined: { kind: trigger, event: joined, next: day }
  day:    { kind: wait_until, date: custom.renewal, at: "09:00", next: hello, on_past: end }
  hello:  { kind: send_webhook, url: "https://mailer.example.com/in", next: end }
)"};
  for (const char* who : {"ada", "bob", "cyd"})
    stage.event(who, "joined", "{}", R"({"custom": {"renewal": "2026-05-10"}})");
  stage.patch("ada", R"({"custom": {"renewal": "2026-06-10"}})");
  stage.patch("bob", R"({"custom": {"renewal": null}})");
  for (const char* who : {"ada", "bob"}) stage.patch(who, R"({"timezone": "Europe/Paris"})");
  stage.pass(9 * 24h - 2h - 1s);
  CHECK(stage.deliveries().empty());
  stage.pass(1s);  // nine in Paris
  CHECK(stage.deliveries().size() == 2);
  stage.pass(1h);
  stage.patch("cyd", R"({"timezone": "Europe/Paris"})");  // where nine is over
  CHECK(stage.deliveries().size() == 3);
}

TEST_CASE("runs that came in by a key are no others where a version has none", "[cell][versions]") {
  const auto text = [](std::string_view reentry) {
    return "scenario: orders\nreentry: " + std::string{reentry} +
           "\nnodes:\n  joined: { kind: trigger, event: joined, next: pause }\n"
           "  pause: { kind: wait, for: 3d, next: end }\n";
  };
  Stage stage{text("{ mode: after_exit, key: event.order }")};
  stage.event("ada", "joined", R"({"order": "a"})");
  stage.apply(text("after_exit"));
  stage.event("ada", "joined", R"({"order": "b"})");
  CHECK(stage.counts("")[Counter::Entered] == 1);
  stage.apply(text("restart"));
  stage.event("ada", "joined");
  CHECK(stage.counts("")[Counter::Entered] == 2);
  CHECK(stage.counts("")[Counter::Inside] == 1);
}

TEST_CASE("a contact has a hundred runs at once at most, of all keys together", "[cell][rules]") {
  Stage stage{R"(
scenario: orders
reentry: { mode: parallel, key: event.order }
nodes:
  joined: { kind: trigger, event: joined, next: pause }
  pause: { kind: wait, for: 3d, next: end }
)"};
  for (int n = 0; n < 102; ++n)
    stage.event("ada", "joined", "{\"order\": " + std::to_string(n) + "}");
  CHECK(stage.counts("")[Counter::Inside] == 100);
}
