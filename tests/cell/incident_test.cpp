// Exceptions on the engine thread: work that throws is as if it had never come, and the server
// continues. The policy is in engine/guard/guarded.h.
#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/guard/guarded.h"
#include "engine/guard/working_file.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "engine/store/unreadable.h"
#include "tests/support/bomb.h"
#include "tests/support/child.h"
#include "tests/support/faulty_store.h"
#include "tests/support/relay.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kBomb = R"(
scenario: danger
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: boom }
  boom: { kind: bomb, next: end }
)";
constexpr std::string_view kLateBomb = R"(
scenario: danger
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: hold }
  hold: { kind: wait, for: 1h, next: boom }
  boom: { kind: bomb, next: end }
)";

/// A stage whose log keeps its incidents, and whose store throws where it is told to.
struct Danger {
  explicit Danger(std::string_view scenario)
      : stage{scenario, make_faulty_store(make_memory_store(), faults), options(),
              &kinds_with_bomb()} {}

  RuntimeOptions options() {
    return {.log = [this](const LogRecord& record) {
      if (record.event != "internal.error") return;
      for (const auto& [name, value] : record.fields)
        if (name == "incident") incidents.push_back(to_text(value));
    }};
  }
  EventInput opened(std::string_view who, std::string id = {}) const {
    EventInput input = stage.input(who, "opened");
    input.id = std::move(id);
    return input;
  }

  Bomb bomb;
  std::vector<std::string> incidents;
  std::shared_ptr<Faults> faults = std::make_shared<Faults>();
  Stage stage;
};
}  // namespace

TEST_CASE("an event that throws is answered with its incident, the others of its post are taken",
          "[cell][incident]") {
  Danger danger{kBomb};
  Stage& stage = danger.stage;
  Bomb::armed = true;
  const std::vector<EventAnswer> answers = stage.send(
      {danger.opened("ada", "e1"), danger.opened("boom", "e2"), danger.opened("bob", "e3")});
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].kind == EventAnswer::Kind::Accepted);
  CHECK(answers[2].kind == EventAnswer::Kind::Accepted);
  CHECK(answers[1].kind == EventAnswer::Kind::Unavailable);
  CHECK(answers[1].code == "internal_error");
  REQUIRE(danger.incidents.size() == 1);
  CHECK(answers[1].incident == danger.incidents[0]);
  CHECK(answers[1].message.find(danger.incidents[0]) != std::string::npos);

  // Nothing is half done: no contact, no run, no request, no number.
  CHECK_FALSE(stage.engine().contacts().contact({.id = "boom"}));
  CHECK(stage.deliveries().size() == 2);
  CHECK(stage.counts("")[Counter::Entered] == 2);
  CHECK(stage.broken() == "");
  CHECK(stage.engine().context().figures.events_accepted == 2);

  // It was not taken, so a repeat is none.
  Bomb::armed = false;
  CHECK(stage.send(danger.opened("boom", "e2")).kind == EventAnswer::Kind::Accepted);
  CHECK(stage.send(danger.opened("boom", "e2")).kind == EventAnswer::Kind::Duplicate);
  CHECK(stage.send(danger.opened("ada", "e1")).kind == EventAnswer::Kind::Duplicate);
  CHECK(stage.deliveries().size() == 3);
  CHECK(stage.broken() == "");
}

TEST_CASE("an event that throws alone is tried once, and the engine goes on", "[cell][incident]") {
  Danger danger{kBomb};
  Bomb::armed = true;
  for (int i = 0; i < 3; ++i) {
    const EventAnswer answer = danger.stage.send(danger.opened("boom"));
    CHECK(answer.code == "internal_error");
    CHECK(answer.incident == danger.incidents.back());
  }
  CHECK(danger.incidents.size() == 3);
  CHECK(danger.stage.send(danger.opened("ada")).kind == EventAnswer::Kind::Accepted);
  CHECK(danger.stage.broken() == "");
}

TEST_CASE("a run whose timer throws is parked, and resumed by hand", "[cell][incident]") {
  Danger danger{kLateBomb};
  Stage& stage = danger.stage;
  for (const char* who : {"ada", "boom", "bob"}) stage.send(danger.opened(who));
  Bomb::armed = true;
  stage.pass(2h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.place_of("bob") == "done");
  const Run parked = stage.runs_of("boom").front();
  CHECK(parked.state == RunState::Parked);
  CHECK(parked.reason == "internal_error");
  CHECK(danger.incidents.size() == 1);
  CHECK(stage.broken() == "");
  // Its timer is gone: it does not come again by itself.
  stage.pass(24h);
  CHECK(danger.incidents.size() == 1);
  Bomb::armed = false;
  stage.command(parked.contact, ResumeRun{parked.key});
  stage.pass(2h);
  CHECK(stage.place_of("boom") == "done");
  CHECK(stage.broken() == "");
}

