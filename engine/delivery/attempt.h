#pragma once
// From a task to the request that is made of it, and from the reply to its result. Pure.
#include "engine/core/result.h"
#include "engine/delivery/deliverer.h"
#include "engine/delivery/http_client.h"
#include "engine/delivery/scheduler.h"

namespace onward {
/// The request of a task: its secrets resolved, `webhook-id` added. An error where a secret is not
/// known ("secret_missing") or its value cannot stand where it is named ("bad_header").
Result<HttpRequest> request_of(const DeliveryTask& task, const SecretSource* secrets);

/// What the reply to a task's request means for its delivery.
AttemptResult result_of(const DeliveryTask& task, HttpReply reply, Instant started, Instant now);

/// What it says of endpoint and origin.
Verdict verdict_of(const AttemptResult& result);

/// The result of a task whose request could not be made. A missing secret is local trouble: the
/// operator can set it, and until then no attempt is spent on it.
AttemptResult result_of(const DeliveryTask& task, const Error& error, Instant now);
}  // namespace onward
