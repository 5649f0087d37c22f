#include "engine/core/template/template.h"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

using namespace onward;

namespace {
using namespace std::string_literals;
const Instant kNow = *parse_instant("2026-05-01T12:00:00Z");

struct World {
  Contact contact;
  Engagement engagement;
  Event event{
      "new_order", kNow,
      parse_json(R"({"order": {"total": 99.5, "lines": [1, 2]}, "empty": "", "path": "a/b c"})")
          .value()};

  World() {
    contact.id = ExternalId{"54321", true};
    contact.set(Field::FirstName, "Zoë");
    contact.set(Field::BirthDate, *parse_date("1990-05-03"));
    contact.set_custom("plan", "gold");
    contact.set_custom("vip", true);
    contact.groups = {"customers", "vip"};
    contact.updated_at = kNow;
  }
  TemplateSubject subject() const {
    return {contact, engagement, &event, "run_1", "welcome", "Welcome readers"};
  }
};

Template compile(std::string_view text, TemplateUse use = TemplateUse::Body) {
  Diagnostics diagnostics;
  Template made = Template::compile(text, {3, 10}, use, "\"x\"", diagnostics);
  for (const auto& d : diagnostics.sorted()) UNSCOPED_INFO(d.message);
  REQUIRE_FALSE(diagnostics.has_errors());
  return made;
}

std::string render(std::string_view text, TemplateUse use = TemplateUse::Body) {
  INFO(text);
  return compile(text, use).render(World{}.subject());
}

/// "line:column code [nearest]" of the mistakes.
std::string mistakes(std::string_view text, TemplateUse use = TemplateUse::Body) {
  Diagnostics diagnostics;
  (void)Template::compile(text, {3, 10}, use, "\"x\"", diagnostics);
  std::string found;
  for (const auto& d : diagnostics.sorted())
    found += (found.empty() ? "" : "; ") + std::to_string(d.at.line) + ":" +
             std::to_string(d.at.column) + " " + d.code +
             (d.nearest.empty() ? "" : " [" + d.nearest + "]");
  return found;
}
}  // namespace

TEST_CASE("placeholders become the values that they name", "[core][template]") {
  const struct {
    std::string_view text, rendered;
  } cases[] = {
      {"", ""},
      {"plain } text { }}", "plain } text { }}"},
      {"Hello {{ contact.first_name }}!", "Hello Zoë!"},
      {"{{contact.firstname}}{{contact.custom.plan}}", "Zoëgold"},
      {"{{ contact.id }}", "54321"},
      {"{{ contact.birth_date }}", "1990-05-03"},
      {"{{ contact.groups }}", "customers, vip"},
      {"{{ contact.mailings_received }}", "0"},
      {"{{ contact.last_name }}", ""},
      {"{{ contact.last_name | default: \"there\" }}", "there"},
      {"{{ contact.last_name | default: 'you \\'two\\'' }}", "you 'two'"},
      {"{{ contact.first_name | default: \"there\" }}", "Zoë"},
      {"{{ event.empty | default: 7 }}", "7"},
      {"{{ event.order.total }} {{ event.order.lines.1 }}", "99.5 2"},
      {"{{ event.order }}", R"({"total":99.5,"lines":[1,2]})"},
      {"{{ event.type }} {{ event.at }}", "new_order 2026-05-01T12:00:00Z"},
      {"{{ event.missing.path }}", ""},
      {"{{ run.id }} {{ scenario.id }} {{ scenario.title }}", "run_1 welcome Welcome readers"},
      {"{{ \"{{\" }} {{ '}}' }}", "{{ }}"},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    CHECK(render(c.text) == c.rendered);
  }
}

TEST_CASE("a value is never expanded again", "[core][template]") {
  World world;
  world.contact.set(Field::FirstName, "{{ run.id }}");
  CHECK(compile("{{ contact.first_name }}").render(world.subject()) == "{{ run.id }}");
}

