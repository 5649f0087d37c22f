// No operation makes a step of the engine long, whatever the size of the population.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "tests/support/counting_store.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::int64_t kPopulation = 3'000;
constexpr std::size_t kStepRows = 1'000 + 1;  // The one says how far a pass has come.

constexpr std::string_view kCourse = R"(
scenario: course
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/one", next: pause }
  pause:  { kind: wait, for: 30d, next: end }
)";
constexpr std::string_view kCourseTwo = R"(
scenario: course
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/two", next: pause }
  pause:  { kind: wait, for: 20d, next: end }
)";

/// A stage whose steps are counted.
class CountedStage {
 public:
  explicit CountedStage(std::string_view scenario, RuntimeOptions options = {}) {
    auto store = std::make_unique<CountingStore>(std::shared_ptr<Store>{make_memory_store()});
    counting_ = store.get();
    stage_ = std::make_unique<Stage>(scenario, std::move(store), std::move(options));
  }
  Stage* operator->() { return stage_.get(); }
  CountingStore& store() { return *counting_; }

  /// One event of each contact.
  void populate(std::string_view type, std::string_view contact = "{}",
                std::int64_t count = kPopulation) {
    std::vector<EventInput> inputs;
    for (std::int64_t i = 0; i < count; ++i) {
      inputs.push_back(stage_->input(fmt::format("c{}", i), type, "{}", contact));
      if (inputs.size() < 250 && i + 1 < count) continue;
      stage_->send(std::exchange(inputs, {}));
      work();
    }
  }

  /// Runs `call` as one step.
  template <class Call>
  void step(Call call) {
    counting_->begin_step();
    call(stage_->engine());
    most_ = std::max(most_, counting_->rows());
    ++steps_;
  }
  /// Works, a step at a time, until nothing is due; at most `steps`.
  void work(std::size_t steps = 10'000) {
    for (; steps > 0; --steps) {
      const auto wake = stage_->engine().next_wake();
      if (!wake || *wake > stage_->clock().now()) return;
      step([](Cell& engine) { REQUIRE(drive(engine)); });
    }
  }
  void pass(Duration length) {
    stage_->clock().pass(length);
    work();
  }
  /// All that is out is answered, a slice at a time as the deliverer does it.
  void reply_all(int status) {
    while (!stage_->sink().tasks.empty()) {
      std::vector<AttemptResult> results;
      for (const DeliveryTask& task : std::exchange(stage_->sink().tasks, {}))
        results.push_back({.delivery = task.delivery,
                           .number = task.number,
                           .started = stage_->clock().now(),
                           .status = status});
      for (std::size_t first = 0; first < results.size(); first += 64) {
        const std::size_t end = std::min(results.size(), first + 64);
        std::vector<AttemptResult> slice{results.begin() + static_cast<std::ptrdiff_t>(first),
                                         results.begin() + static_cast<std::ptrdiff_t>(end)};
        step([&](Cell& engine) { REQUIRE(drive(engine, {}, std::move(slice))); });
      }
      work();
    }
  }

  /// Forgets what was counted so far.
  void count_from_here() { most_ = steps_ = 0; }
  std::size_t most() const { return most_; }
  std::size_t steps() const { return steps_; }

 private:
  CountingStore* counting_ = nullptr;
  std::unique_ptr<Stage> stage_;
  std::size_t most_ = 0, steps_ = 0;
};

/// What was counted was a lot of work, in short steps.
void check_short(const CountedStage& stage) {
  CHECK(stage.most() <= kStepRows);
  CHECK(stage.steps() > 2);
}

std::string many_dates() {
  std::string text = "scenario: dates\nreentry: parallel\nnodes:\n";
  for (int i = 0; i < 20; ++i)
    text += fmt::format(
        "  d{}: {{ kind: trigger_date, field: birth_date, every: year, next: end }}\n", i);
  return text;
}
}  // namespace

