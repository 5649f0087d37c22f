#pragma once
// Jobs in turn, within a time budget. Pure: time comes from a
// stopwatch that is given.
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/jobs/job.h"

namespace onward {
/// How long jobs may keep the engine from other work.
struct JobBudget {
  std::chrono::microseconds round{2'000};  ///< Of one round: then no further step begins.
  std::chrono::microseconds step{1'000};   ///< Steps grow and shrink towards this.
  std::size_t rows_first = 250;            ///< Of a job's first step.
  std::size_t rows_min = 10, rows_max = 500;
};

/// Time since any moment; steady. Empty: each round takes one step of `rows_first`, so that a
/// simulation does the same however fast its machine is.
using Stopwatch = std::function<std::chrono::nanoseconds()>;

class JobQueue {
 public:
  explicit JobQueue(Stopwatch stopwatch, const JobBudget& budget = {})
      : stopwatch_{std::move(stopwatch)}, budget_{budget} {}

  /// In place of one of the same name, which is given up.
  Job& add(std::unique_ptr<Job> job);
  Job* find(std::string_view name) const;
  bool empty() const { return jobs_.empty(); }
  /// One that turned out to have nothing left to do.
  void remove(std::string_view name);

  /// Takes a step of a job and commits it; whether the job has ended. Unavailable: it is to be
  /// taken once more, later. Io and others of the store end the round; any other ends the job.
  using Take = std::function<Result<bool>(Job& job, std::size_t rows)>;
  /// Steps of the jobs that are due, in turn, until the budget of a round is used up: at least one.
  /// The error is the store's.
  Status run(Instant now, const Take& take);
  /// When a step is due; nothing: there is no job.
  std::optional<Instant> next_due(Instant now) const;
  /// The first step of a job that was just added, while somebody waits for it.
  Status run_first(const Job& job, const Take& take);
  /// Gives all of them up; those that have rows go on after a restart.
  void fail_all(const Error& error);

 private:
  struct Entry {
    std::unique_ptr<Job> job;
    std::size_t rows = 0;  ///< Of its next step.
  };
  using Place = std::list<Entry>::iterator;
  Status take_step(Place place, const Take& take);
  void adapt(Entry& entry, std::chrono::nanoseconds took) const;

  Stopwatch stopwatch_;
  JobBudget budget_;
  std::list<Entry> jobs_;  ///< The next one first.
};
}  // namespace onward
