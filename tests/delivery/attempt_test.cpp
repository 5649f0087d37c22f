#include "engine/delivery/attempt.h"

#include <catch2/catch.hpp>
#include <map>

#include "engine/core/delivery/delivery_codes.h"
#include "engine/secrets/signature.h"
#include "tests/delivery/tasks.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
const Instant kNow{1'800'000'000'000ms};

struct Secrets final : SecretSource {
  std::map<std::string, std::string, std::less<>> values;
  std::map<std::string, std::vector<std::string>, std::less<>> keys;
  std::map<std::string, CredentialHeader, std::less<>> credentials;
  Result<std::string> secret(std::string_view name, std::string_view) const override {
    const auto found = values.find(name);
    if (found == values.end()) return secret_missing("secret", name);
    return found->second;
  }
  Result<std::vector<std::string>> signing(std::string_view name, std::string_view) const override {
    const auto found = keys.find(name);
    if (found == keys.end()) return secret_missing("secret", name);
    return found->second;
  }
  Result<CredentialHeader> credential(std::string_view name, std::string_view) const override {
    const auto found = credentials.find(name);
    if (found == credentials.end()) return secret_missing("credential", name);
    return found->second;
  }
};

DeliveryTask task_of(Request request, DeliveryPolicy policy = {.retry = {}}) {
  DeliveryTask made = task(7);
  auto kept = std::make_shared<DeliveryPolicy>(std::move(policy));
  made.policy = kept.get();
  made.owner = kept;
  made.number = 3;
  made.webhook_id = "evt_abc";
  made.request = std::make_shared<Request>(std::move(request));
  return made;
}

AttemptResult result(HttpReply reply, DeliveryPolicy policy = {.retry = {}}) {
  return result_of(task_of({}, std::move(policy)), std::move(reply), kNow, kNow + 1s);
}

HttpReply status(int code, std::string retry_after = "") {
  HttpReply reply;
  reply.status = code;
  reply.retry_after = std::move(retry_after);
  reply.body = "body";
  return reply;
}

HttpReply failure(std::string code, bool local = false) {
  HttpReply reply;
  reply.code = std::move(code);
  reply.local = local;
  return reply;
}
}  // namespace

TEST_CASE("a request without secrets goes out as it was frozen, with its id",
          "[delivery][attempt]") {
  const DeliveryTask task = task_of({.url = "http://a/x"});
  const auto request = request_of(task, nullptr, kNow);
  REQUIRE(request);
  CHECK(request->request == task.request);
  CHECK(request->url == "");
  CHECK_FALSE(request->headers_replaced);
  CHECK(request->extra_headers == std::vector<Header>{{"webhook-id", "evt_abc"}});
}

TEST_CASE("secrets are put in encoded in a URL and verbatim in a header", "[delivery][attempt]") {
  Secrets secrets;
  secrets.values = {{"key", "a/b?c=ü d"}, {"other", "x"}};
  const auto request =
      request_of(task_of({.url = "http://a/\x01key\x02/y?k=\x01other\x02",
                          .headers = {{"X-Api-Key", "Bearer \x01key\x02!"}, {"X-Plain", "1"}}}),
                 &secrets, kNow);
  REQUIRE(request);
  CHECK(request->url == "http://a/a%2Fb%3Fc%3D%C3%BC%20d/y?k=x");
  CHECK(request->headers_replaced);
  CHECK(request->headers ==
        std::vector<Header>{{"X-Api-Key", "Bearer a/b?c=ü d!"}, {"X-Plain", "1"}});
}

TEST_CASE("a missing secret is the operator's to set and costs no attempt", "[delivery][attempt]") {
  const DeliveryTask task = task_of({.url = "http://a/\x01key\x02"});
  const Secrets none;
  const auto request = request_of(task, &none, kNow);
  REQUIRE_FALSE(request);
  const AttemptResult result = result_of(task, request.error(), kNow);
  CHECK(result.code == "secret_missing");
  CHECK(result.local);
  CHECK_FALSE(result.permanent);
  CHECK(result.error == "there is no secret \"key\"");
  CHECK(result.retry_after == 30s);
  CHECK(verdict_of(result).kind == Verdict::Kind::Local);
}

