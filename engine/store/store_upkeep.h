#pragma once
// What a store on a disk of its own needs now and then. A store that is another server's leaves
// this to that server.
#include <cstdint>

#include "engine/core/base/result.h"

namespace onward {
/// Every call comes from the engine thread.
class StoreUpkeep {
 public:
  virtual ~StoreUpkeep() = default;
  /// Whether rows wait to be folded into the tables that readers see.
  virtual bool fold_pending() const = 0;
  /// Folds everything that was committed before the call.
  virtual Status fold() = 0;
  /// A slice of the same, about a millisecond of work, for quiet moments. Whether more is left.
  virtual Result<bool> fold_slice() = 0;
  /// Writes and syncs a little, to see whether the disk takes it again.
  virtual Status probe() = 0;
  /// Bytes on disk; 0 in memory.
  virtual std::uint64_t size_on_disk() const = 0;
  /// Bytes of the write-ahead log that is in use: it grows while a reader keeps checkpoints from
  /// passing.
  virtual std::uint64_t log_bytes() const { return 0; }
};
}  // namespace onward
