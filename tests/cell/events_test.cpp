#include <catch2/catch.hpp>

#include "tests/support/relay.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kWelcome = R"(
scenario: welcome
nodes:
  joined:
    kind: trigger
    event: subscription
    where: { event.form: newsletter }
    next: is_reader
  is_reader:
    kind: condition
    if: { email: { ends_with: "@example.org" } }
    yes: tell
    no: end
  tell:
    kind: send_webhook
    url: "https://crm.example.com/in"
    next: end
)";
constexpr std::string_view kForm = R"({"form": "newsletter"})";
constexpr std::string_view kAda = R"({"email": "Ada@Example.org", "first_name": "Ada"})";
}  // namespace

TEST_CASE("an event takes its contact through trigger, condition and webhook at once",
          "[cell][events]") {
  Stage stage{kWelcome};
  CHECK(stage.event("ada", "subscription", kForm, kAda).kind == EventAnswer::Kind::Accepted);

  CHECK(stage.path_of("ada") == "joined is_reader tell");
  CHECK(stage.place_of("ada") == "done");
  const auto deliveries = stage.deliveries();
  REQUIRE(deliveries.size() == 1);
  CHECK(deliveries[0].pending());
  REQUIRE(stage.sink().tasks.size() == 1);
  CHECK(stage.sink().tasks[0].delivery == deliveries[0].key);
  CHECK(stage.counts("").counts[static_cast<int>(Counter::Entered)] == 1);
  CHECK(stage.counts("is_reader").named ==
        std::vector<std::pair<std::string, std::int64_t>>{{"yes", 1}});
  CHECK(stage.broken().empty());
}

TEST_CASE("a contact or event that does not match starts nothing", "[cell][events]") {
  Stage stage{kWelcome};
  stage.event("ada", "subscription", R"({"form": "other"})", kAda);
  stage.event("bob", "opened", kForm);
  CHECK(stage.place_of("ada").empty());
  CHECK(stage.counts("")[Counter::Entered] == 0);
  stage.event("eve", "subscription", kForm, R"({"email": "eve@elsewhere.test"})");
  CHECK(stage.path_of("eve") == "joined is_reader");
  CHECK(stage.deliveries().empty());
}

TEST_CASE("a condition that cannot be told is No, and counted", "[cell][events]") {
  Stage stage{kWelcome};
  stage.event("nobody", "subscription", kForm);
  CHECK(stage.path_of("nobody") == "joined is_reader");
  CHECK(stage.counts("is_reader")[Counter::Unknown] == 1);
}

TEST_CASE("a repeated event takes no effect, another body under its id is a conflict",
          "[cell][events]") {
  Stage stage{kWelcome};
  EventInput first = stage.input("ada", "subscription", kForm, kAda);
  first.id = "e-1";
  CHECK(stage.send(first).kind == EventAnswer::Kind::Accepted);
  CHECK(stage.send(first).kind == EventAnswer::Kind::Duplicate);

  EventInput other = stage.input("ada", "subscription", R"({"form": "newsletter", "x": 1})", kAda);
  other.id = "e-1";
  const EventAnswer conflict = stage.send(other);
  CHECK(conflict.kind == EventAnswer::Kind::Conflict);
  CHECK(conflict.code == "id_reused");

  other.source = "shop";  // another sender's id
  CHECK(stage.send(other).kind == EventAnswer::Kind::Accepted);
  CHECK(stage.counts("joined")[Counter::Visits] == 1);  // re-entry is never

  stage.restart();
  CHECK(stage.send(first).kind == EventAnswer::Kind::Duplicate);
}

TEST_CASE("for seven days a repeated event changes nothing, though its scenario lets in always",
          "[cell][events]") {
  Stage stage{kRelay};
  EventInput first = stage.input("ada", "opened", "{}", kAda);
  first.id = "e-1";
  REQUIRE(stage.send(first).kind == EventAnswer::Kind::Accepted);
  const Contact before = stage.contact("ada").contact;
  const auto repeat = [&] {
    CHECK(stage.send(first).kind == EventAnswer::Kind::Duplicate);
    CHECK(stage.counts("any")[Counter::Visits] == 1);
    CHECK(stage.counts("tell")[Counter::Requests] == 1);
    CHECK(stage.deliveries().size() == 1);
    CHECK(stage.contact("ada").contact == before);
  };
  repeat();
  stage.restart();
  repeat();
  stage.reply(200);
  for (int day = 1; day < 7; ++day) {
    stage.pass(24h);
    repeat();
  }
  stage.pass(24h - 1min);
  stage.restart();
  repeat();
  stage.pass(2 * 24h);
  CHECK(stage.send(first).code == "too_old");
  CHECK(stage.deliveries().size() == 1);
}