TEST_CASE("a secret that is missing at the end of the window fails the delivery",
          "[delivery][attempt]") {
  DeliveryTask task = task_of({.url = "http://a/\x01key\x02"});
  task.last = true;
  const Secrets none;
  const auto request = request_of(task, &none, kNow);
  REQUIRE_FALSE(request);
  const AttemptResult result = result_of(task, request.error(), kNow);
  CHECK(result.code == "secret_missing");
  CHECK(result.permanent);
  CHECK_FALSE(result.local);
}

TEST_CASE("a username and a password become one text, with the secret in it",
          "[delivery][attempt]") {
  Secrets secrets;
  secrets.values = {{"key", "pa:ss"}};
  const auto request =
      request_of(task_of({.url = "http://a/",
                          .headers = {{"Authorization", "Basic \x03jane:\x01key\x02\x04"}}}),
                 &secrets, kNow);
  REQUIRE(request);
  CHECK(request->headers == std::vector<Header>{{"Authorization", "Basic amFuZTpwYTpzcw=="}});
  CHECK(request->hidden == std::vector<std::string>{"pa:ss", "amFuZTpwYTpzcw=="});
}

TEST_CASE("a credential brings its own header, in place of one of its name",
          "[delivery][attempt]") {
  Secrets secrets;
  secrets.credentials = {{"crm", {{"X-Api-Key", "k3y"}, {"k3y"}}}};
  const std::vector<Header> headers{{"x-api-key", "stale"},
                                    {"Authorization",
                                     "\x01"
                                     "credential:crm\x02"},
                                    {"X-Plain", "1"}};
  const auto request =
      request_of(task_of({.url = "http://a/", .headers = headers}), &secrets, kNow);
  REQUIRE(request);
  CHECK(request->headers == std::vector<Header>{{"X-Plain", "1"}, {"X-Api-Key", "k3y"}});
  const Secrets none;
  const auto refused = request_of(task_of({.url = "http://a/", .headers = headers}), &none, kNow);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "secret_missing");
  CHECK(refused.error().message == "there is no credential \"crm\"");
}

