#include "tests/chaos/disk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <sqlite3.h>

#include <fmt/format.h>

#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "tests/chaos/operators.h"
#include "tests/chaos/promises.h"

namespace onward::chaos {
namespace {
constexpr Duration kEarly = std::chrono::minutes{10};

Instant sooner(Instant at) { return at < Instant::min() + kEarly ? at : at - kEarly; }
Instant later(Instant at) { return std::min(at, Instant::max() - kEarly) + kEarly; }

/// The commit as a store with the planted mistake keeps it.
Commit spoilt(Commit commit, Plant plant) {
  if (plant == Plant::DropTimer)
    std::erase_if(commit.timers_set,
                  [](const Timer& timer) { return timer.key.kind == TimerKind::Wait; });
  if (plant == Plant::LosePurge) commit.purged_deliveries.clear();
  return commit;
}

/// The commit as an engine with the planted mistake makes it.
Commit mistaken(Commit commit, Plant plant) {
  if (plant == Plant::SecretInClear)
    for (Delivery& row : commit.deliveries) {
      if (!row.last) continue;
      const std::size_t mask = row.last->response.find("***");
      if (mask != std::string::npos) row.last->response.replace(mask, 3, kSecretMark);
    }
  if (plant == Plant::LoseImportRow)
    for (Contact& contact : commit.contacts)
      std::erase_if(contact.custom, [](const auto& field) {
        return field.first == import_field(0) || field.first == import_field(3);
      });
  return commit;
}

/// On SQLite each commit carries its number, so that the next process can tell how many survived.
constexpr std::string_view kNumber = "chaos/commit";

AdminRecord numbered(std::size_t commit) {
  return {.kind = AdminKind::Setting,
          .name = std::string{kNumber},
          .content = fmt::format("{}", commit)};
}

/// Each new delivery twice.
Commit doubled(Commit commit) {
  const std::size_t rows = commit.requests.size();
  for (std::size_t i = 0; i < rows; ++i) {
    RequestRow request = commit.requests[i];
    const auto made = std::ranges::find(commit.deliveries, request.delivery, &Delivery::key);
    if (made == commit.deliveries.end() || request.request == nullptr) continue;
    Delivery again = *made;
    request.delivery.value += kOrdinals / 2;
    again.key = request.delivery;
    commit.deliveries.push_back(std::move(again));
    commit.requests.push_back(std::move(request));
  }
  return commit;
}
}  // namespace

/// What one process holds of the disk.
class DiskStore final : public PassingStore {
 public:
  DiskStore(std::shared_ptr<Store> rows, Disk& disk) : PassingStore{std::move(rows)}, disk_{disk} {}

