#include "engine/core/contact/engagement.h"

#include <catch2/catch.hpp>

using namespace onward;
using namespace std::chrono_literals;

namespace {
const Instant kStart = *parse_instant("2026-05-01T09:00:00Z");

Event event(std::string type, Duration after, std::string_view data = "{}") {
  return {std::move(type), kStart + after, parse_json(data).value()};
}
}  // namespace

TEST_CASE("numbers count distinct mailings and dates keep their extremes", "[core][engagement]") {
  Engagement engagement;
  CHECK(
      engagement.take(event("sent", 0h, R"({"mailing": "spring", "subject": "Spring is here"})")));
  CHECK(engagement.take(event("sent", 24h, R"({"mailing": "summer", "subject": "Summer"})")));
  CHECK(engagement.take(event("opened", 3h, R"({"mailing": "spring"})")));
  CHECK(engagement.take(event("opened", 2h, R"({"mailing": "spring"})")));
  CHECK(engagement.take(event("clicked", 4h, R"({"mailing": "spring"})")));

  const struct {
    std::string_view name;
    Value value;
  } cases[] = {{"mailings_received", 2},
               {"mailings_opened", 1},
               {"mailings_clicked", 1},
               {"open_rate", 0.5},
               {"click_rate", 0.5},
               {"first_received_at", kStart},
               {"first_received_subject", "Spring is here"},
               {"last_received_at", kStart + 24h},
               {"last_received_subject", "Summer"},
               {"last_opened_at", kStart + 3h},
               {"last_opened_subject", "Spring is here"},
               {"last_clicked_at", kStart + 4h},
               {"nonsense", {}}};
  for (const auto& c : cases) {
    INFO(c.name);
    CHECK(statistic(engagement, c.name) == c.value);
  }
  const MailingStats* spring = engagement.find("spring");
  REQUIRE(spring);
  CHECK(spring->opened_first == kStart + 2h);
  CHECK(spring->opened_last == kStart + 3h);
  CHECK_FALSE(engagement.find("autumn"));
}

TEST_CASE("the same event again, or one of another kind, changes nothing", "[core][engagement]") {
  Engagement engagement;
  const Event opened = event("opened", 1h, R"({"mailing": "spring"})");
  CHECK(engagement.take(opened));
  CHECK_FALSE(engagement.take(opened));
  const Engagement before = engagement;
  CHECK_FALSE(engagement.take(event("subscription", 2h, R"({"mailing": "spring"})")));
  CHECK_FALSE(engagement.take(event("sent", 2h)));
  CHECK_FALSE(engagement.take(event("sent", 2h, R"({"mailing": "text", "channel": "sms"})")));
  CHECK(engagement == before);
}

TEST_CASE("an open without a mailing moves dates only", "[core][engagement]") {
  Engagement engagement;
  CHECK(engagement.take(event("opened", 1h)));
  CHECK(statistic(engagement, "last_opened_at") == Value{kStart + 1h});
  CHECK(statistic(engagement, "mailings_opened") == Value{0});
  CHECK(statistic(engagement, "open_rate").is_null());
  CHECK(statistic(engagement, "last_opened_subject").is_null());
  CHECK_FALSE(engagement.empty());
}

TEST_CASE("an open shows that its mailing was received, so that no rate passes one",
          "[core][engagement]") {
  Engagement engagement;
  engagement.take(event("opened", 2h, R"({"messageHash": "a1"})"));
  engagement.take(event("clicked", 1h, R"({"campaignId": 7})"));
  CHECK(statistic(engagement, "mailings_received") == Value{2});
  CHECK(statistic(engagement, "open_rate") == Value{0.5});
  CHECK(statistic(engagement, "first_received_at") == Value{kStart + 1h});
  CHECK(engagement.find("7"));
}

TEST_CASE("every statistic has a name and a type, found by its number", "[core][engagement]") {
  for (const std::string_view name : statistic_names()) {
    INFO(name);
    REQUIRE(find_statistic(name));
    const Value value = statistic(Engagement{}, name);
    CHECK((value.is_null() || value.is_number()));
  }
  CHECK(type_of(*find_statistic("last_opened_subject")) == FieldType::Text);
  CHECK(type_of(*find_statistic("last_clicked_at")) == FieldType::Instant);
  CHECK(type_of(*find_statistic("open_rate")) == FieldType::Number);
}
