#include "tests/nodes/node_stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
/// `{ kind: wait_until, <settings> }`.
NodeStage stage_of(std::string_view settings) {
  return NodeStage{"{ kind: wait_until, " + std::string{settings} + " }"};
}

Outcome enter_at(const NodeStage& stage, std::string_view now) {
  Visit visit = stage.visit();
  visit.now.at = visit.arrived = *parse_instant(now);
  return stage.node().enter(visit);
}

/// The port, or "until " and the end of the hold, or "for ever".
std::string result(const Outcome& outcome) {
  if (const auto* leave = std::get_if<Leave>(&outcome.next)) return std::string{leave->port};
  const auto& hold = std::get<Hold>(outcome.next);
  return hold.until ? "until " + format_instant(*hold.until) : "for ever";
}

const WakeCause kTime{.kind = WakeCause::Kind::Time};
}  // namespace

TEST_CASE("a wait for an event holds until it arrives or the time is up", "[nodes][wait_until]") {
  const NodeStage stage = stage_of(
      "event: [survey_answered, order], where: { event.survey: q1 }, timeout: 3d, next: end, "
      "on_timeout: end");
  CHECK(stage.codes() == "trailing_wait ");
  const auto& listen = std::get<EventListen>(stage.node().listens());
  CHECK(listen.events == std::vector<std::string>{"survey_answered", "new_order"});
  CHECK_FALSE(listen.where.always());
  CHECK(result(stage.enter()) == "until 2024-05-31T12:56:40.321Z");
  const Outcome woken =
      stage.node().wake(stage.visit(), {.kind = WakeCause::Kind::Event, .event = &stage.event});
  CHECK(result(woken) == "next");
  CHECK(woken.note == "subscription");
  CHECK(result(stage.node().wake(stage.visit(), kTime)) == "on_timeout");
  CHECK_FALSE(stage.node().follows_zone());
}

TEST_CASE("a wait without a timeout holds for ever", "[nodes][wait_until]") {
  const NodeStage stage = stage_of("event: order, next: end");
  CHECK(result(stage.enter()) == "for ever");
  CHECK(stage.loaded.scenario->find("node")->ports.size() == 1);
  // A clock that errs does not push it on.
  CHECK(result(stage.node().wake(stage.visit(), kTime)) == "for ever");
}

TEST_CASE("a wait for a segment lets go at once who matches already", "[nodes][wait_until]") {
  NodeStage stage = stage_of("if: { company: Example }, timeout: 2h, next: end, on_timeout: end");
  CHECK(std::get_if<SegmentListen>(&stage.node().listens()) != nullptr);
  CHECK(result(stage.enter()) == "until 2024-05-28T14:56:40.321Z");
  CHECK(result(stage.node().wake(stage.visit(), kTime)) == "on_timeout");
  stage.contact.set(Field::Company, "Example");
  CHECK(result(stage.enter()) == "next");
  CHECK(stage.enter().note == R"(company is "Example": found "Example")");
  const Outcome woken = stage.node().wake(stage.visit(), {.kind = WakeCause::Kind::Segment});
  CHECK(result(woken) == "next");
  CHECK(woken.note == R"(company is "Example": found "Example")");
}

TEST_CASE("a wait for a segment says when time alone may change it", "[nodes][wait_until]") {
  NodeStage stage = stage_of("if: { not: { opened: { within: 90d } } }, next: end");
  stage.engagement.opened_last = *parse_instant("2024-05-20T00:00:00Z");
  const Outcome outcome = stage.enter();
  const auto& hold = std::get<Hold>(outcome.next);
  CHECK_FALSE(hold.until);
  CHECK(hold.recheck == parse_instant("2024-08-18T00:00:00Z"));
}

TEST_CASE("a wait for a date reads it on the contact's clocks", "[nodes][wait_until]") {
  NodeStage stage = stage_of("date: 2026-12-24T09:00, next: end");
  CHECK(result(stage.enter()) == "until 2026-12-24T09:00:00Z");
  CHECK(stage.node().follows_zone());
  stage.contact.set(Field::Timezone, "America/Toronto");
  CHECK(result(stage.enter()) == "until 2026-12-24T14:00:00Z");
  CHECK(result(stage.node().wake(stage.visit(), kTime)) == "next");
}

TEST_CASE("a date with an offset from UTC is the same for all", "[nodes][wait_until]") {
  NodeStage stage = stage_of("date: \"2026-12-24T09:00:00+01:00\", next: end");
  stage.contact.set(Field::Timezone, "America/Toronto");
  CHECK(result(stage.enter()) == "until 2026-12-24T08:00:00Z");
  CHECK_FALSE(stage.node().follows_zone());
}

