// How long bodies and runs are kept, and what stays of them.
#include <SQLiteCpp/Database.h>

#include <catch2/catch.hpp>

#include "engine/cell/retention_job.h"
#include "engine/store/sqlite/store_view.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr auto kDay = 24h;
constexpr auto kLongest = 73h;  // until a request is settled
constexpr std::string_view kText = R"(scenario: spring
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/in", log_response_body: all, next: end }
)";
constexpr std::string_view kBatched = R"(scenario: spring
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:
    kind: send_webhook
    url: "https://crm.example.com/in"
    envelope: events
    batch: { max: 3, linger: 10m }
    next: end
)";

constexpr std::string_view kWaiting = R"(scenario: spring
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/in", next: which }
  which:  { kind: condition, if: { event.long: true }, yes: pause, no: end }
  pause:  { kind: wait, for: 30d, next: end }
)";

RuntimeOptions runs_for(Duration keep) {
  RuntimeOptions options;
  options.keep_runs = keep;
  return options;
}

RuntimeOptions bodies_for(std::optional<Duration> keep) {
  RuntimeOptions options;
  options.keep_bodies = keep;
  return options;
}

std::size_t bodies(Stage& stage) {
  // A reader of its own for each would read the whole journal each time.
  const auto reader = stage.reader();
  std::size_t count = 0;
  for (const Delivery& delivery : stage.deliveries())
    count += reader->delivery(delivery.key).value().value().request != nullptr ? 1 : 0;
  return count;
}

/// What the doctor would find: rows that are gone are no fault.
void check_folder(LastingStage& stage) {
  if (stage.folder().empty()) return;
  const auto view = StoreView::open(stage.folder());
  REQUIRE(view);
  const Recount rows = (*view)->recount(stage->clock().now()).value();
  CHECK(differences((*view)->snapshot().value(), rows).empty());
  CHECK(rows.without_request.count == 0);
  CHECK((*view)->integrity().value().empty());
}

/// Nothing is asked for at this moment: what is waited for lies ahead.
bool idle(Stage& stage) {
  const auto next = stage.engine().next_wake();
  return !next || *next > stage.clock().now();
}
}  // namespace

TEST_CASE("bodies go a while after their requests ended, and the numbers stay",
          "[cell][retention]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kText, sqlite, bodies_for(30 * kDay)};
  stage->event("ada", "subscription");
  stage->reply(200);
  stage->event("bob", "subscription");
  stage->reply(410);
  const std::vector<Delivery> old = stage->deliveries();

  stage->pass(30 * kDay + kLongest - 1s);
  CHECK(bodies(*stage) == 2);
  stage->event("eve", "subscription");
  stage->reply(200);
  const Counters before = stage->engine().context().counters;
  stage->pass(2h);
  CHECK(bodies(*stage) == 1);
  CHECK(idle(*stage));
  CHECK(stage->engine().context().counters == before);

  CHECK(stage->deliveries().size() == 3);
  for (const Delivery& delivery : old) {
    const auto detail = stage->reader()->delivery(delivery.key).value().value();
    CHECK(detail.request == nullptr);
    CHECK(detail.delivery.state == delivery.state);
    REQUIRE(detail.attempts.size() == 1);
    CHECK(detail.attempts[0].response.empty());
    CHECK(detail.attempts[0].status == delivery.last->status);
  }
  const auto retried = stage->engine().deliveries().by_hand(ByHand::Retry, old[1].key);
  REQUIRE_FALSE(retried);
  CHECK(retried.error().code == "body_purged");
  CHECK(stage->counts("tell")[Counter::Accepted] == 2);
  CHECK(stage->counts("tell")[Counter::Failed] == 1);
  CHECK(stage->broken() == "");

  // Who was there once does not enter again, and nobody is counted twice.
  stage->event("ada", "subscription");
  CHECK(stage->counts("")[Counter::Entered] == 3);
  CHECK(stage->counts("tell")[Counter::UniqueContacts] == 3);
  stage.restart();
  CHECK(stage->counts("tell")[Counter::Accepted] == 2);
  CHECK(bodies(*stage) == 1);
  stage->pass(35 * kDay);
  CHECK(bodies(*stage) == 0);
  check_folder(stage);
}

