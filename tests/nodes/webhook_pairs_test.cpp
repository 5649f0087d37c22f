#include "nodes/webhook_pairs.h"

#include <catch2/catch.hpp>

using namespace onward;

namespace {
std::string pairs(std::string_view json) {
  std::string out;
  CHECK(append_pairs(out, *parse_json(json), std::string::npos));
  return out;
}
std::string but_secrets(std::string_view text) {
  std::string out;
  CHECK(append_but_secrets(out, text, std::string::npos));
  return out;
}
}  // namespace

TEST_CASE("values become pairs of a form", "[nodes][pairs]") {
  CHECK(pairs(R"({"a":1,"b":"x y&z","c":true,"d":null,"e":1.5})") ==
        "a=1&b=x%20y%26z&c=true&d=&e=1.5");
  CHECK(pairs(R"({"a":{"b":{"c":1}},"l":[1,"é"],"m":[{"k":1}]})") ==
        "a[b][c]=1&l[]=1&l[]=%C3%A9&m[][k]=1");
  CHECK(pairs(R"({"a=b&c":1,"d":{"[e]":2}})") == "a%3Db%26c=1&d[%5Be%5D]=2");
  CHECK(pairs("{}").empty());
  CHECK(pairs("[1]").empty());
}

TEST_CASE("references to secrets are not encoded, all else is", "[nodes][pairs]") {
  CHECK(but_secrets("a b\x01key\x02&c") == "a%20b\x01key\x02%26c");
  CHECK(but_secrets("").empty());
}
