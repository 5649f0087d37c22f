#include "engine/api/intake_check.h"
#include "engine/core/base/base64.h"

#include <memory>

#include <catch2/catch.hpp>

#include "engine/api/access.h"
#include "engine/api/router.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/signature.h"

namespace onward {
namespace {
using Headers = std::vector<std::pair<std::string_view, std::string_view>>;

std::string judge(const std::vector<std::string>& secrets, Headers headers, std::string body = {},
                  Instant now = Instant{std::chrono::seconds{1614265330}}) {
  ApiRequest request;
  request.headers = std::move(headers);
  request.body = std::move(body);
  const auto status = check_intake(secrets, request, now);
  return status ? "" : status.error().code;
}

TEST_CASE("HMAC-SHA256 is that of RFC 4231", "[api][intake]") {
  const auto hex = [](const std::string& bytes) {
    std::string text;
    for (const char c : bytes) {
      constexpr const char* kHex = "0123456789abcdef";
      text += kHex[static_cast<unsigned char>(c) >> 4];
      text += kHex[static_cast<unsigned char>(c) & 15];
    }
    return text;
  };
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(hmac_sha256(std::string(131, '\xaa'),
                        "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("Base64 is that of RFC 4648, and one text of each value", "[api][intake]") {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : cases) {
    CHECK(base64_encode(bytes) == text);
    CHECK(base64_decode(text) == bytes);
  }
  for (const char* wrong : {"Z", "Zg", "Zg=", "Zh==", "Zm9v\n", "Zm9-", "=", "====", "Zg==Zg=="}) {
    CAPTURE(wrong);
    CHECK_FALSE(base64_decode(wrong));
  }
}

TEST_CASE("a shared secret is compared whole", "[api][intake]") {
  const std::vector<std::string> secrets{"the first secret", "the second secret"};
  CHECK(judge(secrets, {{"X-Onward-Secret", "the first secret"}}).empty());
  CHECK(judge(secrets, {{"x-onward-secret", "the second secret"}}).empty());
  CHECK(judge(secrets, {{"X-Onward-Secret", "the first secre"}}) == "wrong_secret");
  CHECK(judge(secrets, {{"X-Onward-Secret", "the first secret "}}) == "wrong_secret");
  CHECK(judge(secrets, {{"X-Onward-Secret", ""}}) == "wrong_secret");
  CHECK(judge(secrets, {}) == "no_proof");
}

TEST_CASE("a signature of Standard Webhooks is its published one", "[api][intake]") {
  const std::vector<std::string> secrets{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  const std::string body = R"({"test": 2432232314})";
  const auto headers = [](std::string_view signature, std::string_view time = "1614265330") {
    return Headers{{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                   {"webhook-timestamp", time},
                   {"webhook-signature", signature}};
  };
  const std::string good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  CHECK(judge(secrets, headers(good), body).empty());
  CHECK(judge({"another one of them", secrets[0]}, headers(good), body).empty());
  const std::string among = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,x " + good;
  CHECK(judge(secrets, headers(among), body).empty());
  CHECK(judge(secrets, headers("v2," + good.substr(3)), body) == "wrong_signature");
  CHECK(judge(secrets, headers(good), body + " ") == "wrong_signature");
  CHECK(judge({"another one of them"}, headers(good), body) == "wrong_signature");
  CHECK(judge(secrets, headers(""), body) == "wrong_signature");
  CHECK(judge(secrets, headers(good, "1614265331"), body) == "wrong_signature");
  CHECK(judge(secrets, headers(good, "soon"), body) == "bad_signature");
  CHECK(judge(secrets, headers(good, "99999999999999999"), body) == "bad_signature");
  CHECK(judge(secrets, {{"webhook-signature", good}}, body) == "bad_signature");
  const Instant signed_at{std::chrono::seconds{1614265330}};
  CHECK(judge(secrets, headers(good), body, signed_at + kSignatureTolerance).empty());
  CHECK(judge(secrets, headers(good), body, signed_at - kSignatureTolerance).empty());
  CHECK(judge(secrets, headers(good), body, signed_at + kSignatureTolerance + Duration{1}) ==
        "stale_signature");
  CHECK(judge(secrets, headers(good), body, signed_at - kSignatureTolerance - Duration{1}) ==
        "stale_signature");
}

TEST_CASE("a hub's signature is its published one", "[api][intake]") {
  const std::vector<std::string> secrets{"It's a Secret to Everybody"};
  const std::string hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const auto of = [&](const std::string& header, const std::string& body) {
    return judge(secrets, {{"X-Hub-Signature-256", header}}, body);
  };
  CHECK(of("sha256=" + hex, "Hello, World!").empty());
  CHECK(of("sha256=" + hex, "Hello, World") == "wrong_signature");
  CHECK(of("sha256=" + hex.substr(2), "Hello, World!") == "wrong_signature");
  CHECK(of("sha1=" + hex, "Hello, World!") == "bad_signature");
}

TEST_CASE("one good proof among several is enough", "[api][intake]") {
  CHECK(judge({"It's a Secret to Everybody"}, {{"X-Onward-Secret", "It's a Secret to Everybody"},
                                               {"X-Hub-Signature-256", "sha256=00"}})
            .empty());
}

/// What a route with the secret "0123456789abcdef" answers.
class GuardedApi {
 public:
  explicit GuardedApi(bool no_auth = false)
      : api_{{{"POST",
               "/v1/in",
               Need::Ingest,
               "",
               {},
               [](const Call& call) {
                 call.reply(ApiReply{202, "", ""});
               },
               {},
               std::make_shared<Guard>(Guard{brings_proof, is_signed,
                                             [](const ApiRequest& request) {
                                               const std::vector<std::string> secrets{
                                                   "0123456789abcdef"};
                                               return check_intake(secrets, request, Instant{});
                                             }})}},
             Access{{[](std::string_view hash) -> std::optional<TokenRecord> {
                       for (const auto& [token, role] :
                            {std::pair{"ingest", Role::Ingest}, std::pair{"read", Role::Read}})
                         if (sha256_hex(token) == hash)
                           return TokenRecord{std::string{hash}, token, role, {}};
                       return std::nullopt;
                     },
                     no_auth}}} {}

  std::string ask(Headers headers) {
    ApiRequest request = make(std::move(headers));
    ApiReply answer;
    api_.handle(request,
                Responder{[&](Completion completion) { answer = std::move(completion.reply); }});
    return tell(answer);
  }
  /// Before the body is there.
  std::string admit(Headers headers) {
    const auto refusal = api_.admit(make(std::move(headers))).refusal;
    return refusal ? tell(*refusal) : "";
  }

 private:
  static ApiRequest make(Headers headers) {
    ApiRequest request;
    request.method = "POST";
    request.path = "/v1/in";
    request.headers = std::move(headers);
    return request;
  }
  static std::string tell(const ApiReply& reply) {
    if (reply.status == 202) return "202";
    return std::to_string(reply.status) + " " + *parse_json(reply.body)->find("code")->text();
  }

  Api api_;
};

TEST_CASE("a route with a secret takes a proof or a token, and nothing else", "[api][intake]") {
  GuardedApi api;
  CHECK(api.ask({}) == "401 no_token");
  CHECK(api.ask({{"X-Onward-Secret", "0123456789abcdef"}}) == "202");
  CHECK(api.ask({{"X-Onward-Secret", "0123456789abcdeg"}}) == "401 wrong_secret");
  CHECK(api.ask({{"Authorization", "Bearer ingest"}}) == "202");
  CHECK(api.ask({{"Authorization", "Bearer read"}}) == "403 wrong_role");
  CHECK(api.ask({{"Authorization", "Bearer wrong"}}) == "401 no_token");
  CHECK(api.ask({{"Authorization", "Bearer ingest"}, {"X-Onward-Secret", "x"}}) == "202");
}

TEST_CASE("a signed request is judged when its body is there, any other by its head",
          "[api][intake]") {
  GuardedApi api;
  CHECK(api.admit({{"X-Hub-Signature-256", "sha256=00"}}).empty());
  CHECK(api.ask({{"X-Hub-Signature-256", "sha256=00"}}) == "401 wrong_signature");
  CHECK(api.admit({{"X-Onward-Secret", "x"}}) == "401 wrong_secret");
  CHECK(api.admit({}) == "401 no_token");
  CHECK(api.admit({{"Authorization", "Bearer ingest"}}).empty());
}

TEST_CASE("a secret guards its route also where no tokens are asked for", "[api][intake]") {
  GuardedApi api{/*no_auth=*/true};
  CHECK(api.ask({{"Host", "127.0.0.1"}}) == "401 no_token");
  CHECK(api.ask({{"X-Onward-Secret", "0123456789abcdef"}}) == "202");
}
}  // namespace
}  // namespace onward
