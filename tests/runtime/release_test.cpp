#include <catch2/catch.hpp>

#include "engine/runtime/release_thread.h"
#include "engine/store/memory_store.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage.h"

namespace onward {
namespace {
Release a_release(std::vector<EventAnswer>& answers) {
  Release release;
  EventsJob job{.done = [&answers](std::vector<EventAnswer> given) {
    answers.insert(answers.end(), given.begin(), given.end());
  }};
  job.inputs.emplace_back(EventInput{});
  job.answers.resize(1);
  release.answered.emplace_back(std::move(job));
  release.tasks.push_back({.delivery = {1}});
  return release;
}

TEST_CASE("what is passed leaves after the sync, and the answers come between two calls",
          "[runtime][release]") {
  const auto store = make_memory_store();
  FakeSink sink;
  std::vector<EventAnswer> answers;
  std::vector<std::pair<bool, std::size_t>> around;
  std::vector<Error> failures;
  ReleaseThread releases{*store, sink, [&](const Error& error) { failures.push_back(error); }};
  releases.around_answers([&](bool begins) { around.emplace_back(begins, answers.size()); });
  releases.pass(a_release(answers));
  releases.stop();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].kind == EventAnswer::Kind::Accepted);
  CHECK(sink.tasks.size() == 1);
  CHECK(around == std::vector<std::pair<bool, std::size_t>>{{true, 0}, {false, 1}});
  CHECK(failures.empty());
}

TEST_CASE("after a failed fsync nobody is told yes, and nothing is sent", "[runtime][release]") {
  auto faults = std::make_shared<Faults>();
  faults->unsyncable = true;
  const auto store = make_faulty_store(make_memory_store(), faults);
  FakeSink sink;
  std::vector<EventAnswer> answers;
  std::vector<Error> failures;
  ReleaseThread releases{*store, sink, [&](const Error& error) { failures.push_back(error); }};
  releases.pass(a_release(answers));
  releases.pass(a_release(answers));
  releases.stop();
  REQUIRE(answers.size() == 2);
  for (const EventAnswer& answer : answers) CHECK(answer.kind == EventAnswer::Kind::Unavailable);
  CHECK(sink.tasks.empty());
  CHECK(failures.size() == 1);
}

TEST_CASE("what nobody waits for is synced all the same", "[runtime][release]") {
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
}  // namespace
}  // namespace onward
