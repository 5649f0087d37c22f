#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "engine/host/release_thread.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage.h"

namespace onward {
namespace {
Ready one_answer(std::vector<EventAnswer>& answers) {
  Effects effects;
  EventsTask job{.done = [&answers](std::vector<EventAnswer> given) {
    answers.insert(answers.end(), given.begin(), given.end());
  }};
  job.inputs.emplace_back(EventInput{});
  job.answers.resize(1);
  effects.answered.emplace_back(std::move(job));
  effects.tasks.push_back({.delivery = {1}});
  return Ready{std::move(effects)};
}

TEST_CASE("what is passed leaves after the sync, and the answers come between two calls",
          "[host][release]") {
  const auto store = make_memory_store();
  FakeSink sink;
  std::vector<EventAnswer> answers;
  std::vector<std::pair<bool, std::size_t>> around;
  std::vector<Error> failures;
  ReleaseThread releases{*store, sink, [&](const Error& error) { failures.push_back(error); }};
  releases.around_answers([&](bool begins) { around.emplace_back(begins, answers.size()); });
  releases.pass(one_answer(answers));
  releases.stop();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].kind == EventAnswer::Kind::Accepted);
  CHECK(sink.tasks.size() == 1);
  CHECK(around == std::vector<std::pair<bool, std::size_t>>{{true, 0}, {false, 1}});
  CHECK(failures.empty());
}

TEST_CASE("after a failed fsync nobody is told yes, and nothing is sent", "[host][release]") {
  auto faults = std::make_shared<Faults>();
  faults->unsyncable = true;
  const auto store = make_faulty_store(make_memory_store(), faults);
  FakeSink sink;
  std::vector<EventAnswer> answers;
  std::vector<Error> failures;
  ReleaseThread releases{*store, sink, [&](const Error& error) { failures.push_back(error); }};
  releases.pass(one_answer(answers));
  releases.pass(one_answer(answers));
  releases.stop();
  REQUIRE(answers.size() == 2);
  for (const EventAnswer& answer : answers) CHECK(answer.kind == EventAnswer::Kind::Unavailable);
  CHECK(sink.tasks.empty());
  CHECK(failures.size() == 1);
}

TEST_CASE("what nobody waits for is synced all the same", "[host][release]") {
  auto faults = std::make_shared<Faults>();
  faults->unsyncable = true;
  const auto store = make_faulty_store(make_memory_store(), faults);
  FakeSink sink;
  std::vector<Error> failures;
  ReleaseThread releases{*store, sink, [&](const Error& error) { failures.push_back(error); }};
  releases.pass({});
  releases.stop();
  CHECK(failures.size() == 1);
}

TEST_CASE("what is asked is answered at once where all is durable, by the one that asks",
          "[host][release]") {
  const auto store = make_memory_store();
  FakeSink sink;
  ReleaseThread releases{*store, sink, [](const Error&) {}};
  std::thread::id answered;
  releases.when_durable([&](const Status& synced) {
    CHECK(synced);
    answered = std::this_thread::get_id();
  });
  releases.stop();
  CHECK(answered == std::this_thread::get_id());
}

/// Of a disk that takes its time: each sync waits while it is held.
class SlowDisk final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Status sync() override {
    asked = true;
    held.wait(true);
    return PassingStore::sync();
  }
  void open() {
    held = false;
    held.notify_all();
  }
  std::atomic<bool> held = true, asked = false;
};

/// `inputs` events, which count as answered in `answered`.
Ready many(std::size_t inputs, std::atomic<std::size_t>& answered) {
  EventsTask job{
      .done = [&answered](const std::vector<EventAnswer>& given) { answered += given.size(); }};
  job.inputs.assign(inputs, Input{EventInput{}});
  job.answers.resize(inputs);
  Effects effects;
  effects.answered.emplace_back(std::move(job));
  return Ready{std::move(effects)};
}

TEST_CASE("a slow disk holds the engine up before more than 20,000 inputs wait for it",
          "[host][release]") {
  constexpr std::size_t kInputs = 1'000, kPasses = 30, kWait = 20;
  SlowDisk disk{make_memory_store()};
  FakeSink sink;
  std::atomic<std::size_t> answered = 0, passed = 0;
  ReleaseThread releases{disk, sink, [](const Error&) {}};
  releases.pass(many(kInputs, answered));
  while (!disk.asked) std::this_thread::yield();
  std::thread engine{[&] {
    for (; passed < kPasses; ++passed) releases.pass(many(kInputs, answered));
  }};
  while (passed < kWait) std::this_thread::yield();
  // One more would get through meanwhile, if anything does.
  for (int i = 0; i < 10'000 && passed == kWait; ++i) std::this_thread::yield();
  CHECK(passed == kWait);
  CHECK(answered == 0);
  disk.open();
  engine.join();
  // One that is larger than the bound need not fit beside others.
  releases.pass(many(2 * kWait * kInputs, answered));
  releases.stop();
  CHECK(answered == (1 + kPasses + 2 * kWait) * kInputs);
}
}  // namespace
}  // namespace onward
