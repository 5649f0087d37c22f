#include "engine/delivery/attempt.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "engine/core/base/base64.h"
#include "engine/core/base/text.h"
#include "engine/core/template/template.h"
#include "engine/net/url.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/signature.h"

namespace onward {
namespace {
/// How long a delivery waits for its secret, or for the secret's permission, before it asks again.
constexpr Duration kSecretPause = std::chrono::seconds{30};
/// How long it waits after too many other look-ups kept that of its name from beginning.
constexpr Duration kDnsBusyPause = std::chrono::seconds{30};

/// Where a secret is put in.
enum class Place { Url, Header };

bool has_secret(std::string_view text) { return text.find(kSecretOpen) != std::string_view::npos; }

/// A header value as it stands. What could end the line must not come from a secret either.
bool append_verbatim(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  out += text;
  return true;
}

/// Looks up the secrets of one request for the host in its URL, and remembers their values, since
/// an answer may repeat them after they were replaced.
class SecretLookup {
 public:
  SecretLookup(const SecretSource* source, std::string_view url, std::vector<std::string>& hidden)
      : source_{source}, url_{url}, hidden_{hidden} {}

  Result<std::string> secret(std::string_view name) {
    if (source_ == nullptr) return secret_missing("secret", name);
    if (const Status read = read_origin(); !read) return tl::make_unexpected(read.error());
    auto value = source_->secret(name, origin_);
    if (value) hidden_.push_back(*value);
    return value;
  }

  Result<std::vector<std::string>> signing(std::string_view name) {
    if (source_ == nullptr) return secret_missing("secret", name);
    if (const Status read = read_origin(); !read) return tl::make_unexpected(read.error());
    auto values = source_->signing(name, origin_);
    if (values) hidden_.insert(hidden_.end(), values->begin(), values->end());
    return values;
  }

  Result<Header> credential(std::string_view name) {
    if (source_ == nullptr) return secret_missing("credential", name);
    if (const Status read = read_origin(); !read) return tl::make_unexpected(read.error());
    auto added = source_->credential(name, origin_);
    if (!added) return tl::make_unexpected(std::move(added.error()));
    std::ranges::move(added->hidden, std::back_inserter(hidden_));
    return std::move(added->header);
  }

  void hide(std::string text) { hidden_.push_back(std::move(text)); }

  /// Whether `url`, with its secrets in it, goes where they were looked up for.
  Status check(std::string_view url) const {
    const auto origin = origin_of(url);
    if (!origin) return tl::make_unexpected(origin.error());
    if (*origin == origin_) return {};
    return fail(ErrorKind::Invalid, "bad_url", "a secret changes the host of the URL");
  }

 private:
  Status read_origin() {
    if (!origin_.empty()) return {};
    auto origin = origin_of(url_);
    if (!origin) return tl::make_unexpected(std::move(origin.error()));
    origin_ = *std::move(origin);
    return {};
  }

