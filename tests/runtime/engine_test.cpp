#include <catch2/catch.hpp>

#include "engine/store/memory_store.h"
#include "tests/runtime/relay.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
std::vector<EventInput> three(Stage& stage) {
  return {stage.input("ada", "opened"), stage.input("bad", "opened"), stage.input("eve", "opened")};
}
}  // namespace

TEST_CASE("a row that the store refuses takes no other input of the batch with it",
          "[runtime][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  faults->refuse_contact_id = "bad";
  const auto answers = stage.send(three(stage));
  CHECK(answers.at(0).kind == EventAnswer::Kind::Accepted);
  CHECK(answers.at(1).kind == EventAnswer::Kind::Rejected);
  CHECK(answers.at(2).kind == EventAnswer::Kind::Accepted);
  CHECK(stage.counts("tell")[Counter::Requests] == 2);
  CHECK(stage.sink().tasks.size() == 2);
  CHECK(stage.broken().empty());
}

TEST_CASE("a full disk refuses, sends nothing, and goes on when there is room",
          "[runtime][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  stage.event("ada", "opened");
  faults->full = true;
  for (const EventAnswer& answer : stage.send(three(stage))) {
    CHECK(answer.kind == EventAnswer::Kind::Unavailable);
    CHECK(answer.code == "disk_full");
  }
  CHECK(stage.engine().unwritable());
  CHECK(stage.sink().tasks.size() == 1);
  CHECK(stage.sink().paused);
  stage.reply(200);  // cannot be recorded yet
  CHECK(stage.counts("tell")[Counter::Pending] == 1);

  faults->full = false;
  stage.pass(2s);
  CHECK_FALSE(stage.engine().unwritable());
  CHECK_FALSE(stage.sink().paused);
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
  CHECK(stage.event("bob", "opened").kind == EventAnswer::Kind::Accepted);
}

TEST_CASE("whatever keeps the disk from being written is told as what it is, and waited for",
          "[runtime][engine]") {
  const auto [code, record] =
      GENERATE(table<std::string, std::string>({{"disk_full", "store.full"},
                                                {"disk_read_only", "store.read_only"},
                                                {"store_busy", "store.busy"}}));
  auto faults = std::make_shared<Faults>();
  std::vector<std::string> log;
  Stage stage{kRelay,
              make_faulty_store(make_memory_store(), faults),
              {.log = [&](const LogRecord& told) { log.emplace_back(told.event); }}};
  stage.event("eve", "opened");
  stage.reply(503);  // due again in five seconds
  stage.event("ada", "opened");
  log.clear();
  faults->unwritable = code;
  CHECK(stage.event("bob", "opened").code == code);
  CHECK(stage.event("bob", "opened").kind == EventAnswer::Kind::Unavailable);
  REQUIRE(stage.engine().unwritable());
  CHECK(stage.engine().unwritable()->code == code);
  CHECK(stage.sink().paused);
  CHECK(log == std::vector<std::string>{record});
  CHECK(stage.sink().tasks.size() == 1);
  stage.reply(200);  // cannot be recorded yet
  stage.pass(10s);
  CHECK(stage.sink().tasks.empty());
  CHECK(stage.counts("tell")[Counter::Pending] == 2);
  CHECK(log == std::vector<std::string>{record});

  faults->unwritable.clear();
  stage.pass(2s);
  CHECK_FALSE(stage.engine().unwritable());
  CHECK(log.at(1) == "store.writable");
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
  CHECK(stage.sink().tasks.size() == 1);
}

TEST_CASE("a start on a clock that is behind what is stored is warned of, once",
          "[runtime][engine]") {
  std::vector<std::string> log;
  Stage stage{kRelay, nullptr, {.log = [&](const LogRecord& told) {
                if (told.event == "clock.behind") log.push_back(to_line(told, Instant{}));
              }}};
  stage.event("ada", "opened");
  stage.clock().pass(-50s);
  stage.restart();
  CHECK(log.empty());
  stage.clock().pass(-1min);
  stage.restart();
  REQUIRE(log.size() == 1);
  CHECK(log[0].find("now=2026-05-01T08:58:10Z newest=2026-05-01T09:00:00Z") != std::string::npos);
}

