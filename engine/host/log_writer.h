#pragma once
// Writes the server's log on a thread of its own, so that a reader that does not read (a full pipe,
// a terminal that is stopped, a slow disk) delays the log and nothing else.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/core/base/log_record.h"
#include "engine/core/base/time.h"

namespace onward {
struct LogWriterOptions {
  int descriptor = 2;  ///< Stays open as long as the process: the thread may still write to it.
  LogLevel least = LogLevel::Info;  ///< Records below it are left out.
  bool json = false;
  // What may wait. Lines beyond either bound are dropped and counted.
  std::size_t lines_max = 10'000;
  std::size_t bytes_max = std::size_t{4} << 20;
};

/// Lines are written in order, each in one call of write(2). After drops it accepts lines again
/// when half of the buffer is free, and writes one record `log.dropped` in place of the missing
/// ones. A line that cannot be written (EPIPE, a full disk) is dropped and counted.
class LogWriter {
 public:
  explicit LogWriter(LogWriterOptions options);
  /// As `close` without patience.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// Any thread; never blocks on the descriptor.
  void add(const LogRecord& record, Instant at);
  /// A line as it is, whatever its level; to `descriptor` instead of the log's, where one is given.
  void add_line(std::string line, int descriptor = -1);
  /// Waits up to `patience` until all lines are written; whether they are. Later lines are dropped.
  /// Where the descriptor is still blocked, its thread is left behind.
  bool close(Duration patience);
  /// Lines that were never written.
  std::uint64_t dropped() const;

 private:
  struct State;
  const LogWriterOptions options_;
  const std::shared_ptr<State> state_;  // shared with the thread, which may outlive the writer
};
}  // namespace onward