TEST_CASE("a local date that clocks skip or repeat moves on, or is the first",
          "[nodes][wait_until]") {
  NodeStage skipped = stage_of("date: 2026-03-08T02:30, next: end");
  skipped.contact.set(Field::Timezone, "America/Toronto");
  CHECK(result(skipped.enter()) == "until 2026-03-08T07:30:00Z");
  NodeStage repeated = stage_of("date: 2026-11-01T01:30, next: end");
  repeated.contact.set(Field::Timezone, "America/Toronto");
  CHECK(result(repeated.enter()) == "until 2026-11-01T05:30:00Z");
}

TEST_CASE("a date that is past is left at once, by on_past where that is named",
          "[nodes][wait_until]") {
  const NodeStage plain = stage_of("date: 2024-05-28T12:56, next: end");
  CHECK(result(plain.enter()) == "next");
  CHECK(plain.enter().note == "2024-05-28T12:56:00Z is past");
  CHECK(plain.loaded.scenario->find("node")->ports.size() == 1);
  const NodeStage apart = stage_of("date: 2024-05-28T12:56, next: end, on_past: end");
  CHECK(result(apart.enter()) == "on_past");
  CHECK(apart.loaded.scenario->find("node")->ports.size() == 2);
  // Now is not ahead.
  const NodeStage now = stage_of("date: \"2024-05-28T12:56:40.321Z\", next: end");
  CHECK(result(now.enter()) == "next");
}

TEST_CASE("a wait may be for a date that a field holds", "[nodes][wait_until]") {
  struct Case {
    std::string_view settings;
    Value renewal;  // custom.renewal
    std::string_view result;
  };
  for (const Case& given : {
           Case{"date: custom.renewal", "2026-07-15", "until 2026-07-15T04:00:00Z"},
           Case{"date: contact.custom.renewal", "2026-07-15", "until 2026-07-15T04:00:00Z"},
           Case{"date: custom.renewal, at: \"09:00\"", "2026-07-15", "until 2026-07-15T13:00:00Z"},
           Case{"date: custom.renewal, offset: -3d, at: \"09:00\"", "2026-03-10",
                "until 2026-03-07T14:00:00Z"},
           Case{"date: custom.renewal, offset: -2h", "2026-07-15", "until 2026-07-15T02:00:00Z"},
           Case{"date: custom.renewal", "2026-07-15T02:00:00Z", "until 2026-07-15T02:00:00Z"},
           Case{"date: custom.renewal", "2026-07-15T09:00", "until 2026-07-15T13:00:00Z"},
           // The day that the contact's clocks show at that instant.
           Case{"date: custom.renewal, at: \"09:00\"", "2026-07-15T02:00:00Z",
                "until 2026-07-14T13:00:00Z"},
           // Three days before is the same time of day, although the clocks changed between.
           Case{"date: custom.renewal, offset: -3d", "2026-03-10T13:00:00Z",
                "until 2026-03-07T14:00:00Z"},
           // Two hours before is two hours before.
           Case{"date: custom.renewal, offset: -2h", "2026-03-08T08:00:00Z",
                "until 2026-03-08T06:00:00Z"},
           Case{"date: custom.renewal", "2020-01-01", "next"},
           Case{"date: custom.renewal", "soon", "next"},
           Case{"date: custom.renewal", 20260715, "next"},
           Case{"date: custom.renewal", Value{}, "next"},
           Case{"date: custom.renewal, on_past: end", "soon", "on_past"},
       }) {
    NodeStage stage = stage_of(std::string{given.settings} + ", next: end");
    stage.contact.set(Field::Timezone, "America/Toronto");
    stage.contact.set_custom("renewal", given.renewal);
    CAPTURE(given.settings, to_json(given.renewal));
    CHECK(result(stage.enter()) == given.result);
  }
}

TEST_CASE("a field without a date is noted and counted as unknown", "[nodes][wait_until]") {
  const NodeStage stage = stage_of("date: birth_date, next: end");
  const Outcome outcome = stage.enter();
  CHECK(result(outcome) == "next");
  CHECK(outcome.unknown);
  CHECK(outcome.note == "birth_date holds no date");
}

TEST_CASE("a wait may be for a date of the event that started the run", "[nodes][wait_until]") {
  NodeStage stage = stage_of("date: event.appointment, offset: -2h, next: end");
  stage.event.data = ValueMap{{"appointment", "2026-07-15T09:00:00Z"}};
  CHECK(result(stage.enter()) == "until 2026-07-15T07:00:00Z");
}

