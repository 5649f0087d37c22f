#include "engine/cell/delivery_actions.h"

#include <utility>

#include "engine/cell/cancel_job.h"
#include "engine/cell/scenario_pass.h"

namespace onward {
namespace {
/// Deliveries that one step deals with at most: a batch is dealt with whole.
constexpr std::size_t kDealtAtOnce = 750;
}  // namespace

bool settled_badly(const Delivery& delivery) {
  return delivery.state == DeliveryState::Failed || delivery.state == DeliveryState::Cancelled;
}

/// Born failed: it cannot be rendered, or may not be sent, and never will.
bool was_never_sendable(const Delivery& delivery) {
  return delivery.state == DeliveryState::Failed && delivery.attempts == 0;
}

std::string_view verb(ByHand act) { return act == ByHand::Retry ? "retried" : "cancelled"; }

bool is_purging(const CellContext& cell, const JobQueue& jobs, ScenarioKey scenario) {
  const ScenarioRecord* record = cell.control.scenarios.find(scenario);
  return record != nullptr &&
         jobs.find(pass_name(ScenarioPass::Kind::Purge, record->id)) != nullptr;
}

bool is_cancelling(const CellContext& cell, const JobQueue& jobs, ScenarioKey scenario) {
  const ScenarioRecord* record = cell.control.scenarios.find(scenario);
  return record != nullptr && jobs.find(cancel_name(record->id)) != nullptr;
}

Result<bool> has_room_for(CellContext& cell, const BatchDeliveries& changes,
                          const Delivery& delivery) {
  const std::size_t rows = changes.changed().size() + changes.cancelled().size();
  if (rows == 0 || changes.changed().contains(delivery.key) || changes.is_cancelled(delivery.key))
    return true;
  std::size_t members = 1;
  if (delivery.batch == delivery.key) {
    members = delivery.members.size();
  } else if (delivery.batch) {
    const auto first = cell.store->deliveries({&*delivery.batch, 1});
    if (!first) return tl::make_unexpected(first.error());
    if (first->front()) members = first->front()->delivery.members.size();
  }
  return rows + members <= kDealtAtOnce;
}

/// A batch is retried or cancelled whole: its bytes stay what they were.
Result<ByHandAnswer> act_on_batch_of(CellContext& cell, BatchDeliveries& changes, ByHand act,
                                     const Delivery& delivery, std::string_view reason) {
  ByHandAnswer answer;
  if (changes.changed().contains(delivery.key) || changes.is_cancelled(delivery.key)) return answer;
  const auto unit = unit_of(*cell.store, delivery);
  if (!unit) return tl::make_unexpected(unit.error());
  if (act == ByHand::Cancel) {
    for (const LoadedDelivery& one : *unit) {
      if (!one.delivery.pending()) continue;
      changes.cancel(one.delivery, reason);
      ++answer.changed;
    }
    return answer;
  }
  bool carried = false;
  for (const LoadedDelivery& one : *unit) {
    if (!settled_badly(one.delivery)) continue;
    if (one.request == nullptr || was_never_sendable(one.delivery)) {
      ++answer.skipped;
      continue;
    }
    changes.retry(one.delivery, cell.policy_of(one.delivery),
                  /*due=*/!std::exchange(carried, true));
    ++answer.changed;
  }
  return answer;
}
}  // namespace onward
