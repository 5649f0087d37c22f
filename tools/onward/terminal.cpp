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
#include <iostream>
#include <utility>

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
  explicit ShownBuffer(void (*write)(const StyledText&)) : write_{write} {}
  ~ShownBuffer() override { ShownBuffer::sync(); }

  void put(const StyledText& text) {
    take_raw();
    kept_ += text;
    if (kept_.plain().size() >= kKeptMax) sync();
  }

 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    raw_ += traits_type::to_char_type(c);
    if (raw_.size() >= kKeptMax && raw_.back() == '\n') sync();
    return c;
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    raw_.append(text, static_cast<std::size_t>(count));
    if (raw_.size() >= kKeptMax && raw_.back() == '\n') sync();
    return count;
  }
  int sync() override {
    take_raw();
    if (!kept_.empty()) write_(std::exchange(kept_, {}));
    return output_lost() ? -1 : 0;
  }

 private:
  static constexpr std::size_t kKeptMax = 64 * 1024;
  void take_raw() {
    if (!raw_.empty()) kept_ += std::exchange(raw_, {});
  }
  void (*write_)(const StyledText&);
  StyledText kept_;
  std::string raw_;  ///< Behind `kept_`; perhaps ends within a character.
};
}  // namespace

Value shown(const Value& value) {
  if (const std::string* text = value.text()) return Value{printable_line(*text)};
  if (const ValueList* list = value.list()) {
    ValueList out;
    out.reserve(list->size());
    for (const Value& one : *list) out.push_back(shown(one));
    return Value{std::move(out)};
  }
  if (const ValueMap* map = value.map()) {
    ValueMap out;
    out.reserve(map->size());
    for (const auto& [name, one] : *map) {
      const bool lines = name == "body" || name == "response";
      out.emplace_back(printable_line(name),
                       lines && one.text() ? Value{printable(*one.text())} : shown(one));
    }
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

std::size_t terminal_width() {
  if (!stdout_is_terminal()) return kEndless;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 80;
}

std::ostream& operator<<(std::ostream& out, const StyledText& text) {
  auto* buffer = dynamic_cast<ShownBuffer*>(out.rdbuf());
  if (buffer == nullptr) return out << text.plain();
  buffer->put(text);
  return out;
}

void print(const StyledText& text) {
  write_out(stdout_is_terminal() && colour_wanted() ? text.coloured() : text.plain());
}

void print_data(std::string_view text) {
  if (!stdout_is_terminal()) return write_out(text);
  std::string lines;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!text.substr(i).starts_with("\r\n")) lines += text[i];
  print(lines);
}

void clear_screen() { write_out("\x1b[H\x1b[2J"); }

void draw_line(std::string_view text) { write_err("\r\x1b[K" + printable(text)); }

bool output_lost() { return lost; }

void ask(const StyledText& question) {
  write_err(stderr_is_terminal() && colour_wanted() ? question.coloured() : question.plain());
}

void say(const StyledText& text) { ask(text + "\n"); }

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