TEST_CASE("a window holds who comes outside until it opens", "[nodes][wait_until]") {
  struct Case {
    std::string_view window;
    std::string_view zone;
    std::string_view now;
    std::string_view result;
  };
  const std::string_view toronto = "America/Toronto";
  const std::string_view work = "{ days: [mon-fri], from: \"09:00\", to: \"17:00\" }";
  const std::string_view night = "{ days: [fri], from: \"22:00\", to: \"06:00\" }";
  // 2026-05-01 is a Friday.
  for (const Case& given : {
           Case{work, "UTC", "2026-05-01T08:59:59.999Z", "until 2026-05-01T09:00:00Z"},
           Case{work, "UTC", "2026-05-01T09:00:00Z", "next"},
           Case{work, "UTC", "2026-05-01T16:59:59.999Z", "next"},
           Case{work, "UTC", "2026-05-01T17:00:00Z", "until 2026-05-04T09:00:00Z"},
           Case{work, "UTC", "2026-05-02T12:00:00Z", "until 2026-05-04T09:00:00Z"},
           Case{work, toronto, "2026-05-01T12:00:00Z", "until 2026-05-01T13:00:00Z"},
           Case{work, toronto, "2026-05-02T01:00:00Z", "until 2026-05-04T13:00:00Z"},
           // Saturday for Samoa while UTC has Friday.
           Case{work, "Pacific/Apia", "2026-05-01T20:30:00Z", "until 2026-05-03T20:00:00Z"},
           Case{work, "Asia/Kathmandu", "2026-05-01T03:00:00Z", "until 2026-05-01T03:15:00Z"},
           // Two days, no span.
           Case{"{ days: [mon, fri] }", "UTC", "2026-05-02T12:00:00Z",
                "until 2026-05-04T00:00:00Z"},
           Case{"{ days: [mon, fri] }", "UTC", "2026-05-05T12:00:00Z",
                "until 2026-05-08T00:00:00Z"},
           Case{"{ days: fri }", "UTC", "2026-05-01T23:59:59Z", "next"},
           Case{"{ days: fri }", "UTC", "2026-05-02T00:00:00Z", "until 2026-05-08T00:00:00Z"},
           Case{"{ days: sat-mon }", "UTC", "2026-05-03T00:00:00Z", "next"},
           Case{"{ days: sat-mon }", "UTC", "2026-05-05T00:00:00Z", "until 2026-05-09T00:00:00Z"},
           Case{"{ from: \"09:00\", to: \"17:00\" }", "UTC", "2026-05-02T18:00:00Z",
                "until 2026-05-03T09:00:00Z"},
           Case{"{ from: \"18:00\" }", "UTC", "2026-05-02T23:59:00Z", "next"},
           Case{"{ from: \"18:00\", to: \"24:00\" }", "UTC", "2026-05-02T00:00:00Z",
                "until 2026-05-02T18:00:00Z"},
           Case{"{ from: \"18:00\", to: \"00:00\" }", "UTC", "2026-05-02T23:59:00Z", "next"},
           // Over midnight: its day is the one on which it opens.
           Case{night, "UTC", "2026-05-01T21:59:00Z", "until 2026-05-01T22:00:00Z"},
           Case{night, "UTC", "2026-05-01T23:00:00Z", "next"},
           Case{night, "UTC", "2026-05-02T05:59:59Z", "next"},
           Case{night, "UTC", "2026-05-02T06:00:00Z", "until 2026-05-08T22:00:00Z"},
           Case{night, "UTC", "2026-05-02T23:00:00Z", "until 2026-05-08T22:00:00Z"},
           // 8 March 2026: Toronto has no 02:30, so the window opens at 03:30.
           Case{"{ from: \"02:30\", to: \"05:00\" }", toronto, "2026-03-08T06:00:00Z",
                "until 2026-03-08T07:30:00Z"},
           Case{"{ from: \"02:30\", to: \"05:00\" }", toronto, "2026-03-08T07:00:00Z",
                "until 2026-03-08T07:30:00Z"},
           // 1 November 2026: 01:30 is shown twice; the window opens at the first, once.
           Case{"{ from: \"01:30\", to: \"05:00\" }", toronto, "2026-11-01T05:00:00Z",
                "until 2026-11-01T05:30:00Z"},
           Case{"{ from: \"01:30\", to: \"05:00\" }", toronto, "2026-11-01T06:15:00Z", "next"},
           Case{"{ from: \"00:00\", to: \"01:30\" }", toronto, "2026-11-01T06:00:00Z",
                "until 2026-11-02T05:00:00Z"},
       }) {
    NodeStage stage = stage_of("window: " + std::string{given.window} + ", next: end");
    stage.contact.set(Field::Timezone, given.zone);
    CAPTURE(given.window, given.zone, given.now);
    CHECK(result(enter_at(stage, given.now)) == given.result);
  }
}

