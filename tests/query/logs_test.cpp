// What people are told has happened.
#include <catch2/catch.hpp>

#include "engine/delivery/attempt.h"
#include "engine/query/queries.h"
#include "tests/support/relay.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
LogPage logs(Stage& stage, std::optional<Instant> since = std::nullopt, std::size_t limit = 50,
             std::string_view cursor = {}, const std::string& scenario = {}) {
  const auto reader = stage.reader();
  auto page = query_logs(*reader, *stage.engine().recent(), scenario, since, limit, cursor);
  REQUIRE(page);
  return *page;
}
std::string words(const LogPage& page) {
  std::string all;
  for (const LogLine& line : page.lines) all += (all.empty() ? "" : " ") + line.what;
  return all;
}
}  // namespace

TEST_CASE("changes and what deliveries met are told in order, by whom", "[query][logs]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kRelay, sqlite};
  stage->event("ada", "opened");
  stage->pass(1s);
  stage->reply(503);
  stage->pass(1s);
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", true, "jane"));
  stage->pass(1s);
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", false, "jane"));
  stage->pass(1min);
  stage->reply(410);
  const LogPage page = logs(*stage);
  CHECK(words(page) ==
        "scenario.applied scenario.activated delivery.refused node.paused node.resumed "
        "delivery.failed");
  CHECK(page.lines.at(2).text.find("attempt 1: 503") == 0);
  CHECK(page.lines.at(2).node == "tell");
  CHECK(page.lines.at(2).delivery);
  CHECK(page.lines.at(3).who == "jane");
  CHECK(page.lines.at(5).text.find("gone") != std::string::npos);
  CHECK_FALSE(page.more);
  // What was changed outlives the process; what deliveries met does not.
  stage.restart();
  CHECK(words(logs(*stage)) == "scenario.applied scenario.activated node.paused node.resumed");
}

TEST_CASE("a log goes on behind its cursor, and leaves out nothing", "[query][logs]") {
  Stage stage{kRelay};
  for (int i = 0; i < 5; ++i) {
    stage.event("ada", "opened");
    stage.pass(1s);
    stage.reply(410);
    stage.pass(1s);
    REQUIRE(stage.engine().deliveries().switch_node("relay", "tell", i % 2 == 0));
    REQUIRE(stage.engine().deliveries().switch_node("relay", "tell", false));
    stage.pass(0s);
  }
  const std::string all = words(logs(stage));
  // From the beginning in pieces of three.
  std::string pieces, cursor;
  for (int i = 0; i < 20; ++i) {
    const LogPage page = logs(stage, Instant{}, 3, cursor);
    if (!page.lines.empty()) pieces += (pieces.empty() ? "" : " ") + words(page);
    cursor = page.next;
    CHECK(page.lines.size() <= 3);
    if (!page.more) break;
  }
  CHECK(pieces == all);
  CHECK(logs(stage, std::nullopt, 50, cursor).lines.empty());
  stage.pass(1s);
  stage.event("ada", "opened");
  stage.reply(410);
  CHECK(words(logs(stage, std::nullopt, 50, cursor)) == "delivery.failed");
  // The newest, and behind them.
  const LogPage newest = logs(stage, std::nullopt, 2);
  CHECK(newest.lines.size() == 2);
  CHECK(newest.lines.back().what == "delivery.failed");
  CHECK(logs(stage, std::nullopt, 50, newest.next).lines.empty());
  CHECK(words(logs(stage, stage.clock().now())) == "delivery.failed");
  CHECK(logs(stage, std::nullopt, 50, {}, "other").lines.empty());
  const auto reader = stage.reader();
  CHECK(
      query_logs(*reader, *stage.engine().recent(), "", std::nullopt, 5, "nonsense").error().code ==
      "bad_cursor");
}

