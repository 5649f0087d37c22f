// One limit for everything that a contact holds, wherever it comes from.
#include <catch2/catch.hpp>

#include "engine/core/contact/contact_size.h"
#include "engine/query/queries.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
/// {"custom": {NAME: text of so many bytes}}
std::string custom(std::string_view name, std::size_t bytes) {
  return R"({"custom": {")" + std::string{name} + R"(": ")" + std::string(bytes, 'x') + R"("}})";
}

std::size_t size_of(const ContactAnswer& contact) {
  return stored_bytes(contact.contact) + stored_bytes(contact.engagement);
}

/// A contact "c1" of about 240 KiB.
void fill(Stage& stage) {
  for (int i = 0; i < 4; ++i)
    REQUIRE(stage.patch("c1", custom("f" + std::to_string(i), 60 * 1024)).event.code.empty());
}
}  // namespace

TEST_CASE("no change makes a contact larger than its limit", "[cell][contact_limit]") {
  Stage stage;
  fill(stage);
  const auto full = [](const EventAnswer& answer) {
    return answer.kind == EventAnswer::Kind::Rejected && answer.code == "contact_full";
  };
  const ContactAnswer before = stage.contact("c1");
  CHECK(full(stage.patch("c1", custom("more", 60 * 1024)).event));
  CHECK(full(stage.patch("c1", custom("more", 60 * 1024), /*quiet=*/true).event));
  CHECK(full(stage.event("c1", "order", "{}", custom("more", 60 * 1024))));
  EventInput history = stage.input("c1", "order", "{}", custom("more", 60 * 1024));
  history.history = true;
  CHECK(full(stage.send(std::move(history))));
  std::string groups;
  for (int i = 0; i < 200; ++i)
    groups += (groups.empty() ? "\"" : ", \"") + std::to_string(i) + std::string(200, 'g') + "\"";
  CHECK(full(stage.patch("c1", R"({"groups_add": [)" + groups + "]}").event));
  CHECK(full(stage.patch("c1", R"({"groups": [)" + groups + "]}").event));
  // A new contact as well, and nothing is left of it.
  std::string many = R"({"custom": {)";
  for (int i = 0; i < 5; ++i)
    many += (i == 0 ? "\"" : ", \"") + std::string("f") + std::to_string(i) + R"(": ")" +
            std::string(60 * 1024, 'x') + "\"";
  CHECK(full(stage.patch("c2", many + "}}").event));
  CHECK(stage.contact("c1").contact == before.contact);
  CHECK(size_of(stage.contact("c1")) <= kContactBytesMax);
  CHECK(stage.engine().context().figures.contacts_full == 7);

  // What fits is taken, and what makes it smaller.
  CHECK(stage.patch("c1", custom("more", 1'000)).event.code.empty());
  CHECK(stage.patch("c1", R"({"custom": {"f0": null}})").event.code.empty());
  CHECK(stage.patch("c1", custom("more", 60 * 1024)).event.code.empty());
  const WorkAnswer made = stage.patch("c2", custom("f", 10));
  CHECK(made.created);
  CHECK(made.contact == ContactKey{stage.contact("c1").contact.key.value + 1});
}

TEST_CASE("an event that does not fit is not remembered", "[cell][contact_limit]") {
  Stage stage;
  fill(stage);
  const auto post = [&](std::size_t bytes) {
    EventInput input = stage.input("c1", "order", "{}", custom("more", bytes));
    input.id = "e1";
    return stage.send(std::move(input)).kind;
  };
  CHECK(post(60 * 1024) == EventAnswer::Kind::Rejected);
  CHECK(post(10) == EventAnswer::Kind::Accepted);
  CHECK(post(10) == EventAnswer::Kind::Duplicate);
}

TEST_CASE("an event that does not fit is not remembered in its own post either",
          "[cell][contact_limit]") {
  Stage stage;
  fill(stage);
  std::vector<EventInput> post;
  for (const std::size_t bytes : {60 * 1024, 60 * 1024, 10}) {
    post.push_back(stage.input("c1", "order", "{}", custom("more", bytes)));
    post.back().id = "e1";
    post.back().fingerprint = hash128("the same");
  }
  const std::vector<EventAnswer> answers = stage.send(std::move(post));
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].code == "contact_full");
  CHECK(answers[1].code == "contact_full");
  CHECK(answers[2].kind == EventAnswer::Kind::Accepted);
}

TEST_CASE("events without a change, and repeats of what is there, pass a full contact",
          "[cell][contact_limit]") {
  Stage stage{R"(
scenario: s
reentry: parallel
nodes:
  t: { kind: trigger, event: subscription, next: end }
)"};
  stage.options().contact_bytes_max = 1 << 20;
  stage.restart();
  fill(stage);
  stage.options().contact_bytes_max = kContactBytesLeast;
  stage.restart();
  // It is larger than the limit now: still there, and it works.
  CHECK(size_of(stage.contact("c1")) > kContactBytesLeast);
  CHECK(stage.event("c1", "subscription").kind == EventAnswer::Kind::Accepted);
  CHECK(stage.event("c1", "subscription", "{}", custom("f0", 60 * 1024)).kind ==
        EventAnswer::Kind::Accepted);
  CHECK(stage.counts("")[Counter::Done] == 2);
  CHECK(stage.patch("c1", R"({"first_name": "Jane"})").event.code == "contact_full");
  CHECK(
      stage.patch("c1", R"({"custom": {"f0": "short"}, "first_name": "Jane"})").event.code.empty());
  CHECK(size_of(stage.contact("c1")) > kContactBytesLeast);
}

TEST_CASE("mailings take at most half of a contact", "[cell][contact_limit]") {
  Stage stage;
  std::vector<std::string> warnings;
  const auto send = [&](int i) {
    return stage
        .event("c1", "sent",
               R"({"mailing": ")" + std::to_string(i) + std::string(250, 'm') +
                   R"(", "subject": ")" + std::string(1'000, 's') + R"("})")
        .warnings;
  };
  int kept = 0;
  while (kept < 2'000 && send(kept).empty()) ++kept;
  CHECK(kept > 90);
  CHECK(kept < 110);
  const ContactAnswer full = stage.contact("c1");
  CHECK(full.engagement.mailings.size() == static_cast<std::size_t>(kept));
  CHECK(stored_bytes(full.engagement) <= mailing_bytes_max(kContactBytesMax));
  CHECK(send(kept + 1) == std::vector<std::string>{"contact_full"});
  CHECK(stage.event("c1", "opened", R"({"mailing": "none"})").kind == EventAnswer::Kind::Accepted);
  CHECK(stage.contact("c1").engagement.opened_last.has_value());
  // Fields have the other half.
  CHECK(stage.patch("c1", custom("f0", 60 * 1024)).event.code.empty());
  CHECK(stage.patch("c1", custom("f1", 60 * 1024)).event.code.empty());
  CHECK(stage.patch("c1", custom("f2", 60 * 1024)).event.code == "contact_full");
}

TEST_CASE("a page of large contacts is bounded by bytes, and the pages have all of them",
          "[cell][contact_limit]") {
  Stage stage;
  constexpr std::size_t kContacts = 60;
  for (std::size_t i = 0; i < kContacts; ++i)
    for (int field = 0; field < 4; ++field)
      REQUIRE(stage.patch("c" + std::to_string(i), custom("f" + std::to_string(field), 60 * 1024))
                  .event.code.empty());
  std::size_t seen = 0;
  std::string cursor;
  do {
    const auto page = query_contacts(*stage.reader(), {}, 500, cursor);
    REQUIRE(page);
    REQUIRE_FALSE(page->contacts.empty());
    CHECK(page->contacts.size() < 40);
    std::size_t bytes = 0;
    for (const auto& one : page->contacts) bytes += stored_bytes(one.contact);
    CHECK(bytes <= std::size_t{8} << 20);
    seen += page->contacts.size();
    cursor = page->next;
  } while (!cursor.empty());
  CHECK(seen == kContacts);
}
