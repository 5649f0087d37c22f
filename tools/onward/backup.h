#pragma once
// backup, restore: a data folder to a copy, and a copy to a data folder (docs/backup.md).
#include <string>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
struct BackupOptions {
  std::string to;    ///< A folder, which must not be there yet.
  std::string data;  ///< Empty: that of the one server on this machine.
  bool with_key = false;
  bool json = false, quiet = false;
};
int run_backup(const BackupOptions& options);

struct RestoreOptions {
  std::string from;  ///< A folder that `backup` wrote.
  std::string data;  ///< Must be missing or empty.
  bool release = false;
  bool json = false;
};
int run_restore(const RestoreOptions& options);

/// The data folder that was named; else that of the one server that runs here.
Result<std::string> data_folder(const std::string& named);
}  // namespace onward
