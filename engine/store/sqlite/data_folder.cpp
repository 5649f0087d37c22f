#include "engine/store/sqlite/data_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "engine/disk/durable_file.h"
#include "engine/store/sqlite/data_files.h"

namespace onward {
namespace {
/// A new name is durable when its folder is synced: the name of the database, before a lock file
/// says that there is one, and those of all folders above, which a start that was cut off may have
/// made. The process may not be able to open folders that others made.
Status sync_names(const std::filesystem::path& file) {
  for (std::filesystem::path at = file; at.has_relative_path(); at = at.parent_path()) {
    const auto fault = sync_folder_of(at);
    if (!fault || fault->error == EACCES || fault->error == EPERM || fault->error == EROFS)
      continue;
    return fail(ErrorKind::Io, "no_access",
                "cannot sync the folder of " + at.string() + ": " + std::strerror(fault->error));
  }
  return {};
}
}  // namespace

Status prepare_folder(const std::filesystem::path& folder, bool durable) {
  std::error_code error;
  if (std::filesystem::create_directories(folder, error))
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error)
    return fail(error == std::errc::permission_denied ? ErrorKind::Forbidden : ErrorKind::Io,
                "no_access",
                "cannot make the data folder " + folder.string() + ": " + error.message());
  if (Status regular = check_regular_files(folder); !regular) return regular;
  const std::filesystem::path file = folder / "onward.db";
  const bool made = !std::filesystem::exists(file, error);
  if (made)
    if (Status lost = check_database_lost(folder); !lost) return lost;
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return fail(errno == EACCES ? ErrorKind::Forbidden : ErrorKind::Io, "no_access",
                "cannot open " + file.string() + ": " + std::strerror(errno));
  close(descriptor);
  return made && durable ? sync_names(file) : Status{};
}

void warn_of_network(const SqliteOptions& options) {
  if (!options.log) return;
  const auto network = network_file_system(options.file_system(options.folder));
  if (!network) return;
  options.log({"store.network_file_system",
               {{"type", *network},
                {"data", options.folder.string()},
                {"hint",
                 "its locks and its fsync may not hold what they promise, and then events are lost "
                 "or the database is damaged: use a disk of this machine"}},
               LogLevel::Warning});
}

std::optional<Error> missing_rights(const std::filesystem::path& file) {
  for (const auto& [path, mode] :
       {std::pair{file.parent_path(), W_OK | X_OK}, std::pair{file, W_OK},
        std::pair{std::filesystem::path{file.string() + "-wal"}, W_OK}})
    if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) != 0 && errno == EACCES)
      return Error{ErrorKind::Io, "store_io",
                   "this user may not write " + path.string() +
                       ": start the server as the owner of the data folder, or give the folder "
                       "and all files in it to its user (chown -R)"};
  return std::nullopt;
}
}  // namespace onward
