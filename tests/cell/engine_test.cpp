#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "tests/support/faulty_store.h"
#include "tests/support/ready_access.h"
#include "tests/support/relay.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
std::vector<EventInput> three(Stage& stage) {
  return {stage.input("ada", "opened"), stage.input("bad", "opened"), stage.input("eve", "opened")};
}
}  // namespace

TEST_CASE("a row that the store refuses takes no other input of the batch with it",
          "[cell][engine]") {
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

TEST_CASE("a full disk refuses, sends nothing, and goes on when there is room", "[cell][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  stage.event("ada", "opened");
  faults->full = true;
  for (const EventAnswer& answer : stage.send(three(stage))) {
    CHECK(answer.kind == EventAnswer::Kind::Unavailable);
    CHECK(answer.code == "disk_full");
  }
  CHECK(stage.engine().read_only());
  CHECK(stage.sink().tasks.size() == 1);
  CHECK(stage.sink().paused);
  stage.reply(200);  // cannot be recorded yet
  CHECK(stage.counts("tell")[Counter::Pending] == 1);

  faults->full = false;
  stage.pass(2s);
  CHECK_FALSE(stage.engine().read_only());
  CHECK_FALSE(stage.sink().paused);
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
  CHECK(stage.event("bob", "opened").kind == EventAnswer::Kind::Accepted);
}

TEST_CASE("whatever keeps the disk from being written is told as what it is, and waited for",
          "[cell][engine]") {
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
  REQUIRE(stage.engine().read_only());
  CHECK(stage.engine().read_only()->code == code);
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
  CHECK_FALSE(stage.engine().read_only());
  CHECK(log.at(1) == "store.writable");
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
  CHECK(stage.sink().tasks.size() == 1);
}

TEST_CASE("a start on a clock that is behind what is stored is warned of, once", "[cell][engine]") {
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

TEST_CASE("a clock that is set back keeps no disk full", "[cell][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  faults->full = true;
  stage.event("ada", "opened");
  REQUIRE(stage.engine().read_only());
  faults->full = false;
  stage.clock().pass(-26h);
  stage.pass(0s);
  CHECK_FALSE(stage.engine().read_only());
  CHECK(stage.event("bob", "opened").kind == EventAnswer::Kind::Accepted);
}

TEST_CASE("a failed write or fsync stops the engine, and nobody is told yes", "[cell][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  faults->broken = GENERATE(true, false);
  faults->unsyncable = !faults->broken;
  std::vector<EventAnswer> answers;
  EventsTask job{.done = [&](std::vector<EventAnswer> given) { answers = std::move(given); }};
  job.inputs.emplace_back(stage.input("ada", "opened"));
  std::vector<Task> jobs;
  jobs.emplace_back(std::move(job));
  CHECK_FALSE(drive(stage.engine(), std::move(jobs), {}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].kind == EventAnswer::Kind::Unavailable);
  CHECK(stage.sink().tasks.empty());
}

TEST_CASE("nothing leaves before it is on the disk", "[cell][engine]") {
  Stage stage{kRelay};
  std::vector<EventAnswer> answers;
  EventsTask job{.done = [&](std::vector<EventAnswer> given) { answers = std::move(given); }};
  job.inputs.emplace_back(stage.input("ada", "opened"));
  std::vector<Task> jobs;
  jobs.emplace_back(std::move(job));
  Cell::Turn turn = stage.engine().step(std::move(jobs), {});
  REQUIRE(turn.status);
  Effects effects = ReadyAccess::take(std::move(turn.ready));
  CHECK(effects.tasks.size() == 1);
  CHECK(answers.empty());
  CHECK(stage.sink().tasks.empty());
  Publisher publisher{stage.engine().store(), stage.sink()};
  REQUIRE(publisher.publish(Ready{std::move(effects)}));
  CHECK(answers.size() == 1);
  CHECK(stage.sink().tasks.size() == 1);
}

TEST_CASE("each outcome that was reported is named once, when it is committed", "[cell][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
  std::vector<EventInput> post;
  for (int i = 0; i < 1'500; ++i) post.push_back(stage.input("c" + std::to_string(i), "opened"));
  stage.send(std::move(post));
  std::vector<AttemptResult> results{{.delivery = {77}, .number = 1, .code = "gone"}};
  for (const DeliveryTask& task : std::exchange(stage.sink().tasks, {}))
    results.push_back({.delivery = task.delivery, .number = 1, .status = 200});
  REQUIRE(results.size() == 1'001);  // the window, and one that nobody knows
  faults->full = true;
  Cell::Turn full = stage.engine().step({}, results);
  REQUIRE(full.status);
  CHECK(ReadyAccess::take(std::move(full.ready)).recorded.empty());
  faults->full = false;
  stage.clock().pass(1min);
  std::multiset<DeliveryKey> recorded;
  std::size_t rounds = 0;
  for (; recorded.size() < results.size() && rounds < 10; ++rounds) {
    Cell::Turn turn = stage.engine().step({}, {});
    REQUIRE(turn.status);
    const Effects release = ReadyAccess::take(std::move(turn.ready));
    recorded.insert(release.recorded.begin(), release.recorded.end());
    // Not before: each one that is named is settled.
    CHECK(stage.counts("tell")[Counter::Accepted] + 1 >=
          static_cast<std::int64_t>(recorded.size()));
  }
  CHECK(rounds > 1);
  CHECK(stage.counts("tell")[Counter::Accepted] == 1'000);
  for (const AttemptResult& result : results) CHECK(recorded.count(result.delivery) == 1);
  CHECK(recorded.size() == results.size());
}

TEST_CASE("what is taken back before it left does not leave", "[cell][engine]") {
  Stage stage{kRelay};
  EventsTask job{.done = [](std::vector<EventAnswer>) {}};
  job.inputs.emplace_back(stage.input("ada", "opened"));
  std::vector<Task> jobs;
  jobs.emplace_back(std::move(job));
  Cell& cell = stage.engine();
  jobs.emplace_back(CallTask{[](Cell& of) -> Status {
    return of.scenarios().archive("relay", /*cancel_pending=*/true).map([](const auto&) {});
  }});
  Cell::Turn turn = cell.step(std::move(jobs), {});
  REQUIRE(turn.status);
  CHECK(ReadyAccess::take(std::move(turn.ready)).tasks.empty());
}

TEST_CASE("a large post is committed in parts and answered whole", "[cell][engine]") {
  Stage stage{kRelay, nullptr, {.batch_max = 10}};
  std::vector<EventInput> post;
  for (int i = 0; i < 95; ++i) post.push_back(stage.input("c" + std::to_string(i), "opened"));
  const auto answers = stage.send(std::move(post));
  CHECK(answers.size() == 95);
  CHECK(stage.counts("tell")[Counter::Requests] == 95);
}

namespace {
/// A post of `count` events, whose answers come to `answers`.
Task post_of(Stage& stage, int count, std::vector<EventAnswer>& answers) {
  EventsTask job{.done = [&answers](std::vector<EventAnswer> all) { answers = std::move(all); }};
  for (int i = 0; i < count; ++i)
    job.inputs.emplace_back(stage.input("c" + std::to_string(i), "opened"));
  return job;
}
/// One round of the engine.
void work_once(Stage& stage, std::vector<Task> jobs = {}) {
  Cell::Turn turn = stage.engine().step(std::move(jobs), {});
  REQUIRE(turn.status);
  REQUIRE(Publisher{stage.engine().store(), stage.sink()}.publish(std::move(turn.ready)));
}
std::vector<Task> one(Task job) {
  std::vector<Task> jobs;
  jobs.push_back(std::move(job));
  return jobs;
}
}  // namespace

TEST_CASE("a large post lets others in between its commits", "[cell][engine]") {
  Stage stage{kRelay, nullptr, {.batch_max = 40}};
  std::vector<EventAnswer> large, other, small;
  work_once(stage, one(post_of(stage, 150, large)));
  CHECK(stage.counts("tell")[Counter::Requests] == 40);
  CHECK(large.empty());
  REQUIRE(stage.engine().bulk_left());
  REQUIRE(stage.engine().next_wake());
  CHECK(*stage.engine().next_wake() <= stage.clock().now());
  std::vector<Task> jobs = one(post_of(stage, 1, small));
  jobs.push_back(post_of(stage, 110, other));
  work_once(stage, std::move(jobs));
  CHECK(small.size() == 1);
  CHECK(stage.counts("tell")[Counter::Requests] == 81);
  // In turn from here on: the first one needs two more commits, the other one three.
  int rounds = 0;
  for (; stage.engine().bulk_left(); ++rounds) {
    REQUIRE(rounds < 10);
    work_once(stage);
  }
  CHECK(rounds == 5);
  REQUIRE(large.size() == 150);
  REQUIRE(other.size() == 110);
  for (const auto* answers : {&large, &other})
    for (const EventAnswer& answer : *answers) CHECK(answer.kind == EventAnswer::Kind::Accepted);
  CHECK(stage.counts("tell")[Counter::Requests] == 150 + 110 + 1);
  CHECK(stage.broken().empty());
}

TEST_CASE("a commit takes no further input when it has made many deliveries", "[cell][engine]") {
  constexpr int kMost = 4'000;
  Stage stage{kRelay, nullptr, {.batch_max = 10'000}};
  std::vector<EventAnswer> answers;
  work_once(stage, one(post_of(stage, kMost + 100, answers)));
  CHECK(stage.counts("tell")[Counter::Requests] == kMost);
  work_once(stage);
  CHECK(answers.size() == kMost + 100);
}

TEST_CASE("a large post is refused where the engine ends, or the disk is full", "[cell][engine]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{kRelay, make_faulty_store(make_memory_store(), faults), {.batch_max = 40}};
  std::vector<EventAnswer> answers;
  work_once(stage, one(post_of(stage, 150, answers)));
  REQUIRE(answers.empty());
  SECTION("it ends") {
    stage.engine().abandon({ErrorKind::Unavailable, "stopping", "the server is stopping"});
  }
  SECTION("full") {
    faults->full = true;
    work_once(stage);
  }
  CHECK_FALSE(stage.engine().bulk_left());
  REQUIRE(answers.size() == 150);
  CHECK(answers.back().kind == EventAnswer::Kind::Unavailable);
}

TEST_CASE("endpoints that never answer keep out none that does", "[cell][engine]") {
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
          "[cell][engine]") {
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

namespace {
/// Counts what each commit holds, and can fail to say which timers are due.
class CountingStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Status commit(const Commit& commit) override {
    contacts.push_back(commit.contacts.size());
    return PassingStore::commit(commit);
  }
  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    looked_up += queries.size();
    return PassingStore::identify(queries);
  }
  std::optional<Instant> next_timer() override {
    return broken ? Instant::min() : PassingStore::next_timer();
  }
  Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) override {
    if (broken) return fail(ErrorKind::Io, "io", "the disk is gone");
    return PassingStore::timers_due(until, limit);
  }
  std::vector<std::size_t> contacts;
  std::size_t looked_up = 0;
  bool broken = false;
};

/// One job of each kind; `answers` counts the answers of each.
std::vector<Task> one_of_each(Stage& stage, std::map<std::string, int>& answers) {
  std::vector<Task> jobs;
  EventsTask events{.done = [&](const std::vector<EventAnswer>& given) {
    REQUIRE(given.size() == 1);
    CHECK(given[0].kind == EventAnswer::Kind::Unavailable);
    ++answers["events"];
  }};
  events.inputs.emplace_back(stage.input("ada", "opened"));
  jobs.emplace_back(std::move(events));
  jobs.emplace_back(
      ContactTask{.input = CommandInput{.contact = {1}, .command = Forget{}},
                  .done = [&](const Result<WorkAnswer>& given) {
                    CHECK((!given || given->event.kind == EventAnswer::Kind::Unavailable));
                    ++answers["contact"];
                  }});
  jobs.emplace_back(CallTask{.call = [](Cell&) -> Status {
                               FAIL("the engine has ended before this");
                               return {};
                             },
                             .refused =
                                 [&](const Error& error) {
                                   CHECK(error.code == "engine_stopped");
                                   ++answers["call"];
                                 }});
  ImportTask import{.done = [&](const std::vector<WorkAnswer>& given) {
    REQUIRE(given.size() == 1);
    CHECK(given[0].event.kind == EventAnswer::Kind::Unavailable);
    ++answers["import"];
  }};
  import.inputs.emplace_back(PatchInput{.who = {.id = ExternalId {.text = "eve" } }});
  jobs.emplace_back(std::move(import));
  return jobs;
}
const std::map<std::string, int> kEachOnce{
    {"events", 1}, {"contact", 1}, {"call", 1}, {"import", 1}};
}  // namespace

TEST_CASE("after an error of the store every job is answered once, and none as accepted",
          "[cell][engine]") {
  SECTION("before any of them") {
    auto owned = std::make_unique<CountingStore>(make_memory_store());
    CountingStore& store = *owned;
    Stage stage{kRelay, std::move(owned)};
    store.broken = true;
    std::map<std::string, int> answers;
    CHECK_FALSE(drive(stage.engine(), one_of_each(stage, answers), {}));
    CHECK(answers == kEachOnce);
  }
  SECTION("at their commit, also where a result is to be committed first") {
    const bool with_result = GENERATE(false, true);
    auto faults = std::make_shared<Faults>();
    Stage stage{kRelay, make_faulty_store(make_memory_store(), faults)};
    REQUIRE(stage.event("ada", "opened").kind == EventAnswer::Kind::Accepted);
    std::vector<AttemptResult> results;
    if (with_result)
      results.push_back({.delivery = stage.sink().tasks.at(0).delivery, .status = 200});
    faults->broken = true;
    std::map<std::string, int> answers;
    CHECK_FALSE(drive(stage.engine(), one_of_each(stage, answers), std::move(results)));
    CHECK(answers == kEachOnce);
  }
}

TEST_CASE("who waits for the end of long work is answered when the engine ends before it",
          "[cell][engine]") {
  Stage stage{kRelay};
  stage.event("ada", "opened");
  int answers = 0;
  stage.engine().deliveries().by_hand(ByHand::Cancel, {.scenario = "relay"}, /*dry_run=*/false, "",
                                      [&](const Result<ByHandAnswer>& answer) {
                                        REQUIRE_FALSE(answer);
                                        CHECK(answer.error().code == "engine_stopped");
                                        ++answers;
                                      });
  stage.engine().contacts().rehearse({PatchInput{.who = {.id = ExternalId{.text = "eve"}}}},
                                     [&](const Result<std::vector<WorkAnswer>>& answer) {
                                       REQUIRE_FALSE(answer);
                                       CHECK(answer.error().code == "engine_stopped");
                                       ++answers;
                                     });
  stage.engine().abandon({ErrorKind::Unavailable, "stopping", "the server is stopping"});
  stage.engine().abandon({ErrorKind::Unavailable, "stopping", "the server is stopping"});
  CHECK(answers == 2);
}

TEST_CASE("a commit ends with the input with which it reaches the bound of bytes",
          "[cell][engine]") {
  constexpr std::size_t kInputs = 30;
  auto owned = std::make_unique<CountingStore>(make_memory_store());
  CountingStore& store = *owned;
  RuntimeOptions options;
  options.commit_bytes_max = 20'000;
  Stage stage{kRelay, std::move(owned), options};
  store.contacts.clear();
  store.looked_up = 0;
  const auto with_note = [](std::size_t bytes) {
    return fmt::format(R"({{"custom": {{"note": "{}"}}}})", std::string(bytes, 'x'));
  };
  std::vector<EventInput> inputs;
  for (std::size_t i = 0; i < kInputs; ++i)
    inputs.push_back(
        stage.input(fmt::format("c{}", i), "opened", "{}", with_note(i == 10 ? 50'000 : 4'000)));
  for (const EventAnswer& answer : stage.send(std::move(inputs)))
    CHECK(answer.kind == EventAnswer::Kind::Accepted);
  std::size_t all = 0, most = 0;
  for (const std::size_t contacts : store.contacts) {
    all += contacts;
    most = std::max(most, contacts);
  }
  CHECK(all == kInputs);
  CHECK(most <= 5);
  // What a commit did not take was not read over and over.
  CHECK(store.looked_up <= 3 * kInputs);
  CHECK(stage.counts("tell")[Counter::Requests] == kInputs);
  CHECK(stage.broken().empty());
}

TEST_CASE("what a commit of a large post does not take is not read over and over",
          "[cell][engine]") {
  constexpr std::size_t kInputs = 4 * BulkQueue::kInputsMin;
  auto owned = std::make_unique<CountingStore>(make_memory_store());
  CountingStore& store = *owned;
  RuntimeOptions options;
  options.commit_bytes_max = 20'000;
  Stage stage{kRelay, std::move(owned), options};
  store.contacts.clear();
  store.looked_up = 0;
  const std::string note =
      fmt::format(R"({{"custom": {{"note": "{}"}}}})", std::string(4'000, 'x'));
  std::vector<EventInput> inputs;
  for (std::size_t i = 0; i < kInputs; ++i)
    inputs.push_back(stage.input(fmt::format("c{}", i), "opened", "{}", note));
  for (const EventAnswer& answer : stage.send(std::move(inputs)))
    CHECK(answer.kind == EventAnswer::Kind::Accepted);
  CHECK(store.contacts.size() >= kInputs / 10);
  CHECK(store.looked_up <= 3 * kInputs);
  CHECK(stage.counts("tell")[Counter::Requests] == kInputs);
}
