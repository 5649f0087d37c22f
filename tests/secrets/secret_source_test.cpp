#include "engine/secrets/secret_source.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
constexpr std::string_view kOrigin = "https://crm.example.com:443";

std::string masked(std::string text, std::string_view value) {
  mask_in(text, value);
  return text;
}
}  // namespace

TEST_CASE("a secret is masked in every form in which it comes back", "[secrets][mask]") {
  CHECK(masked("a s3cr3t b s3cr3t", "s3cr3t") == "a *** b ***");
  CHECK(masked(R"({"h":"a\/b\"c"})", "a/b\"c") == R"({"h":"***"})");
  CHECK(masked(R"({"h":"a/b\"c"})", "a/b\"c") == R"({"h":"***"})");
  CHECK(masked("/x?k=a%2Fb%22c&d", "a/b\"c") == "/x?k=***&d");
  CHECK(masked("/x?k=a%2fb%22c&d", "a/b\"c") == "/x?k=***&d");
  CHECK(masked("plain", "") == "plain");
}

TEST_CASE("a secret is masked however a writer of JSON escapes it", "[secrets][mask]") {
  const std::string_view value = "paäss&wo<rd>+x";
  CHECK(masked(R"({"h":"pa\u00e4ss&wo<rd>+x","i":1})", value) == R"({"h":"***","i":1})");
  CHECK(masked(R"({"h":"paäss\u0026wo\u003crd\u003e+x"})", value) == R"({"h":"***"})");
  CHECK(masked(R"({"h":"pa\u00E4ss&wo<rd>\u002Bx"})", value) == R"({"h":"***"})");
  CHECK(masked(R"(\u0070\u0061\u00e4ss&wo<rd>+\u0078)", value) == "***");
  CHECK(masked(R"(k\u002fe\/y\u00fcnot)", "k/e/y") == R"(***\u00fcnot)");
  CHECK(masked(R"("a\ud83d\ude00b\u20acc")", "a😀b€c") == R"("***")");
  CHECK(masked(R"(a\\\u0022b)", "a\\\"b") == "***");
  CHECK(masked(R"("k%C3%A4\u002Fy")", "k%C3%A4/y") == R"("***")");
  // Basic's base64, whose "+", "/" and "=" some escape.
  CHECK(masked(R"("amFu\u002bTpw\/c3M\u003d")", "amFu+Tpw/c3M=") == R"("***")");
  // What is no escape stands for itself.
  CHECK(masked(R"(\x s3cr3t \u12 \ud83dx \udc00 \)", "s3cr3t") ==
        R"(\x *** \u12 \ud83dx \udc00 \)");
  CHECK(masked(R"(c:\new\u0041dir)", R"(c:\new\u0041dir)") == "***");
}

TEST_CASE("an escaped secret that was cut off is masked as far as it came", "[secrets][mask]") {
  CHECK(masked(R"(x=pass\u00e4w)", "passäword") == "x=***");
  CHECK(masked(R"(x=pass\u00e4)", "passäword") == "x=***");
  CHECK(masked(R"(x=pass\u00e)", "passäword") == "x=***");
  CHECK(masked(R"(x=pass\u)", "passäword") == "x=***");
  CHECK(masked(R"(x=pass\)", "passäword") == "x=***");
  CHECK(masked(R"(x=pass\ud83d)", "pass😀word") == "x=***");
  CHECK(masked(R"(x=pass\ud83d\ude0)", "pass😀word") == "x=***");
}

TEST_CASE("of two secrets one of which begins with the other, no rest is left", "[secrets][mask]") {
  const SecretValues values{{{"a", {.value = "abcd"}}, {"b", {.value = "abcdäxyz"}}}, {}};
  std::string text = R"(abcd "abcd\u00e4xyz" abcdabcd)";
  values.mask(text);
  CHECK(text == R"(*** "***" ******)");
}