TEST_CASE("a trigger whose timer throws waits for its next time", "[cell][incident]") {
  Danger danger{R"(
scenario: birthday
reentry: parallel
nodes:
  day:  { kind: trigger_date, field: birth_date, every: year, at: "09:00", next: boom }
  boom: { kind: bomb, next: end }
)"};
  Stage& stage = danger.stage;
  for (const char* who : {"ada", "boom"}) stage.patch(who, R"({"birth_date": "1990-05-03"})");
  Bomb::armed = true;
  stage.pass(3 * 24h);
  CHECK(stage.counts("")[Counter::Entered] == 1);
  CHECK(danger.incidents.size() == 1);
  CHECK(stage.runs_of("boom").empty());
  Bomb::armed = false;
  stage.pass(366 * 24h);
  CHECK(stage.counts("")[Counter::Entered] == 3);
  CHECK(stage.runs_of("boom").size() == 1);
  CHECK(stage.broken() == "");
}

TEST_CASE("a command that throws leaves its run where it is", "[cell][incident]") {
  Danger danger{kLateBomb};
  Stage& stage = danger.stage;
  stage.send(danger.opened("boom"));
  const Run waiting = stage.runs_of("boom").front();
  stage.command(waiting.contact, ParkRun{.run = waiting.key, .reason = "by_test"});
  std::string shorter{kLateBomb};
  shorter.replace(shorter.find("1h"), 2, "1s");
  stage.pass(10s);
  stage.apply(shorter);
  stage.command(waiting.contact, ResumeRun{waiting.key});
  Bomb::armed = true;
  const WorkAnswer moved = stage.command(waiting.contact, MoveRun{.run = waiting.key, .to = 2});
  CHECK(moved.event.code == "internal_error");
  const Run still = stage.runs_of("boom").front();
  CHECK(still.version == 1);
  CHECK(still.state == RunState::Waiting);
  CHECK(stage.broken() == "");
}

TEST_CASE("reads of the store that throw before a commit are the work's own fault",
          "[cell][incident]") {
  const std::string call = GENERATE("identify", "load");
  Danger danger{kRelay};
  Stage& stage = danger.stage;
  stage.send({danger.opened("ada"), danger.opened("bob")});
  danger.faults->on_read = [&](std::string_view of) {
    if (of == call) throw std::bad_alloc{};
  };
  for (const EventAnswer& answer : stage.send({danger.opened("ada"), danger.opened("bob")}))
    CHECK(answer.code == "internal_error");
  CHECK(danger.incidents.size() == 2);
  danger.faults->on_read = {};
  for (const EventAnswer& answer : stage.send({danger.opened("ada"), danger.opened("bob")}))
    CHECK(answer.kind == EventAnswer::Kind::Accepted);
  CHECK(stage.deliveries().size() == 4);
  CHECK(stage.broken() == "");
}

TEST_CASE("an attempt whose outcome cannot be settled fails its delivery, to be retried by hand",
          "[cell][incident]") {
  Danger danger{kRelay};
  Stage& stage = danger.stage;
  stage.send(danger.opened("ada"));
  REQUIRE(stage.sink().tasks.size() == 1);
  const DeliveryKey key = stage.sink().tasks.front().delivery;
  // Paused meanwhile, so that its row is read from the store; which throws three times: for the
  // batch, for the result alone, and for the result without what the receiver said.
  REQUIRE(stage.engine().deliveries().switch_node("relay", "tell", /*pause=*/true));
  stage.pass(0s);
  int reads = 0;
  danger.faults->on_read = [&](std::string_view of) {
    if (of == "deliveries" && ++reads < 4) throw std::bad_alloc{};
  };
  std::vector<AttemptResult> results{
      {.delivery = key, .number = 1, .started = stage.clock().now(), .status = 200}};
  REQUIRE(drive(stage.engine(), {}, std::move(results)));
  danger.faults->on_read = {};
  CHECK(danger.incidents.size() == 3);
  const Delivery failed = stage.deliveries().front();
  CHECK(failed.state == DeliveryState::Failed);
  CHECK(failed.reason == "internal_error");
  CHECK(stage.broken() == "");
  CHECK(stage.engine().deliveries().by_hand(ByHand::Retry, key));
  CHECK(stage.broken() == "");
}

TEST_CASE("a stored scenario that cannot be built is unreadable, and the others start",
          "[cell][incident]") {
  Danger danger{kBomb};
  danger.stage.apply(kRelay);
  danger.stage.send(danger.opened("ada"));
  Bomb::unbuildable = true;
  danger.stage.restart();
  CHECK(danger.incidents.size() >= 1);
  CHECK(danger.stage.engine().views().info("danger"));
  CHECK(danger.stage.send(danger.opened("bob")).kind == EventAnswer::Kind::Accepted);
  CHECK(danger.stage.counts("")[Counter::Entered] == 2);  // of the relay
  Bomb::unbuildable = false;
  danger.stage.restart();
  CHECK(danger.stage.send(danger.opened("eve")).kind == EventAnswer::Kind::Accepted);
  CHECK(danger.stage.broken() == "");
}

