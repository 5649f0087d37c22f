#pragma once
// What a backup holds, in words: manifest.json beside the copy.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
struct BackupFile {
  std::string name;  ///< "onward.db"
  std::uint64_t bytes = 0;
  std::string sha256;  ///< Lower-case hex.
};
struct Manifest {
  std::string version;  ///< Of the program that drew it.
  int schema = 0;
  Sequence sequence = 0;  ///< Everything up to it is in the copy.
  std::string epoch;
  Instant at{};
  std::vector<BackupFile> files;
};
std::string manifest_text(const Manifest& manifest);
/// An error names the file and what is wrong with it.
Result<Manifest> read_manifest(const std::filesystem::path& file);

/// Size and sum of a file of `folder`.
Result<BackupFile> sum_of(const std::filesystem::path& folder, const std::string& name);
}  // namespace onward
