// A library to preload (LD_PRELOAD): every fsync takes ONWARD_FSYNC_EXTRA_US longer, as on a disk
// whose flush is slower than this machine's.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {
void wait_longer() {
  static const long kExtraUs = [] {
    const char* text = std::getenv("ONWARD_FSYNC_EXTRA_US");
    return text ? std::atol(text) : 0L;
  }();
  const timespec extra{.tv_sec = kExtraUs / 1'000'000, .tv_nsec = kExtraUs % 1'000'000 * 1'000};
  ::nanosleep(&extra, nullptr);
}
}  // namespace

extern "C" int fsync(int descriptor) {
  wait_longer();
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

extern "C" int fdatasync(int descriptor) {
  wait_longer();
  return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
}
