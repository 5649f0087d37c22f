#pragma once
// Retrying and cancelling deliveries: what the command for one of them and the jobs for many share.
#include <string>
#include <string_view>

#include "engine/cell/answers.h"
#include "engine/cell/batch_deliveries.h"
#include "engine/cell/context.h"
#include "engine/core/delivery/delivery.h"
#include "engine/jobs/job_queue.h"

namespace onward {
/// Whether it can be retried: it failed or was cancelled.
bool settled_badly(const Delivery& delivery);
/// Failed at its creation: it cannot be rendered, or may not be sent, and never will.
bool was_never_sendable(const Delivery& delivery);
/// "retried"
std::string_view verb(ByHand act);

/// Whether the bodies of a scenario are being purged.
bool is_purging(const CellContext& cell, const JobQueue& jobs, ScenarioKey scenario);
/// Whether what is pending at a scenario is being cancelled.
bool is_cancelling(const CellContext& cell, const JobQueue& jobs, ScenarioKey scenario);
/// Whether `changes` may deal with the batch of `delivery` as well, or leaves it to the next step.
Result<bool> has_room_for(CellContext& cell, const BatchDeliveries& changes,
                          const Delivery& delivery);
/// Retries or cancels `delivery`, and all that share a request with it: the bytes of a batch stay
/// what they were. Nothing where `changes` has dealt with it already.
Result<ByHandAnswer> act_on_batch_of(CellContext& cell, BatchDeliveries& changes, ByHand act,
                                     const Delivery& delivery, std::string_view reason);
}  // namespace onward
