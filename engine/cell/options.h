#pragma once
// Settings of an engine and of the threads around it.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/base/log_record.h"
#include "engine/core/base/time.h"
#include "engine/core/contact/contact_size.h"
#include "engine/guard/working_file.h"

namespace onward {
struct RuntimeOptions {
  std::int64_t account_id = 1;
  std::size_t contact_bytes_max = kContactBytesMax;  ///< Of one contact as it is stored.
  Duration dedupe_for = std::chrono::hours{24 * 7};
  /// How long after its end what a request said is kept, and a run; nothing: for ever. Runs are
  /// kept no shorter than bodies: a contact's are found through them when it is forgotten.
  std::optional<Duration> keep_bodies, keep_runs;
  /// Events, changes and imports that are taken and not answered yet, wherever they are; beyond
  /// either: Busy.
  std::size_t intake_max = 20'000;
  std::size_t intake_bytes_max = std::size_t{64} << 20;
  /// The same of calls, such as the text of a scenario that is applied.
  std::size_t calls_max = 10'000;
  std::size_t calls_bytes_max = std::size_t{64} << 20;
  /// Of outcomes of attempts that wait for the engine; beyond, excerpts of responses are left out.
  std::size_t results_bytes_max = std::size_t{16} << 20;
  std::size_t batch_max = 1'000;  ///< Inputs in one commit.
  /// A commit ends with the input with which its new rows reach this.
  std::size_t commit_bytes_max = std::size_t{4} << 20;
  std::size_t endpoint_window = 1'000;  ///< Deliveries of one endpoint in memory.
  std::size_t window = 20'000;          ///< Deliveries of all endpoints in memory.
  /// See AuthorContext; may be empty. What it answers may change: see `recheck_blocked`.
  std::function<std::string(std::string_view origin)> refuses_origin;
  std::filesystem::path key_file;  ///< Of the master key; empty: in memory, gone with the process.
  bool own_key_file = true;        ///< See KeyFile.
  std::uint64_t log_long = std::uint64_t{128} << 20;  ///< Bytes of the store's log worth a line.
  bool any_secret = false;  ///< Scenarios may name secrets that are not there: simulations.
  /// For the time budget of background jobs; empty: a step a round, see job_queue.h.
  std::function<std::chrono::nanoseconds()> stopwatch;
  /// A clock that nobody can set, such as the time since boot, of any thread; empty: that one.
  std::function<Duration()> since_boot;
  LogSink log;  ///< May be empty. Must not block: the engine's threads call it.
  std::function<std::uint64_t()> log_dropped;  ///< Lines that the log dropped; may be empty.
  std::shared_ptr<WorkingFile> working;        ///< Null: a crash leaves no name behind.
};
}  // namespace onward
