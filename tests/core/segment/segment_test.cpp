#include "engine/core/segment/segment.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "engine/authoring/yaml_reader.h"
#include "engine/core/base/time_zone.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
const Instant kNow = *parse_instant("2026-05-01T12:00:00Z");

struct Compiled {
  Segment segment;
  Diagnostics diagnostics;
};

Compiled compile(std::string_view yaml, std::string_view zone = "UTC") {
  Compiled made;
  const auto tree = read_yaml(yaml, made.diagnostics);
  INFO(yaml);
  REQUIRE(tree);
  made.segment = Segment::compile(*tree, "\"if\"", zone, made.diagnostics);
  return made;
}

/// "line:column code: message [nearest]" of each mistake.
std::vector<std::string> mistakes(std::string_view yaml) {
  std::vector<std::string> found;
  for (const Diagnostic& d : compile(yaml).diagnostics.sorted())
    found.push_back(std::to_string(d.at.line) + ":" + std::to_string(d.at.column) + " " + d.code +
                    ": " + d.message + (d.nearest.empty() ? "" : " [" + d.nearest + "]"));
  return found;
}

/// A contact with its statistics and an event, to ask segments about.
struct World {
  Contact contact;
  Engagement engagement;
  std::optional<Event> event;

  SegmentResult ask(const Segment& segment, Instant now = kNow) const {
    return segment.evaluate({contact, engagement, event ? &*event : nullptr, now, "UTC"});
  }
  SegmentResult ask(std::string_view yaml, Instant now = kNow) const {
    const Compiled made = compile(yaml);
    INFO(yaml);
    for (const auto& d : made.diagnostics.sorted()) UNSCOPED_INFO(d.message);
    REQUIRE_FALSE(made.diagnostics.has_errors());
    return ask(made.segment, now);
  }
};

World jane() {
  World world;
  const auto input = parse_contact(parse_json(R"({
      "id": 54321, "email": "jane.tester@example.org", "first_name": "Jane", "postal_code": "01234",
      "birth_date": "1990-05-03", "country": "CA", "note": "", "timezone": "America/Toronto",
      "subscribed_at": "2026-04-01T02:00:00Z", "consent": {"expires_at": "2026-06-01T00:00:00Z"},
      "custom": {"plan": "gold", "age": 36, "size": "42", "vip": true, "tags": ["a", 7],
                 "due": "2026-05-04", "seen": "2026-04-30T12:00:00Z", "none": [],
                 "address": {"city": "Montréal"}},
      "groups": ["customers", "vip"]})")
                                       .value());
  apply_patch(world.contact, input.value().patch, kNow);
  world.contact.id = input->who.id;
  world.event = Event{"subscription", kNow - 1h,
                      parse_json(R"({
      "form": "newsletter", "order": {"total": 99.5, "id": 9007199254740993}, "items": [{"sku": "x"}],
      "sender": "Jane.Tester@Example.org", "nothing": null})")
                          .value()};
  return world;
}
}  // namespace