  Status commit(const Commit& commit) override { return disk_.commit(commit); }
  Status sync() override { return disk_.sync(); }
  bool is_synced() const override { return disk_.is_synced(); }
  Result<Snapshot> snapshot() override {
    auto found = store_->snapshot();
    if (!found || !disk_.on_sqlite()) return found;
    std::erase_if(found->control.admin, [](const AdminRecord& row) { return row.name == kNumber; });
    // Its name is random, and would make each world another one.
    found->epochs = Epochs{"CHAOSEPOCH00", found->epochs.past()};
    return found;
  }
  Status probe() override {
    disk_.arm();
    if (disk_.on_sqlite())
      if (Status done = disk_.heard(store_->probe()); !done) return done;
    if (disk_.faults.full) return fail(ErrorKind::Unavailable, "disk_full", "no room left");
    disk_.told_full_ = false;
    return {};
  }
  Result<bool> forget_seen(Instant before) override {
    disk_.arm();
    if (disk_.faults.full && !disk_.on_sqlite())
      return fail(ErrorKind::Unavailable, "disk_full", "no room left");
    if (disk_.plant_ == Plant::ForgetSeenEarly) before += disk_.options_.dedupe_for;
    return disk_.heard(store_->forget_seen(before));
  }
  Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) override {
    if (disk_.plant_ != Plant::KeepBodies || limit == 500)  // the judge's own question
      return store_->stored_bodies(after, limit);
    return StoredBodies{.last = after, .end = true};
  }
  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    auto found = store_->live_runs(after, contacts);
    if (!found || disk_.plant_ != Plant::MissRun || contacts == 1'000'000) return found;
    const auto same = [](const Run& a, const Run& b) {
      return a.contact == b.contact && a.scenario == b.scenario;
    };
    const auto second = std::ranges::adjacent_find(found->runs, same);
    if (second != found->runs.end()) found->runs.erase(second);
    return found;
  }
  Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                 DeliveryState state, DeliveryKey after,
                                                 std::size_t limit) override {
    auto found = store_->deliveries_of(scenario, node, state, after, limit);
    if (!found || found->empty()) return found;
    // By their chunks: what parks, and what bulk commands do.
    const bool parks = limit == 250 && state == DeliveryState::Pending;
    if (disk_.plant_ == Plant::MissInBulk && limit == 250 && state != DeliveryState::Pending)
      found->pop_back();
    if (disk_.plant_ == Plant::MissParking && parks)
      std::erase_if(*found, [&](const DeliveryKey key) {
        const auto rows = store_->deliveries({&key, 1});
        return key == found->front() && rows && rows->front() && !rows->front()->delivery.parked;
      });
    return found;
  }
  Status fold() override {
    disk_.arm();
    return disk_.heard(store_->fold());
  }
  Result<bool> fold_slice() override {
    disk_.arm();
    auto more = disk_.heard(store_->fold_slice());
    if (!more && disk_.faults.cut_at_write != 0) ++disk_.figures.cut_folds;
    return more;
  }
  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    auto found = store_->load(queries);
    if (!found || disk_.plant_ != Plant::StaleContact) return found;
    for (std::size_t i = 0; i < queries.size(); ++i)
      if (found->at(i) && !queries[i].ledger.empty()) found->at(i)->contact.custom.clear();
    return found;
  }
  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    if (disk_.plant_ == Plant::TakeTwice) return std::vector<std::optional<Hash128>>(keys.size());
    auto found = store_->seen(keys, now);
    if (!found || disk_.plant_ != Plant::RememberSeen) return found;
    for (std::size_t i = 0; i < keys.size(); ++i)
      for (const Commit& commit : disk_.log_)
        for (const SeenEvent& event : commit.seen)
          if (event.key == keys[i]) found->at(i) = event.fingerprint;
    return found;
  }
  Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) override {
    return store_->timers_due(disk_.plant_ == Plant::EarlyTimer ? later(until) : until, limit);
  }
  std::optional<Instant> next_timer() override {
    std::optional<Instant> next = store_->next_timer();
    if (next && disk_.plant_ == Plant::EarlyTimer) next = sooner(*next);
    return next;
  }
  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, const DueDelivery& after,
                                       Instant until, std::size_t limit) override {
    const bool early = disk_.plant_ == Plant::EarlyRetry;
    auto found = store_->due(endpoint, after, early ? later(until) : until, limit);
    if (found && disk_.plant_ == Plant::DropRetry)
      std::erase_if(*found, [&](const DueDelivery& due) {
        const auto rows = store_->deliveries({&due.delivery, 1});
        return rows && rows->front() && rows->front()->delivery.attempts > 0;
      });
    return found;
  }
  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    auto found = store_->deliveries(keys);
    if (!found || disk_.plant_ != Plant::OtherBody) return found;
    for (auto& one : *found) {
      if (!one || !one->request || one->delivery.attempts == 0) continue;
      auto other = std::make_shared<Request>(*one->request);
      other->body += " ";
      one->request = std::move(other);
    }
    return found;
  }

 private:
  Disk& disk_;
};

Disk::Disk(const DiskOptions& options, Listener listener)
    : options_{options}, plant_{options.plant}, listener_{std::move(listener)} {
  if (options.sqlite)
    sqlite_ = std::make_unique<SqliteDisk>(options.dedupe_for, plant_ == Plant::LieAboutSync);
}

