#include "tests/chaos/house.h"
#include "tests/support/ready_access.h"

#include <stdlib.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "nodes/nodes.h"

namespace onward::chaos {
namespace {
/// Rounds at one instant. More means that the engine asks to be woken and then does nothing.
constexpr int kRoundsAtOnce = 20'000;
/// Rounds of one world.
constexpr std::uint64_t kRounds = 100'000;
}  // namespace

House::House(const Options& options, WorldClock& clock, const Receivers& receivers,
             Promises& promises)
    : options_{options},
      clock_{clock},
      receivers_{receivers},
      promises_{promises},
      disk_{{.plant = options.plant,
             .sqlite = options.sqlite,
             .dedupe_for = options.runtime.dedupe_for},
            [&promises](const Commit& commit) { promises.committed(commit); }} {
  promises.watch(disk_);
  promises.keep(options.runtime.keep_bodies, options.runtime.keep_runs);
  if (options_.plant == Plant::ShortKeep)
    for (auto* keep : {&options_.runtime.keep_bodies, &options_.runtime.keep_runs})
      if (*keep) **keep /= 4;
  if (!options_.master_key) return;
  std::string pattern = (std::filesystem::temp_directory_path() / "onward-keys-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  keys_ = pattern;
  options_.runtime.key_file = keys_ / "secret.key";
}

House::~House() {
  std::error_code ignored;
  if (!keys_.empty()) std::filesystem::remove_all(keys_, ignored);
}

/// Attempts look secrets up in the newest values, as soon as there are some.
void House::show_secrets() {
  if (options_.plant != Plant::OldSecret) secrets_.put(engine_->control().secrets.values());
}

void House::start() {
  restart_at_.reset();
  ++figures.starts;
  disturb();
  courier_ = std::make_unique<Courier>(clock_, receivers_, promises_, &secrets_);
  auto engine = Cell::open(disk_.open(), node_kinds(), *courier_, clock_, options_.runtime);
  if (!engine) broken(promise::kSurvives, "it does not start: " + engine.error().message);
  engine_ = std::move(*engine);
  secrets_.put(engine_->control().secrets.values());
  promises_.started(*engine_);
  round({});
}

void House::die() {
  engine_.reset();
  courier_.reset();
  releases_.clear();
  durable_.clear();
  sent_.clear();
  ++figures.crashes;
  disk_.die(chance_);
  promises_.died();
  if (on_death_) on_death_();
  disturb();
  restart_at_ = clock_.steady();
  if (options_.downtime_max > Duration::zero() && chance_.one_in(2))
    *restart_at_ += Duration{static_cast<Duration::rep>(
        chance_.next() % static_cast<std::uint64_t>(options_.downtime_max.count()))};
}

void House::let_all_go() {
  for (Effects& release : std::exchange(releases_, {})) {
    disk_.place();
    Effects answers;
    answers.answered = std::exchange(release.answered, {});
    ReadyAccess::let_out(std::move(answers), *courier_);
    disk_.place();
    if (options_.plant == Plant::BatchAgain || options_.plant == Plant::SendPaused)
      send_again(release);
    ReadyAccess::let_out(std::move(release), *courier_);
  }
  for (const auto& call : std::exchange(durable_, {})) call();
}

/// The mistake of these plants.
void House::send_again(const Effects& release) {
  const auto& rows = promises_.shadow().deliveries;
  const bool paused = options_.plant == Plant::SendPaused;
  std::erase_if(sent_, [&](const DeliveryTask& task) {
    const auto known = rows.find(task.delivery);
    if (known == rows.end()) return false;
    const Delivery& row = known->second.row;
    if (paused ? !row.parked : !row.batch || row.pending()) return false;
    courier_->submit({task});
    return true;
  });
  sent_.insert(sent_.end(), release.tasks.begin(), release.tasks.end());
}

/// On SQLite: what a moment of quiet does to the tables. False: the store failed.
bool House::fold_some() {
  if (!disk_.on_sqlite() || !engine_->store().fold_pending() || !chance_.one_in(3)) return true;
  const auto more = engine_->store().fold_slice();
  return more || more.error().kind == ErrorKind::Unavailable;
}

void House::flush() {
  if (!engine_) return;
  try {
    if (options_.plant == Plant::AnswerBeforeSync) let_all_go();
    if (const Status synced = engine_->store().sync(); !synced) {
      for (Effects& release : releases_) refuse(release.answered, synced.error());
      return die();
    }
    let_all_go();
    if (!fold_some()) return die();
    courier_->step();
  } catch (const Crash&) {
    die();
  }
}

void House::round(std::vector<Task> jobs) {
  if (!engine_) return;
  if (++figures.rounds > kRounds) throw Enough{};
  try {
    courier_->step();
    Cell::Turn turn = engine_->step(std::move(jobs), courier_->take_results());
    const Status& done = turn.status;
    releases_.push_back(ReadyAccess::take(std::move(turn.ready)));
    show_secrets();
    if (!done) {
      if (done.error().kind != ErrorKind::Io) broken(promise::kSurvives, done.error().message);
      for (Effects& release : releases_) refuse(release.answered, done.error());
      return die();
    }
  } catch (const Crash&) {
    return die();
  }
  if (!options_.lag || !chance_.one_in(3)) flush();
}

void House::work(std::vector<Task> jobs) { round(std::move(jobs)); }

void House::call(std::function<Status(Cell&)> call) {
  std::vector<Task> jobs;
  jobs.emplace_back(CallTask{std::move(call)});
  round(std::move(jobs));
}

std::optional<Instant> House::next() {
  std::optional<Instant> next;
  if (const auto wake = engine_->next_wake()) next = clock_.steady_of(*wake);
  if (const auto end = courier_->next(); end && (!next || *end < *next)) next = end;
  return next;
}

void House::pass(Duration length) {
  const Instant target = clock_.steady() + length;
  int same = 0;
  while (true) {
    if (!engine_) {
      if (restart_at_ && *restart_at_ > target) return clock_.go_to(target);
      clock_.go_to(restart_at_.value_or(clock_.steady()));
      start();
      continue;
    }
    if (!releases_.empty()) {
      flush();
      continue;
    }
    const auto at = next();
    if (!at || *at > target) break;
    if (*at > clock_.steady())
      same = 0;
    else if (++same == kRoundsAtOnce)
      broken(promise::kSurvives, "the engine asks to be woken again and again");
    clock_.go_to(*at);
    round({});
  }
  if (clock_.steady() == target) return;
  clock_.go_to(target);
  round({});
  flush();
}

void House::check() {
  if (!engine_) return;
  const auto wake = engine_->next_wake();
  const DiskFaults& faults = disk_.faults;
  const bool failing = faults.full || !faults.refuse_contact_id.empty();
  const bool idle = !failing && (!wake || *wake > clock_.now());
  promises_.at_rest(*engine_, *courier_, receivers_,
                    idle ? clock_.steady() - calm_since_ : Duration::zero());
}
}  // namespace onward::chaos