TEST_CASE("every operator answers yes, no or unknown", "[core][segment]") {
  const World world = jane();
  using enum Truth;
  const struct {
    std::string_view yaml;
    Truth truth;
  } cases[] = {
      // Equality and lists of values.
      {"email: jane.tester@example.org", Yes},
      {"email: { is: JANE.Tester@Example.org }", Yes},
      {"email: { is: joe@example.org }", No},
      {"email: { is_not: Jane.Tester@example.org }", No},
      {"email: { ends_with: '@EXAMPLE.org' }", Yes},
      {"email: { contains: TESTER }", Yes},
      {"email: { starts_with: JANE }", Yes},
      {"email: { matches: '^JANE\\.' }", Yes},
      {"event.sender: { is: { field: email } }", Yes},
      {"event.sender: { is_not: { field: email } }", No},
      {"event.sender: { starts_with: { field: email } }", Yes},
      {"email: { is: { field: event.sender } }", Yes},
      {"event.sender: { is: jane.tester@example.org }", No},
      {"first_name: jane", No},
      {"contact.first_name: Jane", Yes},
      {"firstname: Jane", Yes},
      {"postal_code: 01234", Yes},
      {"country: { in: [CA, US] }", Yes},
      {"country: [US, MX]", No},
      {"country: { not_in: [US, MX] }", Yes},
      {"id: 54321", Yes},
      {"id: '54321'", Yes},
      {"id: { starts_with: 543 }", Yes},
      {"id: { in: [1, 2] }", No},
      // Text.
      {"first_name: { contains: an }", Yes},
      {"first_name: { contains: AN }", No},
      {"first_name: { not_contains: an }", No},
      {"first_name: { starts_with: Ja }", Yes},
      {"first_name: { ends_with: Ja }", No},
      {"first_name: { matches: 'a.e$' }", Yes},
      {"first_name: { matches: '^a' }", No},
      // What is missing.
      {"company: Example", Unknown},
      {"company: { is_not: Example }", Unknown},
      {"company: { not_in: [a] }", Unknown},
      {"company: { matches: x }", Unknown},
      {"company: { exists: true }", No},
      {"company: { exists: false }", Yes},
      {"company: { empty: true }", Yes},
      {"note: { exists: true }", Yes},
      {"note: { empty: true }", Yes},
      {"first_name: { empty: false }", Yes},
      {"custom.none: { empty: true }", Yes},
      {"event.nothing: { exists: true }", No},
      {"event.nothing: { is: 1 }", Unknown},
      // Numbers, and values that compare by their kind.
      {"custom.age: 36", Yes},
      {"custom.age: '36'", Yes},
      {"custom.age: { gt: 35.5 }", Yes},
      {"custom.age: { gte: 36, lt: 37 }", Yes},
      {"custom.age: { lte: 35 }", No},
      {"custom.age: { between: [18, 36] }", Yes},
      {"custom.age: { between: [37, 40] }", No},
      {"custom.size: { gt: 41 }", Yes},
      {"custom.size: 42", Yes},
      {"custom.plan: { gt: 41 }", Unknown},
      {"custom.plan: 42", Unknown},
      {"custom.age: gold", Unknown},
      {"custom.vip: true", Yes},
      {"custom.vip: { is: false }", No},
      {"custom.vip: 1", Unknown},
      {"custom.tags: { contains: a }", Yes},
      {"custom.tags: { contains: 7 }", Yes},
      {"custom.tags: { not_contains: b }", Yes},
      {"custom.tags: a", Unknown},
      {"custom.address.city: Montréal", Yes},
      {"custom.address: { exists: true }", Yes},
      {"custom.address: x", Unknown},
      // The event.
      {"event.form: newsletter", Yes},
      {"event.order.total: { gte: 99.5 }", Yes},
      {"event.order.id: 9007199254740993", Yes},
      {"event.order.id: { gt: 9007199254740992.0 }", Yes},
      {"event.order.id: { lt: 9007199254740994.0 }", Yes},
      {"event.order.id: { is: 9007199254740992.0 }", No},
      {"event.order.id: { lt: 9223372036854775808.0 }", Yes},
      {"event.order.id: { gt: -9223372036854775809.0 }", Yes},
      {"custom.age: { lt: 36.5 }", Yes},
      {"custom.age: { gt: 36.5 }", No},
      {"custom.age: { is: 36.0 }", Yes},
      {"event.order.id: 9007199254740992", No},
      {"event.items.0.sku: x", Yes},
      {"event.type: subscription", Yes},
      {"event.at: { within: 2h }", Yes},
      // Days and instants.
      {"birth_date: 1990-05-03", Yes},
      {"birth_date: { before: 1990-05-04 }", Yes},
      {"birth_date: { before: 1990-05-03 }", No},
      {"birth_date: { after: 1990-05-03 }", No},
      {"birth_date: { on: 1990-05-03 }", Yes},
      {"birth_date: { between: [1990-05-03, 1990-05-03] }", Yes},
      {"subscribed_at: { on: 2026-03-31 }", Yes},  // 22:00 in Toronto
      {"subscribed_at: { on: 2026-04-01 }", No},
      {"subscribed_at: { before: 2026-04-01 }", Yes},
      {"subscribed_at: { after: 2026-03-31 }", No},
      {"subscribed_at: { after: '2026-04-01T01:00:00Z' }", Yes},
      {"subscribed_at: { before: 2026-04-01T02:00 }", No},
      {"subscribed_at: { between: [2026-03-01, 2026-03-31] }", Yes},
      {"custom.due: { after: 2026-05-03 }", Yes},
      {"custom.due: { next: 3d }", Yes},
      {"custom.due: { next: 2d }", No},
      {"custom.seen: { within: 25h }", Yes},
      {"custom.seen: { within: 24h }", No},
      {"custom.plan: { before: 2026-05-03 }", Unknown},
      {"custom.age: { within: 3d }", Unknown},
      {"consent.expires_at: { next: 31d }", Yes},
      {"consent.expires_at: { next: 30d }", No},
      {"birth_date: { anniversary: today }", No},
      {"birth_date: { anniversary: { next: 2d } }", Yes},
      {"birth_date: { anniversary: { next: 1d } }", No},
      {"birth_date: { anniversary: { within: 7d } }", No},
      // Groups.
      {"in_group: vip", Yes},
      {"in_group: [leads, vip]", Yes},
      {"in_group: leads", No},
      {"not_in_group: vip", No},
      {"not_in_group: [leads, cold]", Yes},
      {"groups: vip", Yes},
      {"groups: { not_contains: vip }", No},
      {"groups: { empty: true }", No},
      // Together.
      {"{ first_name: Jane, country: CA }", Yes},
      {"{ first_name: Jane, country: US }", No},
      {"{ first_name: Jane, company: x }", Unknown},
      {"{ country: US, company: x }", No},
      {"any: [ { country: US }, { first_name: Jane } ]", Yes},
      {"any: [ { company: x }, { first_name: Jane } ]", Yes},
      {"any: [ { company: x }, { country: US } ]", Unknown},
      {"any: { country: US, first_name: Jane }", Yes},
      {"all: [ { country: CA }, { not: { first_name: Joe } } ]", Yes},
      {"not: { company: x }", Unknown},
      {"not: { all: [ { country: US }, { company: x } ] }", Yes},
  };
  for (const auto& c : cases) {
    INFO(c.yaml);
    CHECK(static_cast<int>(world.ask(c.yaml).truth) == static_cast<int>(c.truth));
  }
}