/// The files meet the faults that are on.
void Disk::arm() {
  if (!sqlite_ || faults == armed_) return;
  armed_ = faults;
  DiskFault fault{.call = DiskCall::Write, .code = SQLITE_IOERR_WRITE};
  if (faults.cut_at_write != 0) {
    fault.at = faults.cut_at_write;
    fault.stays = true;
  } else if (faults.full) {
    fault.code = SQLITE_FULL;
    fault.stays = true;
  } else if (faults.unsyncable) {
    fault.call = DiskCall::Sync;
    fault.code = SQLITE_IOERR_FSYNC;
  } else if (!faults.unwritable) {
    return sqlite_->faults().heal();
  }
  sqlite_->faults().fail(std::move(fault));
}

/// What SQLite answers to a write that is no commit.
template <class Answer>
Answer Disk::heard(Answer answer) {
  if (answer || !sqlite_) return answer;
  ++figures.refused;
  if (answer.error().kind == ErrorKind::Unavailable) told_full_ = true;
  return answer;
}

/// How many commits the files hold.
std::size_t Disk::survivors() {
  auto opened = sqlite_->open();
  if (!opened)
    broken(promise::kSurvives, "the store does not open after a crash: " + opened.error().message);
  rows_ = std::move(*opened);
  const auto found = rows_->snapshot();
  if (!found) broken(promise::kSurvives, found.error().message);
  for (const AdminRecord& row : found->control.admin)
    if (row.name == kNumber) return std::stoul(row.content);
  return 0;
}

std::unique_ptr<Store> Disk::open() {
  told_full_ = false;
  if (sqlite_) {
    if (!rows_) survivors();
    return std::make_unique<DiskStore>(rows_, *this);
  }
  rows_ = make_memory_store("CHAOSEPOCH00", options_.dedupe_for);
  for (std::size_t i = 0; i < log_.size(); ++i) {
    if (plant_ == Plant::LoseCommit && i + 2 == log_.size()) continue;
    Commit commit = spoilt(log_[i], plant_);
    if (plant_ == Plant::LoseSecret && i % 3 == 0)
      std::erase_if(commit.control.admin,
                    [](const AdminRecord& row) { return row.kind == AdminKind::Secret; });
    if (plant_ == Plant::ReviveToken) std::erase_if(commit.control.tokens, &TokenRecord::removed);
    if (plant_ == Plant::LoseOutcome) {
      const auto accepted = [](const Delivery& row) {
        return row.state == DeliveryState::Accepted;
      };
      std::erase_if(commit.deliveries, accepted);
    }
    if (plant_ == Plant::CountTwice && i + 1 == log_.size())
      for (auto& [key, row] : commit.counters)
        for (std::int64_t& count : row.counts) count *= 2;
    (void)rows_->commit(commit);
  }
  return std::make_unique<DiskStore>(rows_, *this);
}

void Disk::place() {
  if (++places_ != crash_at_) return;
  crash_at_ = 0;
  throw Crash{};
}

Status Disk::commit(const Commit& given) {
  const Commit commit = plant_ == Plant::TwoDeliveries ? doubled(given) : mistaken(given, plant_);
  arm();
  if (faults.full && !sqlite_) {
    told_full_ = true;
    ++figures.refused;
    return fail(ErrorKind::Unavailable, "disk_full", "no room left");
  }
  if (!sqlite_ && std::exchange(faults.unwritable, false)) {
    ++figures.refused;
    return fail(ErrorKind::Io, "io", "the disk failed to write");
  }
  const bool refused = std::ranges::any_of(commit.contacts, [&](const Contact& contact) {
    return contact.id && contact.id->text == faults.refuse_contact_id;
  });
  if (refused) {
    ++figures.refused;
    return fail(ErrorKind::Conflict, "too_big", "a row is too big");
  }
  place();
  Commit stored = spoilt(commit, plant_);
  if (sqlite_) stored.control.admin.push_back(numbered(committed() + 1));
  if (Status done = heard(rows_->commit(stored)); !done) {
    if (sqlite_ && done.error().kind == ErrorKind::Io) {
      doubtful_ = commit;
      if (faults.cut_at_write != 0) ++figures.cut_commits;
    }
    return done;
  }
  unsynced_.push_back(commit);
  ++figures.commits;
  listener_(commit);
  place();
  return {};
}