TEST_CASE("archiving with pending deliveries cancels them in short steps, also after a crash",
          "[cell][steps]") {
  CountedStage stage{kCourse};
  stage.populate("subscription");
  REQUIRE(stage->counts("tell")[Counter::Pending] == kPopulation);
  stage.count_from_here();
  stage.step([](Cell& engine) {
    const auto info = engine.scenarios().archive("course", /*cancel_pending=*/true);
    REQUIRE(info);
    REQUIRE(info->progress);
    CHECK(info->progress->what == "cancel");
    CHECK(info->pending > 0);
  });
  // Nothing more leaves, though most are pending.
  CHECK(stage->sink().tasks.empty());
  stage.work(3);
  CHECK(stage->counts("tell")[Counter::Pending] > 0);
  stage->restart();
  CHECK(stage->sink().tasks.empty());
  stage.work();
  check_short(stage);
  CHECK(stage->sink().tasks.empty());
  CHECK(stage->counts("tell")[Counter::Pending] == 0);
  CHECK(stage->counts("tell")[Counter::Cancelled] == kPopulation);
  CHECK_FALSE(stage->engine().views().info("course")->progress);
  CHECK(stage->broken().empty());
}

TEST_CASE("archiving with few pending deliveries has cancelled them when it answers",
          "[cell][steps]") {
  CountedStage stage{R"(
scenario: two
reentry: never
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell:   { kind: send_webhook, url: "https://crm.example.com/one", next: note }
  note:   { kind: send_webhook, url: "https://crm.example.com/two", next: end }
)"};
  stage.populate("subscription", "{}", 50);
  const auto info = stage->engine().scenarios().archive("two", /*cancel_pending=*/true);
  REQUIRE(info);
  CHECK(info->pending == 0);
  CHECK_FALSE(info->progress);
  CHECK(stage->counts("tell")[Counter::Cancelled] == 50);
  CHECK(stage->counts("note")[Counter::Cancelled] == 50);
}

TEST_CASE("retrying and cancelling all deliveries of a node takes short steps", "[cell][steps]") {
  CountedStage stage{kCourse};
  stage.populate("subscription");
  stage.count_from_here();
  std::int64_t changed = 0;
  const auto act = [&](ByHand what, std::optional<DeliveryState> state) {
    stage.step([&](Cell& engine) {
      engine.deliveries().by_hand(what, {.scenario = "course", .state = state}, false, "jane",
                                  [&](Result<ByHandAnswer> answer) {
                                    changed = static_cast<std::int64_t>(answer.value().changed);
                                  });
    });
    stage.work();
  };
  act(ByHand::Cancel, std::nullopt);
  CHECK(changed == kPopulation);
  act(ByHand::Retry, DeliveryState::Cancelled);
  CHECK(changed == kPopulation);
  check_short(stage);
  CHECK(stage->broken().empty());
}

TEST_CASE("pausing and resuming a node takes short steps", "[cell][steps]") {
  CountedStage stage{kCourse};
  stage.populate("subscription");
  stage.count_from_here();
  const auto turn = [&](bool pause) {
    stage.step(
        [&](Cell& engine) { REQUIRE(engine.deliveries().switch_node("course", "tell", pause)); });
    stage.work();
  };
  turn(true);
  CHECK(stage->counts("tell")[Counter::PendingParked] == kPopulation);
  CHECK(stage->sink().tasks.empty());
  turn(false);
  CHECK(stage->counts("tell")[Counter::PendingParked] == 0);
  check_short(stage);
  stage.reply_all(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == kPopulation);
}

TEST_CASE("moving runs to a new version, timers of all at once, and a purge take short steps",
          "[cell][steps]") {
  CountedStage stage{kCourse};
  stage.populate("subscription");
  stage.reply_all(200);
  stage.count_from_here();
  stage.step([](Cell& engine) {
    REQUIRE(
        engine.scenarios().apply("course", std::string{kCourseTwo}, {.wanted = true})->migrating);
  });
  stage.work();
  check_short(stage);
  CHECK(stage->counts("")[Counter::MovedIn] == kPopulation);

  stage.count_from_here();
  stage.pass(24h * 21);
  check_short(stage);
  CHECK(stage->counts("")[Counter::Done] == kPopulation);

  REQUIRE(stage->engine().scenarios().archive("course", false));
  stage.count_from_here();
  stage.step([](Cell& engine) { REQUIRE(engine.scenarios().purge("course")); });
  stage.work();
  check_short(stage);
  CHECK(stage->engine().views().info("course")->purged);
}

TEST_CASE("arming many triggers for all contacts takes short steps, also after a crash",
          "[cell][steps]") {
  CountedStage stage{kCourse};
  stage.populate("order", R"({"birth_date": "1990-06-01"})");
  stage.count_from_here();
  stage->apply(many_dates());
  stage.work(10);
  stage->restart();
  stage.work();
  check_short(stage);
  CHECK(stage.steps() > 60);
  for (int day = 0; day < 40; ++day) stage.pass(24h);
  check_short(stage);
  CHECK(stage->counts("")[Counter::Entered] > 0);
}

