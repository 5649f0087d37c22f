#include "engine/cell/retention_job.h"

#include <algorithm>
#include <utility>

#include "engine/cell/batch_deliveries.h"
#include "engine/core/base/json_members.h"
#include "engine/core/base/value.h"

namespace onward {
namespace {
/// Rows that one commit looks at.
constexpr std::size_t kRetentionRowsMax = 200;
/// Deliveries after which a commit looks at no further row: runs and batches have many of them.
constexpr std::size_t kDeliveriesAtOnce = 500;
/// By then a request is settled, unless its node was paused or somebody retried it: the longest
/// window, and its last attempt.
constexpr Duration kSettledWithin = std::chrono::hours{73};
/// Rows grow old together: not each is worth a wake.
constexpr Duration kLookPause = std::chrono::hours{1};
/// What was passed is looked at again after this part of the time that it is kept.
constexpr int kRounds = 4;

bool ended_by(const Delivery& delivery, Instant before) {
  return !delivery.pending() && delivery.settled.value_or(delivery.created) <= before;
}
}  // namespace

KeepWalk::KeepWalk(Of of, std::optional<Duration> keep, Instant now)
    : of_{of}, keep_{keep}, round_{now}, look_{now} {}

std::string_view KeepWalk::name() const { return of_ == Of::Bodies ? "keep/bodies" : "keep/runs"; }
Duration KeepWalk::wait() const { return *keep_ + kSettledWithin; }

std::string KeepWalk::row() const {
  return to_json(
      ValueMap{{"after", static_cast<std::int64_t>(after_)}, {"round", format_instant(round_)}});
}

void KeepWalk::restore(const AdminRecord& record) {
  if (record.kind != AdminKind::Pass || record.name != name()) return;
  const auto content = parse_json(record.content);
  if (!content) return;
  after_ = static_cast<std::uint64_t>(int_member(*content, "after"));
  const Value* round = content->find("round");
  if (round == nullptr || round->text() == nullptr) return;
  round_ = parse_instant(*round->text()).value_or(round_);
}

/// A rest is never longer than this: where it seems so, the clock was set back.
std::optional<Instant> KeepWalk::wake(Instant now) const {
  if (!keep_) return std::nullopt;
  return look_ - now > wait() + kLookPause ? now : look_;
}

void KeepWalk::begin(Instant now) {
  const bool set_back = round_ > now;
  if (after_ != 0 && !set_back && now < round_ + *keep_ / kRounds) return;
  after_ = 0;
  round_ = now;
}

void KeepWalk::rest(Instant at, Instant now) {
  if (after_ != 0) at = std::min(at, round_ + *keep_ / kRounds);
  // Rows that were made before the clock was set back seem to be made in the future.
  look_ = std::clamp(at, now + kLookPause, now + wait() + kLookPause);
}
void KeepWalk::rest_until_old(Instant made, Instant now) { rest(made + wait(), now); }
void KeepWalk::rest_at_end(Instant now) { rest(now + wait(), now); }

// ---- the job ----

void add_retention_jobs(CellContext& cell, JobQueue& jobs, const std::vector<AdminRecord>& rows) {
  const std::pair<KeepWalk::Of, std::optional<Duration>> kinds[] = {
      {KeepWalk::Of::Bodies, cell.options.keep_bodies},
      {KeepWalk::Of::Runs, cell.options.keep_runs}};
  for (const auto& [of, keep] : kinds) {
    if (!keep) continue;
    KeepWalk walk{of, keep, cell.now()};
    for (const AdminRecord& row : rows) walk.restore(row);
    jobs.add(std::make_unique<RetentionJob>(cell, walk));
  }
}

Instant RetentionJob::due(Instant now) const {
  const Instant wake = walk_.wake(now).value_or(Instant::max());
  const auto doubt = cell_.clock.uncertain_until();
  return doubt ? std::max(wake, *doubt) : wake;
}

std::optional<std::string> RetentionJob::cursor() const {
  return changed_ ? std::optional{next_.row()} : std::nullopt;
}

Result<JobStep> RetentionJob::step(std::size_t rows) {
  next_ = walk_;
  changed_ = false;
  next_.begin(cell_.now());
  JobStep step{.changes = cell_.new_batch()};
  Commit& commit = step.changes->rows();
  Found found;
  const std::size_t most = std::min(rows, kRetentionRowsMax);
  const Status done = walk_.of() == KeepWalk::Of::Bodies ? find_bodies(found, most)
                                                         : find_runs(commit, found, most);
  if (!done) return tl::make_unexpected(done.error());
  next_.count(walk_.of() == KeepWalk::Of::Bodies ? found.bodies.size() : commit.purged_runs.size());
  commit.purged_deliveries.assign(found.bodies.begin(), found.bodies.end());
  changed_ = !commit.purged_runs.empty() || !commit.purged_deliveries.empty() ||
             !commit.purged_attempts.empty() || !next_.same_place(walk_);
  if (!changed_) step.changes.reset();
  return step;
}

void RetentionJob::committed() {
  if (next_.resting(cell_.now()) && next_.taken() > 0) {
    cell_.log({walk_.of() == KeepWalk::Of::Bodies ? "retention.bodies" : "retention.runs",
               {{"gone", count_value(next_.taken())}}});
    next_.told();
  }
  walk_ = next_;
}

void RetentionJob::rest(const std::optional<Instant>& young, bool more, std::uint64_t last,
                        bool end) {
  if (young) return next_.rest_until_old(*young, cell_.now());
  if (more) return;
  next_.pass(last);
  if (end) next_.rest_at_end(cell_.now());
}

/// Whether what `delivery` said may go: then it is in `taken`. A batch goes whole, so that a retry
/// by hand never sends a part of it.
Result<bool> RetentionJob::take_body(Found& found, const Delivery& delivery, Instant before) {
  if (found.bodies.contains(delivery.key)) return true;
  if (!ended_by(delivery, before)) return false;
  if (!delivery.batch) {
    found.bodies.insert(delivery.key);
    return true;
  }
  if (found.stays.contains(*delivery.batch)) return false;
  const auto unit = unit_of(*cell_.store, delivery);
  if (!unit) return tl::make_unexpected(unit.error());
  found.looked_at += unit->size();
  for (const LoadedDelivery& member : *unit)
    if (!ended_by(member.delivery, before)) {
      found.stays.insert(*delivery.batch);
      return false;
    }
  for (const LoadedDelivery& member : *unit) found.bodies.insert(member.delivery.key);
  found.bodies.insert(delivery.key);
  return true;
}

Status RetentionJob::find_bodies(Found& found, std::size_t rows) {
  const Instant now = cell_.now();
  const auto stored = cell_.store->stored_bodies({next_.after()}, rows);
  if (!stored) return tl::make_unexpected(stored.error());
  std::optional<Instant> young;
  bool more = false;
  for (const Delivery& delivery : stored->deliveries) {
    if (delivery.created > next_.made_before(now)) {
      young = delivery.created;
      break;
    }
    if (found.looked_at >= kDeliveriesAtOnce) {
      more = true;
      break;
    }
    const auto gone = take_body(found, delivery, next_.ended_before(now));
    if (!gone) return tl::make_unexpected(gone.error());
    next_.pass(delivery.key.value);
  }
  rest(young, more, stored->last.value, stored->end);
  return {};
}

/// A run is deleted when it has ended long enough ago, and all of its deliveries have. Their bodies
/// are deleted with it, since the erasure of a contact finds them through its runs.
Status RetentionJob::find_runs(Commit& commit, Found& found, std::size_t rows) {
  const Instant now = cell_.now();
  const auto ended = cell_.store->ended_runs({}, {next_.after()}, rows);
  if (!ended) return tl::make_unexpected(ended.error());
  const Instant before = next_.ended_before(now);
  std::optional<Instant> young;
  bool more = false;
  for (const Run& run : ended->runs) {
    if (run.started > next_.made_before(now)) {
      young = run.started;
      break;
    }
    if (found.looked_at >= kDeliveriesAtOnce) {
      more = true;
      break;
    }
    next_.pass(run.key.value);
    if (run.ended.value_or(run.started) > before) continue;
    std::vector<DeliveryKey> keys;
    for (const PathStep& step : run.path)
      if (step.delivery) keys.push_back(*step.delivery);
    const auto gone = take_deliveries(commit, found, keys, before);
    if (!gone) return tl::make_unexpected(gone.error());
    if (*gone) commit.purged_runs.push_back({.run = run.key, .contact = run.contact});
  }
  rest(young, more, ended->last.value, ended->end);
  return {};
}

/// Whether all of a run's requests may go with it.
Result<bool> RetentionJob::take_deliveries(Commit& commit, Found& found,
                                           std::span<const DeliveryKey> keys, Instant before) {
  found.looked_at += keys.size();
  const auto loaded = cell_.store->deliveries(keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (const auto& one : *loaded)
    if (one && !ended_by(one->delivery, before)) return false;
  for (const auto& one : *loaded) {
    if (!one) continue;
    if (one->request != nullptr) {
      const auto gone = take_body(found, one->delivery, before);
      if (!gone || !*gone) return gone;
    }
    commit.purged_attempts.push_back(one->delivery.key);
  }
  return true;
}
}  // namespace onward
