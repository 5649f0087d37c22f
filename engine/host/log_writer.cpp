#include "engine/host/log_writer.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace onward {
namespace {
std::string to_text(const LogRecord& record, Instant at, bool json) {
  return json ? to_json_line(record, at) : to_line(record, at);
}

Instant now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

/// Blocks as long as the descriptor does. False: the rest cannot be written.
bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {  // Another process set the shared descriptor to O_NONBLOCK.
      pollfd writable{.fd = descriptor, .events = POLLOUT, .revents = 0};
      if (::poll(&writable, 1, -1) < 0 && errno != EINTR) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}
}  // namespace

struct LogWriter::State {
  struct Line {
    std::string text;
    int descriptor;
  };

  void add(Line line, const LogWriterOptions& options);
  void append(Line line);
  void append_note(const LogWriterOptions& options);
  void run(const LogWriterOptions& options);

  std::mutex mutex;
  std::condition_variable added, written;
  std::deque<Line> lines;  // guarded by the mutex, as all below; the first one is being written
  std::size_t bytes = 0;
  std::uint64_t dropped = 0;
  std::uint64_t unreported = 0;  // of the dropped ones, since the last `log.dropped`
  bool closing = false, ended = false;
};

void LogWriter::State::append(Line line) {
  bytes += line.text.size();
  lines.push_back(std::move(line));
}

void LogWriter::State::append_note(const LogWriterOptions& options) {
  const LogRecord note{
      "log.dropped", {{"lines", count_value(std::exchange(unreported, 0))}}, LogLevel::Warning};
  append({to_text(note, now(), options.json) + '\n', options.descriptor});
}

void LogWriter::State::add(Line line, const LogWriterOptions& options) {
  const std::lock_guard lock{mutex};
  // After a drop a part of the buffer must be free again: one note then stands for many lines.
  const std::size_t share = unreported > 0 ? 2 : 1;
  const bool room = lines.size() < options.lines_max / share &&
                    bytes + line.text.size() <= options.bytes_max / share;
  if (closing || !room) {
    ++dropped;
    ++unreported;
    return;
  }
  if (unreported > 0) append_note(options);
  append(std::move(line));
  added.notify_one();
}

void LogWriter::State::run(const LogWriterOptions& options) {
  std::unique_lock lock{mutex};
  while (true) {
    added.wait(lock, [&] { return closing || !lines.empty(); });
    if (lines.empty()) break;
    // Stays where it is meanwhile, so that it counts as waiting: a deque that grows moves nothing.
    const Line& line = lines.front();
    lock.unlock();
    const bool done = write_all(line.descriptor, line.text);
    lock.lock();
    if (!done) ++dropped;
    bytes -= line.text.size();
    lines.pop_front();
    // What cannot be written is not reported there either: that would never end.
    if (done && lines.empty() && unreported > 0) append_note(options);
  }
  ended = true;
  written.notify_all();
}

LogWriter::LogWriter(LogWriterOptions options)
    : options_{options}, state_{std::make_shared<State>()} {
  // Blocks every signal in the thread: those of the process go to others, and a SIGPIPE of its own
  // is reported by write(2) as EPIPE.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread{[state = state_, options] {
    ::pthread_setname_np(::pthread_self(), "onward-log");
    state->run(options);
  }}.detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() { close(Duration::zero()); }

void LogWriter::add(const LogRecord& record, Instant at) {
  if (record.level < options_.least) return;
  add_line(to_text(record, at, options_.json));
}

void LogWriter::add_line(std::string line, int descriptor) {
  line += '\n';
  state_->add({std::move(line), descriptor < 0 ? options_.descriptor : descriptor}, options_);
}

bool LogWriter::close(Duration patience) {
  std::unique_lock lock{state_->mutex};
  state_->closing = true;
  state_->added.notify_one();
  return state_->written.wait_for(lock, patience, [&] { return state_->ended; });
}

std::uint64_t LogWriter::dropped() const {
  const std::lock_guard lock{state_->mutex};
  return state_->dropped;
}
}  // namespace onward
