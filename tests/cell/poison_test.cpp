// What a crash left behind, as the engine meets it: the note is written as the process that died
// would have, which the first test here holds it to.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/cell/background_job.h"
#include "engine/cell/quarantine.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "tests/support/child.h"
#include "tests/support/relay.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

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

/// What the next process would find of the note, were this one to die now.
struct FoundNote {
  std::string what;  ///< "nothing", "several", or the kind and the label.
  WorkItem item;     ///< Where there is one.
};
FoundNote noted_in(const fs::path& working) {
  const TemporaryFolder folder;
  fs::copy_file(working, folder.path() / "working");
  const auto found = WorkingFile::open(folder.path() / "working", "test");
  REQUIRE(found);
  if (!(*found)->died_at_work()) return {"nothing", {}};
  const std::vector<Suspect> suspects = (*found)->suspects();
  if (suspects.empty()) return {"several", {}};
  REQUIRE(suspects.size() == 1);
  return {fmt::format("{} {}", to_string(suspects[0].item.kind), suspects[0].label),
          suspects[0].item};
}

/// A job as its row has it after a restart.
class InterruptedJob final : public BackgroundJob {
 public:
  explicit InterruptedJob(AdminRecord row) : row_{std::move(row)} {}
  std::string name() const override { return row_.name; }
  std::optional<std::string> cursor() const override { return row_.content; }
  Result<JobStep> step(std::size_t) override { return JobStep{.ended = true}; }
  void committed() override {}

 private:
  AdminRecord row_;
};

/// A store that looks at the note at each call in which the engine could die.
class WatchingStore final : public PassingStore {
 public:
  explicit WatchingStore(fs::path working)
      : PassingStore{make_memory_store()}, working_{std::move(working)} {}
  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    loads.push_back(noted_in(working_));
    return store_->load(queries);
  }
  Status commit(const Commit& commit) override {
    commits.push_back(noted_in(working_));
    return store_->commit(commit);
  }
  void forget() {
    loads.clear();
    commits.clear();
  }

  std::vector<FoundNote> loads, commits;

 private:
  fs::path working_;
};
}  // namespace

TEST_CASE("while something is worked on, the note names it and nothing else", "[cell][poison]") {
  const TemporaryFolder folder;
  const fs::path working = folder.path() / "working";
  auto file = WorkingFile::open(working, "test");
  REQUIRE(file);
  auto store = std::make_unique<WatchingStore>(working);
  WatchingStore& watch = *store;
  Stage stage{"", std::move(store), {.working = std::move(*file)}};
  stage.apply(kRelay);
  stage.apply(kPause);
  const auto noted = [](const std::vector<FoundNote>& all) {
    std::vector<std::string> whats;
    for (const FoundNote& one : all) whats.push_back(one.what);
    return whats;
  };
  using Whats = std::vector<std::string>;

  // One input alone is named to the end of its commit.
  EventInput event = stage.input("ada", "opened");
  event.id = "e-1";
  const auto send = [&] {
    watch.forget();
    stage.send(event);
    return work_item(Input{event});
  };
  WorkItem item = send();
  REQUIRE(noted(watch.commits) == Whats{"event e-1"});
  CHECK(watch.commits[0].item == item);
  event.id = "e-2";
  item = send();
  REQUIRE(noted(watch.loads) == Whats{"event e-2"});
  CHECK(watch.loads[0].item == item);
  CHECK(noted_in(working).what == "nothing");

  watch.forget();
  stage.patch("ada", R"({"first_name": "Ada"})");
  CHECK(noted(watch.loads) == Whats{"patch ada"});
  CHECK(noted(watch.commits) == Whats{"patch ada"});

  // Of several each is, while it is taken: the second event of a new contact has to load for
  // itself.
  std::vector<EventInput> several;
  for (const char* id : {"e-3", "e-4", "e-5"}) {
    several.push_back(stage.input("eve", "opened"));
    several.back().id = id;
  }
  watch.forget();
  stage.send(several);
  REQUIRE_FALSE(watch.loads.empty());
  CHECK(watch.loads[0].what == "event e-4");
  CHECK(watch.loads[0].item == work_item(Input{several[1]}));
  CHECK(noted(watch.commits) == Whats{"several"});
  CHECK(noted_in(working).what == "nothing");

  // An answer, a command and a timer.
  const DeliveryKey delivery = stage.deliveries().at(0).key;
  watch.forget();
  REQUIRE(drive(stage.engine(), {}, {{.delivery = delivery, .number = 1, .status = 200}}));
  REQUIRE(noted(watch.commits) == Whats{"delivery "});
  CHECK(watch.commits[0].item == work_item(delivery));

  const auto waiting = [&](std::string_view who) {
    const std::vector<Run> runs = stage.runs_of(who);
    return *std::ranges::find_if(runs, &Run::live);
  };
  Run run = waiting("ada");
  watch.forget();
  stage.command(run.contact, EndRun{.run = run.key});
  REQUIRE(noted(watch.commits) == Whats{"command "});
  CHECK(watch.commits[0].item ==
        work_item(Input{CommandInput{.contact = run.contact, .command = EndRun{.run = run.key}}}));

  stage.pass(30min);
  stage.event("tim", "opened");
  run = waiting("tim");
  stage.pass(30min);  // All others go on, together.
  watch.forget();
  stage.pass(30min);
  REQUIRE(noted(watch.commits) == Whats{"timer "});
  CHECK(watch.commits[0].item ==
        work_item(Input{TimerInput{.contact = run.contact,
                                   .timer = {.kind = TimerKind::Wait, .subject = run.key.value}}}));
  CHECK(noted_in(working).what == "nothing");

  // A step of a background job.
  watch.forget();
  stage.engine().deliveries().by_hand(ByHand::Cancel, {.scenario = "relay"}, /*dry_run=*/false,
                                      "jane", [](const auto&) {});
  stage.pass(0s);
  CHECK(noted(watch.commits) == Whats{"nothing", "job bulk/1"});  // Its row comes first.
  CHECK(noted_in(working).what == "nothing");
}

