// What a crash left behind, as the engine meets it: the note is written as the process that died
// would have.
#include <algorithm>

#include <catch2/catch.hpp>

#include "engine/runtime/poison.h"
#include "tests/runtime/relay.h"
#include "tests/support/child.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kPause = R"(
scenario: pause
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: hold }
  hold: { kind: wait, for: 1h, next: end }
)";

/// A stage whose process can die.
class Mortal {
 public:
  explicit Mortal(std::string_view scenario)
      : stage_{scenario,
               nullptr,
               {.log =
                    [this](const LogRecord& record) {
                      if (record.event == "crash.at_work" || record.event == "poison.set_aside")
                        logged_.emplace_back(record.event);
                    },
                .working = open()}} {}

  Stage* operator->() { return &stage_; }
  /// The process ends while it works on `item`, and begins again.
  void die(const WorkItem& item, std::string_view label = {}) {
    stage_.options().working->begin(item, label);
    restart();
  }
  /// It ends so before it is open.
  void die_at_start(const WorkItem& item, std::string_view label) { open()->begin(item, label); }
  void restart() {
    stage_.options().working.reset();
    stage_.options().working = open();
    stage_.restart();
  }
  const std::vector<std::string>& logged() const { return logged_; }
  std::vector<Activity> activity() {
    auto list = stage_.reader()->activity("", 100, "");
    REQUIRE(list);
    std::vector<Activity> rows;
    for (auto& [number, row] : list->rows)
      if (row.what == "poison.set_aside") rows.push_back(row);
    return rows;
  }

 private:
  std::shared_ptr<WorkingFile> open() {
    auto file = WorkingFile::open(folder_.path() / "working", "test");
    REQUIRE(file);
    return std::move(*file);
  }

  TemporaryFolder folder_;
  std::vector<std::string> logged_;
  Stage stage_;
};
}  // namespace

TEST_CASE("an event on which the server died three times is refused, and no other",
          "[runtime][poison]") {
  Mortal stage{kRelay};
  EventInput event = stage->input("ada", "opened");
  event.id = "e-17";
  const WorkItem item = work_item(Input{event});
  stage.die(item, "e-17");
  stage.die(item, "e-17");
  CHECK(stage.logged() == std::vector<std::string>{"crash.at_work", "crash.at_work"});
  stage.die(item, "e-17");
  CHECK(stage.logged().back() == "poison.set_aside");
  REQUIRE(stage.activity().size() == 1);
  CHECK(stage.activity()[0].text.find("event \"e-17\"") != std::string::npos);

  EventInput other = stage->input("ada", "opened");
  other.id = "e-18";
  const auto answers = stage->send({other, event, stage->input("eve", "opened")});
  CHECK(answers[0].kind == EventAnswer::Kind::Accepted);
  CHECK(answers[1].kind == EventAnswer::Kind::Rejected);
  CHECK(answers[1].code == "poison");
  CHECK(answers[1].message.find("e-17") != std::string::npos);
  CHECK(answers[2].kind == EventAnswer::Kind::Accepted);
  CHECK(stage->counts("tell")[Counter::Requests] == 2);

  // Its sender mends it: it is another body.
  event.fingerprint.low ^= 1;
  CHECK(stage->send(event).kind == EventAnswer::Kind::Accepted);
}

TEST_CASE("an event that goes well at last begins anew", "[runtime][poison]") {
  Mortal stage{kRelay};
  EventInput event = stage->input("ada", "opened");
  event.id = "e-17";
  const WorkItem item = work_item(Input{event});
  stage.die(item);
  stage.die(item);
  CHECK(stage->send(event).kind == EventAnswer::Kind::Accepted);
  stage.die(item);
  CHECK(stage->send(event).kind == EventAnswer::Kind::Duplicate);
  CHECK(stage.activity().empty());
}

