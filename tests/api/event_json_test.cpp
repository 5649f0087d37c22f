#include "engine/api/event_json.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
const Instant kNow = *parse_instant("2026-05-01T09:00:00Z");

std::string refusal_of(std::string_view json) {
  const auto object = parse_json(json);
  REQUIRE(object);
  const auto event = parse_event(*object, kNow, false);
  return event ? "" : event.error().code;
}

EventInput event_of(std::string_view json) {
  const auto object = parse_json(json);
  REQUIRE(object);
  auto event = parse_event(*object, kNow, false);
  if (!event) FAIL(event.error().message);
  return *event;
}

TEST_CASE("an event is read whole", "[api][events]") {
  const EventInput input = event_of(R"({"id": "e1", "source": "shop", "type": "subscription",
    "at": "2026-05-01T08:59:00+00:00", "contact": {"id": 54321, "email": " Jane@Example.org "},
    "data": {"form": "newsletter"}})");
  CHECK(input.id == "e1");
  CHECK(input.source == "shop");
  CHECK(input.event.type == "subscription");
  CHECK(input.event.at == kNow - std::chrono::minutes{1});
  REQUIRE(input.who.id);
  CHECK(input.who.id->text == "54321");
  CHECK(input.who.id->numeric);
  CHECK(input.who.email == "jane@example.org");
  CHECK(*input.event.data.find("form") == Value{"newsletter"});
}

TEST_CASE("an event that says no time is of now, and needs no id and no data", "[api][events]") {
  const EventInput input = event_of(R"({"type": "subscription", "contact": {"id": "c1"}})");
  CHECK(input.event.at == kNow);
  CHECK(input.id.empty());
  CHECK(input.event.data.is_null());
}

TEST_CASE("what is wrong with an event has a stable code", "[api][events]") {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "wrong_type"},
      {R"({"contact": {"id": "c1"}})", "no_type"},
      {R"({"type": 7, "contact": {"id": "c1"}})", "wrong_type"},
      {R"({"type": "Not a name!", "contact": {"id": "c1"}})", "bad_type"},
      {R"({"type": "subscription"})", "no_contact"},
      {R"({"type": "subscription", "contact": {}})", "no_contact"},
      {R"({"type": "subscription", "contact": "c1"})", "wrong_type"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "data": [1]})", "wrong_type"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "dta": {}})", "unknown_member"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "id": true})", "wrong_type"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "id": ""})", "bad_id"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "id": null})", ""},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "id": " "})", "bad_id"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "id": "a "})", "bad_id"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "id": "a\nb"})", "bad_id"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "id": "a b"})", ""},
      {R"({"type": "subscription", "contact": {"id": " c1"}})", "bad_id"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "at": "yesterday"})", "bad_instant"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "at": 1777626000})", "wrong_type"},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "at": "2026-05-01T09:05:00Z"})", ""},
      {R"({"type": "subscription", "contact": {"id": "c1"}, "at": "2026-05-01T09:05:01Z"})",
       "at_in_future"},
  };
  for (const auto& [json, code] : cases) {
    CAPTURE(json);
    CHECK(refusal_of(json) == code);
  }
  const std::string long_id(300, 'x');
  CHECK(refusal_of(R"({"id": ")" + long_id + R"(", "type": "a", "contact": {"id": "c1"}})") ==
        "too_long");
  const std::string big(kEventBytesMax, 'x');
  CHECK(refusal_of(R"({"type": "a", "contact": {"id": "c1"}, "data": {"x": ")" + big + R"("}})") ==
        "event_too_large");
}

TEST_CASE("a repeat has the same fingerprint whatever its layout, another body has not",
          "[api][events]") {
  const auto of = [](std::string_view json) { return event_of(json).fingerprint; };
  const Hash128 first =
      of(R"({"id": "e", "type": "subscription", "contact": {"id": "c"}, "data": {"a": 1}})");
  CHECK(first == of(R"( {"data":{"a":1},"contact":{"id":"c"},"type":"subscription","id":"e"} )"));
  CHECK(first !=
        of(R"({"id": "e", "type": "subscription", "contact": {"id": "c"}, "data": {"a": 2}})"));
  CHECK(first !=
        of(R"({"id": "e", "type": "subscription", "contact": {"id": "d"}, "data": {"a": 1}})"));
}