TEST_CASE("a repeat inside one post is told as well", "[cell][events]") {
  Stage stage{kWelcome};
  EventInput event = stage.input("ada", "subscription", kForm, kAda);
  event.id = "e-1";
  const auto answers = stage.send(std::vector{event, event});
  CHECK(answers.at(0).kind == EventAnswer::Kind::Accepted);
  CHECK(answers.at(1).kind == EventAnswer::Kind::Duplicate);
}

TEST_CASE("an event older than the dedupe window is refused, unless it is history",
          "[cell][events]") {
  Stage stage{kWelcome};
  EventInput old = stage.input("ada", "subscription", kForm, kAda);
  old.id = "e-1";
  old.event.at -= 24h * 8;
  CHECK(stage.send(old).code == "too_old");
  old.history = true;
  CHECK(stage.send(old).kind == EventAnswer::Kind::Accepted);
  CHECK(stage.place_of("ada").empty());
  CHECK(stage.contact("ada").contact.get(Field::FirstName) != nullptr);
}

TEST_CASE("an unknown id takes over the one contact that has its address and no id",
          "[cell][events]") {
  Stage stage{kWelcome};
  stage.event("", "opened", "{}", R"({"email": "ada@example.org"})");
  stage.event("ada", "subscription", kForm, kAda);
  CHECK(stage.contact("ada").contact.key == ContactKey{1});

  // The address now belongs to a contact with an id: another id is another person.
  stage.event("ada2", "subscription", kForm, kAda);
  CHECK(stage.contact("ada2").contact.key == ContactKey{2});

  const EventAnswer twice = stage.event("", "opened", "{}", R"({"email": "ada@example.org"})");
  CHECK(twice.warnings == std::vector<std::string>{"ambiguous_contact"});
}

TEST_CASE("contacts made and changed inside one post are found by what follows in it",
          "[cell][events]") {
  Stage stage{kWelcome};
  std::vector<EventInput> post;
  post.push_back(stage.input("", "opened", "{}", R"({"email": "ada@example.org"})"));
  post.push_back(stage.input("ada", "opened", "{}", R"({"email": "ada@example.org"})"));
  post.push_back(stage.input("ada", "opened", "{}", R"({"email": "ada@new.example.org"})"));
  post.push_back(stage.input("", "subscription", kForm, R"({"email": "ada@new.example.org"})"));
  stage.send(std::move(post));
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.contact("ada").contact.email() == "ada@new.example.org");
  CHECK(stage.engine().contacts().find_contact({.email = "ada@example.org"}).value() ==
        std::nullopt);
}

TEST_CASE("unique contacts are counted once, visits each time", "[cell][events]") {
  Stage stage{R"(
scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)"};
  for (int i = 0; i < 3; ++i) stage.event("ada", "opened");
  stage.event("bob", "opened");
  CHECK(stage.counts("tell")[Counter::Visits] == 4);
  CHECK(stage.counts("tell")[Counter::Requests] == 4);
  CHECK(stage.counts("tell")[Counter::UniqueContacts] == 2);
  stage.restart();
  stage.event("ada", "opened");
  CHECK(stage.counts("tell")[Counter::UniqueContacts] == 2);
  CHECK(stage.broken().empty());
}

TEST_CASE("refused entries are counted by reason", "[cell][events]") {
  Stage stage{kWelcome};
  for (int i = 0; i < 3; ++i) stage.event("ada", "subscription", kForm, kAda);
  CHECK(stage.counts("").named ==
        std::vector<std::pair<std::string, std::int64_t>>{{"already_entered", 2}});
  CHECK(stage.counts("")[Counter::Entered] == 1);
}

