#include "engine/delivery/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

namespace onward {
namespace {
using Options = AddressGuard::Options;

sockaddr_storage address(const std::string& text) {
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    REQUIRE(inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1);
    storage.ss_family = AF_INET6;
  }
  return storage;
}

std::string refuse(const AddressGuard& guard, const std::string& text,
                   const std::string& host = "hooks.example.com", std::uint16_t port = 443) {
  const sockaddr_storage storage = address(text);
  return guard.refuse(reinterpret_cast<const sockaddr*>(&storage), host, port);
}

AddressGuard guard_of(Options options) {
  auto guard = AddressGuard::make(options);
  REQUIRE(guard);
  return *guard;
}
}  // namespace

TEST_CASE("a public address may be called by default", "[delivery][guard]") {
  const AddressGuard guard = guard_of({});
  const auto text =
      GENERATE(as<std::string>{}, "8.8.8.8", "1.1.1.1", "11.0.0.1", "9.255.255.255",
               "126.255.255.255", "128.0.0.1", "172.15.255.255", "172.32.0.0", "169.253.255.255",
               "192.167.1.1", "100.63.255.255", "100.128.0.0", "198.17.255.255", "198.20.0.0",
               "223.255.255.255", "192.0.1.0", "2606:4700::1111", "2a00:1450:4001::1",
               "2001:200::1", "2003::1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "3ffe::1",
               "3fff:1000::1", "::8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1");
  CHECK(refuse(guard, text) == "");
}

TEST_CASE("an address that is not public is refused by default", "[delivery][guard]") {
  const AddressGuard guard = guard_of({});
  const auto text = GENERATE(
      as<std::string>{}, "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1",
      "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1",
      "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
      "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
      "255.255.255.255", "168.63.129.16", "::", "::1", "::2", "::ffff", "64:ff9b:1::1", "100::1",
      "2001::1", "2001:1ff::1", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1",
      "febf::1", "fec0::1", "ff02::1", "3fff::1", "3fff:fff::1", "5f00::1", "4000::1", "1fff::1",
      "8000::1", "fbff::1", "fe00::1", "64:ff9c::1", "::1:0:0:1",
      // Embedded addresses are judged by what they reach.
      "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:7f00:1", "::ffff:0:10.0.0.1", "::127.0.0.1",
      "::10.1.2.3", "64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::1",
      "2002:a9fe:a9fe::", "2002:c0a8:101::1");
  CHECK(refuse(guard, text) != "");
}

TEST_CASE("a refusal names the address, its kind and the settings that open it",
          "[delivery][guard]") {
  const AddressGuard guard = guard_of({});
  CHECK(
      refuse(guard, "10.0.0.5", "crm.internal", 8080) ==
      "10.0.0.5 of crm.internal is a private address, which may be called only where the operator "
      "opened it: --allow-host crm.internal:8080 or --allow-network 10.0.0.5/32");
  CHECK(refuse(guard, "127.0.0.1", "127.0.0.1", 80) ==
        "127.0.0.1 is a loopback address, which may be called only where the operator opened it: "
        "--allow-host 127.0.0.1:80 or --allow-network 127.0.0.1/32");
  CHECK_THAT(refuse(guard, "64:ff9b::a9fe:a9fe", "[64:ff9b::a9fe:a9fe]", 80),
             Catch::Contains("reaches 169.254.169.254") && Catch::Contains("link-local"));
}

TEST_CASE("a network opens the private addresses in it, and no loopback by being wide",
          "[delivery][guard]") {
  const AddressGuard guard = guard_of({.allow_networks = {"10.1.0.0/16", "fd00::/8"}});
  CHECK(refuse(guard, "10.1.2.3") == "");
  CHECK(refuse(guard, "::ffff:10.1.2.3") == "");
  CHECK(refuse(guard, "fd12::1") == "");
  CHECK(refuse(guard, "10.2.0.1") != "");
  CHECK(refuse(guard, "fc00::1") != "");
  CHECK(refuse(guard, "fd00:ec2::254") != "");

  const AddressGuard wide = guard_of({.allow_networks = {"0.0.0.0/0", "::/0"}});
  CHECK(refuse(wide, "192.168.7.7") == "");
  CHECK(refuse(wide, "fd00::1") == "");
  CHECK(refuse(wide, "127.0.0.1") != "");
  CHECK(refuse(wide, "0.0.0.0") != "");
  CHECK(refuse(wide, "169.254.169.254") != "");
  CHECK(refuse(wide, "::1") != "");
  CHECK(refuse(wide, "fe80::1") != "");
  CHECK(refuse(wide, "4000::1") != "");
  CHECK(refuse(guard_of({.allow_networks = {"4000::1"}}), "4000::1") == "");
}

TEST_CASE("loopback and link-local open by a network that lies wholly inside them",
          "[delivery][guard]") {
  CHECK(refuse(guard_of({.allow_networks = {"127.0.0.0/8"}}), "127.0.0.1") == "");
  CHECK(refuse(guard_of({.allow_networks = {"127.0.0.1"}}), "127.0.0.1") == "");
  CHECK(refuse(guard_of({.allow_networks = {"127.0.0.1/32"}}), "127.0.0.2") != "");
  CHECK(refuse(guard_of({.allow_networks = {"::1/128"}}), "::1") == "");
  CHECK(refuse(guard_of({.allow_networks = {"169.254.1.0/24"}}), "169.254.1.9") == "");
  CHECK(refuse(guard_of({.allow_networks = {"fe80::/10"}}), "fe80::9") == "");
}

