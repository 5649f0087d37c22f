#pragma once
// The test button of a node that sends: seed S2's test data, sent as the node would send, recorded
// nowhere.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/cell/answers.h"
#include "engine/core/scenario/scenario.h"
#include "engine/delivery/scheduler.h"

namespace onward {
/// "test_evt_" and 25 random letters and digits.
Result<std::string> new_test_id();

/// The one attempt to be made for `node`. NotFound where there is no such node, Invalid where it
/// sends nothing or its request cannot be made for the sample contact.
Result<DeliveryTask> make_webhook_test(const Scenario& scenario, std::string_view node,
                                       std::string id, std::int64_t account_id, Instant now);

/// What it came to, with what to do about it.
WebhookTestAnswer judge_webhook_test(const DeliveryTask& task, AttemptResult result);
}  // namespace onward
