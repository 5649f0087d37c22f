#include "engine/core/scenario/secret_hosts.h"

#include <catch2/catch.hpp>

#include "engine/secrets/stored_secret.h"

namespace onward {
namespace {
using Rule = SecretHosts::Rule;

/// The normalized host, or the error's message in angle brackets.
std::string read(const std::string& host) {
  const auto rule = parse_secret_hosts({host});
  return rule ? rule->hosts.front() : "<" + rule.error().message + ">";
}
}  // namespace

TEST_CASE("a host is normalized", "[secrets][hosts]") {
  for (const auto& [given, stored] : std::vector<std::pair<std::string, std::string>>{
           {"crm.example.com", "crm.example.com"},
           {"CRM.Example.com", "crm.example.com"},
           {"crm.example.com.", "crm.example.com"},
           {"crm.example.com:8443", "crm.example.com:8443"},
           {"crm.example.com.:08443", "crm.example.com:8443"},
           {"xn--bcher-kva.example", "xn--bcher-kva.example"},
           {"my_host", "my_host"},
           {"localhost", "localhost"},
           {"*.Example.com", "*.example.com"},
           {"*.example.com:8443", "*.example.com:8443"},
           {"192.0.2.7", "192.0.2.7"},
           {"192.0.2.7:80", "192.0.2.7:80"},
           {"2001:DB8::1", "[2001:db8::1]"},
           {"[2001:db8:0:0::1]", "[2001:db8::1]"},
           {"[::1]:9000", "[::1]:9000"},
       })
    CHECK(read(given) == stored);
  const auto rule = parse_secret_hosts({"b.example.com", "A.example.com", "a.example.com."});
  REQUIRE(rule);
  CHECK(rule->rule == Rule::Listed);
  CHECK(rule->hosts == std::vector<std::string>{"a.example.com", "b.example.com"});
}

TEST_CASE("what is not a host is refused with the reason and without the text",
          "[secrets][hosts]") {
  for (const auto& [given, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", "1 to 253"},
           {std::string(300, 'a'), "1 to 253"},
           {std::string(64, 'a') + ".com", "63 characters"},
           {"https://crm.example.com", "without http://"},
           {"crm.example.com/path", "no path"},
           {"user@crm.example.com", "user"},
           {"crm.example.com?x", "query"},
           {"*", "--any-host"},
           {"*.com", "name with a dot"},
           {"*.", "letters, digits"},
           {"*.*.example.com", "letters, digits"},
           {"crm.*.com", "letters, digits"},
           {"*.127.0.0.1", "name with a dot"},
           {"b\xc3\xbc"
            "cher.example",
            "xn--"},
           {"crm example.com", "letters, digits"},
           {"crm..example.com", "63 characters"},
           {".example.com", "63 characters"},
           {"crm.example.com..", "63 characters"},
           {"-crm.example.com", "at its ends"},
           {"crm.example.com:0", "1 to 65535"},
           {"crm.example.com:65536", "1 to 65535"},
           {"crm.example.com:", "1 to 65535"},
           {"crm.example.com:80x", "1 to 65535"},
           {"127.1", "four numbers"},
           {"127.0.0.01", "four numbers"},
           {"0x7f000001", "four numbers"},
           {"2130706433", "four numbers"},
           {"[::1", "brackets"},
           {"[::1]x", "1 to 65535"},
           {"[crm.example.com]", "brackets"},
           {std::string{"crm\0.example.com", 16}, "letters, digits"},
       }) {
    CAPTURE(given);
    const std::string told = read(given);
    CHECK(told.starts_with("<invalid host (number 1)"));
    CHECK(told.find(reason) != std::string::npos);
  }
  const auto second = parse_secret_hosts({"crm.example.com", "s3cr3t value"});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == "bad_host");
  CHECK(second.error().message.find("number 2") != std::string::npos);
  CHECK(second.error().message.find("s3cr3t") == std::string::npos);
  CHECK_FALSE(parse_secret_hosts({}));
  CHECK(parse_secret_hosts(std::vector<std::string>(kSecretHostsMax, "a.example.com")));
  CHECK_FALSE(parse_secret_hosts(std::vector<std::string>(kSecretHostsMax + 1, "a.example.com")));
}

TEST_CASE("hosts are sealed with the value and come back; what was stored before has none",
          "[secrets][hosts]") {
  for (const SecretHosts& hosts : {SecretHosts{}, SecretHosts{Rule::Any},
                                   parse_secret_hosts({"a.example.com", "[::1]:80"}).value()}) {
    const StoredSecret stored{.value = "value", .hosts = hosts};
    const auto back = unpack(pack(stored));
    REQUIRE(back);
    CHECK(back->hosts == hosts);
  }
  const auto old = unpack(R"({"value":"k3y-value","set":"2026-05-01T09:00:00Z"})");
  REQUIRE(old);
  CHECK(old->hosts.rule == Rule::Unset);
  // What cannot be read allows nothing.
  for (const char* text :
       {R"({"value":"k3y-value","hosts":5})", R"({"value":"k3y-value","hosts":[]})",
        R"({"value":"k3y-value","hosts":[5]})"}) {
    const auto odd = unpack(text);
    REQUIRE(odd);
    CHECK_FALSE(odd->hosts.permits("https://crm.example.com:443"));
  }
}

TEST_CASE("hosts are told in messages, of many the first ones", "[secrets][hosts]") {
  CHECK(hosts_text({}) == "any host");
  CHECK(hosts_text({Rule::Listed, {"a", "b"}}) == "a, b");
  CHECK(hosts_text({Rule::Listed, {"a", "b", "c", "d", "e", "f", "g"}}) ==
        "a, b, c, d, e and 2 more");
  CHECK(host_of_origin("https://crm.example.com:443") == "crm.example.com");
  CHECK(host_of_origin("http://crm.example.com:80") == "crm.example.com");
  CHECK(host_of_origin("http://crm.example.com.:443") == "crm.example.com:443");
  CHECK(host_of_origin("http://[::1]:9000") == "[::1]:9000");
  CHECK(allow_command("secret", "key", {Rule::Listed, {"*.a.com", "a.com"}}, "b.com") ==
        "onward secret set key --keep --host \"*.a.com\" --host a.com --host b.com");
}
}  // namespace onward