TEST_CASE("one whole placeholder keeps its JSON type", "[core][template]") {
  const World world;
  const auto value = [&](std::string_view text) {
    return compile(text).render_value(world.subject(), true);
  };
  CHECK(value("{{ event.order.total }}") == Value{99.5});
  CHECK(value("{{ contact.custom.vip }}") == Value{true});
  CHECK(value("{{ contact.id }}") == Value{54321});
  CHECK(value("{{ contact.groups }}") == Value{ValueList{"customers", "vip"}});
  CHECK(value("{{ contact.last_name }}").is_null());
  CHECK(value("{{ contact.last_name | default: 0 }}") == Value{0});
  CHECK(value("no. {{ contact.id }}") == Value{"no. 54321"});
  CHECK(value("{{ \"x\" }}") == Value{"x"});
  CHECK(value("") == Value{""});
  CHECK(compile("{{ contact.id }}").render_value(world.subject(), false) == Value{"54321"});
}

TEST_CASE("values are percent-encoded in a URL", "[core][template]") {
  CHECK(render("{{ event.path }}", TemplateUse::UrlPath) == "a%2Fb%20c");
  CHECK(render("{{ event.path | path }}", TemplateUse::UrlPath) == "a/b%20c");
  CHECK(render("q={{ event.path }}&r=1", TemplateUse::UrlQuery) == "q=a%2Fb%20c&r=1");
  CHECK(render("{{ contact.first_name }}", TemplateUse::UrlQuery) == "Zo%C3%AB");
  CHECK(percent_encode("aZ09-._~/ %") == "aZ09-._~%2F%20%25");
  CHECK(percent_encode("a/b", /*keep_slash=*/true) == "a/b");

  World world;
  const auto path = [&](std::string_view value, std::string_view text) {
    world.contact.set_custom("x", value);
    return compile(text, TemplateUse::UrlPath).render(world.subject());
  };
  CHECK(path("..", "/c/{{ contact.custom.x }}/d") == "/c/%2E%2E/d");
  CHECK(path("a/../b", "/c/{{ contact.custom.x | path }}") == "/c/a/%2E%2E/b");
  CHECK(path("a..b", "{{ contact.custom.x }}") == "a..b");
}

TEST_CASE("a secret stays a reference, and no value can pass itself off as one",
          "[core][template]") {
  const Template header =
      compile("Bearer {{ secret.crm_key }}{{ secret.crm_key }}", TemplateUse::Header);
  CHECK(header.render(World{}.subject()) ==
        "Bearer \x01"
        "crm_key\x02\x01"
        "crm_key\x02");
  CHECK(header.secrets() == std::vector<std::string>{"crm_key"});
  CHECK_FALSE(header.constant());
  CHECK(compile("x").constant());
  CHECK_FALSE(has_control_characters(header.render(World{}.subject())));

  World world;
  world.contact.set(Field::FirstName,
                    "\x01"
                    "crm_key\x02");
  for (const TemplateUse use : {TemplateUse::Header, TemplateUse::UrlPath, TemplateUse::UrlQuery}) {
    const std::string text = compile("{{ contact.first_name }}", use).render(world.subject());
    CHECK(text.find(kSecretOpen) == std::string::npos);
    CHECK(has_control_characters(text) == (use == TemplateUse::Header));
  }
  for (const std::string& bad : {"a\r\nb"s, "\t"s, "\x7f"s, "\x01"s, "\x02"s, "\x01 a\n\x02"s})
    CHECK(has_control_characters(bad));
  CHECK_FALSE(has_control_characters("plain é"));
}