TEST_CASE("a reference is asked about as it came, and is the id where there is none",
          "[core][segment]") {
  World world = jane();
  CHECK(world.ask("ref: 54321").truth == Truth::Yes);
  CHECK(world.ask("ref: { starts_with: 543 }").truth == Truth::Yes);
  world.contact.set_custom("ref", "CRM-0042");
  CHECK(world.ask("ref: CRM-0042").truth == Truth::Yes);
  CHECK(world.ask("ref: 54321").truth == Truth::No);
  CHECK(compile("ref: CRM-0042").segment.reads().fields.contains("custom.ref"));
}

TEST_CASE("the event's data is unknown where there is no event", "[core][segment]") {
  World world = jane();
  world.event.reset();
  CHECK(world.ask("event.form: newsletter").truth == Truth::Unknown);
  CHECK(world.ask("event.form: { exists: false }").truth == Truth::Unknown);
  CHECK(world.ask("any: [ { event.form: x }, { country: CA } ]").truth == Truth::Yes);
}

TEST_CASE("a segment without a condition is always yes", "[core][segment]") {
  CHECK(Segment{}.always());
  CHECK(World{}.ask(Segment{}).truth == Truth::Yes);
  CHECK(Segment{}.reads().fields.empty());
}

TEST_CASE("personal statistics are conditions too", "[core][segment]") {
  World world;
  const auto take = [&](std::string type, Duration before, std::string_view data) {
    world.engagement.take({std::move(type), kNow - before, parse_json(data).value()});
  };
  CHECK(world.ask("opened: any").truth == Truth::No);
  CHECK(world.ask("not: { opened: { within: 90d } }").truth == Truth::Yes);
  CHECK(world.ask("open_rate: { gte: 0.5 }").truth == Truth::Unknown);
  take("sent", 72h, R"({"mailing": "spring"})");
  take("opened", 48h, R"({"mailing": "spring", "subject": "Spring"})");
  take("sent", 24h, R"({"mailing": "summer"})");

  CHECK(world.ask("opened: any").truth == Truth::Yes);
  CHECK(world.ask("opened: spring").truth == Truth::Yes);
  CHECK(world.ask("opened: { mailing: summer }").truth == Truth::No);
  CHECK(world.ask("clicked: any").truth == Truth::No);
  CHECK(world.ask("received: summer").truth == Truth::Yes);
  CHECK(world.ask("received: 'any'").truth == Truth::No);
  CHECK(world.ask("open_rate: 0.5").truth == Truth::Yes);
  CHECK(world.ask("mailings_received: { gte: 2 }").truth == Truth::Yes);
  CHECK(world.ask("last_opened_subject: Spring").truth == Truth::Yes);
  CHECK(world.ask("last_opened_at: { within: 3d }").truth == Truth::Yes);
  CHECK(world.ask("received: { within: 2d }").truth == Truth::Yes);
  CHECK(world.ask("received: { mailing: spring, within: 2d }").truth == Truth::No);

  const auto opened = world.ask("not: { opened: { within: 90d } }");
  CHECK(opened.truth == Truth::No);
  CHECK(opened.valid_until == kNow - 48h + 90 * 24h);
  CHECK(world.ask("not: { opened: { within: 90d } }", *opened.valid_until).truth == Truth::Yes);
}

TEST_CASE("a day begins where the contact lives", "[core][segment]") {
  World world = jane();  // Toronto: four hours behind
  const auto next = world.ask("custom.due: { next: 2d }");
  CHECK(next.truth == Truth::No);
  CHECK(next.valid_until == parse_instant("2026-05-02T04:00:00Z"));

  const auto day =
      world.ask("birth_date: { anniversary: today }", *parse_instant("2026-05-03T03:59:59Z"));
  CHECK(day.truth == Truth::No);
  CHECK(day.valid_until == parse_instant("2026-05-03T04:00:00Z"));
  const auto begun = world.ask("birth_date: { anniversary: today }", *day.valid_until);
  CHECK(begun.truth == Truth::Yes);
  CHECK(begun.valid_until == parse_instant("2026-05-04T04:00:00Z"));

  world.contact.set(Field::Timezone, {});
  CHECK(world.ask("custom.due: { next: 2d }").valid_until == parse_instant("2026-05-02T00:00:00Z"));
}

TEST_CASE("a time without an offset is read in the scenario's zone", "[core][segment]") {
  World world = jane();
  const auto made = compile("subscribed_at: { before: 2026-03-31T22:30 }", "America/Toronto");
  CHECK(world.ask(made.segment).truth == Truth::Yes);
  CHECK(world.ask("subscribed_at: { before: 2026-03-31T22:30 }").truth == Truth::No);
}

TEST_CASE("who was born on 29 February celebrates on 1 March where there is none",
          "[core][segment]") {
  World world;
  world.contact.set(Field::BirthDate, *parse_date("2000-02-29"));
  const auto on = [&](std::string_view day) {
    return world
        .ask("birth_date: { anniversary: today }", *parse_instant(std::string{day} + "T12:00:00Z"))
        .truth;
  };
  CHECK(on("2026-02-28") == Truth::No);
  CHECK(on("2026-03-01") == Truth::Yes);
  CHECK(on("2028-02-28") == Truth::No);
  CHECK(on("2028-02-29") == Truth::Yes);
  CHECK(on("2000-02-29") == Truth::No);  // the day itself is none
}

