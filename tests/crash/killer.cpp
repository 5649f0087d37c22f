// A library to preload (LD_PRELOAD) into the server: it ends the process, as a power switch would,
// before or after the n-th call of a kind, or makes its disk fail. So the server itself knows
// nothing of being tested.
//   ONWARD_KILL         CALL:before|after:N, the calls being wal_write, wal_sync, db_write, send
//   ONWARD_KILL_NOTE    a file that gets the moment of the end, in nanoseconds of CLOCK_MONOTONIC
//   ONWARD_DISK_FAULTS  a folder: while it holds "full", "read_only" or "eio", writes fail so;
//                       "fsync_once" is removed by the one fsync that fails
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {
struct Plan {
  std::string call;
  bool after = false;
  long at = 0;  // 0: never
};

Plan read_plan() {
  const char* text = std::getenv("ONWARD_KILL");
  if (text == nullptr) return {};
  const std::string whole = text;
  const std::size_t one = whole.find(':'), two = whole.find(':', one + 1);
  if (two == std::string::npos) return {};
  return {.call = whole.substr(0, one),
          .after = whole.substr(one + 1, two - one - 1) == "after",
          .at = std::atol(whole.c_str() + two + 1)};
}

const Plan& plan() {
  static const Plan read = read_plan();
  return read;
}
std::atomic<long> calls = 0;

[[noreturn]] void end() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  if (const char* note = std::getenv("ONWARD_KILL_NOTE")) {
    const std::string text = std::to_string(now.tv_sec * 1'000'000'000L + now.tv_nsec);
    const int file = ::open(note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ::syscall(SYS_write, file, text.data(), text.size());
  }
  ::syscall(SYS_kill, ::getpid(), SIGKILL);
  for (;;) ::pause();
}

/// What a descriptor is of: "wal", "db", or "".
std::string_view file_of(int descriptor) {
  char link[64], path[512];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t size = ::readlink(link, path, sizeof path);
  const std::string_view name{path, static_cast<std::size_t>(size > 0 ? size : 0)};
  return name.ends_with("/onward.db-wal") ? "wal" : name.ends_with("/onward.db") ? "db" : "";
}

/// True when this is the call to end at.
bool due(std::string_view file, std::string_view what) {
  if (plan().at == 0 || file.empty()) return false;
  const std::string_view call = plan().call;
  return call.starts_with(file) && call.ends_with(what) && ++calls == plan().at;
}

bool fault(const char* name, bool once) {
  const char* folder = std::getenv("ONWARD_DISK_FAULTS");
  if (folder == nullptr) return false;
  const std::string path = std::string{folder} + "/" + name;
  return once ? ::unlink(path.c_str()) == 0 : ::access(path.c_str(), F_OK) == 0;
}

template <class Call>
auto around(bool now, Call call) {
  if (now && !plan().after) end();
  const auto result = call();
  if (now) end();
  return result;
}

ssize_t write_at(int descriptor, const void* from, size_t size, off64_t offset) {
  const std::string_view file = file_of(descriptor);
  if (!file.empty() && fault("full", false)) {
    errno = ENOSPC;
    return -1;
  }
  if (!file.empty() && fault("read_only", false)) {
    errno = EROFS;
    return -1;
  }
  if (!file.empty() && fault("eio", false)) {
    errno = EIO;
    return -1;
  }
  return around(due(file, "_write"),
                [&] { return ::syscall(SYS_pwrite64, descriptor, from, size, offset); });
}

int sync_now(long call, int descriptor) {
  const std::string_view file = file_of(descriptor);
  if (!file.empty() && fault("fsync_once", true)) {
    errno = EIO;
    return -1;
  }
  return around(due(file, "_sync"), [&] { return static_cast<int>(::syscall(call, descriptor)); });
}
}  // namespace

extern "C" ssize_t pwrite64(int descriptor, const void* from, size_t size, off64_t offset) {
  return write_at(descriptor, from, size, offset);
}
extern "C" ssize_t pwrite(int descriptor, const void* from, size_t size, off_t offset) {
  return write_at(descriptor, from, size, offset);
}
extern "C" int fsync(int descriptor) { return sync_now(SYS_fsync, descriptor); }
extern "C" int fdatasync(int descriptor) { return sync_now(SYS_fdatasync, descriptor); }

/// libcurl's way to send a request; the server's own answers go another way.
extern "C" ssize_t send(int socket, const void* from, size_t size, int flags) {
  const bool now = plan().at != 0 && plan().call == "send" && size > 64 && ++calls == plan().at;
  return around(now,
                [&] { return ::syscall(SYS_sendto, socket, from, size, flags, nullptr, nullptr); });
}
