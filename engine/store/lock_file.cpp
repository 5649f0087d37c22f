#include "engine/store/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace onward {
namespace {
std::string owner_of(int descriptor) {
  char text[32];
  const ssize_t size = pread(descriptor, text, sizeof text, 0);
  std::string pid{text, static_cast<std::size_t>(size > 0 ? size : 0)};
  pid.erase(pid.find_last_not_of("\n ") + 1);
  return pid.empty() ? "another process" : "process " + pid;
}
}  // namespace

Result<LockFile> LockFile::take(const std::filesystem::path& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return fail(ErrorKind::Io, "no_access",
                "cannot open " + file.string() + ": " + std::strerror(errno));
  LockFile lock{descriptor};
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(ErrorKind::Conflict, "in_use",
                  owner_of(descriptor) + " is using " + file.parent_path().string() +
                      ": a data folder has one owner at a time");
    return fail(ErrorKind::Io, "no_access",
                "cannot lock " + file.string() + ": " + std::strerror(errno));
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return fail(ErrorKind::Io, "no_access",
                "cannot write " + file.string() + ": " + std::strerror(errno));
  return lock;
}

Result<LockFile> LockFile::share(const std::filesystem::path& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT)
    return fail(ErrorKind::NotFound, "no_lock_file", file.string() + " does not exist");
  if (descriptor < 0)
    return fail(ErrorKind::Io, "no_access",
                "cannot open " + file.string() + ": " + std::strerror(errno));
  LockFile lock{descriptor};
  if (flock(descriptor, LOCK_SH | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return fail(ErrorKind::Conflict, "in_use", owner_of(descriptor));
  return fail(ErrorKind::Io, "no_access",
              "cannot lock " + file.string() + ": " + std::strerror(errno));
}

LockFile::LockFile(LockFile&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
}
}  // namespace onward
