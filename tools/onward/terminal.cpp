#include "tools/onward/terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine/api/views.h"
#include "engine/secrets/regular_file.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"

namespace onward {
namespace {
bool lost = false;  // The command line has one thread.

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  if (no_colour && *no_colour) return false;
  const char* kind = std::getenv("TERM");
  return kind && *kind && std::string_view{kind} != "dumb";
}
}  // namespace

int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Invalid:
      return kExitData;
    case ErrorKind::NotFound:
      return kExitNoInput;
    case ErrorKind::Conflict:
      return kExitData;
    case ErrorKind::Forbidden:
      return kExitPermission;
    case ErrorKind::Busy:
      return kExitTemp;
    case ErrorKind::Unavailable:
      return kExitUnavailable;
    case ErrorKind::Io:
      return kExitIo;
    case ErrorKind::Internal:
      return kExitSoftware;
  }
  return kExitSoftware;
}

int exit_code_of_status(int status) {
  if (status >= 200 && status < 300) return kExitOk;
  switch (status) {
    case 401:
    case 403:
      return kExitPermission;
    case 404:
      return kExitNoInput;
    case 408:
    case 429:
    case 503:
      return kExitTemp;
    default:
      return status >= 500 ? kExitSoftware : kExitData;
  }
}

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }
bool colour_on_stdout() { return stdout_is_terminal() && colour_wanted(); }
bool colour_on_stderr() { return stderr_is_terminal() && colour_wanted(); }

std::size_t terminal_width() {
  if (!stdout_is_terminal()) return kEndless;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 80;
}

void print(std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!whole || std::fflush(stdout) != 0) lost = true;
}

bool output_lost() { return lost; }

void say(std::string_view text) { fmt::print(stderr, "{}\n", text); }

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

bool confirmed(std::string_view question) {
  if (!stdin_is_terminal()) return false;
  std::fputs((std::string{question} + " [y/N] ").c_str(), stderr);
  char answer[16] = {};
  if (!std::fgets(answer, sizeof answer, stdin)) return false;
  return answer[0] == 'y' || answer[0] == 'Y';
}

int complain(std::string_view message, int exit_code) {
  say(fmt::format("onward: {}", message));
  return exit_code;
}

int complain(const Error& error) { return complain(error.message, exit_code_of(error.kind)); }

namespace {
constexpr int kFifoWaitMs = 10'000;

tl::unexpected<Error> no_file(const std::string& file) {
  const ErrorKind kind = errno == EACCES ? ErrorKind::Forbidden : ErrorKind::NotFound;
  return fail(kind, "no_file", fmt::format("Cannot read {}: {}.", file, why_not_regular(errno)));
}

Result<std::string> read_whole(std::FILE* from, const std::string& file) {
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, from))
    text.append(buffer, count);
  if (std::ferror(from) != 0)
    return fail(ErrorKind::Io, "cannot_read",
                fmt::format("Cannot read {}: {}.", file, std::strerror(errno)));
  return text;
}
}  // namespace

Result<std::string> read_input(const std::string& file) {
  if (file == "-") return read_whole(stdin, file);
  // Also a FIFO, such as a shell's <(command), but not for ever one that nobody writes to.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor < 0) return no_file(file);
  struct stat about {};
  pollfd writer{.fd = descriptor, .events = POLLIN};
  if (::fstat(descriptor, &about) == 0 && S_ISFIFO(about.st_mode) &&
      ::poll(&writer, 1, kFifoWaitMs) == 0) {
    ::close(descriptor);
    return fail(ErrorKind::Unavailable, "cannot_read",
                fmt::format("Cannot read {}: no program wrote to it within {} seconds.", file,
                            kFifoWaitMs / 1'000));
  }
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
  const OpenFile from{::fdopen(descriptor, "r"), &std::fclose};
  if (!from) {
    ::close(descriptor);
    return no_file(file);
  }
  return read_whole(from.get(), file);
}

Result<std::string> read_regular(const std::string& file) {
  const OpenFile from = open_regular(file);
  if (!from) return no_file(file);
  return read_whole(from.get(), file);
}

std::string printable(std::string_view text) { return inert_text(text); }
}  // namespace onward
