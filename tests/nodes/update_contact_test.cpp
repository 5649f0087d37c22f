#include "tests/nodes/node_stage.h"

using namespace onward;

namespace {
NodeStage stage_of(std::string_view settings) {
  NodeStage stage{"{ kind: update_contact, " + std::string{settings} + ", next: end }"};
  stage.event.data = parse_json(R"({"name": "Joan", "count": 7, "tags": ["a", "b"], "vip": true,
      "born": "1990-05-01", "at": "2026-05-01T09:00:00Z", "email": " JOAN@Example.org ",
      "wrong": "nobody", "nothing": null, "empty": ""})")
                         .value();
  return stage;
}
}  // namespace

TEST_CASE("an update sets fields by their types, and lets the contact go on",
          "[nodes][update_contact]") {
  const NodeStage stage = stage_of(
      "set: { custom.tier: gold, custom.score: 5, custom.list: [a, 1], first_name: \"{{ event.name "
      "}}\", postal_code: 01234, birth_date: 1990-05-01, consent.given_at: "
      "\"2026-05-01T09:00:00Z\", "
      "custom.old: null }");
  const Outcome outcome = stage.enter();
  CHECK(std::get<Leave>(outcome.next).port == "next");
  CHECK(outcome.note.empty());
  REQUIRE(outcome.patch);
  Contact contact = stage.contact;
  contact.set_custom("old", 1);
  apply_patch(contact, *outcome.patch, stage.visit().now.at);
  CHECK(*contact.get_custom("tier") == Value{"gold"});
  CHECK(*contact.get_custom("score") == Value{5});
  CHECK(*contact.get_custom("list") == Value{ValueList{"a", 1}});
  CHECK(contact.get_custom("old") == nullptr);
  CHECK(*contact.get(Field::FirstName) == Value{"Joan"});
  CHECK(*contact.get(Field::PostalCode) == Value{"01234"});
  CHECK(*contact.get(Field::BirthDate) == Value{*parse_date("1990-05-01")});
  CHECK(*contact.get(Field::ConsentGivenAt) == Value{*parse_instant("2026-05-01T09:00:00Z")});
}

TEST_CASE("a whole placeholder keeps its JSON type, a part of a text is text",
          "[nodes][update_contact]") {
  const NodeStage stage = stage_of(
      "set: { custom.count: \"{{ event.count }}\", custom.tags: \"{{ event.tags }}\", custom.text: "
      "\"{{ event.count }} times\", custom.seen: \"{{ event.at }}\", last_name: \"{{ event.count "
      "}}\", birth_date: \"{{ event.born }}\", subscribed_at: \"{{ event.at }}\" }");
  const Outcome outcome = stage.enter();
  REQUIRE(outcome.patch);
  Contact contact;
  apply_patch(contact, *outcome.patch, stage.visit().now.at);
  CHECK(*contact.get_custom("count") == Value{7});
  CHECK(*contact.get_custom("tags") == Value{ValueList{"a", "b"}});
  CHECK(*contact.get_custom("text") == Value{"7 times"});
  CHECK(*contact.get_custom("seen") == Value{"2026-05-01T09:00:00Z"});
  CHECK(*contact.get(Field::LastName) == Value{"7"});
  CHECK(*contact.get(Field::BirthDate) == Value{*parse_date("1990-05-01")});
  CHECK(*contact.get(Field::SubscribedAt) == Value{*parse_instant("2026-05-01T09:00:00Z")});
}

TEST_CASE("what does not fit at run time leaves the field and is noted",
          "[nodes][update_contact]") {
  struct Case {
    std::string_view settings;
    std::string_view note;
  };
  for (
      const Case& given : {
          Case{
              "set: { birth_date: \"{{ event.name }}\" }",
              R"("birth_date" wants a day such as "1990-05-01", found a text of another form and is left)"},
          Case{"set: { first_name: \"{{ event.tags }}\" }",
               R"("first_name" wants a text, found a list and is left)"},
          Case{"set: { email: \"{{ event.wrong }}\" }",
               R"("email" is no e-mail address and is left)"},
          Case{
              "set: { timezone: \"{{ event.name }}\" }",
              R"("timezone" is no zone of the IANA database, such as America/Toronto and is left)"},
          Case{"set: { custom.x: \"{{ event.missing }}\" }",
               R"("custom.x" is left: nothing to set it to)"},
          Case{"set: { first_name: \"{{ event.nothing }}\" }",
               R"("first_name" is left: nothing to set it to)"},
          Case{"groups_add: [\"{{ event.missing }}\"]",
               R"("groups_add" is left: nothing to set it to)"},
          Case{"groups_remove: \"{{ event.empty }}\"",
               R"("groups_remove" is left: nothing to set it to)"},
      }) {
    CAPTURE(given.settings);
    const NodeStage stage = stage_of(given.settings);
    const Outcome outcome = stage.enter();
    CHECK(std::get<Leave>(outcome.next).port == "next");
    CHECK_FALSE(outcome.patch);
    CHECK(outcome.note == given.note);
  }
}