TEST_CASE("events of a list succeed or fail alone", "[api][events]") {
  const auto post = parse_events(
      R"([{"type": "subscription", "contact": {"id": "a"}}, {"id": "e2", "type": "subscription"},
          {"type": "subscription", "contact": {"id": "b"}}])",
      EventForm::Json, kNow, false);
  REQUIRE(post);
  CHECK_FALSE(post->lone);
  REQUIRE(post->events.size() == 2);
  CHECK(post->places[1].index == 2);
  REQUIRE(post->refused.size() == 1);
  CHECK(post->refused[0].place.index == 1);

  const ApiReply reply =
      render_answers(*post, {{EventAnswer::Kind::Accepted, "", "", {"ambiguous_contact"}},
                             {EventAnswer::Kind::Rejected, "too_old", "Eight days old.", {}}});
  CHECK(reply.status == 202);
  const auto body = parse_json(reply.body);
  REQUIRE(body);
  CHECK(*body->find("accepted") == Value{1});
  CHECK(*body->find("rejected") == Value{2});
  CHECK(*body->find_path("warnings.0.code") == Value{"ambiguous_contact"});
  CHECK(*body->find_path("errors.0.code") == Value{"no_contact"});
  CHECK(*body->find_path("errors.0.id") == Value{"e2"});
  CHECK(*body->find_path("errors.1.index") == Value{2});
  CHECK(*body->find_path("errors.1.code") == Value{"too_old"});
}

TEST_CASE("an item of a list that is no JSON is refused alone", "[api][events]") {
  const std::string good = R"({"type": "opened", "contact": {"id": "a"}, "data": {"t": "\"],[{"}})";
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  for (const std::string& bad :
       {std::string{R"({"type": "x", "type": "y"})"}, deep, std::string{"1e999"},
        std::string{"{\"a\": nonsense}"}, std::string{"\"\xff\""}, std::string{"{\"a\": 1]"}}) {
    CAPTURE(bad);
    const auto post =
        parse_events(" [" + good + ",\n" + bad + "," + good + "] ", EventForm::Json, kNow, false);
    REQUIRE(post);
    CHECK(post->events.size() == 2);
    CHECK(post->places.back().index == 2);
    REQUIRE(post->refused.size() == 1);
    CHECK(post->refused[0].place.index == 1);
  }
  for (const std::string& list : {"[" + good + ",]", "[" + good + ",,{a}]", "[" + good + "]]",
                                  "[" + good + ",{a", "[" + good + ",{a}} x"}) {
    CAPTURE(list);
    CHECK_FALSE(parse_events(list, EventForm::Json, kNow, false));
  }
}

TEST_CASE("an event nests 32 levels and no more, whatever stands around it", "[api][events]") {
  const auto event = [](std::size_t depth) {
    const std::string inner = std::string(depth - 2, '[') + std::string(depth - 2, ']');
    return R"({"type": "opened", "contact": {"id": "a"}, "data": {"x": )" + inner + "}}";
  };
  for (const auto& [before, behind] :
       {std::pair{"", ""}, std::pair{"[", "]"}, std::pair{" [", ",{\"type\": 1}]"}}) {
    CAPTURE(before, behind);
    const auto deep = parse_events(before + event(32) + behind, EventForm::Json, kNow, false);
    REQUIRE(deep);
    CHECK(deep->events.size() == 1);
    const auto deeper = parse_events(before + event(33) + behind, EventForm::Json, kNow, false);
    const Error error = deeper ? deeper->refused.at(0).error : deeper.error();
    CHECK((!deeper || deeper->events.empty()));
    CHECK(error.message.find("nested deeper than 32 levels") != std::string::npos);
  }
  CHECK(parse_events(event(32), EventForm::Lines, kNow, false)->events.size() == 1);
  CHECK(parse_events(event(33), EventForm::Lines, kNow, false)->refused.size() == 1);
}

