#include "engine/secrets/secret_source.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
constexpr std::string_view kOrigin = "https://crm.example.com:443";

std::string masked(std::string text, std::string_view value, TextEnd end = TextEnd::Whole) {
  mask_in(text, {std::string{value}}, end);
  return text;
}
}  // namespace

TEST_CASE("a secret is masked in every form in which it comes back", "[secrets][mask]") {
  CHECK(masked("a s3cr3t b s3cr3t", "s3cr3t") == "a *** b ***");
  CHECK(masked(R"({"h":"a\/b\"c"})", "a/b\"c") == R"({"h":"***"})");
  CHECK(masked(R"({"h":"a/b\"c"})", "a/b\"c") == R"({"h":"***"})");
  CHECK(masked("/x?k=a%2Fb%22c&d", "a/b\"c") == "/x?k=***&d");
  CHECK(masked("/x?k=a%2fb%22c&d", "a/b\"c") == "/x?k=***&d");
  // By encodeURIComponent, by urllib.parse.quote, as a form, and with everything escaped.
  const std::string_view value = "AbC9/x+Y z!7=";
  for (const char* form : {"AbC9%2Fx%2BY%20z!7%3D", "AbC9/x%2BY%20z%217%3D",
                           "AbC9%2Fx%2BY+z%217%3D", "%41%62%43%39%2f%78%2b%59%20%7a%21%37%3d"})
    CHECK(masked("k=" + std::string{form} + "&100%", value) == "k=***&100%");
  // Without any escape as well.
  CHECK(masked("k=correct+horse+battery&z=1", "correct horse battery") == "k=***&z=1");
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

TEST_CASE("a secret is masked where its bytes were read as latin-1 and written as UTF-8",
          "[secrets][mask]") {
  const std::string_view value = "pässwürd€";
  CHECK(masked("h: p\u00c3\u00a4ssw\u00c3\u00bcrd\u00e2\u0082\u00ac.", value) == "h: ***.");
  CHECK(masked(R"({"h":"p\u00c3\u00a4ssw\u00C3\u00BCrd\u00e2\u0082\u00ac"})", value) ==
        R"({"h":"***"})");
  // Some writers escape only the characters that cannot be seen.
  CHECK(masked("{\"h\":\"p\u00c3\u00a4ssw\u00c3\u00bcrd\u00e2\\u0082\u00ac\"}", value) ==
        R"({"h":"***"})");
  CHECK(masked("?k=p%C3%83%C2%A4ssw%C3%83%C2%BCrd%C3%A2%C2%82%C2%AC&d", value) == "?k=***&d");
  CHECK(masked("pässwürd€ p\u00c3\u00a4ss", value) == "*** p\u00c3\u00a4ss");
  // Where a text is cut off, the longer form counts: of 13 bytes here 22.
  CHECK(
      masked(std::string(40, '.') + "p\u00c3\u00a4ssw\u00c3\u00bcrd\u00e2", value, TextEnd::CutOff)
          .find("p\u00c3\u00a4") == std::string::npos);
}

TEST_CASE("of two secrets one of which begins with the other, no rest is left", "[secrets][mask]") {
  std::string text = R"(abcd "abcd\u00e4xyz" abcdabcd)";
  mask_in(text, {"abcd", "abcdäxyz"});
  CHECK(text == R"(*** "***" ******)");
  text = "abcdefgh";
  mask_in(text, {"abcdef", "defgh"});
  CHECK(text == "***");
}

TEST_CASE("of a text that was cut off the end goes, whatever stands there", "[secrets][mask]") {
  const std::string_view value = "s3cr3t-longer";  // 13 bytes
  for (const char* end : {"s3cr3t-longe", "s3c", "nothing of it", "s3cr3t-xxxxx"}) {
    const std::string text = std::string(40, '.') + end;
    CHECK(masked(text, value, TextEnd::CutOff) == text.substr(0, text.size() - 12) + "***");
    CHECK(masked(text, value) == text);
  }
  CHECK(masked("x=" + std::string{value}, value, TextEnd::CutOff) == "x=***");
  CHECK(masked("s3cr", value, TextEnd::CutOff) == "***");
  CHECK(masked("a b c d", "", TextEnd::CutOff) == "a b c d");
  // In escapes it reaches further.
  const std::string escaped =
      "abcdefgh"
      R"(\u0073\u0033\u0063\u0072\u0033)";
  CHECK(masked(escaped, "s3cr3t", TextEnd::CutOff) == "abcdefgh***");
  CHECK(masked("abcdefgh%73%33%63%72%33", "s3cr3t", TextEnd::CutOff) == "abcdefgh***");
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
}
}  // namespace onward
