#include "engine/simulation/difference.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
std::vector<ValueDifference> compare(std::string_view expected, std::string_view found,
                                     const Comparison& how = {}) {
  return differences(parse_json(expected).value(), parse_json(found).value(), how);
}

TEST_CASE("a part of a body is found in the whole, at any depth", "[simulation][difference]") {
  CHECK(compare(R"({"a":{"b":1}})", R"({"a":{"b":1,"c":2},"d":3})").empty());
  CHECK(compare(R"({"a":[{"b":1}]})", R"({"a":[{"b":1,"c":2}]})").empty());
  CHECK(compare("5", "5.0").empty());
  CHECK(compare("null", "null").empty());
}

TEST_CASE("each difference is named by its JSON pointer", "[simulation][difference]") {
  using Found = std::vector<ValueDifference>;
  CHECK(compare(R"({"a":{"b":1}})", R"({"a":{"b":2}})") == Found{{"/a/b", "1", "2"}});
  CHECK(compare(R"({"a/b":1,"c~":2})", R"({})") ==
        Found{{"/a~1b", "1", "nothing"}, {"/c~0", "2", "nothing"}});
  CHECK(compare(R"([1,2])", R"([1,3])") == Found{{"/1", "2", "3"}});
  CHECK(compare(R"([1,2])", R"([1,2,3])") == Found{{"", "[1,2]", "[1,2,3]"}});
  CHECK(compare(R"("5")", "5") == Found{{"", R"("5")", "5"}});
  CHECK(compare(R"({"a":1})", "7") == Found{{"", R"({"a":1})", "7"}});
  CHECK(compare(R"({"a":null})", "{}") == Found{{"/a", "null", "nothing"}});
}

TEST_CASE("exactly compared, what is more is a difference", "[simulation][difference]") {
  CHECK(compare(R"({"a":{"b":1}})", R"({"a":{"b":1,"c":2}})", {.exact = true}) ==
        std::vector<ValueDifference>{{"/a/c", "nothing", "2"}});
}

TEST_CASE("a form is the nested value that its names say", "[simulation][difference]") {
  const Value value =
      parse_pairs("id=7&data%5Bname%5D=J%C3%A9r%C3%B4me+D.&data[x][]=1&data[x][]=2&e=&f");
  CHECK(to_json(value) == R"({"id":"7","data":{"name":"Jérôme D.","x":["1","2"]},"e":"","f":""})");
  CHECK(differences(parse_json(R"({"id":7})").value(), value, {.texts = true}).empty());
  CHECK(to_json(parse_pairs("100%=1&a[=2&]=3&%zz=4")) ==
        R"({"100%":"1","a":"2","]":"3","%zz":"4"})");
}
}  // namespace
}  // namespace onward
