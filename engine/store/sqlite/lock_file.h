#pragma once
// Who owns a data folder: one process at a time. And how the last owner left it.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

#include "engine/core/base/result.h"

namespace onward {
/// What a lock file knows of the database beside it.
enum class Left : std::uint8_t {
  Nothing,  ///< None was made yet, so far as is known.
  Open,     ///< It is in use, or its owner died: the write-ahead log belongs to it.
  Closed,   ///< All is in the database file.
};

/// An exclusive lock on a file that holds the owner's pid, and on the folder of that file: anybody
/// can remove the file, and a second owner would lock a new one. The kernel releases both locks
/// when the process ends, however it ends; the file itself stays. Symbolic links and anything else
/// that is not a regular file are refused.
class LockFile {
 public:
  /// Refused with Conflict ("in_use") and the owner's pid where another one holds it.
  static Result<LockFile> take(const std::filesystem::path& file);
  /// For whoever only reads: keeps owners away, other readers not, and changes nothing. Refused in
  /// the same way while there is an owner; NotFound ("no_lock_file") where nobody ever was.
  static Result<LockFile> share(const std::filesystem::path& file);
  /// What it says at this moment, whoever holds it.
  static Left left_in(const std::filesystem::path& file);
  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

  /// How the owner before left it; how this one does, once `leave` was called.
  Left left() const { return left_; }
  /// On disk when it returns, where `durable`; for Left::Open the names of all files in the folder
  /// are on disk before, so that the write-ahead log is there if the lock file says "open". After
  /// an error the file may say either.
  Status leave(Left left, bool durable);

 private:
  LockFile(int descriptor, std::filesystem::path file)
      : descriptor_{descriptor}, file_{std::move(file)} {}
  Status put(std::string_view text, off_t offset);
  Status write(Left left);
  Status pad();
  int descriptor_;
  int folder_ = -1;
  std::filesystem::path file_;
  Left left_ = Left::Nothing;
};
}  // namespace onward