TEST_CASE("a call that throws before it changed anything is an error with an incident",
          "[cell][incident]") {
  Danger danger{{}};
  Cell& engine = danger.stage.engine();
  Bomb::unbuildable = true;
  const auto applied = engine.guarded(
      "engine.call", [&] { return engine.scenarios().apply("danger", std::string{kBomb}); });
  REQUIRE_FALSE(applied);
  CHECK(applied.error().kind == ErrorKind::Internal);
  CHECK(applied.error().incident == danger.incidents.at(0));
  CHECK(engine.control().scenarios.find("danger") == nullptr);
  Bomb::unbuildable = false;
  CHECK(engine.guarded("engine.call",
                       [&] { return engine.scenarios().apply("danger", std::string{kBomb}); }));

  // One that cannot even answer: the jobs around it are done.
  std::vector<Task> jobs;
  bool reached = false;
  jobs.emplace_back(CallTask{[](Cell&) -> Status { throw std::bad_alloc{}; }});
  jobs.emplace_back(CallTask{[&](Cell&) -> Status {
    reached = true;
    return {};
  }});
  CHECK(drive(engine, std::move(jobs), {}));
  CHECK(reached);
  CHECK(danger.incidents.size() == 2);
}

TEST_CASE("long work by hand that throws is answered with its incident, and ends",
          "[cell][incident]") {
  Danger danger{kBomb};
  danger.stage.event("ada", "opened");
  REQUIRE(danger.stage.counts("tell")[Counter::Pending] == 1);
  danger.faults->on_read = [](std::string_view of) {
    if (of == "deliveries") throw std::bad_alloc{};
  };
  Cell& engine = danger.stage.engine();
  std::vector<Result<ByHandAnswer>> answers;
  const auto cancel_all = [&] {
    engine.deliveries().by_hand(
        ByHand::Cancel, {.scenario = "danger"}, false, "jane",
        [&](Result<ByHandAnswer> answer) { answers.push_back(std::move(answer)); });
    for (int steps = 0; steps < 5; ++steps) REQUIRE(drive(engine));  // a node a step
  };
  cancel_all();
  REQUIRE(answers.size() == 1);
  REQUIRE_FALSE(answers[0]);
  CHECK(answers[0].error().kind == ErrorKind::Internal);
  CHECK(answers[0].error().incident == danger.incidents.at(0));

  danger.faults->on_read = {};
  cancel_all();
  REQUIRE(answers.size() == 2);
  CHECK(answers[1].value().changed == 1);
  CHECK(danger.stage.broken() == "");
}

TEST_CASE("what was caught does not count as a crash", "[cell][incident][poison]") {
  const Bomb bomb;
  TemporaryFolder folder;
  const auto open = [&] {
    auto file = WorkingFile::open(folder.path() / "working", "test");
    REQUIRE(file);
    return std::shared_ptr<WorkingFile>{std::move(*file)};
  };
  Stage stage{kBomb, nullptr, {.working = open()}, &kinds_with_bomb()};
  EventInput event = stage.input("boom", "opened");
  event.id = "e1";
  Bomb::armed = true;
  for (int i = 0; i < 5; ++i) {
    CHECK(stage.send(event).code == "internal_error");
    std::vector<EventInput> several{event, stage.input("ada", "opened")};
    CHECK(stage.send(std::move(several)).front().code == "internal_error");
    // The process ends, at no work.
    stage.options().working.reset();
    stage.options().working = open();
    CHECK(stage.options().working->suspects().empty());
    CHECK_FALSE(stage.options().working->died_at_work());
    stage.restart();
  }
  Bomb::armed = false;
  CHECK(stage.send(event).kind == EventAnswer::Kind::Accepted);
}

namespace {
/// Of a disk that is damaged where contacts are.
class DamagedStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    if (damaged) return fail(ErrorKind::Internal, kUnreadableRow, "a row cannot be read");
    return PassingStore::load(queries);
  }
  bool damaged = false;
};
}  // namespace

TEST_CASE("the timer of a contact that cannot be read waits until it can", "[cell][incident]") {
  auto owned = std::make_unique<DamagedStore>(make_memory_store());
  DamagedStore& store = *owned;
  Stage stage{R"(
scenario: pause
nodes:
  any:  { kind: trigger, event: opened, next: hold }
  hold: { kind: wait, for: 1h, next: end }
)",
              std::move(owned)};
  stage.event("ada", "opened");
  store.damaged = true;
  stage.pass(90min);
  REQUIRE(stage.engine().next_wake());
  CHECK(*stage.engine().next_wake() > stage.clock().now());
  store.damaged = false;
  CHECK(stage.place_of("ada") == "hold");
  stage.pass(1h);
  CHECK(stage.place_of("ada") == "done");
  CHECK(stage.broken() == "");
}
