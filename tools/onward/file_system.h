#pragma once
// Where a data folder lies.
#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/core/base/result.h"

namespace onward {
/// What kind of network file system `path` is on ("NFS"); empty: none that is known.
std::string network_kind(const std::filesystem::path& path);
/// The same of a number of statfs(2).
std::string network_kind(unsigned long type);
/// Unavailable, "disk_full", where the file system of `folder` has no room for a copy of `bytes`
/// and some more. Where that cannot be told, the write will tell.
Status check_room(const std::filesystem::path& folder, std::uint64_t bytes);
}  // namespace onward