TEST_CASE("mistakes in a text are reported at their column", "[core][template]") {
  using enum TemplateUse;
  const struct {
    std::string_view text;
    TemplateUse use;
    std::string_view mistake;
  } cases[] = {
      {"Hi {{ contact.first_name", Body, "3:13 unclosed_placeholder"},
      {"{{ contact.id {{ run.id }}", Body, "3:10 unclosed_placeholder"},
      {"é {{ contact.frist_name }}", Body, "3:23 unknown_placeholder [first_name]"},
      {"{{ first_name }}", Body, "3:13 unknown_placeholder [contact.first_name]"},
      {"{{ contct.email }}", Body, "3:13 unknown_placeholder [contact.email]"},
      {"{{ contact }}", Body, "3:13 unknown_placeholder"},
      {"{{ event.a..b }}", Body, "3:13 unknown_placeholder"},
      {"{{ run.key }}", Body, "3:13 unknown_placeholder [run.id]"},
      {"{{ }}", Body, "3:13 unknown_placeholder"},
      {"{{ contact.id | upper }}", Body, "3:26 unknown_filter"},
      {"{{ contact.id | defalt: \"x\" }}", Body, "3:26 unknown_filter [default]"},
      {"{{ contact.id | default }}", Body, "3:26 bad_filter"},
      {"{{ contact.id | default: there }}", Body, "3:35 bad_filter"},
      {"{{ contact.id | path }}", Body, "3:26 bad_filter"},
      {"{{ contact.id | path }}", UrlQuery, "3:26 bad_filter"},
      {"{{ secret.key }}", Body, "3:13 secret_not_allowed"},
      {"{{ secret. }}", Header, "3:13 unknown_placeholder"},
      {"{{ secret.a b }}", Header, "3:22 bad_placeholder"},
      {"{{ secret.a | default: \"x\" }}", Header, "3:24 bad_filter"},
      {"{{ contact.id | default: \"x }}", Body, "3:35 bad_placeholder"},
      {"a\nb", Header, "3:11 control_character"},
      {"{{ contact.x }} and\n {{ contact.y }}", Body,
       "3:21 unknown_placeholder; 4:22 unknown_placeholder"},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    CHECK(mistakes(c.text, c.use) == c.mistake);
  }
}

TEST_CASE("any text compiles or is refused, and never both", "[core][template]") {
  CHECK(rc::check([] {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(
        std::vector<std::string>{"{{", "}}", "|", "\"", "'", "\\", " ", "contact.", "first_name",
                                 "event.a", "default", ":", "path", "secret.k", "é", "\n", "7"}));
    std::string text;
    for (const auto& piece : pieces) text += piece;
    for (const TemplateUse use : {TemplateUse::Body, TemplateUse::Header, TemplateUse::UrlPath}) {
      Diagnostics diagnostics;
      const Template made = Template::compile(text, {1, 1}, use, "\"x\"", diagnostics);
      (void)made.render(World{}.subject());
      for (const auto& d : diagnostics.sorted()) RC_ASSERT(d.at.line >= 1 && d.at.column >= 1);
      if (text.find("{{") == std::string::npos && use == TemplateUse::Body)
        RC_ASSERT(made.render(World{}.subject()) == text);
    }
  }));
}

TEST_CASE("payload paths read what they name and keep its type", "[core][template]") {
  const World world;
  const auto read = [&](std::string_view text) {
    Diagnostics diagnostics;
    const auto path = PayloadPath::compile(text, {1, 1}, "\"payload\"", diagnostics);
    INFO(text);
    REQUIRE(path);
    REQUIRE_FALSE(diagnostics.has_errors());
    return path->read(world.subject());
  };
  CHECK(read("$.subscriber.id") == Value{54321});
  CHECK(read("$.subscriber.ref") == Value{54321});
  CHECK(read("$.subscriber.firstname") == Value{"Zoë"});
  CHECK(read("$.subscriber.phone").is_null());
  CHECK(read("$.subscriber.organizationId").is_null());
  CHECK(read("$.subscriber.custom.vip") == Value{true});
  CHECK(read("$.event.order.total") == Value{99.5});
  CHECK(read("$.event").find("order") != nullptr);
  CHECK(read("$.event.campaignId").is_null());
  CHECK(read("$.event.loggedTimestamp") == Value{kNow});
  CHECK(read("$.scenario.id") == Value{"welcome"});
  CHECK(read("$.scenario.title") == Value{"Welcome readers"});
  CHECK(read("$.run.id") == Value{"run_1"});
}

TEST_CASE("mistakes in payload paths are reported", "[core][template]") {
  const auto mistake = [](std::string_view text) -> std::string {
    Diagnostics diagnostics;
    if (!PayloadPath::compile(text, {1, 1}, "\"payload\"", diagnostics)) return "no path";
    if (diagnostics.empty()) return "";
    const auto d = diagnostics.sorted().front();
    return std::to_string(d.at.column) + " " + d.code + " " + d.nearest;
  };
  CHECK(mistake("plain") == "no path");
  CHECK(mistake("$5") == "no path");
  CHECK(mistake("$.subscriber.frist_name") == "14 unknown_path first_name");
  CHECK(mistake("$.subscrber.id") == "3 unknown_path subscriber");
  CHECK(mistake("$.event.a..b") == "3 unknown_path ");
  CHECK(mistake("$.run.key") == "3 unknown_path $.run.id");
  CHECK(mistake("$.scenario.name") == "3 unknown_path $.scenario.id");
}

