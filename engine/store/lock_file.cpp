#include "engine/store/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace onward {
namespace {
// The file: a line with the pid, then perhaps one of these. What stands behind it means nothing.
constexpr std::string_view kOpen = "open\n", kClosed = "closed\n";

Left left_by(std::string_view content) {
  if (content.empty()) return Left::Nothing;
  content.remove_prefix(std::min(content.find('\n'), content.size() - 1) + 1);
  if (content.starts_with(kOpen)) return Left::Open;
  return content.starts_with(kClosed) ? Left::Closed : Left::Nothing;
}

std::string content_of(int descriptor) {
  char text[64];
  const ssize_t size = pread(descriptor, text, sizeof text, 0);
  return {text, static_cast<std::size_t>(size > 0 ? size : 0)};
}

std::string owner_of(int descriptor) {
  const std::string content = content_of(descriptor);
  const std::string pid = content.substr(0, content.find_first_of("\n "));
  return pid.empty() ? "another process" : "process " + pid;
}

tl::unexpected<Error> no_access(const std::string& what) {
  return fail(errno == EACCES ? ErrorKind::Forbidden : ErrorKind::Io, "no_access",
              "cannot " + what + ": " + std::strerror(errno));
}
}  // namespace

Result<LockFile> LockFile::take(const std::filesystem::path& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return no_access("open " + file.string());
  LockFile lock{descriptor};
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(ErrorKind::Conflict, "in_use",
                  owner_of(descriptor) + " is using " + file.parent_path().string() +
                      ": a data folder has one owner at a time");
    return no_access("lock " + file.string());
  }
  lock.left_ = left_by(content_of(descriptor));
  if (!lock.write()) return no_access("write " + file.string());
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
  if (flock(descriptor, LOCK_SH | LOCK_NB) == 0) {
    lock.left_ = left_by(content_of(descriptor));
    return lock;
  }
  if (errno == EWOULDBLOCK) return fail(ErrorKind::Conflict, "in_use", owner_of(descriptor));
  return fail(ErrorKind::Io, "no_access",
              "cannot lock " + file.string() + ": " + std::strerror(errno));
}

Left LockFile::left_in(const std::filesystem::path& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return Left::Nothing;
  const LockFile closes{descriptor};
  return left_by(content_of(descriptor));
}

LockFile::LockFile(LockFile&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)}, left_{other.left_} {}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status LockFile::leave(Left left, bool durable) {
  left_ = left;
  Status written = write();
  if (written && durable && fdatasync(descriptor_) != 0) return no_access("sync the lock file");
  return written;
}

/// Written over in one piece, then cut: at every moment the first two lines are right.
Status LockFile::write() {
  std::string content = std::to_string(getpid()) + "\n";
  if (left_ == Left::Open) content += kOpen;
  if (left_ == Left::Closed) content += kClosed;
  if (pwrite(descriptor_, content.data(), content.size(), 0) !=
          static_cast<ssize_t>(content.size()) ||
      ftruncate(descriptor_, static_cast<off_t>(content.size())) != 0)
    return no_access("write the lock file");
  return {};
}
}  // namespace onward
