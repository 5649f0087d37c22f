#include "tools/onward/allow_file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "tests/support/child.h"

namespace onward {
namespace {
struct AllowFile {
  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "allow";
  explicit AllowFile(const std::string& text) { std::ofstream{path} << text; }
};

std::string refusal_of(const std::string& text) {
  const AllowFile file{text};
  AddressGuard::Options allowed{.allow_networks = {"10.0.0.0/8"}};
  const Status read = read_allow_file(file.path, allowed);
  CHECK(allowed.allow_networks.size() == 1);
  CHECK(allowed.allow_hosts.empty());
  if (read) return {};
  CHECK(read.error().kind == ErrorKind::Invalid);
  const std::string begin = "--allow-file " + file.path.string();
  REQUIRE(read.error().message.starts_with(begin));
  return read.error().message.substr(begin.size());
}
}  // namespace

TEST_CASE("an allow file has a host or a network a line", "[tools][policy]") {
  const AllowFile file{
      "# who may be called\r\n\n  crm.internal:8080  # the CRM\n10.1.0.0/16\n[::1]:80\n"
      "192.168.0.7"};
  AddressGuard::Options allowed{.allow_hosts = {"first"}};
  REQUIRE(read_allow_file(file.path, allowed));
  CHECK(allowed.allow_hosts ==
        std::vector<std::string>{"first", "crm.internal:8080", "[::1]:80", "192.168.0.7"});
  CHECK(allowed.allow_networks == std::vector<std::string>{"10.1.0.0/16"});
  CHECK(AddressGuard::make(allowed));
  const AllowFile empty{""};
  CHECK(read_allow_file(empty.path, allowed));
}

TEST_CASE("a line of an allow file that is wrong is named, and nothing of the file is taken",
          "[tools][policy]") {
  CHECK(refusal_of("crm.internal\nhttps://crm.internal\n") ==
        ", line 2, must be a network such as 10.0.0.0/8 or fd00::/8, found "
        "\"https://crm.internal\"");
  CHECK(refusal_of("crm.internal\n\n# x\n*.internal\n") ==
        ", line 4, must be a host such as crm.internal, localhost:8080 or [::1]:8080 (no scheme, "
        "path or *), found \"*.internal\"");
  CHECK(refusal_of("10.1.2.3/8") ==
        ", line 1, must be a network, found \"10.1.2.3/8\", an address inside of one; did you mean "
        "10.0.0.0/8 or 10.1.2.3?");
  std::string many;
  for (int i = 0; i <= 1'000; ++i) many += "host" + std::to_string(i) + "\n";
  CHECK(refusal_of(many) == ", line 1001, has more than 1000 entries");
  CHECK(refusal_of(std::string((1u << 20) + 1, '\n')) == " has more than 1048576 bytes");
}

TEST_CASE("an allow file that is none is refused and not waited for", "[tools][policy]") {
  const TemporaryFolder folder;
  AddressGuard::Options allowed;
  CHECK_FALSE(read_allow_file(folder.path() / "none", allowed));
  CHECK_FALSE(read_allow_file(folder.path(), allowed));
  REQUIRE(::mkfifo((folder.path() / "fifo").c_str(), 0600) == 0);
  const Status fifo = read_allow_file(folder.path() / "fifo", allowed);
  REQUIRE_FALSE(fifo);
  CHECK(fifo.error().message.find("regular file") != std::string::npos);
}
}  // namespace onward
