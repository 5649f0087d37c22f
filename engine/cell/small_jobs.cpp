#include "engine/cell/small_jobs.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/cell/delivery_walk.h"
#include "engine/store/unreadable.h"

namespace onward {
namespace {
/// Inputs of a dry run that are looked up, or taken, between two batches.
constexpr std::size_t kRehearsedAtOnce = 500;
constexpr std::string_view kBlockedCode = "blocked_policy";

/// Rows of ids that were seen so long ago that a repeat counts as new. Its own cursor: what is
/// deleted is not found again.
class ExpireSeen final : public BackgroundJob {
 public:
  ExpireSeen(CellContext& cell, std::function<void()> abandoned)
      : cell_{cell}, abandoned_{std::move(abandoned)} {}
  std::string name() const override { return "expire_seen"; }
  Result<JobStep> step(std::size_t /*rows*/) override {
    if (!cell_.certain()) {  // A new one is begun when the clock is trusted again.
      abandoned_();
      return JobStep{.ended = true};
    }
    const auto more = cell_.store->forget_seen(cell_.now() - cell_.options.dedupe_for);
    if (!more) return tl::make_unexpected(more.error());
    return JobStep{.ended = !*more};
  }
  void committed() override {}

 private:
  CellContext& cell_;
  const std::function<void()> abandoned_;
};

/// The parts of a long text, last one first.
class DropText final : public BackgroundJob {
 public:
  DropText(CellContext& cell, TextKey text, std::size_t bytes)
      : cell_{cell}, text_{text}, left_{(bytes + kTextPart - 1) / kTextPart} {}
  std::string name() const override { return "drop_text/" + std::to_string(text_.value); }
  Result<JobStep> step(std::size_t /*rows*/) override {
    JobStep step;
    if (left_ > 0) {
      step.changes.emplace(cell_.new_batch());
      step.changes->rows().control.text_parts.push_back(
          {.text = text_, .number = static_cast<std::uint16_t>(left_ - 1), .removed = true});
    }
    step.ended = left_ <= 1;
    return step;
  }
  void committed() override { left_ -= std::min<std::size_t>(left_, 1); }

 private:
  CellContext& cell_;
  const TextKey text_;
  std::size_t left_;
};

std::vector<NodePlace> pending_places(const Counters& counters) {
  std::vector<NodePlace> places;
  for (const auto& [key, row] : counters) {
    if (!key.node || row[Counter::Pending] <= 0) continue;
    const NodePlace place{key.scenario, key.node};
    if (places.empty() || places.back() != place) places.push_back(place);
  }
  return places;
}

/// Looks at all that is pending, node by node. It has no row: after a restart what was refused
/// follows its retry schedule.
class RecheckBlocked final : public BackgroundJob {
 public:
  RecheckBlocked(CellContext& cell, const Outbox& outbox)
      : cell_{cell}, outbox_{outbox}, places_{pending_places(cell.counters)} {}
  std::string name() const override { return "recheck_blocked"; }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override { place_ = next_; }

 private:
  /// Whether it was refused by the policy, waits for its next try, and is not refused as before.
  bool is_to_go(const Delivery& delivery) const {
    if (!delivery.pending() || delivery.parked || !delivery.due || !delivery.last ||
        delivery.last->code != kBlockedCode || *delivery.due <= cell_.now() ||
        outbox_.find(delivery.key) != nullptr)
      return false;
    const DeliveryPolicy* policy = cell_.policy_at(delivery.endpoint);
    return policy == nullptr || cell_.refused_origin(policy->origin).empty();
  }

