#include "tools/onward/server_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>
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

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{folder})
    files.push_back(entry.path());
  return files;
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
    CHECK(servers[0].announcement.parent_path() == scratch.path / "onward/servers");
    CHECK(rights_of(servers[0].announcement) == 0600);
    CHECK(rights_of(scratch.path / "onward/servers") == 0700);
  }
  CHECK(local_servers().empty());
  CHECK(files_in(scratch.path / "onward/servers").empty());
}

TEST_CASE("an announcement is withdrawn when another takes its place", "[tools]") {
  const Scratch scratch;
  auto known = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
  REQUIRE(known);
  const auto server = local_servers().at(0);
  CHECK(still_runs(server));
  *known = Announcement{};
  CHECK(local_servers().empty());
  CHECK_FALSE(still_runs(server));
}

TEST_CASE("a server that was started again at the same address still runs", "[tools]") {
  const Scratch scratch;
  auto first = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
  REQUIRE(first);
  const auto server = local_servers().at(0);
  *first = Announcement{};
  const auto moved = Announcement::make({"http://127.0.0.1:8", scratch.path, ::getpid()}, 8);
  CHECK_FALSE(still_runs(server));
  const auto second = Announcement::make({"http://127.0.0.1:7", scratch.path / ".", ::getpid()}, 7);
  CHECK(still_runs(server));
}

TEST_CASE("an announcement that no server holds is stale, whatever process has its pid",
          "[tools]") {
  const Scratch scratch;
  const auto living = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
  REQUIRE(living);
  const auto held = local_servers().at(0).announcement;
  const auto stale = *servers_folder() / "8.json";
  std::filesystem::copy_file(held, stale);  // The pid in it is this living process.
  const auto servers = local_servers();
  REQUIRE(servers.size() == 1);
  CHECK(servers[0].announcement == held);
  CHECK_FALSE(std::filesystem::exists(stale));
}

TEST_CASE("stale announcements are removed, a bounded number at a time", "[tools]") {
  const Scratch scratch;
  const auto folder = scratch.path / "onward/servers";
  std::filesystem::create_directories(folder);
  for (std::size_t i = 0; i < kStaleRemovedMax + 5; ++i)
    std::ofstream{folder / fmt::format("{}.json", i)} << "{}";
  const auto living = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
  REQUIRE(living);
  CHECK(files_in(folder).size() == 6);
  CHECK(local_servers().size() == 1);
  CHECK(files_in(folder).size() == 1);
}

TEST_CASE("an announcement of another user counts for a folder of that user only", "[tools]") {
  if (::geteuid() != 0) return;  // Only root can give files away.
  const Scratch scratch;
  const auto known = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
  REQUIRE(known);
  const auto file = local_servers().at(0).announcement;
  REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
  CHECK(local_servers().empty());
  REQUIRE(::chown(scratch.path.c_str(), 65534, 65534) == 0);
  CHECK(local_servers().size() == 1);
}

TEST_CASE("a service makes itself known where systemd gave it a folder", "[tools]") {
  const Scratch scratch;
  ::setenv("RUNTIME_DIRECTORY", (scratch.path / "run").c_str(), 1);
  {
    const auto known = Announcement::make({"http://127.0.0.1:7", scratch.path, ::getpid()}, 7);
    REQUIRE(known);
    REQUIRE(local_servers().size() == 1);
    CHECK(local_servers()[0].announcement.parent_path() == scratch.path / "run/servers");
  }
  ::unsetenv("RUNTIME_DIRECTORY");
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
