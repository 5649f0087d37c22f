#pragma once
// The system calls that durable files are written with (durable_file.h, store/sqlite/lock_file.h).
#include <sys/types.h>

#include <cstddef>

namespace onward {
/// Each returns what the system call returns, and sets errno. A test replaces them: it records what
/// was done, computes what a power failure leaves of it, and lets a call fail.
class DiskCalls {
 public:
  virtual ~DiskCalls() = default;
  virtual int open(const char* path, int flags, unsigned mode);
  virtual ssize_t write(int descriptor, const void* from, std::size_t size, off_t offset);
  virtual int sync(int descriptor);  ///< fsync, of a file or of a folder.
  virtual int rename(const char* from, const char* to);
  virtual int link(const char* from, const char* to);
  virtual int unlink(const char* path);
};

/// The system's, unless a test has replaced them.
DiskCalls& disk_calls();

/// For tests: while it lives, `disk_calls` answers `calls`. Construct and destroy it while no other
/// thread writes files.
class ReplacedDiskCalls {
 public:
  explicit ReplacedDiskCalls(DiskCalls& calls);
  ~ReplacedDiskCalls();
  ReplacedDiskCalls(const ReplacedDiskCalls&) = delete;
  ReplacedDiskCalls& operator=(const ReplacedDiskCalls&) = delete;

 private:
  DiskCalls* const before_;
};
}  // namespace onward
