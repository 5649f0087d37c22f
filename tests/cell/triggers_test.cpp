// Triggers that look at the contact: segments that change from no to yes, and dates.
#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kVip = R"(
scenario: vip
reentry: parallel
nodes:
  rich: { kind: trigger_segment, if: { custom.spent: { gte: 100 } }, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)";
constexpr std::string_view kLapsed = R"(
scenario: lapsed
reentry: after_exit
nodes:
  gone: { kind: trigger_segment, if: { not: { opened: { within: 90d } } }, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)";
constexpr std::string_view kBirthday = R"(
scenario: birthday
timezone: America/Toronto
reentry: after_exit
nodes:
  bday: { kind: trigger_date, field: birth_date, every: year, offset: -3d, at: "09:00", next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)";

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string result{text};
  result.replace(result.find(what), what.size(), with);
  return result;
}

Instant at(std::string_view text) { return *parse_instant(text); }
}  // namespace

TEST_CASE("a segment starts a run when its answer turns to yes, not while it stays so",
          "[cell][triggers]") {
  Stage stage{kVip};
  stage.patch("ada", R"({"custom": {"spent": 50}})");
  CHECK(stage.deliveries().empty());
  stage.patch("ada", R"({"custom": {"spent": 150}})");
  CHECK(stage.deliveries().size() == 1);
  stage.patch("ada", R"({"custom": {"spent": 200}})");
  stage.event("ada", "order", "{}", R"({"first_name": "Ada"})");
  CHECK(stage.deliveries().size() == 1);
  stage.patch("ada", R"({"custom": {"spent": 1}})");
  stage.event("ada", "order", "{}", R"({"custom": {"spent": 100}})");
  CHECK(stage.deliveries().size() == 2);
  stage.event("new", "order", "{}", R"({"custom": {"spent": 100}})");
  CHECK(stage.deliveries().size() == 3);
  CHECK(stage.broken().empty());
}

TEST_CASE("a segment of an import or of history starts nothing, and turns again later",
          "[cell][triggers]") {
  Stage stage{kVip};
  stage.patch("ada", R"({"custom": {"spent": 150}})", /*quiet=*/true);
  EventInput input = stage.input("bob", "order", "{}", R"({"custom": {"spent": 150}})");
  input.history = true;
  stage.send(std::move(input));
  CHECK(stage.deliveries().empty());
  stage.patch("ada", R"({"custom": {"spent": 1}})");
  stage.patch("ada", R"({"custom": {"spent": 150}})");
  CHECK(stage.deliveries().size() == 1);
}

