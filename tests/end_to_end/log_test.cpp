// A server whose log nobody reads.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/delivery/curl_http_client.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;

namespace {
/// A pipe for the log of a server that is full from the start and never read.
class FullPipe {
 public:
  explicit FullPipe(const std::filesystem::path& path) : path_{path} {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    read_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(read_ >= 0);
    const int write = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(write >= 0);
    const std::string page(4096, '#');
    while (::write(write, page.data(), page.size()) > 0) continue;
    ::close(write);
  }
  ~FullPipe() { ::close(read_); }
  FullPipe(const FullPipe&) = delete;
  FullPipe& operator=(const FullPipe&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int read_ = -1;
};

std::vector<std::string> with(const ServerChild& server, const std::filesystem::path& data,
                              std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--server", server.url(), "--data", data.string()});
  return arguments;
}

/// The number behind `name` in a scrape; 0 where it is missing.
double sample(const std::string& scrape, const std::string& name) {
  const std::size_t at = scrape.find(name);
  return at == std::string::npos ? 0 : std::strtod(scrape.c_str() + at + name.size(), nullptr);
}
}  // namespace

TEST_CASE(
    "a server whose standard error is blocked starts, accepts events, counts what it drops "
    "and ends in time",
    "[end_to_end][log]") {
  constexpr int kEvents = 11'000;  // More attempts fail than lines fit into the buffer.
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  const FullPipe log{folder.path() / "log"};
  LocalReceiver receiver{LocalReceiver::answers({http_reply(410)})};
  ServerChild server{data,
                     {"--allow-host", fmt::format("127.0.0.1:{}", receiver.port()), "--no-auth"},
                     log.path()};
  const auto onward = [&](std::vector<std::string> words, const std::string& input = {}) {
    return run_onward(with(server, data, std::move(words)), input);
  };
  REQUIRE(onward({"apply", "-"},
                 fmt::format("scenario: relay\n"
                             "reentry: parallel\n"
                             "nodes:\n"
                             "  any: {{ kind: trigger, event: opened, next: tell }}\n"
                             "  tell: {{ kind: send_webhook, url: \"{}\", next: end }}\n",
                             receiver.url()))
              .code == 0);
  REQUIRE(onward({"activate", "relay"}).code == 0);
  std::string lines;
  for (int i = 0; i < kEvents; ++i)
    lines += fmt::format("{{\"type\":\"opened\",\"contact\":{{\"id\":\"c{}\"}}}}\n", i % 100);
  const CommandResult import = onward({"events", "import", "-"}, lines);
  INFO(import.err);
  CHECK(import.out == "11,000 accepted, 0 duplicates, 0 rejected\n");
  // Until enough attempts have failed, each with its line.
  double dropped = 0;
  for (int tries = 0; dropped == 0 && tries < 3'000; ++tries) {
    const auto scrape =
        http_call({.method = "GET", .url = server.url() + "/metrics"}, std::chrono::seconds{10});
    REQUIRE(scrape);
    dropped = sample(scrape->body, "\nonward_log_lines_dropped_total ");
    std::this_thread::yield();
  }
  CHECK(dropped > 0);
  CHECK(onward({"events", "send", "opened", "--contact", "late"}).code == 0);
  CHECK(server.stop() == 0);
}

TEST_CASE("a server whose standard error has no reader any more goes on", "[end_to_end][log]") {
  TemporaryFolder folder;
  const auto data = folder.path() / "data";
  // `ServerChild` closes its end of the pipe when the server listens.
  ServerChild server{data, {"--log-format", "json"}};
  CHECK(run_onward(with(server, data, {"fields", "declare", "plan"})).code == 0);
  CHECK(run_onward(with(server, data, {"fields", "remove", "plan"})).code == 0);
  CHECK(server.stop() == 0);
}
