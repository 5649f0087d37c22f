#pragma once
// From a task to the request that is made of it, and from the reply to its result. Pure.
#include "engine/core/base/result.h"
#include "engine/delivery/deliverer.h"
#include "engine/delivery/http_client.h"
#include "engine/delivery/scheduler.h"

namespace onward {
/// The request of a task, to be sent at `now`: its secrets resolved, `webhook-id` and, where the
/// policy wants it, the signature added. An error where a secret or credential is not known
/// ("secret_missing"), may not be sent to the host of the URL (kSecretHostRefused), or its value
/// cannot stand where it is named ("bad_header").
Result<HttpRequest> request_of(const DeliveryTask& task, const SecretSource* secrets, Instant now);

/// What the reply to a task's request means for its delivery.
AttemptResult result_of(const DeliveryTask& task, HttpReply reply, Instant started, Instant now);

/// What it says of endpoint and origin.
Verdict verdict_of(const AttemptResult& result);

/// Puts "***" in place of secrets that the receiver repeated, before anybody keeps or reads them:
/// those in `hidden`, which the request held. Others are no concern of its receiver: an author who
/// lets it answer guesses would read off which of them begin a secret.
void mask(HttpReply& reply, const std::vector<std::string>& hidden);

/// The result of a task whose request could not be made. A missing secret, or one that may not be
/// sent to this host, is local trouble: an admin can change that, and until then no attempt is
/// spent on it; the last one, at the end of the window, fails for it.
AttemptResult result_of(const DeliveryTask& task, const Error& error, Instant now);
}  // namespace onward