  CellContext& cell_;
  const Outbox& outbox_;
  const std::vector<NodePlace> places_;
  WalkPlace place_, next_;  ///< As committed, and as the step leaves it.
};

Result<JobStep> RecheckBlocked::step(std::size_t rows) {
  next_ = place_;
  JobStep step;
  const WalkRange range{.nodes = places_.size(),
                        .node_at = [this](std::size_t i) { return std::optional{places_[i]}; },
                        .state = DeliveryState::Pending};
  const auto ended = walk_deliveries(*cell_.store, range, rows, next_,
                                     [&](const LoadedDelivery& one) -> Result<bool> {
                                       if (!is_to_go(one.delivery)) return true;
                                       if (!step.changes) step.changes.emplace(cell_.new_batch());
                                       step.changes->deliveries().make_due(one.delivery);
                                       return true;
                                     });
  if (!ended) return tl::make_unexpected(ended.error());
  step.ended = *ended;
  return step;
}

/// The dry run of an import: nothing of it is kept, so it has no row.
class DryRunJob final : public BackgroundJob {
 public:
  DryRunJob(CellContext& cell, DryRun dry_run)
      : number_{dry_run.number},
        inputs_{std::move(dry_run.inputs)},
        answers_(inputs_.size()),
        batch_{cell.new_batch()},
        done_{std::move(dry_run.done)},
        admission_{std::move(dry_run.admission)} {
    work_.reserve(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      work_.push_back({.input = &inputs_[i], .answer = &answers_[i]});
    batch_.note_names(work_);
  }
  std::string name() const override { return "rehearsal/" + std::to_string(number_); }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override {
    if (taken_ == work_.size() && done_) std::exchange(done_, nullptr)(std::move(answers_));
  }
  void fail(const Error& error) override {
    if (done_) std::exchange(done_, nullptr)(tl::make_unexpected(error));
  }

 private:
  const std::uint64_t number_;
  const std::vector<Input> inputs_;
  std::vector<WorkAnswer> answers_;
  std::vector<Work> work_;
  Batch batch_;  ///< Never committed.
  std::size_t taken_ = 0;
  Done<Result<std::vector<WorkAnswer>>> done_;
  const LoadShare admission_;
};

/// The names of a part are looked up, or the inputs of a part are taken. A failure ends the
/// rehearsal, which is answered so; only a store that fails is the engine's affair.
Result<JobStep> DryRunJob::step(std::size_t rows) {
  const std::size_t most = std::min(rows, kRehearsedAtOnce);
  const auto refused = [this](const Error& error) -> Result<JobStep> {
    if (error.kind == ErrorKind::Io) return tl::make_unexpected(error);
    fail(error);
    return JobStep{.ended = true};
  };
  const auto more = batch_.look_up(most);
  if (!more) return refused(more.error());
  if (*more) return JobStep{};
  const auto part = std::span{work_}.subspan(taken_, std::min(most, work_.size() - taken_));
  // A contact that cannot be read is the answer to its own inputs alone: `take` reads it once more.
  const auto stops = [](const Status& done) {
    return !done && done.error().code != kUnreadableRow;
  };
  if (Status done = batch_.load(part); stops(done)) return refused(done.error());
  for (const Work& item : part) {
    const Status done = batch_.take(item);
    if (stops(done)) return refused(done.error());
    if (!done) *item.answer = {.event = answer_of(done.error())};
  }
  taken_ += part.size();
  return JobStep{.ended = taken_ == work_.size()};
}
}  // namespace

std::unique_ptr<BackgroundJob> expire_seen_job(CellContext& cell, std::function<void()> abandoned) {
  return std::make_unique<ExpireSeen>(cell, std::move(abandoned));
}

std::unique_ptr<BackgroundJob> drop_text_job(CellContext& cell, TextKey text, std::size_t bytes) {
  return std::make_unique<DropText>(cell, text, bytes);
}

std::unique_ptr<BackgroundJob> recheck_blocked_job(CellContext& cell, const Outbox& outbox) {
  return std::make_unique<RecheckBlocked>(cell, outbox);
}

std::unique_ptr<BackgroundJob> dry_run_job(CellContext& cell, DryRun dry_run) {
  return std::make_unique<DryRunJob>(cell, std::move(dry_run));
}
}  // namespace onward