TEST_CASE("a secret that was cut off is masked as far as it came", "[secrets][mask]") {
  CHECK(masked("x=s3cr3t-lon", "s3cr3t-longer") == "x=***");
  CHECK(masked("x=s3cr", "s3cr3t-longer") == "x=***");
  CHECK(masked("x=s3c", "s3cr3t-longer") == "x=s3c");
}

TEST_CASE("values answer by name, and hide themselves", "[secrets][source]") {
  const SecretValues values{
      {{"crm_key", {.value = "k3y-one"}}, {"hook", {.value = "new-one", .previous = "old-one"}}},
      {{"basic", {.value = "pässword", .scheme = AuthScheme::Basic, .login = "jane"}},
       {"token", {.value = "t0ken", .scheme = AuthScheme::Bearer}},
       {"key", {.value = "header-value", .scheme = AuthScheme::Header, .login = "X-Key"}}}};
  CHECK(values.secret("crm_key", kOrigin).value() == "k3y-one");
  CHECK_FALSE(values.secret("basic", kOrigin));
  CHECK(values.signing("crm_key", kOrigin).value() == std::vector<std::string>{"k3y-one"});
  CHECK(values.signing("hook", kOrigin).value() == std::vector<std::string>{"new-one", "old-one"});
  CHECK_FALSE(values.signing("nobody", kOrigin));
  const auto basic = values.credential("basic", kOrigin);
  REQUIRE(basic);
  CHECK(basic->header == Header{"Authorization", "Basic amFuZTpww6Rzc3dvcmQ="});
  CHECK(basic->hidden == std::vector<std::string>{"pässword", "amFuZTpww6Rzc3dvcmQ="});
  CHECK(values.credential("token", kOrigin)->header == Header{"Authorization", "Bearer t0ken"});
  CHECK(values.credential("token", kOrigin)->hidden == std::vector<std::string>{"t0ken"});
  CHECK(values.credential("key", kOrigin)->header == Header{"X-Key", "header-value"});
  CHECK(values.credential("key", kOrigin)->hidden == std::vector<std::string>{"header-value"});
  CHECK_FALSE(values.credential("crm_key", kOrigin));
  std::string text =
      "k3y-one new-one old-one pässword amFuZTpww6Rzc3dvcmQ= t0ken header-value jane";
  values.mask(text);
  CHECK(text == "*** *** *** *** *** *** *** jane");
}

TEST_CASE("values that a request used are masked with those that are known now",
          "[secrets][mask]") {
  const SecretValues now{{{"key", {.value = "new-value"}}}, {}};
  std::string text = R"(new-value old/value old%2Fvalue old\/value old/va)";
  now.mask(text, {"old/value"});
  CHECK(text == "*** *** *** *** ***");
  // Where a known value and a used one overlap, no part of either is left.
  text = "new-value-and-more";
  now.mask(text, {"value-and-more"});
  CHECK(text == "***");
  text = "abcdefgh";
  mask_in(text, std::vector<std::string>{"abcdef", "defgh"});
  CHECK(text == "***");

  SecretBox box;
  text = "old-value";
  box.mask(text, {"old-value"});
  CHECK(text == "***");
}

TEST_CASE("a box shows what was put in last", "[secrets][source]") {
  SecretBox box;
  CHECK_FALSE(box.secret("a", kOrigin));
  CHECK_FALSE(box.signing("a", kOrigin));
  box.put(std::make_shared<SecretValues>(SecretValues::Named{{"a", {.value = "first"}}},
                                         SecretValues::Named{}));
  CHECK(box.secret("a", kOrigin).value() == "first");
  box.put(std::make_shared<SecretValues>(SecretValues::Named{{"a", {.value = "second"}}},
                                         SecretValues::Named{}));
  CHECK(box.secret("a", kOrigin).value() == "second");
  std::string text = "first second";
  box.mask(text);
  CHECK(text == "first ***");
}
}  // namespace onward
