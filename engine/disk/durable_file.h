#pragma once
// Small files that must be whole after a power failure at any moment: keys, tokens, marks.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace onward {
/// Why a file is not durable.
struct FileFault {
  int error = 0;          ///< As errno has it.
  const char* step = "";  ///< "open", "write", "sync", "rename", "link" or "sync the folder".
  bool exists = false;    ///< Existing::Keep found a file of that name.
};

/// What `put_file` does where there is a file of that name.
enum class Existing : std::uint8_t { Replace, Keep };

/// Writes `file` whole or not at all, with the rights `mode` less the umask. After success the file
/// survives a power failure. Until then a power failure leaves what was there before, or the new
/// file, and perhaps the draft `FILE.onward-draft`, which the next call replaces: one process
/// writes a file at a time. After a fault there is no draft, and either the file from before, or,
/// of Existing::Replace if the last step failed ("sync the folder"), perhaps the new one.
/// Existing::Keep: a fault where there is a file.
std::optional<FileFault> put_file(const std::filesystem::path& file, std::string_view text,
                                  unsigned mode, Existing existing);

/// Makes a file that was found durable, with its name. The process that wrote it may have ended
/// before it did: what must not survive the file waits for this.
std::optional<FileFault> sync_file(const std::filesystem::path& file);

/// Makes names in the folder of `file` durable: those that were created, renamed and removed.
/// Success where the file system cannot sync a folder, since it then has no such step.
std::optional<FileFault> sync_folder_of(const std::filesystem::path& file);
}  // namespace onward