TEST_CASE("an open window is found wherever the search begins", "[nodes][wait_until]") {
  NodeStage stage = stage_of("window: { days: [tue], from: \"23:00\", to: \"01:00\" }, next: end");
  stage.contact.set(Field::Timezone, "Europe/Berlin");
  for (Instant now = *parse_instant("2026-03-20T00:00:00Z");
       now < *parse_instant("2026-04-10T00:00:00Z"); now += 17min) {
    const std::string found = result(enter_at(stage, format_instant(now)));
    if (found == "next") continue;
    const Instant opens = *parse_instant(found.substr(6));
    CHECK(opens > now);
    CHECK(opens - now <= 7 * 24h + 1h);
    CHECK(result(enter_at(stage, found.substr(6))) == "next");
    CHECK(result(enter_at(stage, format_instant(opens - 1ms))) == found);
  }
}

TEST_CASE("a window lets go when it opens, and follows the contact's zone", "[nodes][wait_until]") {
  const NodeStage stage = stage_of("window: { days: sun }, next: end");
  Visit visit = stage.visit();
  visit.now.at = *parse_instant("2024-06-02T00:00:00Z");
  CHECK(result(stage.node().wake(visit, kTime)) == "next");
  visit.now.at = *parse_instant("2024-06-03T00:00:00Z");  // Nobody woke the contact in time.
  CHECK(result(stage.node().wake(visit, kTime)) == "until 2024-06-09T00:00:00Z");
  CHECK(stage.node().follows_zone());
}

TEST_CASE("a window whose beginning clocks skip does not open on that day", "[nodes][wait_until]") {
  NodeStage stage = stage_of("window: { from: \"02:15\", to: \"03:10\" }, next: end");
  stage.contact.set(Field::Timezone, "America/Toronto");
  CHECK(result(enter_at(stage, "2026-03-08T05:00:00Z")) == "until 2026-03-09T06:15:00Z");
  CHECK(result(enter_at(stage, "2026-03-08T07:15:00Z")) == "until 2026-03-09T06:15:00Z");
}

TEST_CASE("a wait refuses what cannot be meant", "[nodes][wait_until]") {
  struct Case {
    std::string_view settings;
    std::string_view codes;
  };
  for (const Case& given : {
           Case{"timeout: 3d, next: end", "missing_key "},
           Case{"event: order, if: { company: a }, next: end", "conflict "},
           Case{"date: 2026-01-01, window: { days: mon }, next: end", "conflict "},
           Case{"event: order, next: end, on_timeout: end", "conflict "},
           Case{"window: { days: mon }, timeout: 3d, next: end", "conflict "},
           Case{"if: { company: a }, where: { company: a }, next: end", "conflict "},
           Case{"event: order, at: \"09:00\", next: end", "conflict "},
           Case{"event: order, offset: 3d, next: end", "conflict "},
           Case{"event: order, next: end, on_past: end", "conflict "},
           Case{"event: order, timeout: 0s, next: end, on_timeout: end", "bad_duration "},
           Case{"event: order, timeout: 4000d, next: end, on_timeout: end", "bad_duration "},
           Case{"date: 2026-12-24, offset: -3d, next: end", "conflict "},
           Case{"date: 2026-12-24T09:00, at: \"09:00\", next: end", "conflict "},
           Case{"date: tomorrow, next: end", "wrong_type "},
           Case{"date: first_name, next: end", "wrong_type "},
           Case{"date: groups, next: end", "wrong_type "},
           Case{"date: [birth_date], next: end", "wrong_type "},
           Case{"date: birth_date, offset: 36h, at: \"09:00\", next: end", "bad_duration "},
           Case{"date: birth_date, offset: 4000d, next: end", "bad_duration "},
           Case{"date: birth_date, at: noon, next: end", "bad_time_of_day "},
           Case{"window: {}, next: end", "wrong_type "},
           Case{"window: mon, next: end", "wrong_type "},
           Case{"window: { days: monday }, next: end", "unknown_choice "},
           Case{"window: { days: [] }, next: end", "unknown_choice "},
           Case{"window: { days: mon-, from: \"09:00\" }, next: end", "unknown_choice "},
           Case{"window: { from: \"09:00\", to: \"09:00\" }, next: end", "bad_range "},
           Case{"window: { from: \"24:00\" }, next: end", "bad_time_of_day "},
           Case{"window: { form: \"09:00\" }, next: end", "unknown_key "},
       }) {
    CAPTURE(given.settings);
    const NodeStage stage = stage_of(given.settings);
    CHECK_FALSE(stage.loaded.scenario);
    std::string codes = stage.codes();
    const std::string habit = "trailing_wait ";
    if (const auto at = codes.find(habit); at != std::string::npos) codes.erase(at, habit.size());
    CHECK(codes == given.codes);
  }
}

TEST_CASE("a wait that may time out wants to know where to", "[nodes][wait_until]") {
  const NodeStage stage = stage_of("event: order, timeout: 3d, next: end");
  CHECK(stage.loaded.scenario);
  CHECK(stage.codes().find("port_not_named ") != std::string::npos);
  CHECK(stage.loaded.scenario->find("node")->ports.size() == 2);
}
