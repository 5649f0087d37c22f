#pragma once
// A folder that is there whole or not at all.
#include <cstdint>
#include <filesystem>

#include "engine/core/base/result.h"

namespace onward {
class DraftFolder {
 public:
  enum class Place : std::uint8_t {
    New,    ///< Nothing may stand there.
    Empty,  ///< A folder without anything in it may.
  };
  /// A folder (0700) beside `to`, which takes its place with `keep` and is gone without it.
  static Result<DraftFolder> make(const std::filesystem::path& to, Place place);
  DraftFolder(DraftFolder&& other) noexcept;
  DraftFolder& operator=(DraftFolder&&) = delete;
  ~DraftFolder();

  const std::filesystem::path& path() const { return draft_; }
  /// Syncs files and names, and moves it to its place.
  Status keep();

 private:
  DraftFolder(std::filesystem::path to, std::filesystem::path draft)
      : to_{std::move(to)}, draft_{std::move(draft)} {}
  std::filesystem::path to_, draft_;
};
}  // namespace onward
