#pragma once
// Who owns a data folder: one process at a time.
#include <filesystem>

#include "engine/core/result.h"

namespace onward {
/// An exclusive lock on a file that holds the owner's pid. The kernel lets go of it when the
/// process ends, however that comes; the file itself stays.
class LockFile {
 public:
  /// Refused with Conflict ("in_use") and the owner's pid where another one holds it.
  static Result<LockFile> take(const std::filesystem::path& file);
  /// For whoever only reads: keeps owners away, other readers not, and changes nothing. Refused in
  /// the same way while there is an owner; NotFound ("no_lock_file") where nobody ever was.
  static Result<LockFile> share(const std::filesystem::path& file);
  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int descriptor) : descriptor_{descriptor} {}
  int descriptor_;
};
}  // namespace onward