TEST_CASE("what fits is set although something else does not", "[nodes][update_contact]") {
  const NodeStage stage =
      stage_of("set: { birth_date: \"{{ event.name }}\", company: Example }, groups_add: vip");
  const Outcome outcome = stage.enter();
  REQUIRE(outcome.patch);
  CHECK(outcome.patch->fields.size() == 1);
  CHECK(outcome.patch->groups_add == std::vector<std::string>{"vip"});
  CHECK_FALSE(outcome.note.empty());
}

TEST_CASE("many faults make one short note", "[nodes][update_contact]") {
  std::string settings = "set: { ";
  for (int i = 0; i < 50; ++i)
    settings += "custom.f" + std::to_string(i) + ": \"{{ event.missing }}\", ";
  const Outcome outcome = stage_of(settings + "}").enter();
  CHECK(outcome.note.size() <= 200);
  CHECK(outcome.note.starts_with("\"custom.f0\" is left"));
}

TEST_CASE("an address may be set, in its normal form", "[nodes][update_contact]") {
  const NodeStage stage = stage_of("set: { email: \"{{ event.email }}\" }");
  const Outcome outcome = stage.enter();
  REQUIRE(outcome.patch);
  CHECK(outcome.patch->fields.front().second == Value{"joan@example.org"});
}

TEST_CASE("an update changes groups, by name or by what the event says",
          "[nodes][update_contact]") {
  const NodeStage stage = stage_of(
      "groups_add: [vip, \"{{ event.name }}-club\", \"{{ event.tags }}\"], groups_remove: lead");
  const Outcome outcome = stage.enter();
  REQUIRE(outcome.patch);
  CHECK(outcome.patch->groups_add == std::vector<std::string>{"vip", "Joan-club", "a", "b"});
  CHECK(outcome.patch->groups_remove == std::vector<std::string>{"lead"});
  CHECK_FALSE(outcome.patch->groups);
}

TEST_CASE("an update knows fields by their other names", "[nodes][update_contact]") {
  const NodeStage stage = stage_of("set: { zip: 01234, contact.firstname: Joan }");
  const Outcome outcome = stage.enter();
  REQUIRE(outcome.patch);
  CHECK(outcome.patch->fields[0].first == Field::PostalCode);
  CHECK(outcome.patch->fields[1].first == Field::FirstName);
}

TEST_CASE("an update refuses what cannot be set", "[nodes][update_contact]") {
  struct Case {
    std::string_view settings;
    std::string_view codes;
  };
  for (const Case& given : {
           Case{"set: {}", "wrong_type "},
           Case{"set: gold", "wrong_type "},
           Case{"set: { id: 5 }", "read_only_field "},
           Case{"set: { created_at: 2026-01-01 }", "read_only_field "},
           Case{"set: { open_rate: 1 }", "read_only_field "},
           Case{"set: { ref: 1 }", "read_only_field "},
           Case{"set: { custom: { tier: gold } }", "read_only_field "},
           Case{"set: { groups: [vip] }", "misplaced_key "},
           Case{"set: { groups_add: [vip] }", "misplaced_key "},
           Case{"set: { tier: gold }", "unknown_field "},
           Case{"set: { custom.address.city: Paris }", "bad_path "},
           Case{"set: { birth_date: soon }", "wrong_type "},
           Case{"set: { email: nobody }", "wrong_type "},
           Case{"set: { timezone: Mars/Olympus }", "wrong_type "},
           Case{"set: { first_name: [a] }", "wrong_type "},
           Case{"set: { first_name: a, firstname: b }", "name_taken "},
           Case{"set: { custom.x: [\"{{ event.name }}\"] }", "wrong_type "},
           Case{"set: { custom.x: \"{{ event.name\" }", "unclosed_placeholder "},
           Case{"set: { custom.x: \"{{ secret.key }}\" }", "secret_not_allowed "},
           Case{"groups_add: []", "wrong_type "},
           Case{"groups_add: [[vip]]", "wrong_type "},
           Case{"groups_add: \"\"", "wrong_type "},
           Case{"grups_add: [vip]", "missing_key unknown_key "},
       }) {
    CAPTURE(given.settings);
    const NodeStage stage = stage_of(given.settings);
    CHECK_FALSE(stage.loaded.scenario);
    CHECK(stage.codes() == given.codes);
  }
}
