#include "engine/host/log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

namespace onward {
namespace {
constexpr Duration kPatience = std::chrono::seconds{30};
const Instant kAt = *parse_instant("2026-05-01T09:00:00Z");

/// A pipe; `fill` leaves no room in it.
class Pipe {
 public:
  Pipe() { REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0); }
  ~Pipe() {
    shut();
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int writer() const { return ends_[1]; }
  void fill() {
    REQUIRE(::fcntl(writer(), F_SETFL, O_NONBLOCK) == 0);
    const std::string page(4096, '#');
    for (ssize_t put = 1; put > 0; filled_ += put > 0 ? static_cast<std::size_t>(put) : 0)
      put = ::write(writer(), page.data(), page.size());
    REQUIRE(::fcntl(writer(), F_SETFL, 0) == 0);
  }
  /// For one page.
  void make_room() {
    std::array<char, 4096> page;
    REQUIRE(::read(ends_[0], page.data(), page.size()) == static_cast<ssize_t>(page.size()));
    filled_ -= page.size();
  }
  void wait_until_full() const {
    pollfd writable{.fd = ends_[1], .events = POLLOUT, .revents = 0};
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (::poll(&writable, 1, 0) > 0 && std::chrono::steady_clock::now() < until)
      std::this_thread::yield();
  }
  /// What was written behind the filling, until it ends with `end`.
  std::string read_until(std::string_view end) {
    std::string all;
    std::array<char, 4096> buffer;
    while (all.size() < filled_ || !std::string_view{all}.substr(filled_).ends_with(end)) {
      pollfd readable{.fd = ends_[0], .events = POLLIN, .revents = 0};
      if (::poll(&readable, 1, static_cast<int>(kPatience.count())) <= 0) break;
      const ssize_t got = ::read(ends_[0], buffer.data(), buffer.size());
      if (got <= 0) break;
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return all.substr(std::min(filled_, all.size()));
  }
  /// Nobody reads it any more.
  void shut() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
  std::size_t filled_ = 0;
};

TEST_CASE("log lines are written in order, as text or as JSON", "[host][log]") {
  Pipe pipe;
  const bool json = GENERATE(false, true);
  LogWriter log{{.descriptor = pipe.writer(), .least = LogLevel::Warning, .json = json}};
  log.add({"one", {{"n", 1}}, LogLevel::Warning}, kAt);
  log.add({"left_out", {}, LogLevel::Info}, kAt);
  log.add_line("as it is");
  CHECK(log.close(kPatience));
  CHECK(log.dropped() == 0);
  CHECK(pipe.read_until("as it is\n") ==
        (json ? R"({"at":"2026-05-01T09:00:00Z","level":"warning","event":"one","n":1})"
              : "2026-05-01T09:00:00Z one level=warning n=1") +
            std::string{"\nas it is\n"});
}

TEST_CASE(
    "a full log drops lines beyond its bounds, counts them and reports them once there is room",
    "[host][log]") {
  const bool by_bytes = GENERATE(false, true);
  Pipe pipe;
  pipe.fill();
  LogWriterOptions options{.descriptor = pipe.writer()};
  (by_bytes ? options.bytes_max : options.lines_max) = 4;  // "0\n" "1\n", or four lines
  const std::size_t kept = by_bytes ? 2 : 4;
  LogWriter log{options};
  for (int i = 0; i < 9; ++i) log.add_line(std::to_string(i));
  CHECK(log.dropped() == 9 - kept);  // The line that is being written counts as waiting.
  std::string expected;
  for (std::size_t i = 0; i < kept; ++i) expected += std::to_string(i) + "\n";
  const std::string note = "log.dropped level=warning lines=" + std::to_string(9 - kept) + "\n";
  const std::string read = pipe.read_until(note);
  CHECK(read.starts_with(expected));
  CHECK(read.ends_with(note));
  CHECK(log.close(kPatience));
  CHECK(log.dropped() == 9 - kept);
}

TEST_CASE("after drops a log takes lines again when half of it is free, with one note for all",
          "[host][log]") {
  Pipe pipe;
  pipe.fill();
  LogWriterOptions options{.descriptor = pipe.writer()};
  options.lines_max = 4;
  LogWriter log{options};
  const auto page = [](char c) { return std::string(4095, c); };  // With its line feed.
  for (const char c : {'a', 'b', 'c', 'd', 'e'}) log.add_line(page(c));
  CHECK(log.dropped() == 1);
  pipe.make_room();
  pipe.wait_until_full();
  log.add_line("f");  // Three lines wait, or four: that of "a" has left, or is about to.
  CHECK(log.dropped() == 2);
  const std::string read = pipe.read_until("lines=2\n");
  CHECK(
      read.starts_with(page('a') + "\n" + page('b') + "\n" + page('c') + "\n" + page('d') + "\n"));
  CHECK(read.find("log.dropped") == read.rfind("log.dropped"));
  CHECK(log.close(kPatience));
}

TEST_CASE("a log that nobody reads does not hold up its end", "[host][log]") {
  Pipe pipe;
  pipe.fill();
  LogWriter log{{.descriptor = pipe.writer()}};
  log.add_line("never read");
  CHECK_FALSE(log.close(Duration::zero()));
  log.add_line("after the end");
  CHECK(log.dropped() == 1);
  // The thread that was left behind ends with this.
  CHECK(pipe.read_until("\n").starts_with("never read\n"));
}

TEST_CASE("lines that cannot be written are dropped, and the process lives", "[host][log]") {
  Pipe pipe;
  pipe.shut();
  LogWriter log{{.descriptor = pipe.writer()}};
  for (int i = 0; i < 3; ++i) log.add_line("to nobody");
  CHECK(log.close(kPatience));
  CHECK(log.dropped() == 3);
}
}  // namespace
}  // namespace onward
