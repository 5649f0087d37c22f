#pragma once
// What a data folder stands on.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace onward {
/// The type of the file system that holds `folder`, as statfs tells it; 0 where it does not.
std::uint64_t file_system_type(const std::filesystem::path& folder);
/// The name of a network file system, on which locks and shared memory are not to be relied on;
/// nothing for any other.
std::optional<std::string_view> network_file_system(std::uint64_t type);
}  // namespace onward
