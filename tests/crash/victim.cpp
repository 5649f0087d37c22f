#include "tests/crash/victim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

#include "tests/crash/receiver.h"

namespace onward::crash {
namespace {
std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_of(const VictimOptions& options) {
  std::vector<std::string> environment;
  for (char** one = environ; *one != nullptr; ++one)
    if (!std::string_view{*one}.starts_with("LD_PRELOAD=")) environment.emplace_back(*one);
  if (options.kill.empty() && options.faults.empty()) return environment;
  environment.emplace_back("LD_PRELOAD=" ONWARD_KILLER);
  if (!options.kill.empty()) environment.push_back("ONWARD_KILL=" + options.kill);
  environment.push_back("ONWARD_KILL_NOTE=" + options.note.string());
  if (!options.faults.empty())
    environment.push_back("ONWARD_DISK_FAULTS=" + options.faults.string());
  return environment;
}

int millis_until(Nanos deadline) {
  return static_cast<int>(std::clamp<Nanos>((deadline - now_nanos()) / 1'000'000, 0, 60'000));
}
}  // namespace

Victim::Victim(const VictimOptions& options) {
  std::array<int, 2> out, err;
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("no pipe");
  std::vector<std::string> words{ONWARD_BINARY,         "serve",    "--data",
                                 options.data.string(), "--listen", "127.0.0.1:0"};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = environment_of(options);
  const std::vector<char*> argv = pointers(words), envp = pointers(environment);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no child");
  if (pid_ == 0) {
    ::dup2(out[1], 1);
    ::dup2(err[1], 2);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
  process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (process_ < 0) throw std::runtime_error("no pidfd");
}

Victim::~Victim() {
  kill();
  for (const int descriptor : {out_, err_, process_})
    if (descriptor >= 0) ::close(descriptor);
}

bool Victim::drain(int descriptor, std::string& into) {
  std::array<char, 16'384> buffer;
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  if (got > 0) into.append(buffer.data(), static_cast<std::size_t>(got));
  return got > 0;
}

std::optional<std::string> Victim::wait_for_url(Nanos deadline) {
  constexpr std::string_view kSign = "http://127.0.0.1:";
  bool out_open = true, err_open = true;
  while (out_open || err_open) {
    std::array<pollfd, 2> wanted{pollfd{out_open ? out_ : -1, POLLIN, 0},
                                 pollfd{err_open ? err_ : -1, POLLIN, 0}};
    if (::poll(wanted.data(), wanted.size(), millis_until(deadline)) <= 0) return std::nullopt;
    if (wanted[1].revents != 0) err_open = drain(err_, said_);
    if (wanted[0].revents != 0) out_open = drain(out_, listening_);
    const std::size_t sign = listening_.find(kSign);
    if (sign != listening_.npos && listening_.find('\n', sign) != listening_.npos)
      return listening_.substr(sign, listening_.find('\n', sign) - sign);
  }
  return std::nullopt;
}

bool Victim::wait_for_end(Nanos deadline) {
  while (pid_ > 0) {
    std::array<pollfd, 2> wanted{pollfd{process_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
    if (::poll(wanted.data(), wanted.size(), millis_until(deadline)) <= 0) return false;
    if (wanted[1].revents != 0 && !drain(err_, said_)) {
      ::close(err_);
      err_ = -1;
    }
    if (wanted[0].revents != 0) reap(true);
  }
  return true;
}

bool Victim::reap(bool wait) {
  if (pid_ > 0 && ::waitpid(pid_, &status_, wait ? 0 : WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

Nanos Victim::kill() {
  const Nanos now = now_nanos();
  if (reap(false)) return now;
  ::kill(pid_, SIGKILL);
  reap(true);
  return now;
}

void Victim::terminate() {
  if (!reap(false)) ::kill(pid_, SIGTERM);
}
}  // namespace onward::crash
