#include "engine/net/url.h"

#include <catch2/catch.hpp>

using namespace onward;

TEST_CASE("a URL is taken apart", "[net][url]") {
  const auto url = parse_url("HTTPS://CRM.Example.com/Hooks/in?a=1&b=%20");
  REQUIRE(url);
  CHECK(url->text == "HTTPS://CRM.Example.com/Hooks/in?a=1&b=%20");
  CHECK(url->scheme == "https");
  CHECK(url->host == "crm.example.com");
  CHECK(url->port == 443);
  CHECK(url->path == "/Hooks/in");
  CHECK(url->query == "a=1&b=%20");
  CHECK(url->origin() == "https://crm.example.com:443");
}

TEST_CASE("origins name scheme, host and port", "[net][url]") {
  struct Case {
    const char* url;
    const char* origin;
  };
  const auto c = GENERATE(Case{"http://a.example", "http://a.example:80"},
                          Case{"http://a.example:8080/x", "http://a.example:8080"},
                          Case{"https://a.example?x=1", "https://a.example:443"},
                          Case{"http://[::1]:9/", "http://[::1]:9"},
                          Case{"http://127.0.0.1/", "http://127.0.0.1:80"},
                          Case{"http://a.example:0080/", "http://a.example:80"});
  CAPTURE(c.url);
  const auto url = parse_url(c.url);
  REQUIRE(url);
  CHECK(url->origin() == c.origin);
}

TEST_CASE("a path stays as it is written", "[net][url]") {
  const auto url = parse_url("http://a.example/a/../b/./c//d");
  REQUIRE(url);
  CHECK(url->path == "/a/../b/./c//d");
}

TEST_CASE("what is no URL to call is refused with a sentence", "[net][url]") {
  const auto text =
      GENERATE(as<std::string>{}, "", "crm.example.com/hooks", "/hooks", "://x", "http://",
               "http:///x", "http://?a=1", "http://#a", "https:/a.example", "ftp://a.example/",
               "file:///etc/passwd", "javascript://a", "http://user:pass@a.example/",
               "http://user@a.example/", "http://a.example/#part", "http://a.example/a b",
               "http://a.example/\r\nHost: b", "http://a.example/\t", "http://a.example:0/",
               "http://a.example:65536/", "http://a.example:port/", "http://a b/",
               "http://a.example\\@b/", "http://é.example/", "http://a%ab/", "http://%61.example/",
               "http://[::1/", "http://[zz]/", " http://a.example/", "http://a.example/%00\x7f");
  CAPTURE(text);
  const auto url = parse_url(text);
  REQUIRE_FALSE(url);
  CHECK(url.error().code == "bad_url");
  CHECK(url.error().message.size() > 10);
}

TEST_CASE("an endless URL is refused", "[net][url]") {
  CHECK_FALSE(parse_url("http://a.example/" + std::string(9000, 'a')));
}
