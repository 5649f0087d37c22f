#include "tools/onward/server_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace onward {
namespace {
/// A folder of its own, taken away in the end, which the state folder points to meanwhile.
class Scratch {
 public:
  Scratch() {
    std::string pattern = std::filesystem::temp_directory_path() / "onward-test-XXXXXX";
    path = ::mkdtemp(pattern.data());
    ::setenv("XDG_STATE_HOME", path.c_str(), 1);
  }
  ~Scratch() {
    ::unsetenv("XDG_STATE_HOME");
    std::filesystem::remove_all(path);
  }
  std::filesystem::path path;
};

unsigned rights_of(const std::filesystem::path& file) {
  struct stat found {};
  return ::stat(file.c_str(), &found) == 0 ? found.st_mode & 0777u : 0;
}

TEST_CASE("a server makes itself known while it lives", "[tools]") {
  const Scratch scratch;
  CHECK(local_servers().empty());
  {
    const auto known = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
    REQUIRE(known);
    const auto servers = local_servers();
    REQUIRE(servers.size() == 1);
    CHECK(servers[0].url == "http://127.0.0.1:7");
    CHECK(servers[0].token_file() == scratch.path / "token");
    CHECK(rights_of(scratch.path / "onward/servers/7.json") == 0600);
    CHECK(rights_of(scratch.path / "onward/servers") == 0700);
  }
  CHECK(local_servers().empty());
}

TEST_CASE("a service makes itself known where systemd gave it a folder", "[tools]") {
  const Scratch scratch;
  ::setenv("RUNTIME_DIRECTORY", (scratch.path / "run").c_str(), 1);
  {
    const auto known = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
    REQUIRE(known);
    CHECK(std::filesystem::exists(scratch.path / "run/servers/7.json"));
    CHECK(local_servers().size() == 1);
  }
  ::unsetenv("RUNTIME_DIRECTORY");
}

TEST_CASE("the file of a server that died is passed over, and so is nonsense", "[tools]") {
  const Scratch scratch;
  std::filesystem::create_directories(*servers_folder());
  REQUIRE(write_file(*servers_folder() / "1.json",
                     R"({"url": "http://127.0.0.1:1", "data": "/x", "pid": 2147483646})", 0600));
  REQUIRE(write_file(*servers_folder() / "2.json", "{", 0600));
  REQUIRE(write_file(*servers_folder() / "3.json", R"({"pid": "x"})", 0600));
  CHECK(local_servers().empty());
}

TEST_CASE("a token is the first line of its file", "[tools]") {
  const Scratch scratch;
  const auto file = scratch.path / "token";
  CHECK_FALSE(read_token_file(file));
  REQUIRE(write_file(file, "onw_1 \nrest\n", 0600));
  CHECK(read_token_file(file) == "onw_1");
  CHECK(rights_of(file) == 0600);
  CHECK_FALSE(write_file(scratch.path / "no/such/folder", "x", 0600));
  REQUIRE(::mkfifo((scratch.path / "fifo").c_str(), 0600) == 0);
  CHECK_FALSE(read_token_file(scratch.path / "fifo"));
}
}  // namespace
}  // namespace onward
