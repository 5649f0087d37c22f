#include "tools/bench/wire.h"

#include <string>

#include <catch2/catch.hpp>

using namespace onward::bench;

TEST_CASE("a message is whole when its announced length has come", "[bench]") {
  const std::string whole =
      "POST /hook HTTP/1.1\r\nHost: h\r\ncontent-LENGTH: 5\r\n\r\nhelloPOST /next";
  const std::size_t size = whole.size() - std::string{"POST /next"}.size();
  for (std::size_t come = 0; come < size; ++come) {
    CHECK_FALSE(first_message(whole.substr(0, come)));
  }
  const auto message = first_message(whole);
  REQUIRE(message);
  CHECK(message->body == "hello");
  CHECK(message->size == size);
  CHECK(header(message->head, "host") == "h");
  CHECK(header(message->head, "hos").empty());
}

TEST_CASE("a mark comes back out of a webhook's body", "[bench]") {
  const std::string body =
      R"({"data":{"email":"a@example.org","mark":")" + mark(42, 1'700) + R"("}})";
  const auto found = find_mark(body);
  REQUIRE(found);
  CHECK(found->number == 42);
  CHECK(found->sent_ns == 1'700);
  CHECK_FALSE(find_mark(R"({"mark":"42"})"));
  CHECK_FALSE(find_mark(R"({"mark":"x.1"})"));
  CHECK_FALSE(find_mark("{}"));
}