TEST_CASE("a clock that is set back keeps no disk full", "[runtime][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  faults->full = true;
  stage.event("ada", "opened");
  REQUIRE(stage.engine().unwritable());
  faults->full = false;
  stage.clock().pass(-26h);
  stage.pass(0s);
  CHECK_FALSE(stage.engine().unwritable());
  CHECK(stage.event("bob", "opened").kind == EventAnswer::Kind::Accepted);
}

TEST_CASE("a failed write or fsync stops the engine, and nobody is told yes", "[runtime][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  faults->broken = GENERATE(true, false);
  faults->unsyncable = !faults->broken;
  std::vector<EventAnswer> answers;
  EventsJob job{.done = [&](std::vector<EventAnswer> given) { answers = std::move(given); }};
  job.inputs.emplace_back(stage.input("ada", "opened"));
  std::vector<Job> jobs;
  jobs.emplace_back(std::move(job));
  CHECK_FALSE(stage.engine().work(std::move(jobs), {}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].kind == EventAnswer::Kind::Unavailable);
  CHECK(stage.sink().tasks.empty());
}

TEST_CASE("nothing leaves before it is on the disk", "[runtime][engine]") {
  Stage stage{kRelay};
  std::vector<EventAnswer> answers;
  EventsJob job{.done = [&](std::vector<EventAnswer> given) { answers = std::move(given); }};
  job.inputs.emplace_back(stage.input("ada", "opened"));
  std::vector<Job> jobs;
  jobs.emplace_back(std::move(job));
  REQUIRE(stage.engine().work_ahead(std::move(jobs), {}));
  Release release = stage.engine().take_release();
  CHECK(release.tasks.size() == 1);
  CHECK(answers.empty());
  CHECK(stage.sink().tasks.empty());
  let_go(std::move(release), stage.sink());
  CHECK(answers.size() == 1);
  CHECK(stage.sink().tasks.size() == 1);
}

TEST_CASE("what is taken back before it left does not leave", "[runtime][engine]") {
  Stage stage{kRelay};
  EventsJob job{.done = [](std::vector<EventAnswer>) {}};
  job.inputs.emplace_back(stage.input("ada", "opened"));
  std::vector<Job> jobs;
  jobs.emplace_back(std::move(job));
  REQUIRE(stage.engine().work_ahead(std::move(jobs), {}));
  REQUIRE(stage.engine().archive("relay", /*cancel_pending=*/true));
  CHECK(stage.engine().take_release().tasks.empty());
}

TEST_CASE("a large post is committed in parts and answered whole", "[runtime][engine]") {
  Stage stage{kRelay, nullptr, {.batch_max = 10}};
  std::vector<EventInput> post;
  for (int i = 0; i < 95; ++i) post.push_back(stage.input("c" + std::to_string(i), "opened"));
  const auto answers = stage.send(std::move(post));
  CHECK(answers.size() == 95);
  CHECK(stage.counts("tell")[Counter::Requests] == 95);
}

TEST_CASE("endpoints that never answer keep out none that does", "[runtime][engine]") {
  Stage stage{R"(
scenario: dead
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://dead.example.com/in", next: end }
)",
              nullptr,
              {.endpoint_window = 20, .window = 20}};
  stage.apply(R"(
scenario: alive
reentry: parallel
nodes:
  any:  { kind: trigger, event: clicked, next: tell }
  tell: { kind: send_webhook, url: "https://alive.example.com/in", next: end }
)");
  for (int i = 0; i < 50; ++i) stage.event("ada", "opened");
  CHECK(stage.sink().tasks.size() == 20);
  stage.event("ada", "clicked");
  CHECK(stage.sink().tasks.size() == 21);
  CHECK(stage.sink().tasks.back().policy->origin == "https://alive.example.com:443");
}

TEST_CASE("when its window ends a delivery has its last attempt, whatever it waits for",
          "[runtime][engine]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  stage.pass(11h);
  CHECK(stage.sink().expedited.empty());
  stage.pass(1h);
  REQUIRE(stage.sink().expedited.size() == 1);
  CHECK(stage.sink().expedited[0] == stage.sink().tasks.at(0).delivery);

  // One that is handed out late goes as a last attempt at once.
  stage.restart();
  REQUIRE(stage.sink().tasks.size() == 1);
  CHECK(stage.sink().tasks[0].last);
  stage.reply(503);
  CHECK(stage.counts("tell")[Counter::Failed] == 1);
}
