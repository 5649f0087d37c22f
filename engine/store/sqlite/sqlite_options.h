#pragma once
// How a SQLite store works.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "engine/core/base/log_record.h"
#include "engine/core/base/time.h"
#include "engine/store/sqlite/file_system.h"

namespace onward {
struct SqliteOptions {
  std::filesystem::path folder;  ///< Holds onward.db and the lock file; made where missing.
  Duration dedupe_for = std::chrono::hours{24 * 7};
  std::size_t fold_after = 40'000;  ///< Changes since the last fold that start the next.
  Duration fold_age = std::chrono::seconds{1};         ///< So does an unfolded commit of this age.
  Duration fold_slice = std::chrono::milliseconds{1};  ///< Work of one call of `fold_slice`.
  int checkpoint_pages = 4096;  ///< Growth of the WAL after which it is to be begun anew.
  /// Of the filters by which an id that was never seen is told without a look at the tables; 0:
  /// there are none. About two bytes an id.
  std::size_t dedupe_memory = 0;
  Duration round_longest = std::chrono::seconds{1};  ///< That a sync beside commits may take.
  int rest_pages = 256;  ///< Of it that may be synced in the commits' way.
  Duration erase_pause = std::chrono::seconds{1};  ///< Between two erasures from the log.
  Duration purge_pause = std::chrono::minutes{1};  ///< The same where only old bodies went.
  Duration look_every = std::chrono::seconds{1};   ///< Whether the file is where it was.
  std::uint64_t bytes_max =
      0;                ///< The most that onward.db may take; then "disk_full". 0: no bound.
  bool durable = true;  ///< false: no fsync; for tests of other things only.
  bool backup = false;  ///< true: a backup is opened as well, to make a store of its own of it.
  LogSink log;          ///< What an operator should know of the folder.
  std::function<std::uint64_t(const std::filesystem::path& folder)> file_system = file_system_type;
  bool plain_rows = false;  ///< For the benchmark only: no journal, each commit writes its rows.
};
}  // namespace onward
