#pragma once
// Reads the ids of the tables that stood at the start, beside the work of the store.
#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "engine/core/base/log_record.h"
#include "engine/store/sqlite/id_filter.h"

namespace onward {
/// Reads a few thousand ids at a time over a connection of its own, newest table first, on a thread
/// that gives way to others. A table that cannot be read is left out, and logged.
class SeenScan {
 public:
  /// Starts the thread. `bytes_max`: what one table's filter may take.
  SeenScan(std::filesystem::path file, std::vector<Date> days, std::size_t bytes_max, LogSink log);
  ~SeenScan();  ///< Ends it, wherever it is.

  /// Tables that have been read since the last call. Any thread; cheap where there is none.
  std::vector<std::pair<Date, IdFilter>> take();
  /// Whether all were read or left out. Any thread.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  void run();

  const std::filesystem::path file_;
  const std::vector<Date> days_;
  const std::size_t bytes_max_;
  const LogSink log_;
  std::atomic<bool> stopping_{false}, found_{false}, ended_{false};
  std::mutex mutex_;
  std::vector<std::pair<Date, IdFilter>> filters_;  // guarded by mutex_
  std::thread thread_;                              // last: starts when all else stands
};
}  // namespace onward
