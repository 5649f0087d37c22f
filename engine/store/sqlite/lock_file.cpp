#include "engine/store/sqlite/lock_file.h"

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

#include "engine/disk/disk_calls.h"
#include "engine/disk/durable_file.h"

namespace onward {
namespace {
// The file: a line with the pid, then perhaps one of these. The bytes after it mean nothing.
// It is written in place, since the lock is on the file and not on its name. The content always has
// the same size, within one sector, so that a power failure leaves the old content or the new one.
constexpr std::size_t kContentSize = 32;
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
  const int fault = errno;
  return fail(fault == EACCES ? ErrorKind::Forbidden : ErrorKind::Io, "no_access",
              "cannot " + what + ": " + std::strerror(fault));
}

/// Opens a regular file; never waits, as a FIFO would, and follows no link. -1: see errno.
int open_plain(const std::filesystem::path& file, int flags) {
  const int descriptor =
      disk_calls().open(file.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
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
  LockFile lock{descriptor, file};
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
  if (Status padded = lock.pad(); !padded) return tl::make_unexpected(padded.error());
  if (Status written = lock.write(lock.left_); !written)
    return tl::make_unexpected(written.error());
  return lock;
}

Result<LockFile> LockFile::share(const std::filesystem::path& file) {
  // Of an owner whose lock file was removed.
  const auto folder = lock_folder(file.parent_path(), LOCK_SH);
  const int descriptor = open_plain(file, O_RDONLY);
  const int fault = errno;
  LockFile lock{descriptor, file};
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
  const LockFile closes{descriptor, file};
  return left_by(content_of(descriptor));
}

LockFile::LockFile(LockFile&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)},
      folder_{std::exchange(other.folder_, -1)},
      file_{std::move(other.file_)},
      left_{other.left_} {}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (folder_ >= 0) close(folder_);
}

/// Names first: a write-ahead log whose name is lost beside a lock file that says "open" would be
/// taken for one that was removed.
Status LockFile::leave(Left left, bool durable) {
  if (durable && left == Left::Open)
    if (const auto fault = sync_folder_of(file_)) {
      errno = fault->error;
      return no_access("sync the folder of " + file_.string());
    }
  if (Status written = write(left); !written) return written;
  if (durable && disk_calls().sync(descriptor_) != 0) return no_access("sync " + file_.string());
  left_ = left;
  return {};
}

/// The content is `text` from `offset` on.
Status LockFile::put(std::string_view text, off_t offset) {
  const ssize_t written = disk_calls().write(descriptor_, text.data(), text.size(), offset);
  if (written == static_cast<ssize_t>(text.size())) return {};
  if (written >= 0) errno = ENOSPC;
  return no_access("write " + file_.string());
}

Status LockFile::write(Left left) {
  std::string content = std::to_string(getpid()) + "\n";
  if (left == Left::Open) content += kOpen;
  if (left == Left::Closed) content += kClosed;
  content.resize(kContentSize, '\n');
  return put(content, 0);
}

/// A file of an earlier version is shorter. Its new size must be durable before its beginning is
/// overwritten: of a longer pid with the old size, the second line would be cut off.
Status LockFile::pad() {
  struct stat about {};
  if (left_ == Left::Nothing || fstat(descriptor_, &about) != 0) return {};
  const auto size = static_cast<std::size_t>(about.st_size);
  if (size >= kContentSize) return {};
  if (Status written = put(std::string(kContentSize - size, '\n'), about.st_size); !written)
    return written;
  if (disk_calls().sync(descriptor_) != 0) return no_access("sync " + file_.string());
  return {};
}
}  // namespace onward