TEST_CASE("only the newest lines of deliveries are kept", "[query][logs]") {
  RecentLog recent{Instant{Duration{1'000}}};
  const std::uint64_t before = recent.last();
  for (std::size_t i = 0; i < RecentLog::kMax + 5; ++i)
    recent.add({.what = std::to_string(i), .scenario = i % 2 == 0 ? "a" : "b"});
  const auto all = recent.after(before, {});
  REQUIRE(all.size() == RecentLog::kMax);
  CHECK(all.front().second.what == "5");
  CHECK(all.front().first == before + 6);
  CHECK(recent.after(recent.last() - 2, {}).size() == 2);
  CHECK(recent.after(recent.last() - 2, {.scenario = "a"}).size() == 1);
  CHECK(recent.after(recent.last(), {}).empty());
}

TEST_CASE("a page of the newest lines copies no more than it shows", "[query][logs]") {
  RecentLog recent{Instant{Duration{1'000}}};
  // The lines of "rare" lie further apart than are looked at under one lock.
  constexpr std::size_t kApart = 3 * RecentLog::kLookedAt;
  for (std::size_t i = 0; i < RecentLog::kMax; ++i)
    recent.add({.at = Instant{Duration{static_cast<std::int64_t>(i)}},
                .what = std::to_string(i),
                .scenario = i % kApart == 0 ? "rare" : "often"});
  const auto whats = [](const RecentLog::Numbered& lines) {
    std::string all;
    for (const auto& [number, line] : lines) all += line.what + " ";
    return all;
  };
  const auto kept = [](std::size_t i) { return std::to_string(i * kApart) + " "; };
  CHECK(whats(recent.after(0, {}, 2)) == "0 1 ");
  CHECK(whats(recent.newest({}, 2)) == "9998 9999 ");
  CHECK(whats(recent.after(0, {.scenario = "rare"}, 3)) == kept(0) + kept(1) + kept(2));
  CHECK(whats(recent.newest({.scenario = "rare"}, 2)) == kept(12) + kept(13));
  CHECK(recent.newest({.scenario = "rare"}, 100).size() == 14);
  CHECK(whats(recent.after(0, {.since = Instant{Duration{5'000}}}, 1)) == "5000 ");
  CHECK(recent.newest({.scenario = "never"}, 5).empty());
}

TEST_CASE("a delivery list finds its way through scenarios, times and codes", "[query][logs]") {
  Stage stage{kRelay};
  stage.apply(R"(
scenario: other
reentry: parallel
nodes:
  any:  { kind: trigger, event: clicked, next: first }
  first: { kind: send_webhook, url: "https://a.example.com/in", next: second }
  second: { kind: send_webhook, url: "https://b.example.com/in", next: end }
)");
  for (int i = 0; i < 4; ++i) {
    stage.event("ada", "opened");
    stage.event("ada", "clicked");
    stage.reply(i % 2 == 0 ? 410 : 200);
    stage.pass(1h);
  }
  const auto reader = stage.reader();
  const auto names = make_directory(stage.engine().control().scenarios);
  const auto count = [&](const DeliveryQuery& which) {
    std::size_t found = 0;
    std::string cursor;
    DeliveryKey last{~std::uint64_t{0}};
    do {
      const auto page = query_deliveries(*reader, *names, which, 2, cursor);
      REQUIRE(page);
      for (const auto& one : page->deliveries) {
        CHECK(one.delivery.key < last);
        last = one.delivery.key;
        ++found;
      }
      cursor = page->next;
    } while (!cursor.empty());
    return found;
  };
  const Instant now = stage.clock().now();
  CHECK(count({}) == 12);
  CHECK(count({.scenario = "other"}) == 8);
  CHECK(count({.scenario = "other", .node = "first"}) == 4);
  CHECK(count({.state = DeliveryState::Failed}) == 6);
  CHECK(count({.code = "gone"}) == 6);
  CHECK(count({.code = "200"}) == 6);
  CHECK(count({.since = now - 2h}) == 6);
  CHECK(count({.since = now - 2h, .code = "410"}) == 3);
  CHECK(count({.scenario = "relay", .until = now - 2h}) == 2);
  CHECK(query_deliveries(*reader, *names, {.node = "first"}, 2, "").error().code == "no_scenario");
  CHECK(query_deliveries(*reader, *names, {.scenario = "othre"}, 2, "").error().code ==
        "unknown_scenario");
}

TEST_CASE("trouble of our own is told once a minute, whoever it meets", "[query][logs]") {
  std::vector<std::string> told;
  RuntimeOptions options;
  options.log = [&told](const LogRecord& record) {
    if (record.event == "delivery.deferred") told.push_back(to_line(record, Instant{}).substr(21));
  };
  Stage stage{kRelay, nullptr, options};
  for (const char* who : {"ada", "ben", "eve"}) stage.event(who, "opened");
  const auto meets = [&stage] {
    std::vector<AttemptResult> results;
    for (const DeliveryTask& task : stage.sink().tasks) {
      results.push_back(
          result_of(task, Error{ErrorKind::Busy, "local", "no descriptors"}, stage.clock().now()));
      REQUIRE(results.back().local);
    }
    REQUIRE(results.size() == 3);
    stage.sink().tasks.clear();
    REQUIRE(drive(stage.engine(), {}, std::move(results)));
  };
  meets();
  CHECK(told ==
        std::vector<std::string>{
            "delivery.deferred level=warning code=local attempts=1 error=\"no descriptors\""});
  for (int minute = 0; minute < 3; ++minute) {
    stage.pass(60s);
    meets();
  }
  REQUIRE(told.size() == 4);
  CHECK(told.back().find("attempts=3") != std::string::npos);
  stage.clock().pass(-2h);  // Set back.
  for (int times = 0; times < 2; ++times) {
    for (const char* who : {"ada", "ben", "eve"}) stage.event(who, "opened");
    meets();
    CHECK(told.size() == 5);
  }
}

TEST_CASE("what waiting will not mend is warned of at the first attempt, once an hour",
          "[query][logs]") {
  std::vector<bool> warned;
  RuntimeOptions options;
  options.log = [&warned](const LogRecord& record) {
    if (record.event == "delivery.attempted") warned.push_back(record.level == LogLevel::Warning);
  };
  Stage stage{kRelay, nullptr, options};
  const auto meets = [&](std::initializer_list<int> statuses) {
    warned.clear();
    for (const int status : statuses) {
      stage.event("ada", "opened");
      REQUIRE(stage.reply(status) == 1);
    }
    return warned;
  };
  using Warned = std::vector<bool>;
  CHECK(meets({0, 500, 503, 408, 425, 429}) == Warned(6, false));
  CHECK(meets({404, 404, 200, 401}) == Warned{true, false, false});
  stage.clock().pass(-2h);  // Set back.
  CHECK(meets({403}) == Warned{true});
}

TEST_CASE("attempts whose receiver may have had the request before are counted",
          "[query][logs][faults]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  const auto meets = [&stage](int status, std::string code) {
    for (int hours = 0; stage.sink().tasks.empty() && hours < 24; ++hours) stage.pass(1h);
    REQUIRE(stage.sink().tasks.size() == 1);
    const DeliveryTask task = std::move(stage.sink().tasks.front());
    stage.sink().tasks.clear();
    AttemptResult result;
    result.delivery = task.delivery;
    result.number = task.number;
    result.started = stage.clock().now();
    result.status = status;
    result.code = std::move(code);
    REQUIRE(drive(stage.engine(), {}, {std::move(result)}));
    return stage.engine().context().figures.attempts_after_unknown;
  };
  CHECK(meets(0, "connect_refused") == 0);
  CHECK(meets(0, "timeout") == 0);
  CHECK(meets(500, "") == 1);
  CHECK(meets(0, "reset") == 1);
  CHECK(meets(200, "") == 2);
}
