// Files that somebody cuts, removes, plants or limits, and signals that mean nothing to a server.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>

#include "tests/support/child.h"

using namespace onward;

namespace {
namespace fs = std::filesystem;

std::string read_all(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}
CommandResult send(const ServerChild& server, const fs::path& data, const std::string& id) {
  return run_onward({"events", "send", "-", "--json", "--server", server.url(), "--token",
                     read_all(data / "token").substr(0, read_all(data / "token").find('\n'))},
                    R"({"type": "x", "id": ")" + id + R"(", "contact": {"id": "c1"}})" + "\n");
}
}  // namespace

TEST_CASE("a file of notes that is cut under a server costs nothing else", "[end_to_end][files]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", log = folder.path() / "log";
  ServerChild server{data, {}, log};
  REQUIRE(send(server, data, "1").code == 0);
  fs::resize_file(data / "working", 0);
  for (int i = 2; i < 10; ++i) REQUIRE(send(server, data, std::to_string(i)).code == 0);
  CHECK(server.stop() == 0);
}

TEST_CASE("an index of the log that is cut ends a server with words, and nothing is lost",
          "[end_to_end][files]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", log = folder.path() / "log";
  {
    ServerChild server{data, {}, log};
    REQUIRE(send(server, data, "1").code == 0);
    fs::resize_file(data / "onward.db-shm", 0);
    (void)send(server, data, "2");
    CHECK(server.wait() == 74);
    CHECK(read_all(log).find("process.terminated") != std::string::npos);
    CHECK(read_all(log).find("onward.db-shm") != std::string::npos);
  }
  ServerChild again{data, {}, log};
  CHECK(read_all(log).find("crash.at_work") == std::string::npos);  // No event is to blame.
  const CommandResult repeated = send(again, data, "1");
  CHECK(repeated.code == 0);
  CHECK(repeated.out.find("duplicate") != std::string::npos);
  CHECK(again.stop() == 0);
}

TEST_CASE("a FIFO in place of a file keeps no start waiting", "[end_to_end][files]") {
  const TemporaryFolder folder;
  const fs::path fifo = folder.path() / "fifo", data = folder.path() / "data";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  fs::create_directory(data);
  const std::string name = fifo.string();
  std::vector<std::string> arguments{"serve", "--listen", "127.0.0.1:0", "--data", data.string()};
  SECTION("an intake secret") {
    arguments.insert(arguments.end(), {"--intake-secret-file", "cloudevents=" + name});
  }
  SECTION("a certificate") {
    arguments.insert(arguments.end(), {"--tls-cert", name, "--tls-key", name});
  }
  SECTION("the authorities") { arguments.insert(arguments.end(), {"--ca-file", name}); }
  SECTION("the master key") { fs::rename(fifo, data / "secret.key"); }
  SECTION("the token") { fs::rename(fifo, data / "token"); }
  SECTION("the database") { fs::rename(fifo, data / "onward.db"); }
  SECTION("the lock") { fs::rename(fifo, data / "onward.lock"); }
  const CommandResult refused = run_onward(arguments);
  CHECK(refused.code == 78);  // Another start would find it again.
  CHECK((refused.err + refused.out).find("regular file") != std::string::npos);
}

TEST_CASE("what can never be a data folder ends with a code after which no start is tried",
          "[end_to_end][files]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  std::ofstream{file} << "text";
  for (const fs::path& data : {file, file / "below", file / "far" / "below"}) {
    const CommandResult refused =
        run_onward({"serve", "--listen", "127.0.0.1:0", "--data", data.string()});
    CHECK(refused.code == 78);
    CHECK(refused.err.find(file.string() + " must be a folder") != std::string::npos);
  }
}

TEST_CASE("a FIFO as a manifest is not waited for", "[end_to_end][files]") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "backup");
  REQUIRE(::mkfifo((folder.path() / "backup/manifest.json").c_str(), 0600) == 0);
  const CommandResult restored = run_onward({"restore", (folder.path() / "backup").string(),
                                             "--data", (folder.path() / "data").string()});
  CHECK(restored.code != 0);
  CHECK(restored.err.find("regular file") != std::string::npos);
}

TEST_CASE("signals that mean nothing to a server do not end it", "[end_to_end][files]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  ServerChild server{data};
  for (const int which : {SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU, SIGXFSZ})
    server.send(which);
  CHECK(send(server, data, "1").code == 0);
  for (int i = 0; i < 3; ++i) server.send(SIGHUP);
  CHECK(send(server, data, "2").code == 0);
  CHECK(server.stop() == 0);
}

TEST_CASE("a second server is refused where the lock file was removed", "[end_to_end][files]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  ServerChild server{data};
  fs::remove(data / "onward.lock");
  const CommandResult second =
      run_onward({"serve", "--listen", "127.0.0.1:0", "--data", data.string()});
  CHECK(second.code == 75);
  CHECK(send(server, data, "1").code == 0);
  CHECK(server.stop() == 0);
}