TEST_CASE("backfill lets in those who match already, once, in steps that survive a restart",
          "[cell][triggers]") {
  Stage stage;
  for (int i = 0; i < 1'200; ++i)
    stage.patch("c" + std::to_string(i),
                i % 2 == 0 ? R"({"custom": {"spent": 150}})" : R"({"custom": {"spent": 1}})");
  stage.apply(replaced(kVip, "next: tell", "backfill: true, next: tell"));
  stage.patch("c1", R"({"custom": {"spent": 150}})");  // in the middle of the pass
  stage.restart();
  stage.pass(0s);
  CHECK(stage.deliveries().size() == 601);
  stage.restart();
  stage.pass(24h);
  CHECK(stage.deliveries().size() == 601);
  CHECK(stage.broken().empty());
}

TEST_CASE("backfill passes by those who were forgotten", "[cell][triggers]") {
  Stage stage;
  stage.patch("ada", "{}");
  stage.patch("bob", "{}");
  stage.command({1}, Forget{});
  stage.apply(replaced(kVip, "{ custom.spent: { gte: 100 } }, next",
                       "{ not: { in_group: vip } }, backfill: true, next"));
  stage.pass(0s);
  CHECK(stage.deliveries().size() == 1);
  CHECK(stage.place_of("bob") == "done");
}

TEST_CASE("without backfill, and when a segment is edited, nobody enters", "[cell][triggers]") {
  Stage stage;
  stage.patch("ada", R"({"custom": {"spent": 150}})");
  stage.apply(kVip);
  stage.pass(1h);
  CHECK(stage.deliveries().empty());
  stage.apply(replaced(kVip, "100", "120"));
  stage.pass(1h);
  CHECK(stage.deliveries().empty());
}

TEST_CASE("backfill waits for the end of test mode", "[cell][triggers]") {
  Stage stage;
  stage.patch("ada", R"({"email": "ada@example.org", "custom": {"spent": 150}})");
  stage.patch("bob", R"({"email": "bob@example.org", "custom": {"spent": 150}})");
  stage.apply(replaced(kVip, "next: tell", "backfill: true, next: tell"), /*activate=*/false);
  stage.activate("vip", {"ada@example.org"});
  stage.pass(0s);
  CHECK(stage.counts("rich", /*test=*/true)[Counter::Visits] == 1);
  CHECK(stage.counts("rich")[Counter::Visits] == 0);
  stage.activate("vip", {});
  stage.pass(0s);
  CHECK(stage.counts("rich")[Counter::Visits] == 2);
}

TEST_CASE("time alone turns a segment, at the moment and after a restart", "[cell][triggers]") {
  Stage stage{kLapsed};
  stage.event("ada", "opened", R"({"mailing": "m1"})");
  stage.pass(89 * 24h);
  stage.event("ada", "opened", R"({"mailing": "m2"})");
  stage.restart();
  stage.pass(89 * 24h);
  CHECK(stage.deliveries().empty());
  stage.pass(1 * 24h + 1min);
  CHECK(stage.deliveries().size() == 1);
  stage.event("ada", "opened", R"({"mailing": "m3"})");
  stage.pass(91 * 24h);
  CHECK(stage.deliveries().size() == 2);
  CHECK(stage.broken().empty());
}

TEST_CASE("contacts from before the activation are armed by a pass", "[cell][triggers]") {
  Stage stage;
  stage.event("ada", "opened", R"({"mailing": "m1"})");
  stage.pass(10 * 24h);
  stage.apply(kLapsed);
  stage.pass(79 * 24h);
  CHECK(stage.deliveries().empty());
  stage.pass(2 * 24h);
  CHECK(stage.deliveries().size() == 1);
}

TEST_CASE("a check at a set time asks everybody once", "[cell][triggers]") {
  Stage stage;
  stage.patch("ada", "{}");
  stage.event("bob", "opened", R"({"mailing": "m1"})");
  stage.apply(R"(
scenario: silent
timezone: UTC
nodes:
  check: { kind: trigger_segment, if: { not: { opened: { mailing: m1 } } }, at: 2026-05-03T09:00, next: tell }
  tell:  { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)");
  stage.pass(47h);
  CHECK(stage.deliveries().empty());
  stage.restart();
  stage.pass(2h);
  REQUIRE(stage.deliveries().size() == 1);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.place_of("bob").empty());
  stage.restart();
  stage.patch("cyd", "{}");
  stage.pass(48h);
  CHECK(stage.deliveries().size() == 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("a check whose time came while nobody was let in does not come again",
          "[cell][triggers]") {
  Stage stage;
  stage.patch("ada", "{}");
  const std::string_view text = R"(
scenario: silent
timezone: UTC
nodes:
  check: { kind: trigger_segment, if: { not: { opened: { mailing: m1 } } }, at: 2026-05-03T09:00, next: end }
)";
  stage.apply(text, /*activate=*/false);
  stage.pass(72h);
  stage.activate("silent", {});
  stage.pass(1h);
  CHECK(stage.counts("check")[Counter::Visits] == 0);
}

TEST_CASE("a birthday comes each year at the contact's own hour", "[cell][triggers]") {
  Stage stage{kBirthday};  // 2026-05-01T09:00Z
  stage.patch("ada", R"({"birth_date": "1990-05-10"})");
  stage.patch("kim", R"({"birth_date": "1990-05-10", "timezone": "Asia/Tokyo"})", /*quiet=*/true);
  stage.pass(at("2026-05-07T00:00:00Z") - stage.clock().now());
  CHECK(stage.place_of("kim") == "done");  // 09:00 in Tokyo
  CHECK(stage.place_of("ada").empty());
  stage.pass(12h + 59min);
  CHECK(stage.place_of("ada").empty());
  stage.pass(1min);
  CHECK(stage.place_of("ada") == "done");  // 09:00 in Toronto
  stage.restart();
  stage.pass(364 * 24h + 12h);
  CHECK(stage.deliveries().size() == 3);  // Tokyo's next is earlier
  stage.pass(12h);
  CHECK(stage.deliveries().size() == 4);
  CHECK(stage.broken().empty());
}

TEST_CASE("a date that moves takes its timer along", "[cell][triggers]") {
  Stage stage{kBirthday};
  stage.patch("ada", R"({"birth_date": "1990-05-10"})");
  stage.patch("ada", R"({"birth_date": "1990-05-20"})");
  stage.pass(10 * 24h);
  CHECK(stage.deliveries().empty());
  stage.patch("ada", R"({"birth_date": null})");
  stage.pass(400 * 24h);
  CHECK(stage.deliveries().empty());
  CHECK(stage.engine().next_wake() == std::nullopt);
}

TEST_CASE("a new version moves everybody's date, and a held scenario fires nothing",
          "[cell][triggers]") {
  Stage stage{kBirthday};
  stage.patch("ada", R"({"birth_date": "1990-05-10"})");
  stage.patch("bob", R"({"birth_date": "1990-06-10"})");
  stage.apply(replaced(kBirthday, "-3d", "0d"));
  stage.pass(8 * 24h);
  CHECK(stage.deliveries().empty());
  stage.pass(2 * 24h);
  CHECK(stage.deliveries().size() == 1);
  REQUIRE(stage.engine().scenarios().hold("birthday"));
  stage.pass(60 * 24h);
  CHECK(stage.deliveries().size() == 1);
  stage.activate("birthday", {});
  stage.pass(365 * 24h);
  CHECK(stage.deliveries().size() == 3);
}

TEST_CASE("another time of day makes no second birthday of it", "[cell][triggers]") {
  const std::string today = replaced(kBirthday, "-3d", "0d");
  Stage stage{today};
  stage.patch("ada", R"({"birth_date": "1990-05-10"})");
  stage.patch("bob", R"({"birth_date": "1990-05-11"})");
  stage.pass(at("2026-05-10T16:00:00Z") - stage.clock().now());  // noon in Toronto
  CHECK(stage.deliveries().size() == 1);
  stage.apply(replaced(today, "09:00", "18:00"));
  stage.pass(at("2026-05-11T16:00:00Z") - stage.clock().now());
  CHECK(stage.deliveries().size() == 1);
  stage.pass(8h);  // six in the evening, for bob
  CHECK(stage.deliveries().size() == 2);
  stage.pass(365 * 24h);
  CHECK(stage.deliveries().size() == 4);
}

TEST_CASE("a date is fired up to a day late, later it is counted as missed", "[cell][triggers]") {
  Stage stage{kBirthday};
  stage.patch("ada", R"({"birth_date": "1990-05-10"})");
  stage.patch("bob", R"({"birth_date": "1990-05-12"})");
  stage.clock().set(at("2026-05-09T10:00:00Z"));  // ada's was due on the 7th, bob's on the 9th
  stage.restart();
  stage.pass(5h);
  CHECK(stage.place_of("ada").empty());
  CHECK(stage.place_of("bob") == "done");
  const auto& refused = stage.counts("").named;
  CHECK(refused == std::vector<std::pair<std::string, std::int64_t>>{{"missed", 1}});
  stage.pass(365 * 24h);
  CHECK(stage.deliveries().size() == 3);
}

TEST_CASE("consent that expires, and that is about to, starts its scenario", "[cell][triggers]") {
  Stage stage{R"(
scenario: consent
timezone: UTC
reentry: parallel
nodes:
  soon: { kind: trigger_date, field: consent.expires_at, offset: -30d, at: "09:00", next: tell }
  gone: { kind: trigger_date, field: consent.expires_at, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: end }
)"};
  stage.patch("ada", R"({"consent": {"expires_at": "2026-07-01T12:00:00Z"}})");
  stage.pass(at("2026-06-01T09:00:00Z") - stage.clock().now());
  CHECK(stage.path_of("ada") == "soon tell");
  CHECK(stage.deliveries().size() == 1);
  stage.pass(at("2026-07-01T00:00:00Z") - stage.clock().now());
  CHECK(stage.path_of("ada") == "gone tell");
  stage.pass(400 * 24h);
  CHECK(stage.deliveries().size() == 2);
}

TEST_CASE("a refused entry is in the contact's ledger with its reason", "[cell][triggers]") {
  Stage stage{replaced(kVip, "parallel", "never")};
  stage.patch("ada", R"({"custom": {"spent": 150}})");
  stage.patch("ada", R"({"custom": {"spent": 1}})");
  stage.pass(1h);
  stage.patch("ada", R"({"custom": {"spent": 150}})");
  const LoadQuery query{.contact = {1}, .ledger = {{1}}};
  const auto state = stage.engine().store().load({&query, 1}).value().at(0);
  REQUIRE(state);
  REQUIRE(state->ledger.size() == 1);
  CHECK(
      state->ledger[0].refusals ==
      std::vector<Refusal>{{.reason = "already_entered", .count = 1, .last = stage.clock().now()}});
}

TEST_CASE("a trigger on any event starts with each, after the scenarios before it by id",
          "[cell][triggers]") {
  Stage stage{R"(
scenario: relay
reentry: parallel
nodes:
  all:  { kind: trigger, event: any, next: tell }
  tell: { kind: send_webhook, url: "https://a.example.com/all", next: end }
)"};
  stage.apply(R"(
scenario: first
reentry: parallel
nodes:
  viewed: { kind: trigger, event: viewed, next: tell }
  tell:   { kind: send_webhook, url: "https://a.example.com/viewed", next: end }
)");
  stage.event("ada", "viewed");
  REQUIRE(stage.deliveries().size() == 2);
  CHECK(stage.request_of(stage.deliveries()[0].key)->url == "https://a.example.com/viewed");
  stage.event("ada", "of_my_own");
  stage.patch("ada", R"({"groups_add": ["vip"]})");  // group_joined and contact_updated
  CHECK(stage.deliveries().size() == 5);
  CHECK(stage.broken().empty());
}

TEST_CASE("a date fires once, also for a contact who moves to where that time is still to come",
          "[cell][triggers]") {
  Stage stage{replaced(kBirthday, "offset: -3d, ", "")};
  const char* born = R"({"birth_date": "1990-05-04", "timezone": "Europe/Berlin"})";
  stage.patch("ada", born);
  stage.patch("bob", born);
  stage.pass(at("2026-05-04T06:00:00Z") - stage.clock().now());
  stage.patch("bob", R"({"timezone": "America/Toronto"})");  // before it fired
  stage.pass(2h);
  CHECK(stage.deliveries().size() == 1);
  stage.patch("ada", R"({"timezone": "America/Toronto"})");
  stage.patch("ada", R"({"timezone": "America/Vancouver"})");
  stage.pass(24h);
  CHECK(stage.deliveries().size() == 2);
  stage.pass(365 * 24h);
  CHECK(stage.deliveries().size() == 4);
  CHECK(stage.broken().empty());
}
