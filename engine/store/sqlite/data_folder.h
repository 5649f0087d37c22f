#pragma once
// The folder of a store, before its database is opened.
#include <filesystem>
#include <optional>

#include "engine/core/base/result.h"
#include "engine/store/sqlite/sqlite_options.h"

namespace onward {
/// The folder, for its owner only, and an empty database file with the same rights where there is
/// none. A missing one beside a WAL or a lock file is no new folder: someone lost it.
Status prepare_folder(const std::filesystem::path& folder, bool durable);
/// A line of the log where the folder is on a network file system.
void warn_of_network(const SqliteOptions& options);
/// SQLite calls all that it may not write read-only; where rights are the reason, they are named.
std::optional<Error> missing_rights(const std::filesystem::path& file);
}  // namespace onward
