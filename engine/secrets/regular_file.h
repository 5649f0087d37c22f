#pragma once
// Files that people name: keys, tokens, certificates. Opening one never waits, as opening a FIFO
// would.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace onward {
using OpenFile = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// Opens a regular file for reading, also through a symbolic link. Null where there is none or it
/// is something else: errno says why (ENXIO: a FIFO, a device or a socket; EISDIR).
OpenFile open_regular(const std::filesystem::path& file);
/// The same as a descriptor, which the caller closes; -1.
int open_regular_descriptor(const std::filesystem::path& file);
/// What is left of a file, of a larger one `most` bytes and one more. Nothing: `file` is null, or
/// it cannot be read; errno says why.
std::optional<std::string> read_at_most(std::FILE* file, std::size_t most);
/// Like strerror, but plain for what is not a regular file.
const char* why_not_regular(int error);
}  // namespace onward
