#include "engine/runtime/retention.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/core/base/value.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/json_members.h"

namespace onward {
namespace {
/// Rows that one commit looks at.
constexpr std::size_t kRowsAtOnce = 200;
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

AdminRecord KeepWalk::record() const {
  return {.kind = AdminKind::Pass,
          .name = std::string{name()},
          .content = to_json(ValueMap{{"after", static_cast<std::int64_t>(after_)},
                                      {"round", format_instant(round_)}})};
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

// ---- the engine's part ----

/// One stretch of one walk, so that other work comes in between.
Status Engine::step_retention() {
  if (unwritable_ || !certain()) return {};
  const Instant now = clock_.now();
  const auto ready = [now](const KeepWalk& walk) {
    const auto look = walk.wake(now);
    return look && *look <= now;
  };
  const bool bodies = ready(keep_bodies_), runs = ready(keep_runs_);
  if (!bodies && !runs) return {};
  runs_turn_ = runs && (!bodies || !runs_turn_);  // in turn, where both have something to do
  return runs_turn_ ? drop_runs(keep_runs_) : drop_bodies(keep_bodies_);
}

/// Whether what `delivery` said may go: then it is in `taken`. A batch goes whole, so that a retry
/// by hand never sends a part of it.
Result<bool> Engine::take_body(TakenBodies& taken, const Delivery& delivery, Instant before) {
  if (taken.bodies.contains(delivery.key)) return true;
  if (!ended_by(delivery, before)) return false;
  if (!delivery.batch) {
    taken.bodies.insert(delivery.key);
    return true;
  }
  if (taken.stays.contains(*delivery.batch)) return false;
  const auto unit = unit_of(*store_, delivery);
  if (!unit) return tl::make_unexpected(unit.error());
  taken.looked_at += unit->size();
  for (const LoadedDelivery& member : *unit)
    if (!ended_by(member.delivery, before)) {
      taken.stays.insert(*delivery.batch);
      return false;
    }
  for (const LoadedDelivery& member : *unit) taken.bodies.insert(member.delivery.key);
  taken.bodies.insert(delivery.key);
  return true;
}

Status Engine::drop_bodies(KeepWalk walk) {
  const Instant now = clock_.now();
  walk.begin(now);
  const auto found = store_->stored_bodies({walk.after()}, kRowsAtOnce);
  if (!found) return tl::make_unexpected(found.error());
  TakenBodies taken;
  std::optional<Instant> young;
  bool more = false;
  for (const Delivery& delivery : found->deliveries) {
    if (delivery.created > walk.made_before(now)) {
      young = delivery.created;
      break;
    }
    if (taken.looked_at >= kDeliveriesAtOnce) {
      more = true;
      break;
    }
    const auto gone = take_body(taken, delivery, walk.ended_before(now));
    if (!gone) return tl::make_unexpected(gone.error());
    walk.pass(delivery.key.value);
  }
  if (young) {
    walk.rest_until_old(*young, now);
  } else if (!more) {
    walk.pass(found->last.value);
    if (found->end) walk.rest_at_end(now);
  }
  walk.count(taken.bodies.size());
  return commit_walk(std::move(walk), {}, taken.bodies);
}

/// A run goes when it has ended long enough ago, and all of its requests have. Their bodies go with
/// it where they are left, since a contact that is forgotten finds them through its runs.
Status Engine::drop_runs(KeepWalk walk) {
  const Instant now = clock_.now();
  walk.begin(now);
  const auto found = store_->ended_runs({}, {walk.after()}, kRowsAtOnce);
  if (!found) return tl::make_unexpected(found.error());
  const Instant before = walk.ended_before(now);
  Commit commit;
  TakenBodies taken;
  std::optional<Instant> young;
  bool more = false;
  for (const Run& run : found->runs) {
    if (run.started > walk.made_before(now)) {
      young = run.started;
      break;
    }
    if (taken.looked_at >= kDeliveriesAtOnce) {
      more = true;
      break;
    }
    walk.pass(run.key.value);
    if (run.ended.value_or(run.started) > before) continue;
    std::vector<DeliveryKey> keys;
    for (const PathStep& step : run.path)
      if (step.delivery) keys.push_back(*step.delivery);
    const auto gone = take_deliveries(commit, taken, keys, before);
    if (!gone) return tl::make_unexpected(gone.error());
    if (*gone) commit.purged_runs.push_back({.run = run.key, .contact = run.contact});
  }
  if (young) {
    walk.rest_until_old(*young, now);
  } else if (!more) {
    walk.pass(found->last.value);
    if (found->end) walk.rest_at_end(now);
  }
  walk.count(commit.purged_runs.size());
  return commit_walk(std::move(walk), std::move(commit), taken.bodies);
}

/// Whether all of a run's requests may go with it.
Result<bool> Engine::take_deliveries(Commit& commit, TakenBodies& taken,
                                     std::span<const DeliveryKey> keys, Instant before) {
  taken.looked_at += keys.size();
  const auto loaded = store_->deliveries(keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (const auto& one : *loaded)
    if (one && !ended_by(one->delivery, before)) return false;
  for (const auto& one : *loaded) {
    if (!one) continue;
    if (one->request != nullptr) {
      const auto gone = take_body(taken, one->delivery, before);
      if (!gone || !*gone) return gone;
    }
    commit.purged_attempts.push_back(one->delivery.key);
  }
  return true;
}

/// Nobody is told of it, so it need not be durable at once: what a crash undoes is done again.
Status Engine::commit_walk(KeepWalk walk, Commit commit, const std::set<DeliveryKey>& bodies) {
  KeepWalk& known = walk.of() == KeepWalk::Of::Bodies ? keep_bodies_ : keep_runs_;
  commit.at = clock_.now();
  commit.last_seq = last_seq_;
  commit.last_contact = last_contact_;
  commit.purged_deliveries.assign(bodies.begin(), bodies.end());
  if (!commit.empty() || !walk.same_place(known)) {
    commit.admin.push_back(walk.record());
    if (Status done = commit_rows(commit); !done) return done;
  }
  if (walk.resting(commit.at) && walk.taken() > 0) {
    log({walk.of() == KeepWalk::Of::Bodies ? "retention.bodies" : "retention.runs",
         {{"gone", count_value(walk.taken())}}});
    walk.told();
  }
  known = std::move(walk);
  return {};
}
}  // namespace onward