TEST_CASE("a contact's fields are read by any of their names", "[core][template]") {
  const World world;
  const auto value = [&](std::string_view name) {
    return contact_value(world.contact, world.engagement, name);
  };
  CHECK(value("first_name") == Value{"Zoë"});
  CHECK(value("uid") == Value{54321});
  CHECK(value("ref") == Value{54321});
  CHECK(value("custom.plan") == Value{"gold"});
  CHECK(value("custom") == Value{ValueMap{{"plan", "gold"}, {"vip", true}}});
  CHECK(value("updated_at") == Value{kNow});
  CHECK(value("mailings_opened") == Value{0});
  CHECK(value("nonsense").is_null());
  std::string nearest;
  CHECK(known_contact_field("consent.type", &nearest));
  CHECK_FALSE(known_contact_field("consent.typ", &nearest));
  CHECK(nearest == "consent.type");
}

TEST_CASE("a reference beside the id is read as it came", "[core][template]") {
  World world;
  CHECK(contact_value(world.contact, world.engagement, "ref") == Value{54321});
  world.contact.set_custom("ref", "CRM-0042");
  CHECK(contact_value(world.contact, world.engagement, "ref") == Value{"CRM-0042"});
}

TEST_CASE("quotes hide the end of a placeholder", "[core][template]") {
  const auto spans = [](std::string_view text) {
    std::vector<std::string> found;
    for (const PlaceholderSpan& span : placeholder_spans(text))
      found.emplace_back(text.substr(span.from, span.to - span.from));
    return found;
  };
  using Texts = std::vector<std::string>;
  CHECK(spans("a{{ run.id }}b{{run.id}}") == Texts{"{{ run.id }}", "{{run.id}}"});
  CHECK(spans("{{ contact.email | default: \"}}?x\" }}?") ==
        Texts{"{{ contact.email | default: \"}}?x\" }}"});
  CHECK(spans("{{ contact.custom.o'neil }}'}}") == Texts{"{{ contact.custom.o'neil }}"});
  CHECK(spans("a{{ run.id") == Texts{"{{ run.id"});
  CHECK(spans("{{ wrong }}{{ \"}}").size() == 2);
}

TEST_CASE("each of many mistakes in one text has its place", "[core][template]") {
  Diagnostics diagnostics;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "é{{ x }}{{ contact.email | a | b }}\n";
  text += "{{ contact.email | a";
  (void)Template::compile(text, {3, 10}, TemplateUse::Body, "x", diagnostics);
  const auto found = diagnostics.sorted();
  REQUIRE(found.size() == 302);
  for (int i = 0; i < 100; ++i) {
    const auto at = static_cast<std::size_t>(3 * i);
    CHECK(found[at].at == Position{3 + i, 14});
    CHECK(found[at + 1].at == Position{3 + i, 37});
    CHECK(found[at + 2].at == Position{3 + i, 41});
  }
  CHECK(found[300].at == Position{103, 10});
  CHECK(found[301].at == Position{103, 29});
}

TEST_CASE("messages repeat a part of a text in whole characters", "[core][template]") {
  for (std::size_t letters = 30; letters < 90; ++letters) {
    const std::string odd = std::string(letters, 'x') + "éééééééé";
    Diagnostics diagnostics;
    for (const std::string& text : {"{{ contact.email " + odd + " }}", "{{ " + odd + " }}",
                                    "{{ contact." + odd + " }}", "{{ run.id | " + odd + " }}"})
      (void)Template::compile(text, {1, 1}, TemplateUse::Body, "x", diagnostics);
    (void)PayloadPath::compile("$." + odd, {1, 1}, "x", diagnostics);
    (void)PayloadPath::compile("$.contact." + odd, {1, 1}, "x", diagnostics);
    CHECK(diagnostics.errors() == 6);
    for (const Diagnostic& found : diagnostics.sorted()) CHECK(valid_utf8(found.message));
  }
}
