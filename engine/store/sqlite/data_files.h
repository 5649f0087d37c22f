#pragma once
// Whether the files of a data folder are all there, as the lock file says they were left: asked by
// whoever opens it, to work on it or only to look.
#include <filesystem>
#include <string>

#include "engine/core/base/result.h"
#include "engine/store/sqlite/lock_file.h"

namespace onward {
/// Io ("damaged") where the database or a file that SQLite has beside it (write-ahead log, shared
/// memory, rollback journal) is not a regular file. SQLite would wait for a FIFO, or report an
/// error without a reason. Only the database itself may be a symbolic link.
Status check_regular_files(const std::filesystem::path& folder);
/// Where there is no database file: Io ("damaged") when there was one, by what lies beside it.
Status check_database_lost(const std::filesystem::path& folder);
/// SQLite takes an empty file, and one without its write-ahead log, for what they seem to be: a
/// database without anything, or without its latest commits. Io ("damaged") where one was `left`
/// otherwise.
Status check_data_files(const std::filesystem::path& folder, Left left);
/// Of a folder that `owner` works on: Io ("log_taken") where the log it writes lies there no more.
/// SQLite would make an empty one, and the next start would take that for whole.
Status check_log_taken(const std::filesystem::path& folder, const std::string& owner);
}  // namespace onward
