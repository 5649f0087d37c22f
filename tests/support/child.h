#pragma once
// The real binary as a child process, for tests from the outside.
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace onward {
/// What a finished command printed and how it ended.
struct CommandResult {
  int code = -1;
  std::string out, err;
};
/// Runs `onward` with `arguments` to its end, with `input` on standard input.
CommandResult run_onward(const std::vector<std::string>& arguments, const std::string& input = {});

/// The same with standard output and error on a terminal, which is `terminal` (TERM); all that it
/// gets is in `out`.
CommandResult run_onward_on_terminal(const std::vector<std::string>& arguments,
                                     const std::string& terminal);

/// A folder that is gone with this object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// `onward serve` on a free loopback port. The constructor returns once it listens; the destructor
/// kills it.
class ServerChild {
 public:
  /// What it logs goes into the file `log`; where there is none, nobody reads it.
  ServerChild(const std::filesystem::path& data, std::vector<std::string> more = {},
              const std::filesystem::path& log = {});
  ~ServerChild();
  ServerChild(const ServerChild&) = delete;
  ServerChild& operator=(const ServerChild&) = delete;

  const std::string& url() const { return url_; }
  pid_t pid() const { return pid_; }
  /// SIGKILL: no goodbye.
  void kill();
  /// SIGTERM, then its exit code.
  int stop();
  /// Another signal, then what waitpid says of its end.
  int end(int signal);
  /// A signal, and nothing is waited for.
  void send(int signal) const;
  /// Its exit code, when it has ended by itself or of a signal that was sent; then 128 and more.
  int wait();

 private:
  pid_t pid_ = -1;
  std::string url_;
};
}  // namespace onward
