#pragma once
// Where a data folder lies.
#include <filesystem>
#include <string>

namespace onward {
/// What kind of network file system `path` is on ("NFS"); empty: none that is known.
std::string network_kind(const std::filesystem::path& path);
/// The same of a number of statfs(2).
std::string network_kind(unsigned long type);
}  // namespace onward
