#include "engine/store/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
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

/// Opens a regular file; never waits, as a FIFO would, and follows no link. -1: see errno.
int open_plain(const std::filesystem::path& file, int flags) {
  const int descriptor = open(file.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  struct stat about {};
  if (descriptor < 0 || (fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode)))
    return descriptor;
  close(descriptor);
  errno = ELOOP;
  return -1;
}

std::string why_not_open(const std::filesystem::path& file) {
  if (errno == ELOOP || errno == ENXIO || errno == EISDIR)
    return "cannot open " + file.string() + ": it must be a regular file; remove what is there";
  return "cannot open " + file.string() + ": " + std::strerror(errno);
}

/// -1 where the file system cannot lock a folder, as NFS cannot: then the file's lock is all.
/// nullopt where another process holds it.
std::optional<int> lock_folder(const std::filesystem::path& folder, int operation) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  if (flock(descriptor, operation | LOCK_NB) == 0) return descriptor;
  const bool held = errno == EWOULDBLOCK;
  close(descriptor);
  if (held) return std::nullopt;
  return -1;
}
}  // namespace

Result<LockFile> LockFile::take(const std::filesystem::path& file) {
  const int descriptor = open_plain(file, O_RDWR | O_CREAT);
  if (descriptor < 0)
    return fail(errno == EACCES ? ErrorKind::Forbidden : ErrorKind::Io, "no_access",
                why_not_open(file));
  LockFile lock{descriptor};
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(ErrorKind::Conflict, "in_use",
                  owner_of(descriptor) + " is using " + file.parent_path().string() +
                      ": a data folder has one owner at a time");
    return no_access("lock " + file.string());
  }
  const auto folder = lock_folder(file.parent_path(), LOCK_EX);
  if (!folder)
    return fail(ErrorKind::Conflict, "in_use",
                "another process is using " + file.parent_path().string() +
                    ", though its lock file was removed: a data folder has one owner at a time");
  lock.folder_ = *folder;
  lock.left_ = left_by(content_of(descriptor));
  if (!lock.write()) return no_access("write " + file.string());
  return lock;
}

Result<LockFile> LockFile::share(const std::filesystem::path& file) {
  // Of an owner whose lock file was removed.
  const auto folder = lock_folder(file.parent_path(), LOCK_SH);
  const int descriptor = open_plain(file, O_RDONLY);
  const int fault = errno;
  LockFile lock{descriptor};
  lock.folder_ = folder.value_or(-1);
  errno = fault;
  if (descriptor < 0 && errno == ENOENT && folder)
    return fail(ErrorKind::NotFound, "no_lock_file", file.string() + " does not exist");
  if (descriptor < 0 && errno == ENOENT)
    return fail(ErrorKind::Conflict, "in_use", "another process");
  if (descriptor < 0) return fail(ErrorKind::Io, "no_access", why_not_open(file));
  if (flock(descriptor, LOCK_SH | LOCK_NB) == 0) {
    if (!folder) return fail(ErrorKind::Conflict, "in_use", "another process");
    lock.left_ = left_by(content_of(descriptor));
    return lock;
  }
  if (errno == EWOULDBLOCK) return fail(ErrorKind::Conflict, "in_use", owner_of(descriptor));
  return fail(ErrorKind::Io, "no_access",
              "cannot lock " + file.string() + ": " + std::strerror(errno));
}

Left LockFile::left_in(const std::filesystem::path& file) {
  const int descriptor = open_plain(file, O_RDONLY);
  if (descriptor < 0) return Left::Nothing;
  const LockFile closes{descriptor};
  return left_by(content_of(descriptor));
}

LockFile::LockFile(LockFile&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)},
      folder_{std::exchange(other.folder_, -1)},
      left_{other.left_} {}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (folder_ >= 0) close(folder_);
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
