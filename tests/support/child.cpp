#include "tests/support/child.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace onward {
namespace {
constexpr int kPatienceMs = 30'000;

struct Spawned {
  pid_t pid = -1;
  int in = -1, out = -1, err = -1;
};

/// Standard error goes into the file `log`, where one is named.
Spawned spawn(const std::vector<std::string>& arguments, const std::filesystem::path& log = {}) {
  std::array<std::array<int, 2>, 3> pipes;
  for (auto& ends : pipes)
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  std::vector<std::string> words{ONWARD_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int log_file = -1;
  if (!log.empty()) {
    log_file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_file < 0) throw std::runtime_error("cannot open " + log.string());
  }
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) {
    ::dup2(pipes[0][0], 0);
    ::dup2(pipes[1][1], 1);
    ::dup2(log_file < 0 ? pipes[2][1] : log_file, 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(pipes[0][0]);
  ::close(pipes[1][1]);
  ::close(pipes[2][1]);
  if (log_file >= 0) ::close(log_file);
  return {.pid = pid, .in = pipes[0][1], .out = pipes[1][0], .err = pipes[2][0]};
}

int exit_code(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Appends what is there; false at the end.
bool drain(int descriptor, std::string& into) {
  std::array<char, 16'384> buffer;
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  if (got <= 0) return false;
  into.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}
}  // namespace

CommandResult run_onward(const std::vector<std::string>& arguments, const std::string& input) {
  const Spawned child = spawn(arguments);
  std::size_t written = 0;
  while (written < input.size()) {
    const ssize_t put = ::write(child.in, input.data() + written, input.size() - written);
    if (put <= 0) break;
    written += static_cast<std::size_t>(put);
  }
  ::close(child.in);
  CommandResult result;
  bool out_open = true, err_open = true;
  while (out_open || err_open) {
    std::array<pollfd, 2> wanted{pollfd{out_open ? child.out : -1, POLLIN, 0},
                                 pollfd{err_open ? child.err : -1, POLLIN, 0}};
    if (::poll(wanted.data(), wanted.size(), kPatienceMs) <= 0) {
      ::kill(child.pid, SIGKILL);
      break;
    }
    if (wanted[0].revents != 0) out_open = drain(child.out, result.out);
    if (wanted[1].revents != 0) err_open = drain(child.err, result.err);
  }
  ::close(child.out);
  ::close(child.err);
  result.code = exit_code(child.pid);
  return result;
}

CommandResult run_onward_on_terminal(const std::vector<std::string>& arguments,
                                     const std::string& terminal) {
  int ours = -1, theirs = -1;
  termios plain{};
  ::cfmakeraw(&plain);  // Line ends stay as they are.
  if (::openpty(&ours, &theirs, nullptr, &plain, nullptr) != 0)
    throw std::runtime_error("openpty failed");
  std::vector<std::string> words{ONWARD_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) {
    ::setenv("TERM", terminal.c_str(), 1);
    ::unsetenv("NO_COLOR");
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(theirs, 1);
    ::dup2(theirs, 2);
    ::close(ours);
    ::close(theirs);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(theirs);
  CommandResult result;
  pollfd wanted{ours, POLLIN, 0};
  while (::poll(&wanted, 1, kPatienceMs) > 0 && drain(ours, result.out)) {
  }
  ::close(ours);
  result.code = exit_code(pid);
  return result;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "onward-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ServerChild::ServerChild(const std::filesystem::path& data, std::vector<std::string> more,
                         const std::filesystem::path& log) {
  std::vector<std::string> arguments{"serve", "--data", data.string(), "--listen", "127.0.0.1:0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Spawned child = spawn(arguments, log);
  pid_ = child.pid;
  ::close(child.in);
  // It says where it listens on one of its outputs; the other one is for its log.
  std::string said;
  constexpr std::string_view kSign = "://127.0.0.1:";
  std::array<pollfd, 2> wanted{pollfd{child.out, POLLIN, 0}, pollfd{child.err, POLLIN, 0}};
  while (wanted[0].fd >= 0 || wanted[1].fd >= 0) {
    if (::poll(wanted.data(), wanted.size(), kPatienceMs) <= 0) break;
    for (pollfd& one : wanted)
      if (one.revents != 0 && !drain(one.fd, said)) one.fd = -1;
    const std::size_t sign = said.find(kSign);
    const std::size_t end =
        sign == said.npos ? said.npos : said.find_first_not_of("0123456789", sign + kSign.size());
    if (end != said.npos) {
      const bool sealed = sign > 0 && said[sign - 1] == 's';
      url_ = (sealed ? "https" : "http") + said.substr(sign, end - sign);
      break;
    }
  }
  // Its further talk is let go unread; it must bear that its reader is gone.
  ::close(child.out);
  ::close(child.err);
  if (url_.empty()) {
    kill();
    throw std::runtime_error("the server did not start: " + said);
  }
}

ServerChild::~ServerChild() { kill(); }

void ServerChild::send(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

int ServerChild::wait() {
  if (pid_ <= 0) return -1;
  const int code = exit_code(pid_);
  pid_ = -1;
  return code;
}

void ServerChild::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

int ServerChild::stop() {
  if (pid_ <= 0) return -1;
  ::kill(pid_, SIGTERM);
  return wait();
}

int ServerChild::end(int signal) {
  if (pid_ <= 0) return -1;
  ::kill(pid_, signal);
  int status = -1;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}
}  // namespace onward
