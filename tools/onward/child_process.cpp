#include "tools/onward/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace onward {
namespace {
constexpr int kExecFailed = 127;  // As shells have it.

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Only async-signal-safe calls: it runs between fork and exec.
[[noreturn]] void become(char* const* arguments, char* const* environment, int output,
                         pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(kExecFailed);  // The parent died before the call above.
  const int input = open("/dev/null", O_RDONLY);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execve("/proc/self/exe", arguments, environment);
  _exit(kExecFailed);
}
}  // namespace

Result<ChildProcess> ChildProcess::start(std::span<const std::string> arguments,
                                         const std::filesystem::path& output,
                                         std::span<const std::string> environment) {
  const int file = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0)
    return fail(ErrorKind::Unavailable, "file",
                fmt::format("cannot write {}: {}", output.string(), std::strerror(errno)));
  std::vector<std::string> words{"onward"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables{environment.begin(), environment.end()};
  for (char** variable = environ; *variable; ++variable) variables.emplace_back(*variable);
  const std::vector<char*> argv = pointers_to(words), envp = pointers_to(variables);
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) become(argv.data(), envp.data(), file, parent);
  const int fault = errno;
  close(file);
  if (pid < 0)
    return fail(ErrorKind::Unavailable, "process",
                fmt::format("cannot start a process: {}", std::strerror(fault)));
  return ChildProcess{pid};
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_{std::exchange(other.pid_, -1)} {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  stop();
  pid_ = std::exchange(other.pid_, -1);
  return *this;
}

bool ChildProcess::is_running() {
  if (pid_ < 0) return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

void ChildProcess::stop(std::chrono::milliseconds patience) {
  if (!is_running()) return;
  kill(pid_, SIGTERM);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    if (!is_running()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}
}  // namespace onward
