#include "engine/store/sqlite/ownership.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace onward {
DatabaseFile::DatabaseFile(std::filesystem::path path, bool locks, Duration look_every)
    : path_{std::move(path)},
      descriptor_{::open(path_.c_str(), O_RDWR | O_CLOEXEC)},
      look_every_{look_every} {
  if (!locks || descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 ||
      errno != EWOULDBLOCK)
    return;
  ::close(descriptor_);
  throw Fault{
      {ErrorKind::Conflict, "in_use",
       "another process is using " + path_.string() + ": a data folder has one owner at a time"}};
}

DatabaseFile::~DatabaseFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void DatabaseFile::check() {
  const auto now = SteadyClock::now();
  if (now < looked_at_ + look_every_) return;
  looked_at_ = now;
  struct stat named {
  }, open{};
  if (::fstat(descriptor_, &open) != 0) return;
  if (::stat(path_.c_str(), &named) == 0) {
    if (named.st_ino == open.st_ino && named.st_dev == open.st_dev) return;
  } else if (errno != ENOENT && errno != ENOTDIR) {
    return;
  }
  throw Fault{{ErrorKind::Io, "store_io",
               path_.string() +
                   " was removed, moved or replaced while this process writes to it: what comes "
                   "from now on would be lost; put it back and start again"}};
}

Owner::Owner(SQLite::Database& database, std::filesystem::path folder)
    : database_{database},
      folder_{std::move(folder)},
      owner_{database, "SELECT value FROM meta WHERE name = 'owner'"} {}

void Owner::take_over() {
  Query{database_, "REPLACE INTO meta (name, value) VALUES ('owner', ?)"}.run(token_);
}

void Owner::check() {
  if (!owns_) return take_over();
  auto rows = owner_();
  if (rows.next() && rows.bytes(0) == token_) return;
  throw Fault{taken_over_error("another process has taken over " + folder_.string())};
}

Error taken_over_error(const std::string& what) {
  return {ErrorKind::Io, "taken_over",
          what + ": a data folder has one owner at a time; end one of the two"};
}
}  // namespace onward