TEST_CASE("an event on which the server died three times is refused, and no other",
          "[cell][poison]") {
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

TEST_CASE("an event that goes well at last begins anew", "[cell][poison]") {
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

TEST_CASE("a run on whose timer the server died is parked, and resumed by hand", "[cell][poison]") {
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

TEST_CASE("a job on whose step the server died three times is refused, and the rest continues",
          "[cell][poison]") {
  Mortal stage{kRelay};
  constexpr std::size_t kMany = 1'100;
  std::vector<EventInput> inputs;
  for (std::size_t i = 0; i < kMany; ++i) inputs.push_back(stage->input("ada", "opened"));
  stage->send(std::move(inputs));
  stage->engine().deliveries().by_hand(ByHand::Cancel, {.scenario = "relay"}, /*dry_run=*/false,
                                       "jane", [](const auto&) {});
  REQUIRE(stage->engine().step({}, {}).status);
  const auto cancelled = [&] { return stage->counts("tell")[Counter::Cancelled]; };
  const std::int64_t first = cancelled();
  REQUIRE(first > 0);
  REQUIRE(first < static_cast<std::int64_t>(kMany));

  const auto rows = stage->engine().store().snapshot()->control.admin;
  const auto row = std::ranges::find_if(
      rows, [](const AdminRecord& one) { return one.name.starts_with("bulk/"); });
  REQUIRE(row != rows.end());
  const WorkItem item = work_item(InterruptedJob{*row});
  const int crashes = GENERATE(2, 3);
  for (int i = 0; i < crashes; ++i) stage.die_at_start(item, row->name);
  stage.restart();
  stage->pass(1min);
  if (crashes < 3) {
    CHECK(cancelled() == kMany);
    CHECK(stage.activity().empty());
  } else {
    CHECK(cancelled() == first);
    REQUIRE(stage.activity().size() == 1);
    CHECK(stage.activity()[0].text.find(row->name) != std::string::npos);
    CHECK(stage.logged().back() == "poison.set_aside");
  }
  CHECK(stage->event("eve", "opened").kind == EventAnswer::Kind::Accepted);
  CHECK(stage->broken().empty());
}

TEST_CASE("a delivery on which the server died fails as poison, and is retried by hand",
          "[cell][poison]") {
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
  REQUIRE(stage->engine().deliveries().by_hand(ByHand::Retry, poison));
  stage->pass(1ms);
  CHECK(stage->reply(200) == 1);
  CHECK(stage->counts("tell")[Counter::Accepted] == 2);
  CHECK(stage->broken().empty());
}

TEST_CASE("a scenario on whose text the server died is not read, and the rest starts",
          "[cell][poison]") {
  Mortal stage{kRelay};
  stage->apply(kPause);
  const WorkItem item = work_item_of_text(*stage->engine().control().scenarios.text("relay", 1));
  for (int i = 0; i < 3; ++i) stage.die_at_start(item, "relay");
  stage.restart();
  CHECK(stage->event("ada", "opened").kind == EventAnswer::Kind::Accepted);
  CHECK(stage->place_of("ada") == "hold");
  CHECK(stage->counts("hold")[Counter::Visits] == 1);
  const auto again = stage->engine().scenarios().apply("relay", std::string{kRelay});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == "poison");
  CHECK(stage->engine().scenarios().apply("relay", std::string{kRelay} + "# mended\n"));
  CHECK(stage.activity().at(0).scenario == "relay");
}

TEST_CASE("after an end among many inputs they are taken one by one", "[cell][poison]") {
  Mortal stage{kRelay};
  const auto commits_of_ten = [&] {
    std::vector<EventInput> inputs;
    for (int i = 0; i < 10; ++i) inputs.push_back(stage->input("c" + std::to_string(i), "opened"));
    const auto before = stage->engine().context().figures.commits;
    stage->send(std::move(inputs));
    return stage->engine().context().figures.commits - before;
  };
  CHECK(commits_of_ten() == 1);
  stage.die({.kind = WorkKind::Several});
  CHECK(stage.logged().empty());
  CHECK(commits_of_ten() == 10);
  stage.restart();
  CHECK(commits_of_ten() == 1);
}

TEST_CASE("an end at other work each time sets nothing aside", "[cell][poison]") {
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
