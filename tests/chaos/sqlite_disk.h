#pragma once
// The disk of a world that runs on SQLite: its files live on the fault disk, and a power failure
// leaves of them what was synced and, of the rest, what chance decides. With the options used here
// the store has no thread and asks no clock, so that the same calls always write the same.
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "engine/core/base/time.h"
#include "engine/store/store.h"
#include "tests/support/faulty_vfs.h"

namespace onward::chaos {
class SqliteDisk {
 public:
  /// `lies`: a sync makes nothing durable.
  SqliteDisk(Duration dedupe_for, bool lies);
  ~SqliteDisk();
  SqliteDisk(const SqliteDisk&) = delete;
  SqliteDisk& operator=(const SqliteDisk&) = delete;

  Result<std::shared_ptr<Store>> open();
  /// The power fails, or (Loss::Nothing) the process is killed. The store that is open now can
  /// write nothing any more; it must be closed before `next_life`.
  void cut(Loss loss, std::uint64_t chance);
  /// A folder with the files that `cut` left.
  void next_life();

  FaultyDisk& faults() { return *faulty_; }

 private:
  void begin();

  Duration dedupe_for_;
  bool lies_;
  std::filesystem::path root_, folder_;
  std::unique_ptr<FaultyDisk> faulty_;
  std::map<std::string, std::string> left_;  ///< Files by name.
  int life_ = 0;
};
}  // namespace onward::chaos