TEST_CASE("what is pending keeps its body, and loses it once it has ended long enough ago",
          "[cell][retention]") {
  LastingStage stage{kText, GENERATE(false, true), bodies_for(8 * kDay)};
  stage->event("ada", "subscription");
  stage->sink().tasks.clear();
  REQUIRE(stage->engine().deliveries().switch_node("spring", "tell", /*pause=*/true));
  stage->pass(100 * kDay);
  CHECK(bodies(*stage) == 1);

  REQUIRE(stage->engine().deliveries().switch_node("spring", "tell", /*pause=*/false));
  stage->pass(0s);
  REQUIRE(stage->reply(410) == 1);
  stage->pass(8 * kDay - 1s);
  CHECK(bodies(*stage) == 1);
  // It can still be retried, and then its time begins anew.
  REQUIRE(stage->engine().deliveries().by_hand(ByHand::Retry, stage->deliveries()[0].key));
  stage->pass(0s);
  REQUIRE(stage->reply(200) == 1);
  stage->pass(8 * kDay - 1s);
  CHECK(bodies(*stage) == 1);
  stage->pass(2 * kDay + 2h);  // a quarter of the time later at most
  CHECK(bodies(*stage) == 0);
  CHECK(stage->counts("tell")[Counter::Accepted] == 1);
  CHECK(stage->broken() == "");
}

TEST_CASE("a walk over many bodies goes on after a restart", "[cell][retention]") {
  LastingStage stage{kText, GENERATE(false, true), bodies_for(30 * kDay)};
  for (int i = 0; i < 900; ++i) stage->event("c" + std::to_string(i), "subscription");
  while (stage->reply(200) > 0) {
  }
  stage->clock().set(stage->clock().now() + 40 * kDay);
  for (const std::size_t left : {700, 500, 300, 100}) {
    CHECK(bodies(*stage) == (left == 700 ? 900 : left + 200));
    stage.restart();  // one stretch of work
    CHECK(bodies(*stage) == left);
    CHECK_FALSE(idle(*stage));
  }
  stage.restart();
  CHECK(bodies(*stage) == 0);
  REQUIRE(drive(stage->engine()));  // the expiry of event ids has its turn
  CHECK(idle(*stage));
  CHECK(stage->counts("tell")[Counter::Accepted] == 900);
  CHECK(stage->broken() == "");
}

TEST_CASE("a batch loses its bodies whole", "[cell][retention]") {
  LastingStage stage{kBatched, GENERATE(false, true), bodies_for(8 * kDay)};
  for (const char* who : {"ada", "bob", "eve"}) {
    stage->event(who, "subscription");
    stage->pass(3min);
  }
  REQUIRE(stage->reply(410) == 1);
  // They were not made at once: when the first is old enough, all go.
  for (int hours = 0; hours < 12 * 24; ++hours) {
    stage->pass(1h);
    const std::size_t left = bodies(*stage);
    CHECK((left == 0 || left == 3));
  }
  CHECK(bodies(*stage) == 0);
  CHECK(stage->counts("tell")[Counter::Failed] == 3);
}

TEST_CASE("ended runs go a while after their end, and what counts them stays",
          "[cell][retention]") {
  LastingStage stage{kWaiting, GENERATE(false, true), runs_for(20 * kDay)};
  stage->event("ada", "subscription", R"({"long": false})");
  stage->event("bob", "subscription", R"({"long": true})");
  stage->reply(503);
  stage->pass(10s);
  REQUIRE(stage->reply(200) == 2);
  const auto first = stage->deliveries().at(0);
  CHECK(first.attempts == 2);

  stage->pass(20 * kDay + kLongest - 11s);
  CHECK(stage->runs_of("ada").size() == 1);
  stage->pass(2h);
  CHECK(stage->runs_of("ada").empty());
  CHECK(stage->place_of("bob") == "pause");  // under way: whatever its age
  const auto detail = stage->reader()->delivery(first.key).value().value();
  CHECK(detail.delivery.state == DeliveryState::Accepted);
  CHECK(detail.delivery.attempts == 2);
  REQUIRE(detail.attempts.size() == 1);
  CHECK(detail.attempts[0].status == 200);

  stage.restart();
  stage->pass(10 * kDay);
  CHECK(stage->place_of("bob") == "done");  // it ended ten days after the walk had passed it
  stage->pass(15 * kDay);
  CHECK(stage->runs_of("bob").size() == 1);
  stage->pass(11 * kDay);
  CHECK(stage->runs_of("bob").empty());
  check_folder(stage);

  CHECK(stage->counts("")[Counter::Entered] == 2);
  CHECK(stage->counts("")[Counter::Done] == 2);
  CHECK(stage->counts("tell")[Counter::Accepted] == 2);
  CHECK(stage->counts("tell")[Counter::UniqueContacts] == 2);
  CHECK(stage->broken() == "");
  stage->event("ada", "subscription", R"({"long": false})");
  CHECK(stage->counts("")[Counter::Entered] == 2);  // never twice: the ledger remembers
  CHECK(stage->runs_of("ada").empty());
}

