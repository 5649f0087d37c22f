#include "engine/jobs/job_queue.h"

#include <algorithm>
#include <utility>

namespace onward {
Job& JobQueue::add(std::unique_ptr<Job> job) {
  const std::string name = job->name();
  for (Entry& entry : jobs_)
    if (entry.job->name() == name) {
      entry.job->fail({ErrorKind::Conflict, "replaced", "other work took the place of this one"});
      entry = {.job = std::move(job), .rows = budget_.rows_first};
      return *entry.job;
    }
  jobs_.push_back({.job = std::move(job), .rows = budget_.rows_first});
  return *jobs_.back().job;
}

Job* JobQueue::find(std::string_view name) const {
  for (const Entry& entry : jobs_)
    if (entry.job->name() == name) return entry.job.get();
  return nullptr;
}

void JobQueue::remove(std::string_view name) {
  jobs_.remove_if([&](const Entry& entry) { return entry.job->name() == name; });
}

Status JobQueue::run(Instant now, const Take& take) {
  if (jobs_.empty()) return {};
  const auto begun = stopwatch_ ? stopwatch_() : std::chrono::nanoseconds{};
  do {
    const auto place = std::ranges::find_if(
        jobs_, [now](const Entry& entry) { return entry.job->due(now) <= now; });
    if (place == jobs_.end()) return {};
    if (Status done = take_step(place, take); !done) return done;
  } while (stopwatch_ && stopwatch_() - begun < budget_.round);
  return {};
}

std::optional<Instant> JobQueue::next_due(Instant now) const {
  std::optional<Instant> next;
  for (const Entry& entry : jobs_) {
    const Instant due = entry.job->due(now);
    if (!next || due < *next) next = due;
  }
  return next;
}

Status JobQueue::run_first(const Job& job, const Take& take) {
  const auto place =
      std::ranges::find_if(jobs_, [&](const Entry& entry) { return entry.job.get() == &job; });
  return place == jobs_.end() ? Status{} : take_step(place, take);
}

/// The job goes to the end of the queue, or out of it.
Status JobQueue::take_step(Place place, const Take& take) {
  jobs_.splice(jobs_.end(), jobs_, place);
  Entry& entry = *place;
  const auto begun = stopwatch_ ? stopwatch_() : std::chrono::nanoseconds{};
  const auto ended = take(*entry.job, entry.rows);
  if (!ended) {
    const Error& error = ended.error();
    if (error.kind == ErrorKind::Unavailable || error.kind == ErrorKind::Io)
      return tl::make_unexpected(error);
    // The step has changed nothing, and would fail again.
    const Entry failed = std::move(entry);
    jobs_.erase(place);
    failed.job->fail(error);
    return {};
  }
  if (*ended)
    jobs_.erase(place);
  else if (stopwatch_)
    adapt(entry, stopwatch_() - begun);
  return {};
}

void JobQueue::adapt(Entry& entry, std::chrono::nanoseconds took) const {
  if (took > 2 * budget_.step)
    entry.rows = std::max(entry.rows / 2, budget_.rows_min);
  else if (took < budget_.step / 2)
    entry.rows = std::min(entry.rows * 2, budget_.rows_max);
}

void JobQueue::fail_all(const Error& error) {
  for (const Entry& entry : std::exchange(jobs_, {})) entry.job->fail(error);
}
}  // namespace onward
