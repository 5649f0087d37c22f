#include "engine/delivery/attempt.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/core/template.h"

namespace onward {
namespace {
/// Where a secret is put in.
enum class Place { Url, Header };

bool has_secret(std::string_view text) { return text.find(kSecretOpen) != std::string_view::npos; }

void append_encoded(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
}

/// A header value as it stands. What could end the line must not come from a secret either.
bool append_verbatim(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  out += text;
  return true;
}

Result<std::string> resolve(std::string_view text, Place place, const SecretSource* secrets) {
  std::string out;
  while (has_secret(text)) {
    const std::size_t open = text.find(kSecretOpen);
    const std::size_t close = text.find(kSecretClose, open);
    if (close == std::string_view::npos) {
      return fail(ErrorKind::Invalid, "bad_header", "a reference to a secret is cut off");
    }
    const std::string_view name = text.substr(open + 1, close - open - 1);
    out += text.substr(0, open);
    text.remove_prefix(close + 1);
    const std::optional<std::string> value = secrets ? secrets->secret(name) : std::nullopt;
    if (!value) {
      return fail(ErrorKind::NotFound, "secret_missing",
                  fmt::format("there is no secret \"{}\"", name));
    }
    if (place == Place::Url) {
      append_encoded(out, *value);
    } else if (!append_verbatim(out, *value)) {
      return fail(ErrorKind::Invalid, "bad_header",
                  fmt::format("the secret \"{}\" holds a control character", name));
    }
  }
  out += text;
  return out;
}

bool accepted(const RetryPolicy& retry, int status) {
  if (retry.accept.empty()) return status >= 200 && status <= 299;
  return std::find(retry.accept.begin(), retry.accept.end(), status) != retry.accept.end();
}

AttemptResult blank_result(const DeliveryTask& task, Instant started) {
  AttemptResult result;
  result.delivery = task.delivery;
  result.number = task.number;
  result.started = started;
  return result;
}

/// Refusals of our own, which a later attempt would meet again.
bool is_permanent(std::string_view code) {
  return code == "blocked_policy" || code == "bad_header" || code == "bad_url";
}
}  // namespace

Result<HttpRequest> request_of(const DeliveryTask& task, const SecretSource* secrets) {
  HttpRequest request;
  request.request = task.request;
  request.extra_headers = {{"webhook-id", task.webhook_id}};
  request.connect_timeout = task.policy->connect_timeout;
  request.timeout = task.policy->timeout;
  request.want_body = task.policy->log_body != LogBody::Off;

  if (has_secret(task.request->url)) {
    auto url = resolve(task.request->url, Place::Url, secrets);
    if (!url) return tl::make_unexpected(url.error());
    request.url = std::move(*url);
  }
  const std::vector<Header>& headers = task.request->headers;
  request.headers_replaced = std::any_of(headers.begin(), headers.end(), [](const Header& header) {
    return has_secret(header.second);
  });
  if (!request.headers_replaced) return request;
  request.headers.reserve(headers.size());
  for (const auto& [name, value] : headers) {
    auto resolved = resolve(value, Place::Header, secrets);
    if (!resolved) return tl::make_unexpected(resolved.error());
    request.headers.emplace_back(name, std::move(*resolved));
  }
  return request;
}

AttemptResult result_of(const DeliveryTask& task, HttpReply reply, Instant started, Instant now) {
  AttemptResult result = blank_result(task, started);
  result.took = reply.took;
  result.status = reply.status;
  result.code = std::move(reply.code);
  result.error = std::move(reply.error);
  result.body_truncated = reply.body_truncated;
  result.local = reply.local;
  result.permanent = is_permanent(result.code);
  if (reply.status == 0) return result;

  const bool good = accepted(task.policy->retry, reply.status);
  if (!good && result.error.empty()) result.error = fmt::format("answered {}", reply.status);
  const LogBody log = task.policy->log_body;
  if (log == LogBody::All || (log == LogBody::Failures && !good)) {
    result.response = std::move(reply.body);
  }
  if (!good) result.retry_after = parse_retry_after(reply.retry_after, reply.date, now);
  return result;
}

AttemptResult result_of(const DeliveryTask& task, const Error& error, Instant now) {
  AttemptResult result = blank_result(task, now);
  result.code = error.code;
  result.error = error.message;
  result.permanent = is_permanent(error.code);
  result.local = !result.permanent;
  return result;
}

Verdict verdict_of(const AttemptResult& result) {
  using Kind = Verdict::Kind;
  // Without a route the origin waits as if it were down: others may have one.
  if (result.code == "no_network") return {.kind = Kind::Unreachable};
  // What we refused never reached anybody.
  if (result.local || result.permanent) return {.kind = Kind::Local};
  if (result.status == 429 || result.status == 503) {
    return {.kind = Kind::Overloaded, .retry_after = result.retry_after};
  }
  if (result.status >= 500) return {.kind = Kind::Error};
  if (result.status != 0) return {.kind = Kind::Good};
  // Whoever answers nonsense, or hangs up, is there; perhaps only one of its handlers is broken.
  const bool there = result.code == "protocol" || result.code == "header_limit" ||
                     result.code == "reset" || result.code == "tls_client_cert";
  return {.kind = there ? Kind::Error : Kind::Unreachable};
}
}  // namespace onward