TEST_CASE("a run stays while a request of it is pending", "[cell][retention]") {
  LastingStage stage{kText, GENERATE(false, true), runs_for(8 * kDay)};
  stage->event("ada", "subscription");
  stage->sink().tasks.clear();
  REQUIRE(stage->engine().deliveries().switch_node("spring", "tell", /*pause=*/true));
  stage->pass(50 * kDay);
  CHECK(stage->runs_of("ada").size() == 1);
  REQUIRE(stage->engine().deliveries().switch_node("spring", "tell", /*pause=*/false));
  stage->pass(0s);
  REQUIRE(stage->reply(200) == 1);
  stage->pass(8 * kDay - 1s);
  CHECK(stage->runs_of("ada").size() == 1);
  stage->pass(2 * kDay + 2h);
  CHECK(stage->runs_of("ada").empty());
  CHECK(bodies(*stage) == 0);  // a contact that is forgotten would not find it any more
  CHECK(stage->counts("tell")[Counter::Accepted] == 1);
}

TEST_CASE("a contact whose old runs are gone is forgotten whole", "[cell][retention]") {
  RuntimeOptions options = runs_for(20 * kDay);
  options.keep_bodies = 20 * kDay;
  LastingStage stage{kText, GENERATE(false, true), options};
  stage->event("ada", "subscription");
  stage->reply(200);
  const auto contact = stage->engine().contacts().find_contact({.id = "ada"}).value().value();
  stage->pass(30 * kDay);
  CHECK(stage->runs_of("ada").empty());
  CHECK(bodies(*stage) == 0);
  stage->command(contact, Forget{});
  stage.restart();
  CHECK(stage->deliveries().size() == 1);
  CHECK(stage->counts("tell")[Counter::Accepted] == 1);
  CHECK(stage->broken() == "");
}

TEST_CASE("what is kept for ever makes no work", "[cell][retention]") {
  Stage stage{kText, nullptr, bodies_for(std::nullopt)};
  stage.event("ada", "subscription");
  stage.reply(200);
  CHECK_FALSE(stage.engine().next_wake());
  stage.pass(5000 * kDay);
  CHECK(stage.request_of(stage.deliveries()[0].key) != nullptr);
}

TEST_CASE("a clock that is set back while rows are kept makes no work", "[cell][retention]") {
  Stage stage{kText, nullptr, bodies_for(30 * kDay)};
  stage.event("ada", "subscription");
  stage.reply(200);
  stage.clock().set(stage.clock().now() - 26h);
  // At its next look the walk finds a request that seems to be made in the future.
  stage.restart();
  stage.pass(0s);
  const auto wake = stage.engine().next_wake();
  REQUIRE(wake);
  CHECK(*wake > stage.clock().now());
}

TEST_CASE("between what is old and what will be, nothing is done", "[cell][retention]") {
  Stage stage{kText, nullptr, bodies_for(30 * kDay)};
  stage.event("ada", "subscription");
  stage.reply(200);
  const Instant made = stage.clock().now();
  stage.pass(1 * kDay);
  // One look when the first row is old, at most one an hour, and none in between.
  std::vector<Instant> wakes;
  while (bodies(stage) > 0 && wakes.size() < 10) {
    wakes.push_back(stage.engine().next_wake().value());
    stage.clock().set(wakes.back());
    stage.pass(0s);
  }
  CHECK(wakes.size() <= 2);
  CHECK(stage.clock().now() >= made + 30 * kDay + kLongest);
  CHECK(stage.clock().now() <= made + 30 * kDay + kLongest + 1h);
}

TEST_CASE("a walk begins again, and rests no longer than it may, after the clock was set back",
          "[cell][retention]") {
  const Instant now{std::chrono::sys_days{std::chrono::year{2026} / 5 / 1}};
  KeepWalk walk{KeepWalk::Of::Bodies, 30 * kDay, now};
  walk.begin(now);
  walk.pass(7);
  walk.begin(now + 1h);
  CHECK(walk.after() == 7);  // A walk goes on for a quarter of the time that rows are kept.
  walk.rest_at_end(now + 1h);
  CHECK(walk.resting(now + 1h));

  const Instant before = now - 300 * kDay;
  CHECK(walk.wake(before) == before);
  walk.begin(before);
  CHECK(walk.after() == 0);
}

TEST_CASE("ids that are remembered no longer leave the disk", "[cell][retention]") {
  LastingStage stage{kText, /*sqlite=*/true};
  const auto tables = [&] {
    SQLite::Database database{(stage.folder() / "onward.db").string()};
    return database.execAndGet("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'seen%'")
        .getInt();
  };
  constexpr int kDays = 20;
  for (int day = 0; day < kDays; ++day) {
    EventInput event = stage->input("ada", "subscription");
    event.id = "event " + std::to_string(day);
    REQUIRE(stage->send(std::move(event)).kind == EventAnswer::Kind::Accepted);
    stage->reply(200);
    if (day == kDays / 2) stage.restart();
    stage->pass(kDay);
    // A table for each day of the period, for today, and one that is being erased.
    CHECK(tables() <= 7 + 2);
  }
  CHECK(tables() >= 5);  // The newest ids may still be in the journal.
}
