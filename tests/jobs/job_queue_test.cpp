// The queue of background jobs alone: turns, budget, sizes of steps, faults.
#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

#include "engine/jobs/job_queue.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
class NamedJob final : public Job {
 public:
  NamedJob(std::string name, std::vector<std::string>& failed)
      : name_{std::move(name)}, failed_{failed} {}
  std::string name() const override { return name_; }
  void fail(const Error& error) override { failed_.push_back(name_ + " " + error.code); }
  Instant due(Instant now) const override { return rests_until.value_or(now); }

  std::optional<Instant> rests_until;

 private:
  const std::string name_;
  std::vector<std::string>& failed_;
};

/// A queue whose steps take the time that a test says.
struct Bench {
  std::vector<std::string> failed;
  std::vector<std::string> steps;           ///< Names, in order.
  std::vector<std::size_t> rows;            ///< Of each step.
  std::map<std::string, std::size_t> left;  ///< Steps until a job has ended.
  std::map<std::string, Error> faults;      ///< What a job's next step comes to.
  Instant at{};                             ///< The round.
  std::chrono::nanoseconds now{}, each{};   ///< Each step takes so long.
  JobQueue queue;

  explicit Bench(bool timed = true, JobBudget budget = {})
      : queue{timed ? Stopwatch{[this] { return now; }} : Stopwatch{}, budget} {}
  Bench(const Bench&) = delete;

  void add(const std::string& name, std::size_t count) {
    left[name] = count;
    queue.add(std::make_unique<NamedJob>(name, failed));
  }
  JobQueue::Take take() {
    return [this](Job& job, std::size_t most) -> Result<bool> {
      steps.push_back(job.name());
      rows.push_back(most);
      now += each;
      if (const auto fault = faults.extract(job.name())) return tl::make_unexpected(fault.mapped());
      return --left[job.name()] == 0;
    };
  }
  Status run() { return queue.run(at, take()); }
};
}  // namespace

TEST_CASE("without a stopwatch each round takes one step, and jobs take turns", "[jobs][jobs]") {
  Bench bench{/*timed=*/false};
  bench.add("long", 5);
  bench.add("short", 1);
  while (!bench.queue.empty()) REQUIRE(bench.run());
  CHECK(bench.steps == std::vector<std::string>{"long", "short", "long", "long", "long", "long"});
  CHECK(bench.rows == std::vector<std::size_t>(6, JobBudget{}.rows_first));
}

TEST_CASE("a round begins no step after its budget is used up", "[jobs][jobs]") {
  Bench bench{/*timed=*/true, {.round = 2ms, .step = 1ms}};
  bench.add("one", 100);
  bench.add("two", 100);
  bench.each = 800us;
  REQUIRE(bench.run());
  CHECK(bench.steps == std::vector<std::string>{"one", "two", "one"});  // began at 0, 0.8, 1.6 ms
  bench.each = 50ms;
  REQUIRE(bench.run());
  CHECK(bench.steps.size() == 4);  // one at least, however long it takes
  CHECK(bench.steps.back() == "two");
}

TEST_CASE("steps grow and shrink towards the time that one may take", "[jobs][jobs]") {
  Bench bench{/*timed=*/true,
              {.round = 1ms, .step = 1ms, .rows_first = 100, .rows_min = 30, .rows_max = 300}};
  bench.add("job", 100);
  bench.each = 3ms;
  for (int i = 0; i < 4; ++i) REQUIRE(bench.run());
  CHECK(bench.rows == std::vector<std::size_t>{100, 50, 30, 30});
  bench.each = 1ms;
  REQUIRE(bench.run());
  REQUIRE(bench.run());
  CHECK(bench.rows.back() == 30);
  bench.each = 400us;
  bench.rows.clear();
  for (int i = 0; i < 3; ++i) REQUIRE(bench.run());  // three steps in each round
  CHECK(bench.rows == std::vector<std::size_t>{30, 60, 120, 240, 300, 300, 300, 300, 300});
}

TEST_CASE("a fault of a step ends its job alone, one of the store ends the round", "[jobs][jobs]") {
  Bench bench{/*timed=*/false};
  bench.add("bad", 3);
  bench.add("good", 3);
  bench.faults["bad"] = {ErrorKind::Internal, "internal_error", "…"};
  REQUIRE(bench.run());
  CHECK(bench.failed == std::vector<std::string>{"bad internal_error"});
  CHECK(bench.queue.find("bad") == nullptr);
  bench.faults["good"] = {ErrorKind::Unavailable, "no_room", "…"};
  CHECK(bench.run().error().code == "no_room");
  CHECK(bench.queue.find("good") != nullptr);
  bench.faults["good"] = {ErrorKind::Io, "disk", "…"};
  CHECK(bench.run().error().code == "disk");
  CHECK(bench.queue.find("good") != nullptr);
  CHECK(bench.failed.size() == 1);
  while (!bench.queue.empty()) REQUIRE(bench.run());
}

TEST_CASE("a job takes the place of one of its name, and all fail with the engine",
          "[jobs][jobs]") {
  Bench bench{/*timed=*/false};
  bench.add("pause/welcome/send", 9);
  bench.add("other", 9);
  bench.add("pause/welcome/send", 1);
  CHECK(bench.failed == std::vector<std::string>{"pause/welcome/send replaced"});
  REQUIRE(bench.run());
  CHECK(bench.queue.find("pause/welcome/send") == nullptr);
  bench.queue.fail_all({ErrorKind::Unavailable, "engine_stopped", "…"});
  CHECK(bench.failed.back() == "other engine_stopped");
  CHECK(bench.queue.empty());
  CHECK(bench.run());
}

TEST_CASE("a job that rests keeps its place, and no other waits for it", "[jobs][jobs]") {
  Bench bench{/*timed=*/false};
  CHECK_FALSE(bench.queue.next_due(bench.at));
  bench.add("rests", 1);
  auto& rests = static_cast<NamedJob&>(*bench.queue.find("rests"));
  rests.rests_until = bench.at + 1h;
  CHECK(bench.queue.next_due(bench.at) == bench.at + 1h);
  bench.add("works", 2);
  CHECK(bench.queue.next_due(bench.at) == bench.at);
  for (int i = 0; i < 3; ++i) REQUIRE(bench.run());
  CHECK(bench.steps == std::vector<std::string>{"works", "works"});
  bench.at += 1h;
  REQUIRE(bench.run());
  CHECK(bench.steps.back() == "rests");
  CHECK(bench.queue.empty());
}
