#include "engine/cell/due_work.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/cell/small_jobs.h"

namespace onward {
namespace {
constexpr std::size_t kTimersMax = 500;
constexpr std::size_t kChecksMax = 500;
}  // namespace

bool DueWork::may_fire() const {
  return !parts_.writer.read_only() && !cell_.control.held_since && cell_.certain();
}

Status DueWork::take_timers() {
  while (true) {
    const Instant now = cell_.now();
    const auto next = cell_.store->next_timer();
    if (!may_fire() || !next || *next > now || now < timers_.end(now)) return {};
    const std::size_t most = parts_.quarantine.at_once(kTimersMax);
    const auto timers = cell_.store->timers_due(now, most);
    if (!timers) return tl::make_unexpected(timers.error());
    if (timers->empty()) return {};
    std::vector<Input> inputs;
    inputs.reserve(timers->size());
    for (const Timer& timer : *timers)
      inputs.emplace_back(
          TimerInput{.contact = timer.contact, .timer = timer.key, .due = timer.at});
    std::vector<Work> work;
    work.reserve(inputs.size());
    for (const Input& input : inputs) work.push_back({.input = &input});
    if (Status done = parts_.inputs.write(work, {}); !done) return done;
    if (cell_.store->next_timer() == next) {
      // Many may be due at one instant; where it is the very same one, it was refused, and is not
      // to be taken again at full speed.
      const auto left = cell_.store->timers_due(now, 1);
      if (!left) return tl::make_unexpected(left.error());
      if (!left->empty() && left->front() == timers->front()) {
        timers_.begin(now);
        return {};
      }
    }
    // The rest of a flood waits its turn behind the inputs that have come in meanwhile.
    if (timers->size() >= most) return {};
  }
}

Status DueWork::begin_checks() {
  const auto next = parts_.backfills.next_check();
  if (!may_fire() || !next || *next > cell_.now()) return {};
  const Backfills::DueChecks due = parts_.backfills.due_checks(cell_.now(), kChecksMax);
  Commit commit = cell_.new_commit();
  commit.control.admin = due.rows;
  Counters missed;
  for (const ScenarioKey key : due.missed) {
    const CatalogScenario* scenario = cell_.catalog.find(key);
    const CounterKey of{.scenario = key, .version = scenario->newest};
    const auto known = cell_.counters.find(of);
    missed.try_emplace(of, known == cell_.counters.end() ? CounterRow{} : known->second)
        .first->second.add("missed", 1);
    cell_.log({"trigger.missed", {{"scenario", scenario->id}}, LogLevel::Warning});
  }
  commit.counters.assign(missed.begin(), missed.end());
  if (commit.empty()) return {};
  if (Status done = parts_.writer.commit(commit); !done) return ignore_transient(done);
  for (const auto& [key, row] : commit.counters) cell_.counters[key] = row;
  parts_.backfills.follow(commit.control.admin);
  return {};
}

void DueWork::expire_seen() {
  const Date today = date_of(cell_.now());
  if (!cell_.certain() || today == seen_expired_) return;
  seen_expired_ = today;
  parts_.jobs.add(expire_seen_job(cell_, [this] { seen_expired_ = {}; }));
}

std::optional<Instant> DueWork::next() const {
  if (cell_.control.held_since) return std::nullopt;
  std::optional<Instant> next = cell_.store->next_timer();
  if (next) next = std::max(*next, timers_.end(cell_.now()));
  if (const auto check = parts_.backfills.next_check(); check && (!next || *check < *next))
    next = check;
  return next;
}
}  // namespace onward
