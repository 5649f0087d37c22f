#pragma once
// Errors as callers get them: application/problem+json (RFC 9457) with a stable code.
#include <string>
#include <string_view>

#include "engine/api/http.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/base/value.h"

namespace onward {
/// {"type", "title", "status", "detail", "code", …extra}. 429 and 503 carry `Retry-After`,
/// and the same in seconds as the member "retry_after".
ApiReply problem(int status, std::string_view code, std::string_view detail, ValueMap extra = {});
/// With the member "incident" where the error has one.
ApiReply problem_of(const Error& error);
/// The same of what will be possible again after `wait`, told in whole seconds.
ApiReply problem_for_now(int status, std::string_view code, std::string_view detail, Duration wait);

/// Invalid 400, NotFound 404, Conflict 409, Forbidden 403, Busy 429, Unavailable 503, Io and
/// Internal 500.
int status_of(ErrorKind kind);
/// The same, but 503 for kUnreadableRow (error_codes.h).
int status_of(const Error& error);

ApiReply json_reply(int status, const Value& value);
}  // namespace onward