TEST_CASE("a key lets a contact in once for each of its values", "[cell][events]") {
  Stage stage{R"(
scenario: orders
reentry: { mode: never, key: event.order.id }
nodes:
  bought: { kind: trigger, event: new_order, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)"};
  stage.event("ada", "new_order", R"({"order": {"id": 1}})");
  stage.event("ada", "new_order", R"({"order": {"id": 2}})");
  stage.event("ada", "new_order", R"({"order": {"id": 1}})");
  stage.restart();
  stage.event("ada", "new_order", R"({"order": {"id": 2}})");
  stage.event("ada", "new_order", R"({})");
  stage.event("ada", "new_order", R"({})");
  CHECK(stage.counts("tell")[Counter::Visits] == 3);
  CHECK(stage.counts("tell")[Counter::UniqueContacts] == 1);
}

TEST_CASE("changes of a contact start scenarios in the same transaction", "[cell][events]") {
  Stage stage{R"(
scenario: vip
reentry: parallel
nodes:
  joined: { kind: trigger, event: group_joined, where: { event.group: vip }, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)"};
  stage.event("ada", "opened", "{}", R"({"groups_add": ["news", "vip"]})");
  stage.event("ada", "opened", "{}", R"({"groups_add": ["vip"]})");
  CHECK(stage.counts("tell")[Counter::Visits] == 1);
}

TEST_CASE("one input that would start hundreds of runs stays within its bounds", "[cell][events]") {
  Stage stage{R"(
scenario: groups
reentry: { mode: after_exit, key: event.group }
nodes:
  joined: { kind: trigger, event: group_joined, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)"};
  std::string groups;
  for (int i = 0; i < 900; ++i) groups += (i == 0 ? "\"g" : ",\"g") + std::to_string(i) + "\"";
  CHECK(stage.event("ada", "opened", "{}", "{\"groups\": [" + groups + "]}").kind ==
        EventAnswer::Kind::Accepted);
  const CounterRow counts = stage.counts("");
  CHECK(counts[Counter::Entered] + counts.named.at(0).second == 900);
  CHECK(counts.named.at(0).first == "cascade");
  CHECK(stage.counts("tell")[Counter::Requests] > 100);
  CHECK(stage.broken().empty());
}

TEST_CASE("a key is honoured for events that a change of the contact causes", "[cell][events]") {
  Stage stage{R"(
scenario: groups
reentry: { mode: never, key: event.group }
nodes:
  moved: { kind: trigger, event: [group_joined, group_left], next: end }
)"};
  for (int i = 0; i < 3; ++i) {
    stage.event("ada", "opened", "{}", R"({"groups_add": ["vip"]})");
    stage.event("ada", "opened", "{}", R"({"groups": ["news"]})");
    stage.event("ada", "opened", "{}", R"({"groups": []})");
  }
  CHECK(stage.counts("")[Counter::Entered] == 2);  // vip and news, once each
}

TEST_CASE("a subscription sets its date once, and that is a change", "[cell][events]") {
  Stage stage{kWelcome};
  stage.event("ada", "opened");
  stage.clock().pass(1h);
  stage.event("ada", "subscription", kForm);
  const Contact ada = stage.contact("ada").contact;
  CHECK(ada.updated_at == stage.clock().now());
  REQUIRE(ada.get(Field::SubscribedAt) != nullptr);
  stage.clock().pass(1h);
  stage.event("ada", "subscription", kForm);
  CHECK(stage.contact("ada").contact.updated_at == ada.updated_at);
}

TEST_CASE("an address means its oldest holder, also within the post that changes it",
          "[cell][events]") {
  Stage stage{kWelcome};
  stage.event("old", "opened");
  stage.event("young", "opened", "{}", R"({"email": "a@example.com"})");
  const ContactKey old = stage.contact("old").contact.key;
  std::vector<EventInput> post;
  post.push_back(stage.input("old", "opened", "{}", R"({"email": "a@example.com"})"));
  post.push_back(
      stage.input("", "opened", "{}", R"({"email": "a@example.com", "first_name": "Ada"})"));
  const std::vector<EventAnswer> answers = stage.send(std::move(post));
  CHECK(answers.at(1).warnings == std::vector<std::string>{"ambiguous_contact"});
  CHECK(stage.contact("old").contact.key == old);
  CHECK(stage.contact("old").contact.get(Field::FirstName) != nullptr);
  CHECK(stage.contact("young").contact.get(Field::FirstName) == nullptr);
}