TEST_CASE("many checks at one time begin in short steps, and each that is missed counts",
          "[cell][steps]") {
  constexpr int kChecks = 1'500;
  std::string text = "scenario: checks\nreentry: never\ntimezone: UTC\nnodes:\n";
  for (int i = 0; i < kChecks; ++i)
    text += fmt::format(
        "  c{}: {{ kind: trigger_segment, if: {{ opened: {{ mailing: none }} }}, at: "
        "2026-05-03T09:00, next: end }}\n",
        i);
  CountedStage stage{kCourse};
  stage.populate("order", "{}", 3);
  stage->apply(text);
  stage.count_from_here();
  const bool missed = GENERATE(true, false);
  stage.pass(missed ? 24h * 10 : 48h);
  check_short(stage);
  std::int64_t counted = 0;
  for (const auto& [key, row] : stage->engine().context().counters)
    for (const auto& [reason, count] : row.named)
      if (reason == "missed") counted += count;
  CHECK(counted == (missed ? kChecks : 0));
}

TEST_CASE("two passes under way take turns", "[cell][steps]") {
  CountedStage stage{kCourse};
  std::string other{kCourse};
  other.replace(other.find("course"), 6, "zebra");
  stage->apply(other);
  stage.populate("subscription");
  REQUIRE(stage->engine().scenarios().archive("course", true));
  REQUIRE(stage->engine().scenarios().archive("zebra", true));
  const auto left = [&](const char* id) { return stage->engine().views().info(id)->pending; };
  stage.work(6);
  CHECK(left("course") > 0);
  CHECK(left("course") < kPopulation - 500);
  CHECK(left("zebra") > 0);
  CHECK(left("zebra") < kPopulation - 500);
}

TEST_CASE("what is not kept any more goes in short steps", "[cell][steps]") {
  RuntimeOptions options;
  options.keep_bodies = 24h;
  options.keep_runs = 24h;
  CountedStage stage{kCourse, options};
  stage.populate("subscription");
  stage.reply_all(200);
  stage.pass(24h * 31);
  stage.count_from_here();
  for (int day = 0; day < 10; ++day) stage.pass(24h);
  CHECK(stage.most() <= kStepRows);
  CHECK(stage->request_of(stage->deliveries().at(0).key) == nullptr);
}

TEST_CASE("batches are fixed, sent and settled in short steps", "[cell][steps]") {
  const bool alike = GENERATE(true, false);
  CountedStage stage{fmt::format(R"(
scenario: feed
reentry: parallel
nodes:
  any:  {{ kind: trigger, event: opened, next: tell }}
  tell: {{ kind: send_webhook, url: "https://crm.example.com/in{}", envelope: events,
          batch: {{ max: 400, linger: 10s }}, next: end }}
)",
                                 alike ? "" : "?id={{ contact.id }}")};
  stage.count_from_here();
  stage.populate("opened");
  stage.pass(10s);
  stage.reply_all(200);
  stage.pass(1h);
  stage.reply_all(200);
  CHECK(stage.most() <= kStepRows);
  CHECK(stage->counts("tell")[Counter::Accepted] == kPopulation);
  CHECK(stage->broken().empty());
}

TEST_CASE("many endpoints that are due at once are served in short steps, each in turn",
          "[cell][steps]") {
  std::string text =
      "scenario: fan\nreentry: never\nnodes:\n  in: { kind: trigger, event: opened, next: n0 }\n";
  constexpr std::size_t kEndpoints = 40, kContacts = 100;
  for (std::size_t i = 0; i < kEndpoints; ++i)
    text += fmt::format(
        "  n{}: {{ kind: send_webhook, url: \"https://h{}.example.com/in\", next: {} }}\n", i, i,
        i + 1 < kEndpoints ? fmt::format("n{}", i + 1) : "end");
  CountedStage stage{text};
  stage.populate("opened", "{}", 10);
  for (std::size_t i = 10; i < kContacts; ++i) stage->event(fmt::format("c{}", i), "opened");
  stage.reply_all(200);
  stage.count_from_here();
  stage->restart();
  for (std::size_t i = kContacts; i < 2 * kContacts; ++i)
    stage->event(fmt::format("c{}", i), "opened");
  stage->restart();
  stage.work();
  check_short(stage);
  CHECK(stage->sink().tasks.size() == kEndpoints * kContacts);
}
