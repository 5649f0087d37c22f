// Outcomes between the sending threads and the engine thread: order, slices, and how much of what
// receivers answered may wait.
#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "engine/host/outcome_queue.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr OutcomeQueue::Time kNow{1'000s};

std::vector<AttemptResult> outcomes(std::uint64_t from, std::size_t count,
                                    const std::string& response = {}) {
  std::vector<AttemptResult> some(count);
  for (std::size_t i = 0; i < count; ++i) {
    some[i].delivery = {from + i};
    some[i].response = response;
  }
  return some;
}

/// The numbers of what was taken.
std::vector<std::uint64_t> numbers(const std::vector<AttemptResult>& taken) {
  std::vector<std::uint64_t> values;
  values.reserve(taken.size());
  for (const AttemptResult& one : taken) values.push_back(one.delivery.value);
  return values;
}

std::vector<std::uint64_t> counted(std::uint64_t from, std::size_t count) {
  return numbers(outcomes(from, count));
}
}  // namespace

TEST_CASE("outcomes are recorded as fast as events are taken", "[host][outcomes]") {
  OutcomeQueue queue{1'000};
  queue.add(outcomes(1, 5'000), kNow);
  CHECK(queue.take(0).size() == 64);
  CHECK(queue.take(1).size() == 64);
  CHECK(queue.take(300).size() == 300);
  CHECK(queue.take(50'000).size() == 1'000);
}

TEST_CASE("outcomes keep their order over slices and additions", "[host][outcomes]") {
  OutcomeQueue queue{1'000};
  CHECK(queue.empty());
  queue.add(outcomes(1, 70), kNow);
  CHECK(numbers(queue.take(0)) == counted(1, 64));
  queue.add(outcomes(71, 10), kNow + 1s);
  queue.add(outcomes(81, 10), kNow + 2s);
  CHECK(numbers(queue.take(0)) == counted(65, 6));
  CHECK_FALSE(queue.empty());
  CHECK(queue.since() == kNow + 1s);
  CHECK(numbers(queue.take(0)) == counted(71, 20));
  CHECK(queue.empty());
  CHECK(queue.take(0).empty());
}

TEST_CASE("the rest of a slice and many outcomes are urgent", "[host][outcomes]") {
  OutcomeQueue queue{1'000};
  queue.add(outcomes(1, 255), kNow);
  CHECK_FALSE(queue.urgent());
  queue.add(outcomes(256, 1), kNow);
  CHECK(queue.urgent());
  (void)queue.take(0);
  CHECK(queue.urgent());
  (void)queue.take(1'000);
  CHECK_FALSE(queue.urgent());
}

TEST_CASE("answers of receivers take a bounded amount of memory, and outcomes stay",
          "[host][outcomes]") {
  const std::string answer(400, 'x');
  OutcomeQueue queue{1'000};
  queue.add(outcomes(1, 3, answer), kNow);
  CHECK(queue.response_bytes() == 800);

  std::vector<AttemptResult> taken = queue.take(0);
  CHECK(numbers(taken) == counted(1, 3));
  CHECK(taken[0].response == answer);
  CHECK(taken[1].response == answer);
  CHECK(taken[2].response.empty());

  // What was taken is still in memory until the next slice.
  queue.add(outcomes(4, 1, answer), kNow);
  CHECK(queue.response_bytes() == 800);
  taken = queue.take(0);
  CHECK(taken[0].response.empty());
  queue.add(outcomes(5, 3, answer), kNow);
  CHECK(queue.response_bytes() == 800);
  CHECK(queue.take(0)[1].response == answer);
}