TEST_CASE("a name that nobody knows is repeated in part only", "[api][events]") {
  const std::string name(100'000, 'x');
  const auto object =
      parse_json(R"({"type": "opened", "contact": {"id": "a"}, ")" + name + R"(": 1})");
  const auto event = parse_event(*object, kNow, false);
  REQUIRE_FALSE(event);
  CHECK(event.error().code == "unknown_member");
  CHECK(event.error().message.size() < 300);
}

TEST_CASE("one event a line, and a broken line is named by its number", "[api][events]") {
  const auto post = parse_events(
      "{\"type\": \"subscription\", \"contact\": {\"id\": \"a\"}}\r\n\n{broken\n"
      "{\"type\": \"subscription\", \"contact\": {\"id\": \"b\"}}",
      EventForm::Lines, kNow, true);
  REQUIRE(post);
  REQUIRE(post->events.size() == 2);
  CHECK(post->events[0].history);
  CHECK(post->places[1].line == 4);
  CHECK(post->places[1].index == 2);
  REQUIRE(post->refused.size() == 1);
  CHECK(post->refused[0].place.line == 3);
  CHECK(post->refused[0].error.code == "bad_json");
}

TEST_CASE("a lone event's failure is the request's", "[api][events]") {
  const auto bad = parse_events(R"({"type": "subscription"})", EventForm::Json, kNow, false);
  REQUIRE(bad);
  CHECK(render_answers(*bad, {}).status == 400);

  const auto good = parse_events(R"({"type": "subscription", "contact": {"id": "a"}})",
                                 EventForm::Json, kNow, false);
  REQUIRE(good);
  CHECK(render_answers(*good, {{EventAnswer::Kind::Conflict, "id_reused", "", {}}}).status == 409);
  CHECK(render_answers(*good, {{EventAnswer::Kind::Rejected, "too_old", "", {}}}).status == 400);
  CHECK(render_answers(*good, {{EventAnswer::Kind::Rejected, "poison", "", {}}}).status == 422);
  const ApiReply repeat = render_answers(*good, {{EventAnswer::Kind::Duplicate, "", "", {}}});
  CHECK(repeat.status == 202);
  CHECK(repeat.body == R"({"accepted":0,"duplicates":1,"rejected":0,"warnings":[],"errors":[]})");
}

TEST_CASE("a post with nothing in it, or too much, is refused whole", "[api][events]") {
  for (const char* empty : {"[]", "", "{", "[{}"}) {
    CAPTURE(empty);
    CHECK_FALSE(parse_events(empty, EventForm::Json, kNow, false));
  }
  CHECK_FALSE(parse_events("\n \n", EventForm::Lines, kNow, false));
  std::string many;
  for (std::size_t i = 0; i <= kEventsMax; ++i) many += "{}\n";
  const auto post = parse_events(many, EventForm::Lines, kNow, false);
  REQUIRE_FALSE(post);
  CHECK(post.error().code == "too_many_events");
}

TEST_CASE("events of a list are counted before any value of it is read", "[api][events]") {
  const auto list_of = [](std::string_view item, std::size_t count) {
    std::string list = "[";
    for (std::size_t i = 0; i < count; ++i) list.append(i == 0 ? "" : ",").append(item);
    return list + "]";
  };
  CHECK(check_event_count(list_of("0", kEventsMax)));
  CHECK_FALSE(check_event_count(list_of("0", kEventsMax + 1)));
  CHECK_FALSE(check_event_count(" \n" + list_of(R"({"a,[":[1,2,{"b":"]\",["}]})", kEventsMax + 1)));
  // Commas inside of items do not count.
  CHECK(check_event_count(list_of(R"({"a":[1,2,3,4,5,6],"b":"1,2,3,4"})", kEventsMax)));
  CHECK(check_event_count("{\"a\":" + list_of("0", kEventsMax + 1) + "}"));
  // Behind the limit nothing is read: what follows is not even JSON.
  const auto post = parse_events(list_of("0", kEventsMax + 1) + " }", EventForm::Json, kNow, false);
  REQUIRE_FALSE(post);
  CHECK(post.error().code != "too_many_events");
  std::string broken = list_of("0", kEventsMax + 2);
  broken.insert(broken.size() - 2, "\x01");
  const auto counted = parse_events(broken, EventForm::Json, kNow, false);
  REQUIRE_FALSE(counted);
  CHECK(counted.error().code == "too_many_events");
}
}  // namespace
}  // namespace onward