TEST_CASE("each attempt is signed anew, by both secrets while one replaces the other",
          "[delivery][attempt]") {
  Secrets secrets;
  secrets.keys = {{"hook", {"new secret", "whsec_AAECAw=="}}};
  const DeliveryTask task =
      task_of({.url = "http://a/", .body = "{}"}, {.retry = {}, .sign = "hook"});
  const auto request = request_of(task, &secrets, kNow);
  REQUIRE(request);
  CHECK(request->extra_headers ==
        std::vector<Header>{{"webhook-id", "evt_abc"},
                            {"webhook-timestamp", "1800000000"},
                            {"webhook-signature",
                             sign_webhook("new secret", "evt_abc", 1'800'000'000, "{}") + " " +
                                 sign_webhook({"\0\1\2\3", 4}, "evt_abc", 1'800'000'000, "{}")}});
  const auto later = request_of(task, &secrets, kNow + 1999ms);
  CHECK(later->extra_headers[1].second == "1800000001");
  CHECK(later->extra_headers[2].second != request->extra_headers[2].second);
  const Secrets none;
  const auto refused = request_of(task, &none, kNow);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "secret_missing");
}

TEST_CASE("an answer that repeats secrets of its request is kept without them",
          "[delivery][attempt]") {
  HttpReply reply;
  reply.body = "X-Api-Key: s3cr3t, Basic amFuZTpwYTpzcw==, another";
  reply.error = "no s3cr3t";
  reply.location = "/login?k=s3cr3t";
  const std::vector<std::string> hidden{"s3cr3t", "amFuZTpwYTpzcw=="};
  mask(reply, hidden);
  CHECK(reply.body == "X-Api-Key: ***, Basic ***, another");
  CHECK(reply.error == "no ***");
  CHECK(reply.location == "/login?k=***");
  // Nothing in it tells whether what was cut off began a secret.
  for (const char* end : {"s3cr3", "xxxxx"}) {
    HttpReply cut{.location = std::string(30, '.') + end, .body = std::string(30, '.') + end};
    cut.body_cut = cut.location_cut = true;
    mask(cut, {"s3cr3t"});
    CHECK(cut.body == std::string(30, '.') + "***");
    CHECK(cut.location == cut.body);
  }
}

TEST_CASE("a secret that would break a header out of its line is refused", "[delivery][attempt]") {
  Secrets secrets;
  secrets.values = {{"key", "a\r\nHost: evil"}};
  const DeliveryTask task = task_of({.url = "http://a/", .headers = {{"X", "\x01key\x02"}}});
  const auto request = request_of(task, &secrets, kNow);
  REQUIRE_FALSE(request);
  const AttemptResult result = result_of(task, request.error(), kNow);
  CHECK(result.code == "bad_header");
  CHECK(result.permanent);
  CHECK_THAT(result.error, !Catch::Contains("evil"));
}

TEST_CASE("bodies of answers are kept as the node says", "[delivery][attempt]") {
  const auto kept = [](int code, LogBody log) {
    return result(status(code), {.retry = {}, .log_body = log}).response;
  };
  CHECK(kept(200, LogBody::Off) == "");
  CHECK(kept(500, LogBody::Off) == "");
  CHECK(kept(200, LogBody::Failures) == "");
  CHECK(kept(500, LogBody::Failures) == "body");
  CHECK(kept(200, LogBody::All) == "body");
  const DeliveryPolicy only_202{.retry = {.accept = {202}}};
  CHECK(result(status(202), only_202).response == "");
  CHECK(result(status(200), only_202).response == "body");
}

TEST_CASE("where a redirect points to is told, without what may be somebody's business",
          "[delivery][attempt]") {
  const auto told = [](int code, std::string location) {
    HttpReply reply = status(code);
    reply.location = std::move(location);
    const AttemptResult made = result(std::move(reply));
    CHECK(made.status == code);
    CHECK((made.code.empty() || is_delivery_code(made.code)));
    return made.code + ": " + made.error;
  };
  CHECK(told(302, "https://jane:pw@www.example.com/new/hook?token=t#f") ==
        "redirect: answered 302, to https://www.example.com/new/hook");
  CHECK(told(301, "//www.example.com") == "redirect: answered 301, to //www.example.com");
  CHECK(told(303, "/in?next=a@b") == "redirect: answered 303, to /in");
  CHECK(told(307, "https://www.example.com/~a@b/") ==
        "redirect: answered 307, to https://www.example.com/~a@b/");
  CHECK(told(308, "https://jane@") == "redirect: answered 308, to https://");
  CHECK(told(308, "") == "redirect: answered 308");
  CHECK(told(304, "/x") == ": answered 304");
  CHECK(told(201, "/made/1") == ": ");
}

TEST_CASE("that a body broke off is told beside its status", "[delivery][attempt]") {
  HttpReply reply = status(200);
  reply.body_truncated = true;
  CHECK(result(reply).code == "body_truncated");
  CHECK(is_delivery_code("body_truncated"));
  CHECK(is_delivery_code("dns_busy"));
  CHECK(result(reply).error.empty());
  reply.status = 503;
  CHECK(result(reply).code == "body_truncated");
  CHECK(result(reply).error == "answered 503");
}

TEST_CASE("an answer speaks for its endpoint, silence for the origin", "[delivery][attempt]") {
  using Kind = Verdict::Kind;
  const auto kind = [](HttpReply reply) { return verdict_of(result(std::move(reply))).kind; };
  for (const int code : {200, 204, 301, 400, 401, 404, 410, 422})
    CHECK(kind(status(code)) == Kind::Good);
  for (const int code : {429, 503}) CHECK(kind(status(code)) == Kind::Overloaded);
  for (const int code : {500, 502, 504, 520, 599, 999}) CHECK(kind(status(code)) == Kind::Error);
  for (const char* code :
       {"connect_refused", "connect_timeout", "timeout", "dns", "tls", "tls_cert", "unreachable"}) {
    CHECK(kind(failure(code)) == Kind::Unreachable);
  }
  for (const char* code : {"reset", "protocol", "header_limit"})
    CHECK(kind(failure(code)) == Kind::Error);
  for (const char* code : {"blocked_policy", "bad_header", "bad_url"}) {
    CHECK(kind(failure(code)) == Kind::Local);
    // A refused address may be allowed, or the name lead elsewhere, at the next attempt.
    CHECK(result(failure(code)).permanent == (std::string_view{code} != "blocked_policy"));
  }
  CHECK(kind(failure("local", true)) == Kind::Local);
  CHECK(kind(failure("no_network", true)) == Kind::Unreachable);
}

TEST_CASE("Retry-After counts where the answer was a refusal", "[delivery][attempt]") {
  CHECK(verdict_of(result(status(503, "120"))).retry_after == 120s);
  CHECK(result(status(500, "120")).retry_after == 120s);
  CHECK(result(status(200, "120")).retry_after == std::nullopt);
  CHECK(result(status(429, "-5")).retry_after == std::nullopt);
}
}  // namespace onward