  const SecretSource* source_;
  std::string_view url_;
  std::vector<std::string>& hidden_;
  std::string origin_;
};

Result<std::string> resolve(std::string_view text, Place place, SecretLookup& secrets) {
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
    const auto value = secrets.secret(name);
    if (!value) return value;
    if (place == Place::Url) {
      out += percent_encode(*value);
    } else if (!append_verbatim(out, *value)) {
      return fail(ErrorKind::Invalid, "bad_header",
                  fmt::format("the secret \"{}\" holds a control character", name));
    }
  }
  out += text;
  return out;
}

/// What stands between the marks, in base64.
void encode_marked(std::string& value, SecretLookup& secrets) {
  const std::size_t open = value.find(kBase64Open);
  const std::size_t close = value.find(kBase64Close, open == std::string::npos ? 0 : open);
  if (open == std::string::npos || close == std::string::npos) return;
  std::string encoded = base64_encode(std::string_view{value}.substr(open + 1, close - open - 1));
  value.replace(open, close - open + 1, encoded);
  secrets.hide(std::move(encoded));
}

/// The name of the credential that a header stands for; nothing where it is a header of its own.
std::optional<std::string_view> credential_in(std::string_view value) {
  if (!value.starts_with(kSecretOpen) || !value.ends_with(kSecretClose)) return std::nullopt;
  value = value.substr(1, value.size() - 2);
  if (!value.starts_with(kCredentialPrefix)) return std::nullopt;
  return value.substr(kCredentialPrefix.size());
}

/// A credential takes the place of a header of its name that the author set.
Status add_credential(HttpRequest& request, std::string_view name, SecretLookup& secrets) {
  auto header = secrets.credential(name);
  if (!header) return tl::make_unexpected(std::move(header.error()));
  std::erase_if(request.headers, [&](const Header& other) {
    return same_ignoring_case(other.first, header->first);
  });
  request.headers.push_back(*std::move(header));
  return {};
}

/// Puts the secrets into the headers.
Status resolve_headers(HttpRequest& request, const std::vector<Header>& headers,
                       SecretLookup& secrets) {
  std::optional<std::string_view> credential;
  request.headers.reserve(headers.size());
  for (const auto& [name, value] : headers) {
    if (const auto named = credential_in(value)) {
      credential = named;
      continue;
    }
    auto resolved = resolve(value, Place::Header, secrets);
    if (!resolved) return tl::make_unexpected(resolved.error());
    encode_marked(*resolved, secrets);
    request.headers.emplace_back(name, std::move(*resolved));
  }
  return credential ? add_credential(request, *credential, secrets) : Status{};
}

/// Signs for this attempt: with every value that signs, so that a receiver may know either.
Status sign(HttpRequest& request, const DeliveryTask& task, SecretLookup& secrets, Instant now) {
  auto values = secrets.signing(task.policy->sign);
  if (!values) return tl::make_unexpected(std::move(values.error()));
  const std::int64_t timestamp =
      std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::string signatures;
  for (std::string& value : *values) {
    auto key = signing_key(value);
    wipe(value);
    if (!key) return fail(ErrorKind::Invalid, "bad_header", key.error().message);
    if (!signatures.empty()) signatures += ' ';
    signatures += sign_webhook(*key, task.webhook_id, timestamp, task.request->body);
    wipe(*key);
  }
  request.extra_headers.emplace_back("webhook-timestamp", std::to_string(timestamp));
  request.extra_headers.emplace_back("webhook-signature", std::move(signatures));
  return {};
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Where an answer points to, without what may be somebody's business: a user, a query, a fragment.
std::string without_query(std::string_view location) {
  location = location.substr(0, location.find_first_of("?#"));
  const std::size_t scheme = location.find("//");
  if (scheme == std::string_view::npos) return std::string{location};
  const std::size_t host = scheme + 2;
  const std::size_t path = std::min(location.find('/', host), location.size());
  const std::size_t user = location.substr(0, path).rfind('@');
  if (user == std::string_view::npos || user < host) return std::string{location};
  return std::string{location.substr(0, host)}.append(location.substr(user + 1));
}

AttemptResult blank_result(const DeliveryTask& task, Instant started) {
  AttemptResult result;
  result.delivery = task.delivery;
  result.number = task.number;
  result.started = started;
  return result;
}

constexpr std::string_view kBlocked = "blocked_policy";

/// Refusals of our own, which a later attempt would meet again. An address that policy refuses is
/// none: a name may lead to another one by then, and what is allowed may change.
bool is_permanent(std::string_view code) { return code == "bad_header" || code == "bad_url"; }
}  // namespace

Result<HttpRequest> request_of(const DeliveryTask& task, const SecretSource* secrets, Instant now) {
  HttpRequest request;
  request.request = task.request;
  request.delivery = task.delivery;
  request.extra_headers = {{"webhook-id", task.webhook_id}};
  request.connect_timeout = task.policy->connect_timeout;
  request.timeout = task.policy->timeout;
  request.want_body = task.policy->log_body != LogBody::Off;

  SecretLookup lookup{secrets, task.request->url, request.hidden};
  if (has_secret(task.request->url)) {
    auto url = resolve(task.request->url, Place::Url, lookup);
    if (!url) return tl::make_unexpected(url.error());
    if (const Status same = lookup.check(*url); !same) return tl::make_unexpected(same.error());
    request.url = std::move(*url);
  }
  const std::vector<Header>& headers = task.request->headers;
  request.headers_replaced = std::any_of(headers.begin(), headers.end(), [](const Header& header) {
    return has_secret(header.second);
  });
  if (request.headers_replaced)
    if (const Status done = resolve_headers(request, headers, lookup); !done)
      return tl::make_unexpected(done.error());
  if (!task.policy->sign.empty())
    if (const Status done = sign(request, task, lookup, now); !done)
      return tl::make_unexpected(done.error());
  return request;
}

void mask(HttpReply& reply, const std::vector<std::string>& hidden) {
  mask_in(reply.location, hidden, reply.location_cut ? TextEnd::CutOff : TextEnd::Whole);
  mask_in(reply.body, hidden, reply.body_cut ? TextEnd::CutOff : TextEnd::Whole);
  mask_in(reply.error, hidden);
}

AttemptResult result_of(const DeliveryTask& task, HttpReply reply, Instant started, Instant now) {
  AttemptResult result = blank_result(task, started);
  result.took = reply.took;
  result.status = reply.status;
  result.code = std::move(reply.code);
  result.error = std::move(reply.error);
  result.local = reply.local;
  result.permanent = is_permanent(result.code);
  if (result.code == "dns_busy") result.retry_after = kDnsBusyPause;
  if (reply.status == 0) return result;

  const bool good = is_accepted(task.policy->retry, reply.status);
  if (!good) result.error = fmt::format("answered {}", reply.status);
  if (!good && is_redirect(reply.status)) {
    result.code = "redirect";
    if (!reply.location.empty()) result.error += ", to " + without_query(reply.location);
  } else if (reply.body_truncated) {
    result.code = "body_truncated";
  }
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
  // At the end of the window there is nothing left to wait for.
  result.permanent = is_permanent(error.code) || task.last;
  result.local = !result.permanent;
  if (result.local) result.retry_after = kSecretPause;
  return result;
}

Verdict verdict_of(const AttemptResult& result) {
  using Kind = Verdict::Kind;
  // Without a route the origin waits as if it were down: others may have one.
  if (result.code == "no_network") return {.kind = Kind::Unreachable};
  // What we refused never reached anybody.
  if (result.local || result.permanent || result.code == kBlocked) return {.kind = Kind::Local};
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