TEST_CASE("an answer tells how long it holds without a change", "[core][segment]") {
  const World world = jane();
  const auto until = [&](std::string_view yaml) { return world.ask(yaml).valid_until; };
  CHECK(until("country: CA") == std::nullopt);
  CHECK(until("birth_date: { before: 2030-01-01 }") == std::nullopt);
  CHECK(until("custom.seen: { within: 25h }") == kNow + 1h);
  CHECK(until("custom.seen: { within: 24h }") == std::nullopt);
  CHECK(until("consent.expires_at: { within: 1d }") == parse_instant("2026-06-01T00:00:00Z"));
  CHECK(until("consent.expires_at: { next: 30d }") == parse_instant("2026-05-02T00:00:00Z"));
  // A part that decides for good lets the others be.
  CHECK(until("{ country: US, custom.seen: { within: 25h } }") == std::nullopt);
  CHECK(until("any: [ { country: CA }, { custom.seen: { within: 25h } } ]") == std::nullopt);
  // Two parts that both say no: the answer holds to the later of the two ends.
  CHECK(until("{ consent.expires_at: { next: 30d }, birth_date: { anniversary: today } }") ==
        parse_instant("2026-05-03T04:00:00Z"));
  // All say yes: the first to end.
  CHECK(until("{ custom.seen: { within: 25h }, event.at: { within: 90m } }") == kNow + 30min);
}

TEST_CASE("an answer changes at the end it names, and not before", "[core][segment]") {
  const std::vector<std::string_view> texts = {"subscribed_at: { within: 3d }",
                                               "subscribed_at: { next: 3d }",
                                               "birth_date: { within: 1w }",
                                               "birth_date: { next: 1w }",
                                               "birth_date: { anniversary: today }",
                                               "birth_date: { anniversary: { next: 30d } }",
                                               "birth_date: { anniversary: { within: 364d } }",
                                               "subscribed_at: { anniversary: { within: 1d } }",
                                               "opened: { within: 36h }",
                                               "not: { opened: { within: 36h } }"};
  std::vector<Segment> segments;
  for (const auto text : texts) segments.push_back(compile(text).segment);
  const Segment both = compile(
                           "any: [ { not: { subscribed_at: { within: 3d } } }, { birth_date: { "
                           "anniversary: { next: 30d } }, opened: { within: 36h } } ]")
                           .segment;

  CHECK(rc::check([&] {
    World world;
    const auto around = [](int hours) {
      return kNow + std::chrono::hours{*rc::gen::inRange(-hours, hours)} +
             Duration{*rc::gen::inRange(0, 3'600'000)};
    };
    world.contact.set(Field::SubscribedAt, around(200));
    world.contact.set(Field::BirthDate, date_of(around(24 * 3000)));
    world.contact.set(Field::Timezone,
                      *rc::gen::elementOf(std::vector<std::string>{"America/Toronto", "Asia/Beirut",
                                                                   "Pacific/Apia", "UTC"}));
    world.engagement.take({"opened", around(60), {}});
    const Instant now = around(24 * 400);
    for (const Segment& segment : segments) {
      const SegmentResult result = world.ask(segment, now);
      RC_ASSERT(result.truth != Truth::Unknown);
      if (!result.valid_until) continue;
      RC_ASSERT(*result.valid_until > now);
      RC_ASSERT(world.ask(segment, *result.valid_until - 1ms).truth == result.truth);
      RC_ASSERT(world.ask(segment, *result.valid_until).truth != result.truth);
    }
    const SegmentResult result = world.ask(both, now);
    for (int step = 0; result.valid_until && step < 20; ++step)
      RC_ASSERT(world.ask(both, now + (*result.valid_until - 1ms - now) * step / 20).truth ==
                result.truth);
  }));
}

namespace {
/// A random condition over the event's flags t (yes), f (no) and u (missing), with its value by
/// Kleene's tables.
struct Formula {
  std::string yaml;
  Truth truth = Truth::Unknown;
};

Formula any_formula(int depth) {
  const int pick = *rc::gen::inRange(0, depth == 0 ? 3 : 6);
  if (pick == 0) return {"{ event.t: true }", Truth::Yes};
  if (pick == 1) return {"{ event.f: true }", Truth::No};
  if (pick == 2) return {"{ event.u: true }", Truth::Unknown};
  if (pick == 3) {
    const Formula inner = any_formula(depth - 1);
    const Truth truth = inner.truth == Truth::Yes  ? Truth::No
                        : inner.truth == Truth::No ? Truth::Yes
                                                   : Truth::Unknown;
    return {"{ not: " + inner.yaml + " }", truth};
  }
  const bool all = pick == 4;
  // On the scale No < Unknown < Yes, all is the least and any the greatest.
  const auto rank = [](Truth t) { return t == Truth::No ? 0 : t == Truth::Unknown ? 1 : 2; };
  Formula made{all ? "{ all: [" : "{ any: [", all ? Truth::Yes : Truth::No};
  const int parts = *rc::gen::inRange(1, 4);
  for (int i = 0; i < parts; ++i) {
    const Formula part = any_formula(depth - 1);
    made.yaml += (i ? ", " : " ") + part.yaml;
    if (all ? rank(part.truth) < rank(made.truth) : rank(part.truth) > rank(made.truth))
      made.truth = part.truth;
  }
  made.yaml += " ] }";
  return made;
}
}  // namespace

