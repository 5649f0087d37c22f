#pragma once
// The disk as SQLite meets it in a test: it fails at a chosen call, and tells all that was done to
// it, so that power_loss.h can say what a power failure would have left.
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/power_loss.h"

namespace onward {
/// What SQLite asks of its files.
enum class DiskCall : std::uint8_t {
  Open,
  Read,
  Write,
  Truncate,
  Sync,
  FileSize,
  Lock,
  SharedMap,
  SharedLock,
  Delete
};
std::string name_of(DiskCall call);

struct DiskFault {
  DiskCall call = DiskCall::Write;
  int code = 0;              ///< SQLITE_FULL, SQLITE_IOERR_WRITE, …
  std::size_t at = 1;        ///< Of the calls from now on.
  bool stays = false;        ///< Every later call of the sort fails as well, until `heal`.
  std::string only_on = {};  ///< The end of the file's name; empty: any file.
  int system = 0;            ///< What `errno` says of it; 0: nothing.
};

/// While it lives, every connection that this process opens goes through it. One at a time. It
/// syncs nothing: what a sync would have made durable is in its events. Any thread.
class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  /// In place of the fault before. A failing write writes its first half.
  void fail(DiskFault fault);
  void heal();
  /// Calls meanwhile neither fail nor count.
  void pause(bool paused);
  /// Calls that failed since `fail`.
  std::size_t failures() const;

  /// How long SQLite has asked to sleep, which takes no time here.
  std::chrono::microseconds slept() const;

  /// From now on what is done is remembered. Reading and locking are not.
  void remember();
  /// A disk that says it has synced, and has not.
  void lie_about_sync();
  std::size_t events_so_far() const;
  std::vector<DiskEvent> events() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};
}  // namespace onward
