#include "engine/secrets/stored_secret.h"
#include "engine/core/base/base64.h"

#include <catch2/catch.hpp>
#include <set>

#include "engine/secrets/bytes.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

std::string refusal(std::string_view value) {
  const Status status = check_secret_value(value);
  if (status) return {};
  CHECK(status.error().code == "bad_value");
  CHECK(status.error().message.find(value.empty() ? "nothing" : value) == std::string::npos);
  return status.error().message;
}
}  // namespace

TEST_CASE("what is stored of a secret comes back as it was", "[secrets][stored]") {
  const StoredSecret plain{.value = "üx\"/\\", .set = Instant{1'800'000'000'123ms}};
  CHECK(unpack(pack(plain)).value() == plain);
  StoredSecret whole = plain;
  whole.previous = "before";
  whole.rotated = whole.set;
  whole.scheme = AuthScheme::Basic;
  whole.login = "jane";
  CHECK(unpack(pack(whole)).value() == whole);
  for (const char* text : {"", "[]", "{}", R"({"value": ""})", R"({"value": 1})"}) {
    const auto bad = unpack(text);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == "unreadable");
  }
}

TEST_CASE("a value can stand in a header, or is refused without being shown", "[secrets][stored]") {
  for (const char* good : {"abcd", "Bearer x y", "üüü", "whsec_AAECAw=="})
    CHECK(refusal(good) == "");
  CHECK(refusal("") != "");
  CHECK(refusal("abc").find("guessed") != std::string::npos);
  CHECK(refusal("s3cret\nx").find("control") != std::string::npos);
  CHECK(refusal("s3cret\r").find("control") != std::string::npos);
  CHECK(refusal("s3cret\x7f").find("control") != std::string::npos);
  CHECK(refusal("s3cret\xff").find("UTF-8") != std::string::npos);
  CHECK(refusal(" s3cret").find("blank") != std::string::npos);
  CHECK(refusal("s3cret ").find("blank") != std::string::npos);
  CHECK(refusal("whsec_no").find("base64") != std::string::npos);
  CHECK(refusal(std::string(8192, 'a')) == "");
  CHECK(refusal(std::string(8193, 'a')).find("8192") != std::string::npos);
}

TEST_CASE("a credential's other half is checked as well", "[secrets][stored]") {
  CHECK(check_login(AuthScheme::Basic, "jane doe"));
  CHECK(check_login(AuthScheme::Bearer, ""));
  CHECK(check_login(AuthScheme::Header, "X-Api-Key"));
  CHECK(check_login(AuthScheme::Header, "Authorization"));
  for (const char* bad : {"", "a:b", "a\nb"}) CHECK_FALSE(check_login(AuthScheme::Basic, bad));
  for (const char* bad : {"", "X Api", "X:", "Host", "webhook-id", "Content-Length"})
    CHECK_FALSE(check_login(AuthScheme::Header, bad));
}

TEST_CASE("names are those that a placeholder can name", "[secrets][stored]") {
  CHECK(valid_secret_name("crm_key-2"));
  for (const char* bad : {"", "a b", "a.b", "ü", "a\x02"}) CHECK_FALSE(valid_secret_name(bad));
  CHECK_FALSE(valid_secret_name(std::string(65, 'a')));
}

TEST_CASE("bytes become text and back", "[secrets][bytes]") {
  for (const char* bytes : {"", "f", "fo", "foo", "foob", "\xff\xfe"}) {
    CHECK(base64_decode(base64_encode(bytes)) == std::string{bytes});
    CHECK(hex_decode(hex_encode(bytes)) == std::string{bytes});
  }
  CHECK(base64_encode("foob") == "Zm9vYg==");
  for (const char* bad : {"Z", "Zm9v\n", "Zm=v", "Z===", "====", "Zm9v=", "Zh=="}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad));
  }
  for (const char* bad : {"a", "0g", "  "}) CHECK_FALSE(hex_decode(bad));
}

TEST_CASE("random letters are letters and digits, and never the same", "[secrets][bytes]") {
  std::set<std::string> seen;
  std::set<char> letters;
  for (int i = 0; i < 200; ++i) {
    const auto text = random_letters(25);
    REQUIRE(text);
    CHECK(text->size() == 25);
    letters.insert(text->begin(), text->end());
    seen.insert(*text);
  }
  CHECK(seen.size() == 200);
  CHECK(letters.size() == 62);
}
}  // namespace onward