TEST_CASE("all, any and not follow Kleene's three-valued logic", "[core][segment]") {
  World world;
  world.event = Event{"x", kNow, parse_json(R"({"t": true, "f": false})").value()};
  CHECK(rc::check([&] {
    const Formula formula = any_formula(3);
    RC_ASSERT(static_cast<int>(world.ask(formula.yaml).truth) == static_cast<int>(formula.truth));
  }));
}

TEST_CASE("a segment knows what it reads", "[core][segment]") {
  const auto reads = [](std::string_view yaml) { return compile(yaml).segment.reads(); };
  const ReadSet all = reads(
      "{ email: x@example.org, custom.address.city: y, in_group: z, consent_date: 2026-05-01, "
      "event.form: f }");
  CHECK(all.fields == std::set<std::string, std::less<>>{"email", "custom.address", "groups",
                                                         "consent.given_at", "timezone"});
  CHECK(all.event_data);
  CHECK_FALSE(all.time);
  CHECK(all.events.empty());
  CHECK(reads("opened: any").events == std::set<std::string, std::less<>>{"opened"});
  CHECK_FALSE(reads("opened: any").time);
  CHECK(reads("opened: { within: 3d }").time);
  CHECK(reads("open_rate: { gt: 0.1 }").events.size() == 3);
  CHECK(reads("birth_date: { anniversary: today }").time);
}

TEST_CASE("mistakes in a segment are all reported, each at its place", "[core][segment]") {
  const struct {
    std::string_view yaml;
    std::string_view mistake;
  } cases[] = {
      {"emial: x",
       "1:1 unknown_field: \"if\": unknown field \"emial\"; fields of your own are "
       "custom.…, those of the event event.… [email]"},
      {"is: x", "1:1 unknown_field: \"if\": \"is\" is an operator"},
      {"al: [ { email: x } ]", "1:1 unknown_field"},
      {"custom: x", "1:1 unknown_field: \"if\": \"custom\" is followed by a name"},
      {"event.: x", "1:1 unknown_field"},
      {"email: { iss: x }",
       "1:10 unknown_operator: \"if\": unknown operator \"iss\" for \"email\" [is]"},
      {"event.order: { total: 5 }",
       "1:16 unknown_operator: \"if\": unknown operator \"total\" for "
       "\"event.order\"; a member of it is written with a dot"},
      {"birth_date: { lt: 5 }",
       "1:15 wrong_type: \"if\": \"lt\" cannot be asked of \"birth_date\", which is a date; "
       "there are is, is_not, in, not_in, exists, empty, between, before, after, on, within, "
       "next, anniversary [before]"},
      {"open_rate: { before: 5 }",
       "1:14 wrong_type: \"if\": \"before\" cannot be asked of \"open_rate\""},
      {"groups: [a, b]", "1:9 wrong_type: \"if\": \"in\" cannot be asked of \"groups\""},
      {"first_name: { gt: 5 }", "1:15 wrong_type"},
      {"birth_date: soon",
       "1:13 wrong_type: \"if\": \"is\" wants a day such as 2026-05-01, found \"soon\""},
      {"birth_date: { before: 2026-02-30 }", "1:23 wrong_type"},
      {"birth_date: { before: 2026-02-01T09:00 }", "1:23 wrong_type"},
      {"subscribed_at: { after: soon }",
       "1:25 wrong_type: \"if\": \"after\" wants a day such as 2026-05-01 or a "
       "time such as 2026-05-01T09:00, found \"soon\""},
      {"subscribed_at: { within: soon }",
       "1:26 bad_duration: \"if\": \"within\" wants a duration such as 90s, 2h "
       "or 3d, found \"soon\""},
      {"subscribed_at: { within: 0s }", "1:26 bad_duration"},
      {"subscribed_at: { next: -3d }", "1:24 bad_duration"},
      {"birth_date: { anniversary: 3 }", "1:28 wrong_type"},
      {"birth_date: { anniversary: { next: 36h } }", "1:36 bad_duration"},
      {"birth_date: { anniversary: { next: 365d } }", "1:36 bad_duration"},
      {"mailings_opened: { gt: many }",
       "1:24 wrong_type: \"if\": \"gt\" wants a number, found \"many\""},
      {"mailings_opened: { gt: '5' }", "1:24 wrong_type"},
      {"custom.age: { between: [1] }", "1:24 wrong_type"},
      {"custom.age: { between: [5, 1] }", "1:24 bad_range"},
      {"custom.age: { in: 5 }", "1:19 wrong_type"},
      {"custom.age: { in: [] }", "1:19 wrong_type"},
      {"custom.age: { in: [[1]] }", "1:20 wrong_type"},
      {"custom.age: { is: }", "1:15 wrong_type"},
      {"custom.age: ~", "wrong_type"},
      {"first_name: { matches: '[a' }", "1:24 bad_pattern"},
      {"first_name: { exists: maybe }", "1:23 wrong_type: \"if\": \"exists\" wants true or false"},
      {"first_name: {}", "1:13 empty_segment"},
      {"first_name:", "wrong_type"},
      {"all: []", "1:6 empty_segment"},
      {"{}", "1:1 empty_segment"},
      {"any: x", "1:6 wrong_type: \"if\": \"any\" wants a list of conditions, found \"x\""},
      {"[ { email: x } ]", "1:1 wrong_type: \"if\": wants a condition"},
      {"not: [ { email: x } ]", "1:6 wrong_type"},
      {"all: [ email ]", "1:8 wrong_type"},
      {"in_group: { a: b }", "1:11 wrong_type"},
      {"in_group: [ a, [b] ]", "1:16 wrong_type"},
      {"opened: { withn: 3d }",
       "1:11 unknown_key: \"if\": \"opened\" has no key \"withn\"; there are "
       "mailing and within [within]"},
      {"opened: { within: soon }", "1:19 bad_duration"},
      {"opened: []", "1:9 wrong_type"},
  };
  for (const auto& c : cases) {
    INFO(c.yaml);
    const auto found = mistakes(c.yaml);
    REQUIRE(found.size() == 1);
    CHECK_THAT(found.front(), Catch::Contains(std::string{c.mistake}));
    CHECK(jane().ask(compile(c.yaml).segment).truth == Truth::Unknown);
  }
  CHECK(
      mistakes("any:\n  - { emial: x }\n  - { country: { iz: CA }, birth_date: soon }\n").size() ==
      3);
}

