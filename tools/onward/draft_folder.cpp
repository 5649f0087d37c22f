#include "tools/onward/draft_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace onward {
namespace fs = std::filesystem;
namespace {
tl::unexpected<Error> cannot(std::string_view act, const fs::path& path, int fault) {
  return fail(fault == EACCES || fault == EPERM ? ErrorKind::Forbidden : ErrorKind::Io,
              "cannot_write",
              fmt::format("Cannot {} {}: {}.", act, path.string(), std::strerror(fault)));
}

Status sync(const fs::path& path) {
  const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = opened >= 0 && ::fsync(opened) == 0;
  const int fault = errno;
  if (opened >= 0) ::close(opened);
  if (!synced) return cannot("sync", path, fault);
  return {};
}
}  // namespace

Result<DraftFolder> DraftFolder::make(const fs::path& given, Place place) {
  std::error_code error;
  fs::path to = fs::absolute(given, error).lexically_normal();
  if (!to.has_filename()) to = to.parent_path();  // "backups/monday/"
  if (fs::exists(fs::symlink_status(to, error)) &&
      !(place == Place::Empty && fs::is_directory(to, error) && fs::is_empty(to, error)))
    return fail(ErrorKind::Conflict, "exists",
                fmt::format("{} is there already{}: nothing is written over.", to.string(),
                            place == Place::Empty ? " and not empty" : ""));
  fs::create_directories(to.parent_path(), error);
  fs::path draft = to.string() + fmt::format(".draft-{}", ::getpid());
  if (::mkdir(draft.c_str(), 0700) != 0) return cannot("make", draft, errno);
  return DraftFolder{std::move(to), std::move(draft)};
}

DraftFolder::DraftFolder(DraftFolder&& other) noexcept
    : to_{std::move(other.to_)}, draft_{std::exchange(other.draft_, fs::path{})} {}

DraftFolder::~DraftFolder() {
  std::error_code error;
  if (!draft_.empty()) fs::remove_all(draft_, error);
}

Status DraftFolder::keep() {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator{draft_, error})
    if (const Status done = sync(entry.path()); !done) return done;
  if (const Status done = sync(draft_); !done) return done;
  // An empty folder is replaced, anything else that has appeared meanwhile is not.
  if (::rename(draft_.c_str(), to_.c_str()) != 0) return cannot("make", to_, errno);
  draft_.clear();
  return sync(to_.parent_path());
}
}  // namespace onward
