#include "engine/secrets/signature.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
using namespace std::chrono_literals;

// The example that the libraries of Standard Webhooks publish.
constexpr std::string_view kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t kTimestamp = 1614265330;
constexpr std::string_view kBody = R"({"test": 2432232314})";
constexpr std::string_view kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const Instant kSigned{std::chrono::seconds{kTimestamp}};

std::string check(std::string_view signature, std::string_view body = kBody, Instant now = kSigned,
                  std::string_view timestamp = "1614265330") {
  const auto key = signing_key(kSecret);
  REQUIRE(key);
  const Status status =
      verify_webhook({"another key", *key}, {kId, timestamp, signature}, body, now);
  return status ? "right" : status.error().code;
}
}  // namespace

TEST_CASE("the published example has the published signature", "[secrets][signature]") {
  const auto key = signing_key(kSecret);
  REQUIRE(key);
  CHECK(sign_webhook(*key, kId, kTimestamp, kBody) == kSignature);
}

TEST_CASE("a text without the prefix is a key as it stands", "[secrets][signature]") {
  CHECK(signing_key("MfKQ9r8G").value() == "MfKQ9r8G");
  CHECK(signing_key("whsec_AAECAw==").value() == std::string{"\0\1\2\3", 4});
  for (const char* bad : {"whsec_", "whsec_A", "whsec_AAECAw", "whsec_AAE Aw==", "whsec_===="}) {
    INFO(bad);
    const auto key = signing_key(bad);
    REQUIRE_FALSE(key);
    CHECK(key.error().code == "bad_signing_secret");
  }
}

TEST_CASE("any of several signatures will do, and any of several keys", "[secrets][signature]") {
  CHECK(check(kSignature) == "right");
  CHECK(check("v1,AAAA " + std::string{kSignature}) == "right");
  CHECK(check(std::string{kSignature} + " v1a,AAAA") == "right");
}

TEST_CASE("whatever was changed on the way is refused", "[secrets][signature]") {
  CHECK(check("v1,AAAA") == "wrong_signature");
  CHECK(check(kSignature, "{}") == "wrong_signature");
  CHECK(check(kSignature, kBody, kSigned, "1614265331") == "wrong_signature");
  CHECK(check("v2" + std::string{kSignature.substr(2)}) == "wrong_signature");
  CHECK(check("") == "not_signed");
  for (const char* timestamp : {"x", "1614265330x", "-1", "99999999999999999999"})
    CHECK(check(kSignature, kBody, kSigned, timestamp) == "bad_timestamp");
}

TEST_CASE("a request that was recorded cannot be sent again later", "[secrets][signature]") {
  CHECK(check(kSignature, kBody, kSigned + 5min) == "right");
  CHECK(check(kSignature, kBody, kSigned + 5min + 1ms) == "too_old");
  CHECK(check(kSignature, kBody, kSigned - 5min) == "right");
  CHECK(check(kSignature, kBody, kSigned - 5min - 1ms) == "too_new");
}
}  // namespace onward
