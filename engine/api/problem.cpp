#include "engine/api/problem.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/core/base/error_codes.h"
#include "engine/core/base/value.h"

namespace onward {
int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Invalid:
      return 400;
    case ErrorKind::NotFound:
      return 404;
    case ErrorKind::Conflict:
      return 409;
    case ErrorKind::Forbidden:
      return 403;
    case ErrorKind::Busy:
      return 429;
    case ErrorKind::Unavailable:
      return 503;
    case ErrorKind::Io:
    case ErrorKind::Internal:
      return 500;
  }
  return 500;
}

namespace {
/// A detail may quote what a client sent, such as a header, in which any byte may be; an answer is
/// JSON, and so UTF-8. Each byte that is not becomes a "?".
std::string as_utf8(std::string_view text) {
  std::string made;
  std::size_t fault = 0;
  while (!valid_utf8(text, &fault)) {
    made += text.substr(0, fault);
    made += '?';
    text.remove_prefix(fault + 1);
  }
  made += text;
  return made;
}

ApiReply make_problem(int status, std::string_view code, std::string_view detail, ValueMap extra,
                      std::int64_t retry_after) {
  ValueMap members{{"type", "urn:onward:problem:" + std::string{code}},
                   {"title", reason_phrase(status)},
                   {"status", status},
                   {"detail", as_utf8(detail)},
                   {"code", code}};
  if (retry_after > 0) members.emplace_back("retry_after", retry_after);
  for (auto& member : extra) members.push_back(std::move(member));
  ApiReply reply{status, "application/problem+json", to_json(Value{std::move(members)})};
  if (retry_after > 0) reply.headers.emplace_back("Retry-After", std::to_string(retry_after));
  if (status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"onward\"");
  return reply;
}
}  // namespace

ApiReply problem(int status, std::string_view code, std::string_view detail, ValueMap extra) {
  const int retry_after = status == 429 ? 1 : status == 503 ? 5 : 0;
  return make_problem(status, code, detail, std::move(extra), retry_after);
}

ApiReply problem_for_now(int status, std::string_view code, std::string_view detail,
                         Duration wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return make_problem(status, code, detail, {}, std::max<std::int64_t>(seconds, 1));
}

int status_of(const Error& error) {
  return error.code == kUnreadableRow ? 503 : status_of(error.kind);
}

ApiReply problem_of(const Error& error) {
  ValueMap extra;
  if (!error.incident.empty()) extra.emplace_back("incident", error.incident);
  return problem(status_of(error), error.code, error.message, std::move(extra));
}

ApiReply json_reply(int status, const Value& value) {
  return {status, "application/json", to_json(value)};
}
}  // namespace onward