TEST_CASE("a host opens whatever its name stands for, at its port", "[delivery][guard]") {
  const AddressGuard guard = guard_of(
      {.allow_hosts = {"CRM.internal", "localhost:8080", "127.0.0.1:9000", "[::1]:9000", "::1"}});
  CHECK(refuse(guard, "10.0.0.5", "crm.internal", 443) == "");
  CHECK(refuse(guard, "127.0.0.1", "crm.INTERNAL.", 80) == "");
  CHECK(refuse(guard, "127.0.0.1", "localhost", 8080) == "");
  CHECK(refuse(guard, "::1", "localhost", 8080) == "");
  CHECK(refuse(guard, "127.0.0.1", "localhost", 8081) != "");
  CHECK(refuse(guard, "127.0.0.1", "127.0.0.1", 9000) == "");
  CHECK(refuse(guard, "127.0.0.1", "127.0.0.1", 9001) != "");
  CHECK(refuse(guard, "::1", "[0:0::1]", 9001) == "");
  CHECK(refuse(guard, "10.0.0.5", "evil.example.com", 443) != "");
}

TEST_CASE("ports of mail open only by name", "[delivery][guard]") {
  const AddressGuard guard = guard_of(
      {.allow_networks = {"10.0.0.0/8"}, .allow_hosts = {"mail.internal", "relay.internal:25"}});
  CHECK_THAT(refuse(guard, "8.8.8.8", "example.com", 25), Catch::Contains("example.com:25"));
  CHECK(refuse(guard, "8.8.8.8", "example.com", 465) != "");
  CHECK(refuse(guard, "8.8.8.8", "example.com", 587) != "");
  CHECK(refuse(guard, "8.8.8.8", "example.com", 26) == "");
  CHECK(refuse(guard, "10.0.0.1", "10.0.0.1", 25) != "");
  CHECK(refuse(guard, "10.0.0.1", "mail.internal", 25) != "");
  CHECK(refuse(guard, "10.0.0.1", "relay.internal", 25) == "");
}

TEST_CASE("a setting that cannot be read is refused by name", "[delivery][guard]") {
  const auto network = GENERATE(as<std::string>{}, "", "10.0.0.0/33", "10.0.0/8", "10.1.2.3/8",
                                "fd00::/129", "crm.internal", "10.0.0.0/", "10.0.0.0/-1", "::/0x");
  const auto made = AddressGuard::make({.allow_networks = {network}});
  REQUIRE_FALSE(made);
  CHECK_THAT(made.error().message, Catch::Contains("--allow-network"));

  const auto host =
      GENERATE(as<std::string>{}, "", "*", "*.internal", "http://crm.internal", "crm.internal:0",
               "crm.internal:70000", "crm.internal:", ":80", "crm/x", "[::1", "[zz]:80", "a b");
  const auto refused = AddressGuard::make({.allow_hosts = {host}});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("--allow-host"));
}

TEST_CASE("a host that would open nothing is refused with what was expected", "[delivery][guard]") {
  const auto refused = [](const std::string& host) {
    const auto made = AddressGuard::make({.allow_hosts = {host}});
    return made ? std::string{} : made.error().message;
  };
  const auto number = GENERATE(as<std::string>{}, "127.1", "2130706433", "0x7f000001", "0x7f.1",
                               "127.0.0.256:80", "0177.0.0.1", "127.1.");
  CHECK(refused(number) ==
        "--allow-host must be an IPv4 address as four numbers such as 127.0.0.1, found \"" +
            number + "\"");
  CHECK(
      refused("::1:80") ==
      "--allow-host must be clear, found \"::1:80\", which may mean an address or an address with "
      "a port; write [::1]:80 or [::1:80]");
  const auto clear = GENERATE(as<std::string>{}, "127.0.0.1.", "crm1", "10.crm", "0xyz", "::1",
                              "fd00::1", "fd00::1:a", "[::1:80]", "1:2:3:4:5:6:7:8");
  CHECK(refused(clear) == "");
}

TEST_CASE("what is refused whatever a name is resolved to is known beforehand",
          "[delivery][guard]") {
  const AddressGuard none = guard_of({});
  for (const char* host : {"127.0.0.1", "[::1]", "localhost", "crm.localhost", "10.1.2.3",
                           "169.254.169.254", "[::ffff:10.1.2.3]"})
    CHECK_FALSE(none.refuse_unresolved(host, 443).empty());
  for (const char* host : {"crm.example.com", "8.8.8.8", "[2606:4700::1]", "localhost.example.com"})
    CHECK(none.refuse_unresolved(host, 443).empty());
  CHECK_FALSE(none.refuse_unresolved("crm.example.com", 25).empty());
  CHECK_FALSE(none.refuse_unresolved("crm.example.com", 587).empty());
  const AddressGuard some = guard_of(
      {.allow_networks = {"::1/128", "10.0.0.0/8"}, .allow_hosts = {"mail.example.com:25"}});
  CHECK(some.refuse_unresolved("localhost", 80).empty());  // by one of its two addresses
  CHECK(some.refuse_unresolved("10.1.2.3", 80).empty());
  CHECK(some.refuse_unresolved("mail.example.com", 25).empty());
  CHECK_FALSE(some.refuse_unresolved("127.0.0.1", 80).empty());
}

TEST_CASE("copies of a guard judge by the rules that took the place of the first",
          "[delivery][guard]") {
  AddressGuard guard = guard_of({});
  const AddressGuard copy = guard;
  CHECK_FALSE(copy.refuse_unresolved("10.1.2.3", 80).empty());
  guard.replace(guard_of({.allow_hosts = {"10.1.2.3"}}));
  CHECK(copy.refuse_unresolved("10.1.2.3", 80).empty());
  guard.replace(guard_of({}));
  CHECK_FALSE(copy.refuse_unresolved("10.1.2.3", 80).empty());
}
}  // namespace onward