TEST_CASE("a run on whose timer the server died is parked, and resumed by hand",
          "[runtime][poison]") {
  Mortal stage{kPause};
  stage->event("ada", "opened");
  stage->event("eve", "opened");
  const Run run = stage->runs_of("ada").at(0);
  const WorkItem item = work_item(Input{TimerInput{
      .contact = run.contact, .timer = {.kind = TimerKind::Wait, .subject = run.key.value}}});
  for (int i = 0; i < 3; ++i) stage.die(item);
  stage->pass(2h);
  REQUIRE(stage->runs_of("ada").at(0).state == RunState::Parked);
  CHECK(stage->runs_of("ada").at(0).reason == "poison");
  CHECK(stage->place_of("eve") == "done");
  CHECK(stage->counts("")[Counter::Parked] == 1);
  CHECK(stage->counts("hold")[Counter::Waiting] == 0);
  CHECK(stage->broken().empty());
  REQUIRE(stage.activity().size() == 1);
  CHECK(stage.activity()[0].text.find(format_run(run.key)) != std::string::npos);

  stage->command(run.contact, ResumeRun{run.key});
  CHECK(stage->place_of("ada") == "hold");
  stage->pass(2h);
  CHECK(stage->place_of("ada") == "done");
  CHECK(stage->counts("")[Counter::Parked] == 0);
  CHECK(stage->broken().empty());
}

TEST_CASE("a delivery on which the server died fails as poison, and is retried by hand",
          "[runtime][poison]") {
  Mortal stage{kRelay};
  stage->event("ada", "opened");
  stage->event("eve", "opened");
  const DeliveryKey poison = stage->deliveries().at(0).key;
  for (int i = 0; i < 3; ++i) {
    CHECK(stage->counts("tell")[Counter::Pending] == 2);
    stage.die(work_item(poison));
  }
  stage->pass(1ms);
  CHECK(stage->sink().tasks.size() == 1);
  const Delivery failed = stage->deliveries().at(0);
  CHECK(failed.state == DeliveryState::Failed);
  CHECK(failed.reason == "poison");
  CHECK(failed.last->code == "poison");
  stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Failed] == 1);
  CHECK(stage->counts("tell")[Counter::Accepted] == 1);
  CHECK(stage->broken().empty());
  CHECK(stage.activity().size() == 1);

  stage.restart();
  CHECK(stage->sink().tasks.empty());
  CHECK(stage.activity().size() == 1);
  REQUIRE(stage->engine().by_hand(ByHand::Retry, poison));
  stage->pass(1ms);
  CHECK(stage->reply(200) == 1);
  CHECK(stage->counts("tell")[Counter::Accepted] == 2);
  CHECK(stage->broken().empty());
}

TEST_CASE("a scenario on whose text the server died is not read, and the rest starts",
          "[runtime][poison]") {
  Mortal stage{kRelay};
  stage->apply(kPause);
  const WorkItem item = work_item_of_text(stage->engine().info("relay", true)->text);
  for (int i = 0; i < 3; ++i) stage.die_at_start(item, "relay");
  stage.restart();
  CHECK(stage->event("ada", "opened").kind == EventAnswer::Kind::Accepted);
  CHECK(stage->place_of("ada") == "hold");
  CHECK(stage->counts("hold")[Counter::Visits] == 1);
  const auto again = stage->engine().apply("relay", std::string{kRelay});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == "poison");
  CHECK(stage->engine().apply("relay", std::string{kRelay} + "# mended\n"));
  CHECK(stage.activity().at(0).scenario == "relay");
}

TEST_CASE("after an end among many inputs they are taken one by one", "[runtime][poison]") {
  Mortal stage{kRelay};
  const auto commits_of_ten = [&] {
    std::vector<EventInput> inputs;
    for (int i = 0; i < 10; ++i) inputs.push_back(stage->input("c" + std::to_string(i), "opened"));
    const auto before = stage->engine().figures().commits;
    stage->send(std::move(inputs));
    return stage->engine().figures().commits - before;
  };
  CHECK(commits_of_ten() == 1);
  stage.die({.kind = WorkKind::Several});
  CHECK(stage.logged().empty());
  CHECK(commits_of_ten() == 10);
  stage.restart();
  CHECK(commits_of_ten() == 1);
}

TEST_CASE("an end at other work each time sets nothing aside", "[runtime][poison]") {
  Mortal stage{kRelay};
  for (int i = 0; i < 20; ++i) {
    EventInput event = stage->input("c" + std::to_string(i), "opened");
    event.id = "e" + std::to_string(i);
    stage.die(work_item(Input{event}), event.id);
    CHECK(stage->send(event).kind == EventAnswer::Kind::Accepted);
    stage.die(work_item(stage->deliveries().at(static_cast<std::size_t>(i)).key));
  }
  stage->pass(1ms);
  CHECK(stage->reply(200) == 20);
  CHECK(stage->counts("tell")[Counter::Accepted] == 20);
  CHECK(stage.activity().empty());
}