Status Disk::sync() {
  place();
  arm();
  if (!sqlite_ && std::exchange(faults.unsyncable, false)) {
    ++figures.refused;
    return fail(ErrorKind::Io, "io", "the disk lost what it was given");
  }
  if (sqlite_)
    if (Status done = heard(rows_->sync()); !done) return done;
  std::ranges::move(unsynced_, std::back_inserter(log_));
  unsynced_.clear();
  ++figures.syncs;
  place();
  return {};
}

void Disk::die(Chance& chance) {
  if (sqlite_) {
    // Half of the deaths are a kill, which loses nothing that was written.
    const bool killed = chance.one_in(2) && plant_ != Plant::AnswerBeforeSync;
    sqlite_->cut(killed ? Loss::Nothing : chance.pick(kLosses), chance.next());
    rows_.reset();
    sqlite_->next_life();
    if (doubtful_) unsynced_.push_back(*std::exchange(doubtful_, {}));
    const std::size_t held = survivors();
    if (held < log_.size() || held > committed())
      broken(promise::kDurable,
             fmt::format("{} commits survive, of {} that were made {} are synced", held,
                         committed(), log_.size()));
    unsynced_.resize(held - log_.size());
  } else {
    const std::size_t kept =
        plant_ == Plant::AnswerBeforeSync ? 0 : chance.roll(unsynced_.size() + 1);
    unsynced_.resize(kept);
    rows_.reset();
  }
  std::ranges::move(unsynced_, std::back_inserter(log_));
  unsynced_.clear();
  faults = armed_ = {};
  crash_at_ = 0;
}

std::string_view to_string(Plant plant) {
  switch (plant) {
    case Plant::None:
      return "none";
    case Plant::AnswerBeforeSync:
      return "answer_before_sync";
    case Plant::LoseCommit:
      return "lose_commit";
    case Plant::CountTwice:
      return "count_twice";
    case Plant::TakeTwice:
      return "take_twice";
    case Plant::DropRetry:
      return "drop_retry";
    case Plant::DropTimer:
      return "drop_timer";
    case Plant::EarlyTimer:
      return "early_timer";
    case Plant::EarlyRetry:
      return "early_retry";
    case Plant::OtherBody:
      return "other_body";
    case Plant::LoseOutcome:
      return "lose_outcome";
    case Plant::StaleContact:
      return "stale_contact";
    case Plant::TwoDeliveries:
      return "two_deliveries";
    case Plant::ShortKeep:
      return "short_keep";
    case Plant::KeepBodies:
      return "keep_bodies";
    case Plant::LosePurge:
      return "lose_purge";
    case Plant::ForgetSeenEarly:
      return "forget_seen_early";
    case Plant::RememberSeen:
      return "remember_seen";
    case Plant::OldSecret:
      return "old_secret";
    case Plant::SecretInClear:
      return "secret_in_clear";
    case Plant::LoseSecret:
      return "lose_secret";
    case Plant::ReviveToken:
      return "revive_token";
    case Plant::LoseImportRow:
      return "lose_import_row";
    case Plant::MissRun:
      return "miss_run";
    case Plant::BatchAgain:
      return "batch_again";
    case Plant::SendPaused:
      return "send_paused";
    case Plant::MissParking:
      return "miss_parking";
    case Plant::MissInBulk:
      return "miss_in_bulk";
    case Plant::LieAboutSync:
      return "lie_about_sync";
  }
  return "?";
}
}  // namespace onward::chaos