TEST_CASE("a regular expression of a megabyte is refused at load", "[core][segment]") {
  for (const std::string& pattern : {std::string(1'000'000, '.'), std::string(4'097, 'a'),
                                     std::string{"((a{100}){100}){100}"}}) {
    const auto found = mistakes("first_name: { matches: '" + pattern + "' }");
    REQUIRE(found.size() == 1);
    CHECK_THAT(found.front(), Catch::StartsWith("1:24 bad_pattern"));
    CHECK(found.front().size() < 1'000);  // An answer does not repeat it whole.
  }
  CHECK(mistakes("first_name: { matches: '" + std::string(4'096, 'a') + "' }").empty());
}

TEST_CASE("the documentation names every operator", "[core][segment]") {
  std::ifstream file{"docs/segments.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  for (const std::string_view name : segment_operators()) {
    INFO(name);
    CHECK(text.find("`" + std::string{name} + "`") != std::string::npos);
  }
}

TEST_CASE("a segment says what decided, with the values compared", "[core][segment]") {
  World world = jane();
  world.event = Event{.type = "order", .data = parse_json(R"({"total": 12, "form": "a"})").value()};
  world.engagement.opened_last = *parse_instant("2026-04-20T12:00:00Z");
  struct Case {
    std::string_view yaml;
    std::string_view told;
  };
  for (const Case& given : {
           Case{"email: a@example.org",
                R"(email is "a@example.org": found "jane.tester@example.org")"},
           Case{"firstname: Jane", R"(first_name is "Jane": found "Jane")"},
           Case{"id: 7", R"(id is "7": found 54321)"},
           Case{"country: { is_not: CA }", R"(country is not "CA": found "CA")"},
           Case{"country: [FR, US]", R"(country is one of "FR", "US": found "CA")"},
           Case{"country: { not_in: [CA, US] }", R"(country is none of "CA", "US": found "CA")"},
           Case{"country: { not_contains: C }", R"(country not contains "C": found "CA")"},
           Case{"company: Example", R"(company is "Example": not set)"},
           Case{"company: { exists: true }", "company is not set"},
           Case{"company: { exists: false }", "company is not set"},
           Case{"country: { empty: false }", "country is not empty"},
           Case{"note: { empty: true }", "note is empty"},
           Case{"postal_code: { starts_with: 'H2' }",
                R"(postal_code starts with "H2": found "01234")"},
           Case{"postal_code: { matches: '^H' }", R"(postal_code matches "^H": found "01234")"},
           Case{"custom.age: { gte: 40 }", "custom.age >= 40: found 36"},
           Case{"custom.vip: false", "custom.vip is false: found true"},
           Case{"custom.tags: { contains: b }", R"(custom.tags contains "b": found ["a",7])"},
           Case{"custom.address.city: Paris",
                R"(custom.address.city is "Paris": found "Montréal")"},
           Case{"birth_date: { before: 1990-01-01 }",
                "birth_date before 1990-01-01: found 1990-05-03"},
           Case{"subscribed_at: { within: 3d }",
                "subscribed_at within 3d: found 2026-04-01T02:00:00Z"},
           Case{"consent.expires_at: { next: 3d }",
                "consent.expires_at in the next 3d: found 2026-06-01T00:00:00Z"},
           Case{"birth_date: { anniversary: today }",
                "birth_date has its anniversary today: found 1990-05-03"},
           Case{"birth_date: { anniversary: { next: 7d } }",
                "birth_date has its anniversary in the next 7d: found 1990-05-03"},
           Case{"in_group: vip", R"(groups has "vip")"},
           Case{"not_in_group: vip", R"(groups has "vip")"},
           Case{"in_group: lead", R"(groups has no "lead")"},
           Case{"in_group: [lead, old]", R"(groups has none of "lead", "old")"},
           Case{"groups: lead", R"(groups has no "lead")"},
           Case{"opened: { within: 5d }", "opened within 5d: 2026-04-20T12:00:00Z"},
           Case{"clicked: any", "clicked: never"},
           Case{"received: spring", R"(received "spring": never)"},
           Case{"mailings_opened: { gt: 3 }", "mailings_opened > 3: found 0"},
           Case{"event.total: { gt: 20 }", "event.total > 20: found 12"},
           Case{"event.order.id: 5", "event.order.id is 5: not set"},
           // All: each part of a yes; of a no the first that fails.
           Case{"{ country: CA, in_group: vip }",
                R"(country is "CA": found "CA"; groups has "vip")"},
           Case{"{ country: CA, in_group: lead, custom.age: 5 }", R"(groups has no "lead")"},
           Case{"{ company: Example, country: CA }", R"(company is "Example": not set)"},
           Case{"{ company: Example, country: FR }", R"(country is "FR": found "CA")"},
           // Any: the part that matches, or none of them.
           Case{"any: [{ country: FR }, { in_group: vip }]", R"(groups has "vip")"},
           Case{"any: [{ country: FR }, { in_group: lead }]",
                R"(none of: country is "FR": found "CA"; groups has no "lead")"},
           Case{"not: { opened: { within: 90d } }", "opened within 90d: 2026-04-20T12:00:00Z"},
           Case{"not: { any: [{ in_group: lead }, { in_group: vip }] }", R"(groups has "vip")"},
       }) {
    const Compiled made = compile(given.yaml);
    CAPTURE(given.yaml);
    REQUIRE_FALSE(made.diagnostics.has_errors());
    CHECK(made.segment.explain({world.contact, world.engagement, &*world.event, kNow, "UTC"}) ==
          given.told);
  }
  CHECK(Segment{}.explain({world.contact, world.engagement, nullptr, kNow, "UTC"}).empty());
  CHECK(compile("event.total: 1")
            .segment.explain({world.contact, world.engagement, nullptr, kNow, "UTC"}) ==
        "event.total: there is no event");
}

TEST_CASE("what a segment says is short and whole characters", "[core][segment]") {
  World world = jane();
  for (std::size_t letters = 0; letters < 90; ++letters) {
    std::string value(letters, 'x');
    for (int i = 0; i < 60; ++i) value += "é";
    value += "\n\"";
    world.contact.set_custom("long", value);
    world.contact.set_custom("list", ValueList{value, value});
    for (const char* yaml : {"custom.long: \"é\"",
                             "{ any: [{ custom.long: a }, { custom.list: { contains: b } }, { "
                             "custom.long: c }, { custom.long: d }] }"}) {
      const std::string told =
          compile(yaml).segment.explain({world.contact, world.engagement, nullptr, kNow, "UTC"});
      CHECK(told.size() <= 200);
      CHECK(told.size() > 60);
      CHECK(valid_utf8(told));
      CHECK(told.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a field may be compared with another", "[core][segment]") {
  World world = jane();
  const auto data = parse_json(R"({"city": "Montréal", "email": "JANE.tester@example.org",
      "age": 36, "text": "36", "vip": true, "day": "2026-06-01", "tag": "a", "group": "vip",
      "start": "01", "list": [1], "noon": "2026-05-31T20:00:00Z"})");
  world.event = Event{.type = "order", .data = data.value()};
  using enum Truth;
  struct Case {
    std::string_view yaml;
    Truth truth;
  };
  for (const Case& given : {
           Case{"custom.address.city: { is: { field: event.city } }", Yes},
           Case{"custom.address.city: { is_not: { field: event.city } }", No},
           Case{"custom.address.city: { is: { field: country } }", No},
           Case{"email: { is: { field: event.email } }", Yes},
           Case{"custom.age: { is: { field: event.age } }", Yes},
           Case{"custom.age: { is: { field: event.text } }", Yes},
           Case{"custom.age: { lt: { field: custom.size } }", Yes},
           Case{"custom.age: { gte: { field: custom.size } }", No},
           Case{"custom.age: { lt: { field: custom.plan } }", Unknown},
           Case{"mailings_received: { lte: { field: custom.age } }", Yes},
           Case{"custom.vip: { is: { field: event.vip } }", Yes},
           Case{"custom.vip: { is: { field: event.age } }", Unknown},
           Case{"custom.tags: { contains: { field: event.tag } }", Yes},
           Case{"groups: { contains: { field: event.group } }", Yes},
           Case{"groups: { not_contains: { field: event.tag } }", Yes},
           Case{"postal_code: { starts_with: { field: event.start } }", Yes},
           Case{"postal_code: { ends_with: { field: event.start } }", No},
           Case{"postal_code: { starts_with: { field: event.age } }", Unknown},
           Case{"custom.due: { before: { field: consent.expires_at } }", Yes},
           Case{"custom.due: { after: { field: birth_date } }", Yes},
           // In Toronto the first instant of June in UTC is still in May.
           Case{"consent.expires_at: { on: { field: event.day } }", No},
           Case{"event.day: { after: { field: consent.expires_at } }", Yes},
           Case{"consent.expires_at: { after: { field: event.noon } }", Yes},
           Case{"birth_date: { is: { field: birth_date } }", Yes},
           Case{"birth_date: { is: { field: event.city } }", Unknown},
           Case{"custom.plan: { is: { field: custom.missing } }", Unknown},
           Case{"custom.missing: { is: { field: custom.plan } }", Unknown},
           Case{"custom.plan: { is_not: { field: custom.missing } }", Unknown},
           Case{"custom.plan: { is: { field: event.list } }", Unknown},
       }) {
    CAPTURE(given.yaml);
    CHECK(world.ask(given.yaml).truth == given.truth);
  }
  const Compiled made = compile("custom.age: { lt: { field: custom.size } }");
  CHECK(made.segment.reads().fields.contains("custom.size"));
  CHECK(made.segment.explain({world.contact, world.engagement, nullptr, kNow, "UTC"}) ==
        R"(custom.age < custom.size ("42"): found 36)");
  CHECK(compile("custom.age: { lt: { field: event.age } }").segment.reads().event_data);
}

TEST_CASE("a field is compared only with one of its kind", "[core][segment]") {
  for (const char* yaml : {
           "birth_date: { is: { field: first_name } }",
           "birth_date: { before: { field: country } }",
           "first_name: { is: { field: groups } }",
           "mailings_received: { lt: { field: country } }",
           "first_name: { is: { field: frist_name } }",
           "first_name: { is: { field: last_name, also: 1 } }",
           "first_name: { is: { field: [a] } }",
           "first_name: { in: [{ field: last_name }] }",
           "first_name: { is: { other: last_name } }",
       }) {
    CAPTURE(yaml);
    CHECK(mistakes(yaml).size() == 1);
  }
}

TEST_CASE("contains compares with the written form of another field of any kind",
          "[core][segment]") {
  World world = jane();
  world.contact.set(Field::Note, "hello");
  for (const char* other : {"custom.age", "custom.vip", "birth_date", "subscribed_at"}) {
    CAPTURE(other);
    const std::string yaml = "note: { contains: { field: " + std::string{other} + " } }";
    CHECK(world.ask(yaml).truth == Truth::No);
  }
  world.contact.set(Field::Note, "36 and true, born 1990-05-03");
  for (const char* other : {"custom.age", "custom.vip", "birth_date"}) {
    CAPTURE(other);
    const std::string yaml = "note: { contains: { field: " + std::string{other} + " } }";
    CHECK(world.ask(yaml).truth == Truth::Yes);
  }
  CHECK(world.ask("note: { contains: { field: custom.tags } }").truth == Truth::Unknown);
  world.contact.set_custom("tags", parse_json("[36, true, \"1990-05-03\"]").value());
  CHECK(world.ask("custom.tags: { contains: { field: custom.age } }").truth == Truth::Yes);
  CHECK(world.ask("custom.tags: { contains: { field: birth_date } }").truth == Truth::Yes);
}

TEST_CASE("between compares the ends exactly", "[core][segment]") {
  CHECK(mistakes("custom.n: { between: [9223372036854775807, 9223372036854775806] }").size() == 1);
  CHECK(mistakes("custom.n: { between: [9223372036854775806, 9223372036854775807] }").empty());
  CHECK(mistakes("custom.n: { between: [0.5, 0] }").size() == 1);
  CHECK(mistakes("custom.n: { between: [1, 1] }").empty());
  CHECK(mistakes("custom.n: { between: [2026-05-01, 2026-05-01T09:00] }").size() == 1);
}

TEST_CASE("what only format 2 refuses stays a working condition of format 1", "[core][segment]") {
  for (const char* yaml : {"custom.n: { between: [9223372036854775807, 9223372036854775806] }",
                           "custom.n: { between: [2026-05-02, 2026-05-01T09:00] }", "custom..x: 1",
                           "custom.a..b: 1", "event.a: { is: { field: custom.b. } }"}) {
    CAPTURE(yaml);
    Diagnostics old{kFirstFormat};
    const auto tree = read_yaml(yaml, old);
    REQUIRE(tree);
    const Segment segment = Segment::compile(*tree, "x", "UTC", old);
    CHECK_FALSE(old.has_errors());
    CHECK_FALSE(old.empty());
    CHECK(jane().ask(segment).truth != Truth::Yes);
    Diagnostics newest;
    (void)Segment::compile(*tree, "x", "UTC", newest);
    CHECK(newest.errors() == 1);
  }
}

TEST_CASE("the regular expressions of a text have a bound together", "[core][segment]") {
  std::string yaml = "any:\n";
  for (int i = 0; i < 1'000; ++i)
    yaml += "  - { email: { matches: \"((a{100}){9})" + std::to_string(i) + "\" } }\n";
  const auto found = mistakes(yaml);
  REQUIRE_FALSE(found.empty());
  CHECK(found.front().find("may have 200000 steps in all") != std::string::npos);
  CHECK(mistakes("email: { matches: \"((a{100}){9})\" }").empty());
}
