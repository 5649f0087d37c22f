#include "tools/onward/terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

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

/// The escape sequences that commands use for colours.
constexpr std::array<std::string_view, 9> kColours{"\x1b[0m",    "\x1b[1m",  "\x1b[2m",
                                                   "\x1b[1;31m", "\x1b[31m", "\x1b[32m",
                                                   "\x1b[33m",   "\x1b[36m", "\x1b[90m"};

void write_out(std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!whole || std::fflush(stdout) != 0) lost = true;
}

void write_err(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

/// Collects lines, so that no character is cut in two.
class ShownBuffer final : public std::streambuf {
 public:
  explicit ShownBuffer(void (*write)(std::string_view)) : write_{write} {}
  ~ShownBuffer() override { ShownBuffer::sync(); }

 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    kept_ += traits_type::to_char_type(c);
    if (kept_.size() >= kKeptMax && kept_.back() == '\n') sync();
    return c;
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    kept_.append(text, static_cast<std::size_t>(count));
    if (kept_.size() >= kKeptMax && kept_.back() == '\n') sync();
    return count;
  }
  int sync() override {
    if (!kept_.empty()) write_(kept_);
    kept_.clear();
    return output_lost() ? -1 : 0;
  }

 private:
  static constexpr std::size_t kKeptMax = 64 * 1024;
  void (*write_)(std::string_view);
  std::string kept_;
};
}  // namespace

std::string shown(std::string_view text, bool colours) {
  std::string out;
  for (std::size_t escape = colours ? text.find('\x1b') : text.npos; escape != text.npos;
       escape = text.find('\x1b')) {
    out += printable(text.substr(0, escape));
    text.remove_prefix(escape);
    const auto colour =
        std::ranges::find_if(kColours, [&](std::string_view one) { return text.starts_with(one); });
    const std::size_t length = colour == kColours.end() ? 1 : colour->size();
    out += colour == kColours.end() ? printable(text.substr(0, 1)) : std::string{*colour};
    text.remove_prefix(length);
  }
  return out += printable(text);
}

Value shown(const Value& value) {
  if (const std::string* text = value.text()) return Value{printable(*text)};
  if (const ValueList* list = value.list()) {
    ValueList out;
    out.reserve(list->size());
    for (const Value& one : *list) out.push_back(shown(one));
    return Value{std::move(out)};
  }
  if (const ValueMap* map = value.map()) {
    ValueMap out;
    out.reserve(map->size());
    for (const auto& [name, one] : *map) out.emplace_back(printable(name), shown(one));
    return Value{std::move(out)};
  }
  return value;
}

ShownStreams::ShownStreams()
    : out_{std::make_unique<ShownBuffer>(&print)},
      err_{std::make_unique<ShownBuffer>(&ask)},
      out_before_{std::cout.rdbuf(out_.get())},
      err_before_{std::cerr.rdbuf(err_.get())} {}

ShownStreams::~ShownStreams() {
  std::cout.rdbuf(out_before_);
  std::cerr.rdbuf(err_before_);
}

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

int exit_code_of(const Error& error) {
  return error.code == "several_servers" ? kExitUsage : exit_code_of(error.kind);
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

void print(std::string_view text) { write_out(shown(text, colour_on_stdout())); }

void print_data(std::string_view text) { stdout_is_terminal() ? print(text) : write_out(text); }

void clear_screen() { write_out("\x1b[H\x1b[2J"); }

void draw_line(std::string_view text) { write_err("\r\x1b[K" + printable(text)); }

bool output_lost() { return lost; }

void ask(std::string_view question) { write_err(shown(question, colour_on_stderr())); }

void say(std::string_view text) { ask(std::string{text} + "\n"); }

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

bool confirmed(std::string_view question) {
  if (!stdin_is_terminal()) return false;
  ask(std::string{question} + " [y/N] ");
  char answer[16] = {};
  if (!std::fgets(answer, sizeof answer, stdin)) return false;
  return answer[0] == 'y' || answer[0] == 'Y';
}

int complain(std::string_view message, int exit_code) {
  say(fmt::format("onward: {}", message));
  return exit_code;
}

int complain(const Error& error) { return complain(error.message, exit_code_of(error)); }

namespace {
constexpr int kFifoWaitMs = 10'000;

tl::unexpected<Error> no_file(const std::string& file) {
  const ErrorKind kind = errno == EACCES ? ErrorKind::Forbidden : ErrorKind::NotFound;
  return fail(kind, "no_file", fmt::format("Cannot read {}: {}.", file, why_not_regular(errno)));
}

Result<std::string> read_whole(std::FILE* from, const std::string& file,
                               std::size_t most = std::numeric_limits<std::size_t>::max()) {
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t count =
             std::fread(buffer, 1, std::min(sizeof buffer, most - text.size()), from))
    text.append(buffer, count);
  if (std::ferror(from) != 0)
    return fail(ErrorKind::Io, "cannot_read",
                fmt::format("Cannot read {}: {}.", file, std::strerror(errno)));
  return text;
}
}  // namespace

Result<std::string> read_input(const std::string& file, std::size_t most) {
  if (file == "-") return read_whole(stdin, file, most);
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
  return read_whole(from.get(), file, most);
}

Result<std::string> read_regular(const std::string& file) {
  const OpenFile from = open_regular(file);
  if (!from) return no_file(file);
  return read_whole(from.get(), file);
}
}  // namespace onward
